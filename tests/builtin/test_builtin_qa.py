"""The built-in questions: split by passage, answered where they say, followed by josa, and asked in many ways.

What every built-in corpus must be (no doubles, no near-doubles, lengths, words) is tested in `test_builtin_corpora`.
"""

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QACorpus
from ratsnlp.nlpbook.qa.josa import KNOWN, fits

FOLDER = Path(builtin_corpus("korquad-v1"))
SPLITS = ("train", "dev")
COUNTS = {"train": (184, 1104), "dev": (38, 209)}
"""Passages and questions of each file."""

JOSA_SHARE = (0.6, 0.9)
"""Least and most share of answers with a josa written onto them; 0.59 in KorQuAD's development file."""

QUESTION_WORDS = {
    "who": ("누구|누가", 20),
    "when": ("언제|며칠|해는|몇 년", 15),
    "where": ("어디|어느", 20),
    "what": ("무엇|무슨|뭐", 60),
    "how many or much": ("몇|얼마", 25),
    "which": ("어떤", 10),
    "why": ("왜|까닭|때문", 5),
}
"""A pattern for each kind of question, and in how many questions it must stand at least."""

LONG = 900
"""Characters of a passage that needs many windows of 128 tokens."""


@cache
def articles(split):
    return json.loads((FOLDER / f"KorQuAD_v1.0_{split}.json").read_text(encoding="utf-8"))["data"]


def examples(*splits):
    names = {"train": "train", "dev": "val"}
    return [e for split in splits for e in KorQuADV1Corpus().get_examples(str(FOLDER), names[split])]


def answered(*splits):
    return [e for e in examples(*splits) if e.answer_text]


def passages(*splits):
    return [paragraph for split in splits for article in articles(split) for paragraph in article["paragraphs"]]


def written_on(example):
    """Return the syllables written onto an answer: its josa or ending, or nothing."""
    return re.match("[가-힣]*", example.context_text[example.end_position_character :])[0]


# --- size and split ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_the_file_holds_as_many_passages_and_questions_as_its_card_says(split):
    passage_count, question_count = COUNTS[split]
    assert len(passages(split)) == passage_count
    assert len(examples(split)) == question_count
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"{passage_count} passages with {question_count:,} questions" in card


def test_each_article_is_one_passage_with_a_title_of_its_own_in_one_file():
    titles = [article["title"] for split in SPLITS for article in articles(split)]
    assert len(set(titles)) == len(titles) == len({paragraph["context"] for paragraph in passages(*SPLITS)}) == 222
    assert all(len(article["paragraphs"]) == 1 for split in SPLITS for article in articles(split))


@pytest.mark.parametrize("split", SPLITS)
def test_each_passage_has_three_to_seven_questions_named_in_order(split):
    for number, article in enumerate(articles(split)):
        ids = [question["id"] for question in article["paragraphs"][0]["qas"]]
        assert ids == [f"{split}-{number}-0-{place}" for place in range(len(ids))]
        assert 3 <= len(ids) <= 7, article["title"]


def test_passages_are_of_varied_length():
    lengths = sorted(len(paragraph["context"]) for paragraph in passages(*SPLITS))
    assert sum(length >= LONG for length in lengths) == 1
    assert sum(length >= 500 for length in lengths) >= 10
    assert sum(length < 250 for length in lengths) >= 10
    assert sum(250 <= length <= 500 for length in lengths) >= 40
    assert max(len(paragraph["context"]) for paragraph in passages("dev")) >= LONG, (
        "no windows to join in the test file"
    )


# --- answers ----------------------------------------------------------------------------------------------------------


def test_every_answer_stands_where_the_file_says_and_cuts_no_word_at_its_beginning():
    for paragraph in passages(*SPLITS):
        context = paragraph["context"]
        for question in paragraph["qas"]:
            for answer in question["answers"]:
                start, text = answer["answer_start"], answer["text"]
                assert context.startswith(text, start), question["id"]
                assert text == text.strip(), question["id"]
                assert not re.fullmatch("[0-9가-힣]", context[start - 1 : start]), question["id"]


def test_other_answers_lie_on_the_same_place():
    for paragraph in passages(*SPLITS):
        for question in paragraph["qas"]:
            places = [(a["answer_start"], a["answer_start"] + len(a["text"])) for a in question["answers"]]
            assert all(start < places[0][1] and places[0][0] < end for start, end in places[1:]), question["id"]


@pytest.mark.parametrize("split", SPLITS)
def test_answers_stand_at_both_ends_of_their_passages(split):
    found = answered(split)
    assert sum(e.start_position_character == 0 for e in found) >= 3
    assert sum(e.end_position_character == len(e.context_text) for e in found) >= 2


@pytest.mark.parametrize("split", SPLITS)
def test_most_answers_are_followed_by_a_josa(split):
    found = answered(split)
    josa = [e for e in found if written_on(e) in KNOWN and fits(written_on(e), e.answer_text[-1])]
    assert JOSA_SHARE[0] <= len(josa) / len(found) <= JOSA_SHARE[1]
    assert len({written_on(e) for e in josa}) >= 10, "few different josa"


def test_some_answers_also_stand_in_an_earlier_place():
    assert sum(e.context_text.find(e.answer_text) < e.start_position_character for e in answered(*SPLITS)) >= 10


def test_answers_are_names_numbers_phrases_and_clauses():
    texts = [e.answer_text for e in answered(*SPLITS)]
    assert sum(bool(re.search(r"\d", text)) for text in texts) >= 30
    assert sum(" " in text for text in texts) >= 60
    assert sum(len(text) >= 12 for text in texts) >= 5
    assert sum(len(text) == 1 for text in texts) >= 3


def test_the_questions_are_read_alike_by_both_corpora():
    path = FOLDER / "KorQuAD_v1.0_dev.json"
    assert QACorpus({"test": path}).get_examples(str(FOLDER), "test") == examples("dev")


# --- questions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", QUESTION_WORDS)
def test_questions_of_every_kind_are_asked(kind):
    pattern, least = QUESTION_WORDS[kind]
    assert sum(bool(re.search(pattern, e.question_text)) for e in examples(*SPLITS)) >= least


def test_questions_follow_no_template():
    texts = [e.question_text for e in examples(*SPLITS)]
    beginnings, endings = Counter(text[:3] for text in texts), Counter(text.split()[-1] for text in texts)
    assert max(beginnings.values()) <= 0.03 * len(texts), beginnings.most_common(3)
    assert max(endings.values()) <= 0.2 * len(texts), endings.most_common(3)
    assert len(endings) >= 100
    assert all(text.endswith("?") for text in texts)


def test_no_question_names_its_answer():
    named = [e.id for e in examples(*SPLITS) if len(e.answer_text) > 1 and e.answer_text in e.question_text]
    assert named == []


def test_questions_use_other_words_than_their_passage():
    """KorQuAD's development questions share 35 % of their runs of five characters with their passage."""
    shares = []
    for e in examples(*SPLITS):
        runs = [e.question_text[place : place + 5] for place in range(len(e.question_text) - 4)]
        shares.append(sum(run in e.context_text for run in runs) / len(runs))
    assert sum(shares) / len(shares) <= 0.2
    assert max(shares) <= 0.85
