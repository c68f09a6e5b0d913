"""Question files: what is read, what is mended, what is refused and in which words."""

import json
import logging
import os
import unicodedata
from pathlib import Path

import pytest

from qa_samples import PASSAGE, builtin_examples, placed, squad, write_json
from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.data.download import CATALOG
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError
from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QACorpus, QAExample
from ratsnlp.nlpbook.qa.corpus import read_question_table, read_squad
from ratsnlp.nlpbook.texts import compose


def read(path, content=None):
    if content is not None:
        write_json(path, content)
    return list(QACorpus().read(path))


def test_an_answer_at_character_zero_is_kept(tmp_path):
    (example,) = read(tmp_path / "dev.json", squad([(PASSAGE, [("누가?", [("세종", 0)])])]))
    assert (example.answer_text, example.start_position_character, example.end_position_character) == ("세종", 0, 2)


def test_every_answer_is_kept_for_scoring_and_the_first_for_learning(tmp_path):
    answers = [placed(PASSAGE, "스물여덟"), placed(PASSAGE, "스물여덟 자"), placed(PASSAGE, "스물여덟")]
    (example,) = read(tmp_path / "dev.json", squad([(PASSAGE, [("몇 자?", answers)])]))
    assert example.answer_text == "스물여덟"
    assert example.answers == ("스물여덟", "스물여덟 자")


def test_an_example_made_by_hand_counts_its_own_answer_as_right():
    assert QAExample("누가?", PASSAGE, "세종", 0).answers == ("세종",)


def test_an_answer_out_of_place_moves_to_its_only_place(tmp_path, caplog):
    caplog.set_level(logging.INFO, "ratsnlp")
    corpus = QACorpus()
    path = write_json(tmp_path / "dev.json", squad([(PASSAGE, [("이름은?", [("훈민정음", 3)])])]))
    (example,) = corpus.read(path)
    assert PASSAGE[example.start_position_character :] == "훈민정음"
    assert caplog.messages == ["dev.json: 1 answers were not at their place and were moved: 0-0"]
    assert list(corpus.read(path)) == [example]
    assert len(caplog.messages) == 1, "said again"


@pytest.mark.parametrize("answer", ["글", "세종대왕", "", " "], ids=["twice", "absent", "empty", "blank"])
def test_a_question_whose_answer_has_no_certain_place_is_skipped_by_name(tmp_path, caplog, answer):
    kept = ("누가?", [("세종", 0)])
    content = squad([(PASSAGE, [("무엇?", [(answer, 1)]), kept])])
    assert [example.id for example in read(tmp_path / "dev.json", content)] == ["0-1"]
    assert "dev.json: 1 questions skipped" in caplog.text
    assert caplog.text.rstrip().endswith(": 0-0")


def test_a_question_marked_impossible_has_the_empty_answer(tmp_path, caplog):
    content = squad([(PASSAGE, [("누가?", [("세종", 0)]), ("언제?", None)])])
    likely = [{"text": "세종", "answer_start": 0}]
    content["data"][0]["paragraphs"][0]["qas"][0]["is_impossible"] = False
    content["data"][0]["paragraphs"][0]["qas"][1]["plausible_answers"] = likely  # as SQuAD 2.0 has them
    known, unknown = read(tmp_path / "dev.json", content)
    assert (known.answer_text, known.answers) == ("세종", ("세종",))
    assert (unknown.question_text, unknown.context_text, unknown.id, unknown.article) == ("언제?", PASSAGE, "0-1", "글")
    assert (unknown.answer_text, unknown.answers, unknown.label) == ("", ("",), "")
    assert (unknown.start_position_character, unknown.end_position_character) == (0, 0)
    assert caplog.messages == []


def test_klue_mrc_is_read_with_its_own_names(tmp_path):
    asked = {"question_type": 3, "guid": "klue-mrc-v1_dev_1", "is_impossible": True, "question": "언제?", "answers": []}
    asked["plausible_answers"] = [{"text": "스물여덟", "answer_start": PASSAGE.index("스물여덟")}]
    paragraphs = [{"context": PASSAGE, "qas": [asked]}]
    article = {"title": "글", "news_category": None, "source": "wikipedia", "paragraphs": paragraphs}
    (example,) = read(tmp_path / "dev.json", {"version": "1.1", "data": [article]})
    assert (example.id, example.answer_text) == ("klue-mrc-v1_dev_1", "")


