"""Scores of entities, equal to seqeval's and to KLUE's; and the kinds of faults."""

from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratsnlp.nlpbook.ner.corpus import Entity
from ratsnlp.nlpbook.ner.metrics import (
    Difference,
    compare_spans,
    entity_counts,
    entity_scores,
    klue_character_f1,
    klue_entity_f1,
    tag_confusion,
)

TAGS = ["PS", "LC", "QT"]
LENGTH = 10
TEXT = "가나 다라마\u3000바사아"
assert len(TEXT) == LENGTH


@st.composite
def entities(draw):
    """Return entities of a text of `LENGTH` characters whose ends are no spaces."""
    marks = sorted(draw(st.sets(st.integers(0, LENGTH))))
    spans = [span for span in pairwise(marks) if draw(st.booleans())]
    spans = [(a, b) for a, b in spans if not TEXT[a].isspace() and not TEXT[b - 1].isspace()]
    return [Entity(a, b, draw(st.sampled_from(TAGS))) for a, b in spans]


cases = st.lists(st.tuples(entities(), entities()), min_size=1, max_size=5).map(
    lambda pairs: [list(side) for side in zip(*pairs, strict=True)]
)


def characters(found, keep_spaces=True):
    labels = ["O"] * LENGTH
    for e in found:
        labels[e.start : e.end] = [f"B-{e.tag}"] + [f"I-{e.tag}"] * (e.end - e.start - 1)
    return [label for label, c in zip(labels, TEXT, strict=True) if keep_spaces or not c.isspace()]


@pytest.mark.filterwarnings("ignore")  # seqeval's, about what is not defined
@settings(max_examples=150, deadline=None)
@given(cases)
def test_micro_and_macro_scores_equal_seqeval_strict(case):
    metrics, scheme = pytest.importorskip("seqeval.metrics"), pytest.importorskip("seqeval.scheme")
    gold, said = case
    scores = entity_scores(entity_counts(gold, said, TAGS).sum(0))
    labels = [[characters(found) for found in side] for side in case]
    present = any(chain(*case))
    for average in ("micro", "macro"):
        for name in ("precision", "recall", "f1"):
            theirs = (
                getattr(metrics, f"{name}_score")(*labels, average=average, mode="strict", scheme=scheme.IOB2)
                if present
                else 0
            )
            assert scores[f"{average}_{name}"] == pytest.approx(100 * theirs)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(cases)
def test_klues_entity_score_equals_seqeval_over_one_sequence_without_spaces(case):
    metrics, scheme = pytest.importorskip("seqeval.metrics"), pytest.importorskip("seqeval.scheme")
    rows = [list(chain.from_iterable(["O", *characters(f, False), "O"] for f in side)) for side in case]
    theirs = (
        metrics.f1_score(rows[:1], rows[1:], average="macro", mode="strict", scheme=scheme.IOB2)
        if any(chain(*case))
        else 0
    )
    assert klue_entity_f1([TEXT] * len(case[0]), *case) == pytest.approx(100 * theirs)


@settings(max_examples=100, deadline=None)
@given(cases)
def test_klues_character_score_is_macro_over_all_labels_with_o(case):
    rows = [list(chain.from_iterable(["O", *characters(f, False), "O"] for f in side)) for side in case]
    scores = []
    for label in ["O", *(f"{prefix}-{tag}" for tag in TAGS for prefix in "BI")]:
        gold, said = ([i for i, found in enumerate(row) if found == label] for row in rows)
        shared = len(set(gold) & set(said))
        scores.append(2 * shared / (len(gold) + len(said)) if gold or said else 1.0)
    assert klue_character_f1([TEXT] * len(case[0]), *case, TAGS) == pytest.approx(100 * np.mean(scores))


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=50, deadline=None)
@given(cases)
def test_klues_character_score_equals_scikit_learns(case):
    sklearn = pytest.importorskip("sklearn.metrics")
    rows = [list(chain.from_iterable(["O", *characters(f, False), "O"] for f in side)) for side in case]
    names = ["O", *(f"{prefix}-{tag}" for tag in TAGS for prefix in "BI")]
    theirs = sklearn.f1_score(*rows, labels=names, average="macro", zero_division=1)
    assert klue_character_f1([TEXT] * len(case[0]), *case, TAGS) == pytest.approx(100 * theirs)


