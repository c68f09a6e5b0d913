"""Labels to entities: the best legal sequence, checked against trying all of them."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.ner.decoding import LegalDecoder, group_tags

LABELS = ["O", "B-PS", "B-LC", "I-PS", "I-LC"]
OLD = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "O", "B-PER", "I-PER"]


def is_legal(names):
    before = ["O", *names]
    return all(
        not name.startswith("I-") or last[2:] == name[2:] and last != "O"
        for last, name in zip(before, names, strict=False)
    )


def score(logits, path):
    return sum(row[i] for row, i in zip(logits, path, strict=True))


numbers = st.integers(-8, 8).map(float)


@st.composite
def logits_of(draw, labels, longest=4):
    length = draw(st.integers(0, longest))
    rows = st.lists(numbers, min_size=len(labels), max_size=len(labels))
    return np.array(draw(st.lists(rows, min_size=length, max_size=length)), np.float32).reshape(length, len(labels))


@pytest.mark.parametrize("labels", [LABELS, OLD, ["B-A", "I-A"], ["I-A", "O", "B-A"]], ids=",".join)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_best_legal_sequence_is_found_for_every_text_of_a_batch(labels, data):
    texts = data.draw(st.lists(logits_of(labels), max_size=4))
    usable = [i for i, name in enumerate(labels) if not name.startswith("[")]
    for logits, found in zip(texts, LegalDecoder(labels).decode(texts), strict=True):
        paths = [p for p in product(usable, repeat=len(logits)) if is_legal([labels[i] for i in p])]
        assert tuple(found) in paths
        assert score(logits, found) == max(score(logits, path) for path in paths)
        assert found.dtype == np.int32


@given(st.lists(logits_of(LABELS), min_size=1, max_size=4))
def test_a_batch_decodes_as_its_texts_do(texts):
    decoder = LegalDecoder(LABELS)
    together = decoder.decode(texts)
    assert [t.tolist() for t in together] == [decoder.decode([text])[0].tolist() for text in texts]


def test_many_texts_of_all_lengths_come_back_in_order():
    random = np.random.default_rng(0)
    texts = [random.normal(size=(int(n), 5)) for n in random.integers(0, 9, 600)]
    decoder = LegalDecoder(LABELS)
    together = decoder.decode(texts)
    assert all(t.tolist() == decoder.decode([x])[0].tolist() for t, x in zip(together, texts, strict=True))


def test_logits_and_log_probabilities_give_the_same():
    logits = np.random.default_rng(1).normal(size=(3, 6, 5)) * 3
    decoder = LegalDecoder(LABELS)
    assert np.array_equal(decoder.decode(logits), decoder.decode(torch.from_numpy(logits).log_softmax(-1).numpy()))


def test_argmax_may_be_illegal_and_its_stray_inside_begins_an_entity():
    logits = np.log(np.array([[0.1, 0.1, 0.1, 0.6, 0.1], [0.1, 0.1, 0.2, 0.5, 0.1], [0.1, 0.1, 0.1, 0.1, 0.6]]))
    decoder = LegalDecoder(LABELS)
    (found,) = decoder.decode([logits], legal=False)
    assert [LABELS[i] for i in found] == ["I-PS", "I-PS", "I-LC"]
    spans = decoder.spans_of(
        found, np.array([(0, 1), (1, 3), (4, 5)]), torch.from_numpy(logits).log_softmax(-1).numpy()
    )
    assert [span[:3] for span in spans] == [(0, 3, "PS"), (4, 5, "LC")]
    assert [span[3] for span in spans] == pytest.approx([(0.6 * 0.5) ** 0.5, 0.6], rel=1e-5)


def test_adjacent_entities_of_one_tag_stay_two():
    decoder = LegalDecoder(LABELS)
    spans = decoder.spans_of(np.array([1, 1, 3, 0]), np.array([(0, 1), (1, 2), (2, 4), (4, 5)]))
    assert spans == [(0, 1, "PS", 1.0), (1, 4, "PS", 1.0)]


def test_special_labels_of_old_models_are_never_chosen():
    logits = np.tile(np.array([9, 9, 9, 9, 0, 1, 2], np.float32), (1, 3, 1))
    decoder = LegalDecoder(OLD)
    assert {OLD[i] for i in decoder.decode(logits)[0]} <= {"B-PER", "I-PER"}
    assert {OLD[i] for i in decoder.decode(logits, legal=False)[0]} == {"I-PER"}


def test_an_inside_label_that_has_no_beginning_in_the_map_may_stand_anywhere():
    decoder = LegalDecoder(["O", "I-PS"])
    (found,) = decoder.decode([np.array([[0, 1], [0, 1], [1, 0]])])
    assert decoder.spans_of(found, np.array([(0, 1), (1, 2), (2, 3)])) == [(0, 2, "PS", 1.0)]


def test_labels_that_say_no_entities_are_refused():
    with pytest.raises(ArgumentError, match="say no entities: LABEL_0, LABEL_1"):
        LegalDecoder(["LABEL_0", "LABEL_1"])


def test_outputs_of_another_size_are_refused():
    with pytest.raises(ArgumentError, match="expected 5 numbers for each token, one a label, got 4"):
        LegalDecoder(LABELS).decode(np.zeros((1, 2, 4)))


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ("B-A I-A O", [(0, 2, "A")]),
        ("B-A B-A", [(0, 1, "A"), (1, 2, "A")]),
        ("I-A I-B", [(0, 1, "A"), (1, 2, "B")]),
        ("B-A E-A I-A", [(0, 2, "A"), (2, 3, "A")]),
        ("S-A S-A U-B", [(0, 1, "A"), (1, 2, "A"), (2, 3, "B")]),
        ("O [CLS] B-A-B", [(2, 3, "A-B")]),
        ("", []),
    ],
)
def test_labels_in_every_scheme_are_grouped(labels, spans):
    assert group_tags(labels.split()) == spans