@pytest.mark.parametrize("marked", [None, False, "true", 0])
def test_a_question_without_answers_that_is_not_marked_is_skipped(tmp_path, caplog, marked):
    content = squad([(PASSAGE, [("언제?", [])])])
    content["data"][0]["paragraphs"][0]["qas"][0]["is_impossible"] = marked
    assert read(tmp_path / "dev.json", content) == []
    assert "dev.json: 1 questions skipped" in caplog.text


def test_a_table_row_without_an_answer_is_skipped_by_line(tmp_path, caplog):
    path = tmp_path / "own.csv"
    path.write_text("question,context,answer\n언제?,세종이,\n누가?,세종이,세종\n", encoding="utf-8")
    assert [example.question_text for example in QACorpus().read(path)] == ["누가?"]
    assert "own.csv: 1 questions skipped" in caplog.text
    assert caplog.text.rstrip().endswith(": line 2")


def test_a_negative_place_is_no_place(tmp_path):
    (example,) = read(tmp_path / "dev.json", squad([(PASSAGE, [("이름은?", [("훈민정음", -4)])])]))
    assert example.start_position_character == PASSAGE.index("훈민정음")


@pytest.mark.parametrize("counted", ["NFD", "NFC"])
def test_places_in_decomposed_files_stay_right(tmp_path, counted):
    context = unicodedata.normalize("NFD", PASSAGE)
    answer = unicodedata.normalize("NFD", "자")
    start = len(unicodedata.normalize(counted, PASSAGE[: PASSAGE.index("자였고")]))
    (example,) = read(tmp_path / "dev.json", squad([(context, [("몇?", [(answer, start)])])]))
    assert example.context_text == PASSAGE
    assert example.start_position_character == PASSAGE.index("자였고")


def test_composed_text_remembers_where_it_stood():
    text = unicodedata.normalize("NFD", "각 é나") + "🙂"
    composed, places = compose(text)
    assert composed == "각 é나🙂"
    assert [text[places[i] : places[i + 1]] for i in range(5)] == [
        *(unicodedata.normalize("NFD", sign) for sign in "각 é나"),
        "🙂",
    ]


def test_text_that_joins_in_other_ways_is_left_as_it_is():
    bengali = "\u09c7\u09be"  # two vowel signs that become one
    text = "\u0041\u030a" + bengali
    composed, places = compose(text)
    assert len(places) == len(composed) + 1


def test_val_and_test_name_the_development_file_and_other_splits_are_refused():
    corpus, folder = KorQuADV1Corpus(), builtin_corpus("korquad-v1")
    assert corpus.get_examples(folder, "val") == corpus.get_examples(folder, "test")
    with pytest.raises(ArgumentError, match="has no split 'valid'; it has test, train, val"):
        corpus.get_examples(folder, "valid")


def test_a_table_takes_the_first_place_of_an_answer(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text('질문,지문,답\n이름은?,"첫 줄\n""이름""은 보리, 보리차",보리\n\n', encoding="utf-8-sig")
    (example,) = QACorpus({"train": path}).get_examples(tmp_path, "train")
    assert example.context_text == '첫 줄\n"이름"은 보리, 보리차'
    assert example.start_position_character == example.context_text.index("보리")


def test_a_table_may_be_tab_separated_with_columns_in_any_order(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_text("no\tanswer\tContext\tquestion\n1\t세종 \t세종이 만들었다\t누가?\n", encoding="utf-8")
    (example,) = KorQuADV1Corpus({"train": path}).get_examples(tmp_path, "train")
    assert (example.question_text, example.answer_text) == ("누가?", "세종")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"own\.csv, line 1: no column question or 질문 in the header \(empty\)"),
        (
            "question,context\n",
            r"line 1: no column answer or 답 in the header question, context\. The first line must name",
        ),
        ("question,context,answer\n누가?,세종이\n", r"line 2: expected 3 columns \(question, context, answer\), got 2"),
        ('question,context,answer\n누가?,"세종이', r"line 2: a quote opens in this row and never closes"),
    ],
)
def test_a_table_that_breaks_its_format_is_refused_by_line(tmp_path, text, message):
    path = tmp_path / "own.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusFormatError, match=message):
        list(read_question_table(path))