def test_counts_stand_by_sentence_and_tag_and_resamples_are_scored_at_once():
    gold = [[Entity(0, 1, "PS"), Entity(2, 3, "LC")], []]
    counts = entity_counts(gold, [[(0, 1, "PS", 0.9)], [(4, 5, "PS", 0.2)]], TAGS)
    assert counts.tolist() == [[[1, 1, 1], [0, 1, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]]
    resampled = counts[np.array([[0, 1], [0, 0]])].sum(1)  # (2, K, 3)
    scores = entity_scores(resampled)
    assert scores["micro_f1"].tolist() == pytest.approx([50, 200 / 3])
    assert scores["f1"].shape == (2, 3)
    assert scores["macro_recall"].tolist() == [50, 50]


def test_nothing_to_find_and_nothing_found_scores_nothing():
    assert entity_scores(entity_counts([[]], [[]], TAGS).sum(0))["macro_f1"] == 0


@pytest.mark.parametrize("measure", [entity_counts, tag_confusion])
def test_a_tag_that_is_not_listed_is_refused(measure):
    with pytest.raises(ValueError, match="tag 'XX' is not one of PS, LC, QT"):
        measure([[]], [[Entity(0, 1, "XX")]], TAGS)
    with pytest.raises(ValueError, match="tag 'XX' is not one of"):
        klue_character_f1([TEXT], [[]], [[Entity(0, 1, "XX")]], TAGS)


@pytest.mark.parametrize(
    ("gold", "said", "kinds"),
    [
        ([(0, 2, "PS")], [(0, 2, "PS")], []),
        ([(0, 2, "PS")], [], ["missed"]),
        ([], [(0, 2, "PS")], ["invented"]),
        ([(0, 2, "PS")], [(0, 2, "LC")], ["wrong tag"]),
        ([(0, 2, "PS")], [(0, 3, "PS")], ["wrong length"]),
        ([(0, 2, "PS")], [(1, 3, "LC")], ["wrong both"]),
        ([(0, 2, "PS")], [(2, 3, "PS")], ["missed", "invented"]),
        ([(0, 4, "PS")], [(0, 1, "PS"), (1, 4, "PS")], ["invented", "wrong length"]),
        ([(0, 2, "PS"), (2, 4, "PS")], [(0, 4, "PS")], ["wrong length", "missed"]),
        ([(0, 2, "PS"), (2, 4, "LC")], [(0, 2, "PS"), (1, 4, "PS")], ["wrong both"]),
    ],
)
def test_faults_are_told_apart(gold, said, kinds):
    found = compare_spans([Entity(*e) for e in gold], said)
    assert sorted(d.kind for d in found) == sorted(kinds)


def test_a_fault_names_both_entities():
    assert compare_spans([Entity(0, 2, "PS")], [(0, 2, "LC", 0.5)]) == [
        Difference("wrong tag", Entity(0, 2, "PS"), Entity(0, 2, "LC"))
    ]


@given(entities(), entities())
def test_every_entity_is_right_or_in_one_fault_and_once_in_the_confusion(gold, said):
    faults = compare_spans(gold, said)
    right = set(gold) & set(said)
    assert {d.gold for d in faults if d.gold} == set(gold) - right
    assert {d.predicted for d in faults if d.predicted} == set(said) - right
    confusion = tag_confusion([gold], [said], TAGS)
    assert confusion[:-1].sum() == len(gold)
    assert confusion[:, :-1].sum() == len(said)
    assert confusion[-1, -1] == 0


def test_the_confusion_of_tags_has_a_row_and_a_column_for_none():
    gold = [[Entity(0, 2, "PS"), Entity(3, 4, "LC"), Entity(5, 6, "QT")]]
    said = [[Entity(0, 1, "PS"), Entity(3, 4, "PS"), Entity(8, 9, "QT")]]
    assert tag_confusion(gold, said, TAGS).tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
