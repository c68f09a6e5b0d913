"""Scores of entities: counts for each sentence, the figures made of them, KLUE's own two, and what kinds of faults.

Entities are `Entity`, or tuples that begin `(start, end, tag)`, as decoders give them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import Any

import numpy as np

from ratsnlp.nlpbook.ner.formats import Entity

Entities = Iterable[Entity | tuple[Any, ...]]


def _as_entities(found: Entities) -> list[Entity]:
    return [e if isinstance(e, Entity) else Entity(int(e[0]), int(e[1]), str(e[2])) for e in found]


def _place(tag: str, tags: Sequence[str]) -> int:
    if tag not in tags:
        raise ValueError(f"tag {tag!r} is not one of {', '.join(tags)}")
    return tags.index(tag)


def entity_counts(gold: Sequence[Entities], predicted: Sequence[Entities], tags: Sequence[str]) -> np.ndarray:
    """Return how many entities are right, true and predicted, of each of K tags in each sentence: `(N, K, 3)` int64.

    Right is what has the same start, end and tag as a true one (strict). Raises `ValueError` for a tag not in `tags`.
    """
    counts = np.zeros((len(gold), len(tags), 3), np.int64)
    for row, true, said in zip(counts, gold, predicted, strict=True):
        known, given = set(_as_entities(true)), set(_as_entities(said))
        for column, found in enumerate((known & given, known, given)):
            for entity in found:
                row[_place(entity.tag, tags), column] += 1
    return counts


def entity_scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return precision, recall and F1, in 0..100, from counts summed over sentences, `(..., K, 3)`.

    They are `precision`, `recall`, `f1` by tag, `(..., K)`; and each as `micro_...` and `macro_...`, `(...)`. What has
    nothing to count is 0. A tag that is neither true nor predicted does not count towards macro, as in seqeval.
    """
    right, true, said = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    present = (true + said) > 0
    scores = {}
    for name, found, whole in (("precision", right, said), ("recall", right, true), ("f1", 2 * right, true + said)):
        scores[name] = 100 * found / np.maximum(whole, 1)
        scores[f"micro_{name}"] = 100 * found.sum(-1) / np.maximum(whole.sum(-1), 1)
        scores[f"macro_{name}"] = (scores[name] * present).sum(-1) / np.maximum(present.sum(-1), 1)
    return scores


def klue_entity_f1(texts: Sequence[str], gold: Sequence[Entities], predicted: Sequence[Entities]) -> float:
    """Return KLUE's entity F1, in 0..100: strict, macro over tags, over all sentences in a row.

    Units are characters without spaces: entities that differ in spaces alone are the same.

    Source: `klue_ner_entity_macro_f1` of https://github.com/KLUE-benchmark/KLUE-baseline (seqeval, IOB2, strict), for
    predictions that are legal BIO. Of its ways two are not followed, as they measure the tokeniser: it drops what lies
    beyond `max_seq_length`, and it guesses where unknown words stand.
    """
    true, said = ([_without_spaces(*each) for each in zip(texts, side, strict=True)] for side in (gold, predicted))
    tags = sorted({entity.tag for found in (*true, *said) for entity in found})
    return float(entity_scores(entity_counts(true, said, tags).sum(0))["macro_f1"])