def spoil(*steps):
    """Return SQuAD-shaped content with one part replaced: the steps lead to it, the last one is what stands there."""
    content = squad([(PASSAGE, [("누가?", [("세종", 0)])])])
    *path, last, value = steps
    holder = content
    for step in path:
        holder = holder[step]
    holder[last] = value
    return content


QUESTION = ("data", 0, "paragraphs", 0, "qas", 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"the file: expected data to be a list, got \[\]"),
        ({"data": {}}, "the file: expected data to be a list"),
        (spoil("data", 0, "paragraphs", None), r"data\[0\]: expected paragraphs to be a list"),
        (spoil("data", 0, "글"), r"data\[0\]: expected paragraphs to be a list, got '글'"),
        (spoil("data", 0, "paragraphs", 0, "context", 3), r"data\[0\]\.paragraphs\[0\]: expected context to be a text"),
        (spoil(*QUESTION, "question", None), r"paragraphs\[0\]\.qas\[0\]: expected question to be a text"),
        (spoil(*QUESTION, "answers", "세종"), r"qas\[0\]: expected answers to be a list"),
        (spoil(*QUESTION, "answers", 0, {"text": "세종"}), r"answers\[0\]: expected answer_start to be a whole number"),
        (spoil(*QUESTION, "answers", 0, "answer_start", True), "expected answer_start to be a whole number"),
    ],
)
def test_a_json_file_that_breaks_its_format_is_refused_by_place(tmp_path, content, message):
    path = write_json(tmp_path / "dev.json", content)
    with pytest.raises(CorpusFormatError, match=rf"dev\.json, .*{message}"):
        list(read_squad(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"data": [\n\n', r"line 3: not JSON: "),
        (b'{"data":\n "\xb1\xd7"}', r"line 2: not UTF-8 text\. Save the file as UTF-8"),
    ],
)
def test_a_file_that_is_no_json_is_refused_by_line(tmp_path, content, message):
    path = tmp_path / "dev.json"
    path.write_bytes(content)
    with pytest.raises(CorpusFormatError, match=message):
        list(read_squad(path))


def test_a_question_without_an_id_is_named_by_its_place(tmp_path):
    content = squad([(PASSAGE, [("누가?", [("세종", 0)])])])
    del content["data"][0]["paragraphs"][0]["qas"][0]["id"]
    assert read(tmp_path / "dev.json", content)[0].id == "data[0].paragraphs[0].qas[0]"


def test_the_builtin_questions_hold_the_hard_cases():
    asked = builtin_examples()
    examples = [e for e in asked if e.answer_text]
    assert len(examples) < len(asked) < 1.2 * len(examples), "a few have no answer"
    assert all(e.context_text.startswith(e.answer_text, e.start_position_character) for e in examples)
    assert any(e.start_position_character == 0 for e in examples)
    assert any(e.end_position_character == len(e.context_text) for e in examples), "no answer in the last word"
    assert any(len(e.answers) > 1 for e in examples)
    following = [e.context_text[e.end_position_character :][:1] for e in examples]
    assert sum("가" <= sign <= "힣" for sign in following) > len(examples) / 2, "few josa"
    signs = {sign for e in examples for sign in e.context_text}
    assert {"\u3000", "\n"} <= signs
    assert any(ord(sign) >= 0x1F300 for sign in signs), "no emoji"


def test_the_builtin_files_have_no_answer_to_mend(caplog):
    caplog.set_level(logging.INFO, "ratsnlp")
    builtin_examples()
    assert caplog.messages == []


def test_the_catalog_has_both_published_files():
    assert [file.name for file in CATALOG["korquad-v1"].files] == ["KorQuAD_v1.0_train.json", "KorQuAD_v1.0_dev.json"]


@pytest.mark.real_data
@pytest.mark.skipif("RATSNLP_REAL_DATA" not in os.environ, reason="RATSNLP_REAL_DATA names no folder of real corpora")
def test_the_published_file_is_read_whole():
    folder = Path(os.environ["RATSNLP_REAL_DATA"]) / "korquad-v1"
    examples = KorQuADV1Corpus().get_examples(folder, "val")
    assert len(examples) == 5774
    assert sum(example.start_position_character == 0 for example in examples) == 241
    assert len({example.article for example in examples}) == 140
    held = json.loads((folder / "KorQuAD_v1.0_dev.json").read_text(encoding="utf-8"))
    assert examples[0].id == held["data"][0]["paragraphs"][0]["qas"][0]["id"]
