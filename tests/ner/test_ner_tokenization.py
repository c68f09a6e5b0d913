"""Tokens and their labels: where pieces are split, whose label a token gets, and how long texts are cut."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ratsnlp.nlpbook.builtin import builtin_model
from ratsnlp.nlpbook.data.encoding import TokenizedText
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.ner.corpus import Entity, KlueNERCorpus
from ratsnlp.nlpbook.ner.metrics import entity_counts, entity_scores
from ratsnlp.nlpbook.ner.tokenization import (
    JosaSplitter,
    cut_windows,
    label_texts,
    label_tokens,
    merge_windows,
    reachable,
    tokenize_entities,
)

PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "한국", "한국의", "##국의", "##국", "한", "##의", "의", "서울부터", "서울"),
    *("##부터", "##터", "서울부", "남북", "##북", "남", "##은", "##1", "!", "만", "김", "A", "##a", "이다"),
]
LABELS = {"O": 0, "B-LC": 1, "I-LC": 2, "B-PS": 3, "I-PS": 4}


@pytest.fixture(scope="module")
def word_pieces():
    backend = Tokenizer(models.WordPiece({p: i for i, p in enumerate(PIECES)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return wrap(backend, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]")


@pytest.fixture(scope="module")
def sentence_pieces():
    pieces = ["<unk>", "▁", "▁한국의", "▁한국", "국의", "국", "의", "▁의", "한", "▁서울에서", "▁서울", "에서", "북"]
    backend = Tokenizer(models.Unigram([(piece, -1.0 - (piece == "<unk>") * 9) for piece in pieces], unk_id=0))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    return wrap(backend, unk_token="<unk>")


@pytest.fixture(scope="module")
def byte_pieces():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({sign: i for i, sign in enumerate(alphabet)}, []))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return wrap(backend)


@pytest.fixture(scope="module")
def builtin():
    return AutoTokenizer.from_pretrained(builtin_model())


def wrap(backend, **special):
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def pieces(tokenizer, text, splitter):
    (tokens,) = tokenize_entities(tokenizer, [text], splitter)
    return [
        (tokenizer.convert_ids_to_tokens(int(number)), text[start:end])
        for number, (start, end) in zip(tokens.ids, tokens.characters, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("한국의", [("한국", "한국"), ("##의", "의")]),
        ("한국의!", [("한국", "한국"), ("##의", "의"), ("!", "!")]),
        ("한국의 한국의", [("한국", "한국"), ("##의", "의"), ("한국", "한국"), ("##의", "의")]),
        ("한국의1", [("한국", "한국"), ("##의", "의"), ("##1", "1")]),
        ("서울부터", [("서울", "서울"), ("##부터", "부터")]),
        ("한국의은", [("한국의", "한국의"), ("##은", "은")]),
        ("의", [("의", "의")]),
        ("만", [("만", "만")]),
        ("이다", [("이다", "이다")]),
        ("뷁은", [("[UNK]", "뷁은")]),
        ("", []),
    ],
)
def test_a_piece_is_split_before_the_longest_josa_where_a_word_ends(word_pieces, text, found):
    assert pieces(word_pieces, text, JosaSplitter(word_pieces)) == found


def test_pieces_stay_whole_without_a_splitter(word_pieces):
    assert pieces(word_pieces, "한국의", None) == [("한국의", "한국의")]


def test_only_pieces_with_both_halves_in_the_vocabulary_can_be_split(word_pieces):
    splitter = JosaSplitter(word_pieces)
    assert splitter.usable
    assert [PIECES[i] for i in sorted(splitter.halves)] == ["한국의", "##국의", "서울부터"]


def test_sentence_pieces_are_split_and_begin_after_the_space(sentence_pieces):
    splitter = JosaSplitter(sentence_pieces)
    assert len(splitter.halves) == 3
    found = pieces(sentence_pieces, "한국의 서울에서", splitter)
    assert found == [("▁한국", "한국"), ("의", "의"), ("▁서울", "서울"), ("에서", "에서")]
    assert pieces(sentence_pieces, "한국의 서울에서", None) == [("▁한국의", "한국의"), ("▁서울에서", "서울에서")]


def test_byte_level_vocabularies_are_never_split(byte_pieces):
    splitter = JosaSplitter(byte_pieces)
    assert not splitter.usable
    (split,), (whole,) = (tokenize_entities(byte_pieces, ["한국의 A"], s) for s in (splitter, None))
    assert (split.ids.tolist(), split.characters.tolist()) == (whole.ids.tolist(), whole.characters.tolist())


def test_special_tokens_in_a_text_are_never_split(word_pieces):
    word_pieces.add_special_tokens({"additional_special_tokens": ["한국의"]})
    assert "한국의" not in [PIECES[i] for i in JosaSplitter(word_pieces).halves]


def test_a_tokenizer_without_places_is_refused():
    with pytest.raises(ArgumentError, match="does not tell which characters"):
        JosaSplitter(type("Slow", (), {"is_fast": False})())


@given(st.lists(st.text("한국의 서울부터남북은!1뷁\u3000𠀀🙂", max_size=12), max_size=6))
@settings(max_examples=150, deadline=None)
def test_splitting_many_texts_at_once_equals_one_by_one_and_loses_no_character(builtin, texts):
    splitter = JosaSplitter(builtin)
    together = tokenize_entities(builtin, texts, splitter)
    whole = tokenize_entities(builtin, texts, None)
    for text, tokens, unsplit in zip(texts, together, whole, strict=True):
        (alone,) = tokenize_entities(builtin, [text], splitter)
        assert tokens.ids.tolist() == alone.ids.tolist()
        assert tokens.characters.tolist() == alone.characters.tolist()
        assert covered(tokens) == covered(unsplit)
        assert all(a[1] <= b[0] for a, b in pairwise(tokens.characters.tolist()))
        assert (tokens.ids == builtin.unk_token_id).sum() == (unsplit.ids == builtin.unk_token_id).sum()


def covered(tokens):
    return {place for start, end in tokens.characters.tolist() for place in range(start, end)}


def tokens_at(*characters):
    return TokenizedText(np.arange(len(characters), dtype=np.int32), np.array(characters, np.int32).reshape(-1, 2))


@pytest.mark.parametrize(
    ("characters", "entities", "labels"),
    [
        ([(0, 2), (2, 4)], [(0, 2, "LC"), (2, 4, "LC")], ["B-LC", "B-LC"]),
        ([(0, 2), (2, 4)], [(0, 4, "LC")], ["B-LC", "I-LC"]),
        ([(0, 2)], [(1, 2, "PS")], ["B-PS"]),
        ([(0, 2)], [(0, 1, "LC"), (1, 2, "PS")], ["B-LC"]),
        ([(0, 3)], [(0, 1, "LC"), (1, 3, "PS")], ["B-PS"]),
        ([(0, 2), (2, 4)], [(0, 1, "LC"), (1, 4, "PS")], ["B-LC", "B-PS"]),
        ([(0, 1), (2, 4)], [(0, 4, "LC")], ["B-LC", "I-LC"]),
        ([(0, 1), (1, 1), (1, 2)], [(0, 2, "LC")], ["B-LC", "I-LC", "I-LC"]),
        ([(0, 1), (0, 1), (0, 1)], [(0, 1, "LC")], ["B-LC", "I-LC", "I-LC"]),
        ([(0, 1), (4, 5)], [(2, 3, "LC")], ["O", "O"]),
        ([], [(0, 1, "LC")], []),
        ([(0, 1)], [], ["O"]),
    ],
)
def test_a_token_has_the_label_of_the_entity_that_holds_most_of_it(characters, entities, labels):
    found = label_tokens(tokens_at(*characters), [Entity(*e) for e in entities], LABELS)
    assert [list(LABELS)[i] for i in found] == labels
    assert found.dtype == np.int32


@st.composite
def labelled(draw):
    cuts = sorted(draw(st.sets(st.integers(0, 14))))
    tokens = [(a, b) for a, b in pairwise(cuts) if draw(st.booleans()) or b % 2]
    marks = sorted(draw(st.sets(st.integers(0, 14))))
    return tokens, [
        Entity(a, b, draw(st.sampled_from(["LC", "PS"]))) for a, b in pairwise(marks) if draw(st.booleans())
    ]


@given(st.lists(labelled(), max_size=5))
def test_labels_of_many_texts_at_once_are_those_of_the_rule(cases):
    found = label_texts([tokens_at(*tokens) for tokens, _ in cases], [entities for _, entities in cases], LABELS)
    for (tokens, entities), labels in zip(cases, found, strict=True):
        owners = []
        for start, end in tokens:
            shared = [min(end, e.end) - max(start, e.start) for e in entities]
            owners.append(shared.index(max(shared)) if shared and max(shared) > 0 else None)
        expected = [
            "O" if o is None else f"{'I' if i and owners[i - 1] == o else 'B'}-{entities[o].tag}"
            for i, o in enumerate(owners)
        ]
        assert [list(LABELS)[i] for i in labels] == expected


def test_a_tag_without_a_label_is_refused():
    with pytest.raises(ArgumentError, match="no label B-QT, I-QT among O, B-LC"):
        label_tokens(tokens_at((0, 1)), [Entity(0, 1, "QT")], LABELS)


def test_an_entity_that_starts_inside_a_token_is_lost(word_pieces):
    tokens = tokenize_entities(word_pieces, ["남북", "서울"], None)
    gold = [(Entity(1, 2, "LC"),), (Entity(0, 2, "LC"),)]
    reached = reachable(tokens, gold)
    assert reached == [[Entity(0, 2, "LC")], [Entity(0, 2, "LC")]]
    assert sum(len(set(found) - set(said)) for found, said in zip(gold, reached, strict=True)) == 1


@given(st.lists(st.integers(0, 40), max_size=4), st.integers(1, 12), st.integers(1, 12))
def test_windows_cover_every_token_and_merge_to_what_was_cut(lengths, room, stride):
    stride = min(stride, room)
    texts = [np.arange(length * 2, dtype=np.float32).reshape(length, 2) for length in lengths]
    windows = cut_windows(lengths, room, stride)
    assert all(end - start <= room and (end - start == room or end == lengths[i]) for i, start, end in windows)
    merged = merge_windows(windows, [texts[i][start:end] for i, start, end in windows])
    assert [m.tolist() for m in merged] == [t.tolist() for t in texts]


def test_a_token_is_taken_from_the_window_where_it_is_farthest_from_a_cut():
    windows = cut_windows([10], room=6, stride=2)
    assert windows == [(0, 0, 6), (0, 2, 8), (0, 4, 10)]
    (merged,) = merge_windows(windows, [np.full((6, 1), i) for i in range(3)])
    assert merged[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]


def test_windows_that_would_skip_tokens_are_refused():
    with pytest.raises(ArgumentError, match=r"stride must be in 1\.\.6, the tokens of a window, got 7"):
        cut_windows([10], 6, 7)


@pytest.mark.real_data
@pytest.mark.skipif("RATSNLP_REAL_DATA" not in os.environ, reason="RATSNLP_REAL_DATA is not set")
def test_splitting_before_josa_lifts_the_ceiling_on_klue(builtin):
    examples = KlueNERCorpus().get_examples(Path(os.environ["RATSNLP_REAL_DATA"]) / "klue-ner", "test")
    gold = [example.entities for example in examples]
    ceiling = {}
    for splitter in (None, JosaSplitter(builtin)):
        tokens = tokenize_entities(builtin, [example.text for example in examples], splitter)
        counts = entity_counts(gold, reachable(tokens, gold), KlueNERCorpus.tags)
        ceiling[splitter is not None] = entity_scores(counts.sum(0))["micro_f1"]
    assert ceiling[True] >= 99.0
    assert ceiling[False] <= 93.0