def klue_character_f1(
    texts: Sequence[str], gold: Sequence[Entities], predicted: Sequence[Entities], tags: Sequence[str]
) -> float:
    """Return KLUE's character F1, in 0..100: macro over O and the B- and I- of all K tags.

    Characters are those without spaces, and two more for each sentence, `[CLS]` and `[SEP]`, which are O and predicted
    as O. A label that is neither true nor predicted counts as 100. Raises `ValueError` for a tag not in `tags`.

    Source: `klue_ner_char_macro_f1` of https://github.com/KLUE-benchmark/KLUE-baseline, whose docstring says that O is
    left out: it is not.
    """
    size = 2 * len(tags) + 1
    confusion = np.zeros(size * size, np.int64)
    for text, *sides in zip(texts, gold, predicted, strict=True):
        rows = [np.zeros(sum(not c.isspace() for c in text) + 2, np.intp) for _ in range(2)]
        for labels, found in zip(rows, sides, strict=True):
            for entity in _without_spaces(text, found):
                labels[entity.start : entity.end] = 2 * _place(entity.tag, tags) + 2
                labels[entity.start] -= 1
        confusion += np.bincount(rows[0] * size + rows[1], minlength=size * size)
    table = confusion.reshape(size, size)
    whole = table.sum(0) + table.sum(1)
    return float(100 * np.where(whole > 0, 2 * table.diagonal() / np.maximum(whole, 1), 1.0).mean())


def _without_spaces(text: str, found: Entities) -> list[Entity]:
    place = [0, *accumulate(int(not character.isspace()) for character in text)]
    moved = (Entity(place[e.start], place[e.end], e.tag) for e in _as_entities(found))
    return [entity for entity in moved if entity.start < entity.end]


@dataclass(frozen=True)
class Difference:
    """A fault: its kind, the true entity and the predicted one, None where there is none.

    Kinds: "missed", "invented", "wrong tag" (same span), "wrong length" (same tag, they overlap), "wrong both".
    """

    kind: str
    gold: Entity | None
    predicted: Entity | None


def _pair(gold: Entities, predicted: Entities) -> list[tuple[Entity | None, Entity | None]]:
    """Return true entities with predicted ones, each at most once: same span first, then same tag, then most shared."""
    order = attrgetter("start", "end", "tag")
    true, said = (sorted(set(_as_entities(found)), key=order) for found in (gold, predicted))
    near = [(g, p) for g in true for p in said if g.start < p.end and p.start < g.end]
    near.sort(
        key=lambda pair: (
            (pair[0].start, pair[0].end) != (pair[1].start, pair[1].end),
            pair[0].tag != pair[1].tag,
            max(pair[0].start, pair[1].start) - min(pair[0].end, pair[1].end),
        )
    )
    partner: dict[Entity, Entity] = {}
    free = set(said)
    for g, p in near:
        if g not in partner and p in free:
            partner[g] = p
            free.remove(p)
    pairs = [*((g, partner.get(g)) for g in true), *((None, p) for p in said if p in free)]
    return sorted(pairs, key=lambda pair: order(pair[0] or pair[1]))


def compare_spans(gold: Entities, predicted: Entities) -> list[Difference]:
    """Return where the predicted entities of a sentence differ from the true ones, by position.

    Each entity stands in at most one difference: of two predicted pieces of one entity, the one of the right tag, then
    the longer, is its wrong length, and the other is invented.
    """
    kinds = {(True, False): "wrong tag", (False, True): "wrong length", (False, False): "wrong both"}
    differences = []
    for g, p in _pair(gold, predicted):
        if g is None or p is None:
            differences.append(Difference("missed" if p is None else "invented", g, p))
        elif g != p:
            same = (g.start, g.end) == (p.start, p.end), g.tag == p.tag
            differences.append(Difference(kinds[same], g, p))
    return differences


def tag_confusion(gold: Sequence[Entities], predicted: Sequence[Entities], tags: Sequence[str]) -> np.ndarray:
    """Return how often entities of each true tag (row) were predicted as each tag (column): `(K + 1, K + 1)` int64.

    The last row and column stand for none: invented and missed entities. Entities need only overlap, as in
    `compare_spans`, so the diagonal also holds those of a wrong length. Raises `ValueError` for a tag not in `tags`.
    """
    confusion = np.zeros((len(tags) + 1, len(tags) + 1), np.int64)
    for true, said in zip(gold, predicted, strict=True):
        for pair in _pair(true, said):
            row, column = (_place(entity.tag, tags) if entity else len(tags) for entity in pair)
            confusion[row, column] += 1
    return confusion
