"""What train gives away of a test split: texts that are in both, and texts of train that have several labels."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.data.corpus import corpus_folder
from ratsnlp.nlpbook.errors import CorpusMissingError
from ratsnlp.nlpbook.logs import logger

LISTED = 1000  # rows of each kind that `overlap.tsv` lists at most
COLUMNS = ("kind", "text", "label_in_test", "labels_in_train")


def fold(texts: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return texts as they are compared: in NFC, white space as single spaces."""
    each = (texts,) if isinstance(texts, str) else texts
    return tuple(" ".join(unicodedata.normalize("NFC", text).split()) for text in each)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What train and test, a split of N rows, have in common."""

    train_examples: int
    repeated: int  # rows of train whose texts are in an earlier row too
    conflicts: Sequence[tuple[tuple[str, ...], frozenset[str]]]  # texts of train with several labels, and those
    found: Sequence[frozenset[str]]  # N: the labels in train of each test row's texts; empty where they are not in it
    texts: Sequence[tuple[str, ...]]  # N: the test rows' texts
    labels: Sequence[str]  # N: the test rows' labels

    @cached_property
    def seen(self) -> np.ndarray:
        """Whether each test row's texts are in train too, `(N,)` bool."""
        return np.array([bool(labels) for labels in self.found])

    @cached_property
    def contradicted(self) -> np.ndarray:
        """Whether they are, and never with the label that test gives them, `(N,)` bool."""
        pairs = zip(self.found, self.labels, strict=True)
        return np.array([bool(found) and label not in found for found, label in pairs])

    def metrics(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "train_examples": self.train_examples,
            "repeated_in_train": self.repeated,
            "label_conflicts_in_train": len(self.conflicts),
            "test_in_train": int(self.seen.sum()),
            "test_in_train_with_another_label": int(self.contradicted.sum()),
        }

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield examples: see `COLUMNS`. The texts of a pair are joined by ` | `."""
        for i in np.flatnonzero(self.seen)[:LISTED]:
            kind = "in train with another label" if self.contradicted[i] else "in train too"
            yield kind, " | ".join(self.texts[i]), self.labels[i], ", ".join(sorted(self.found[i]))
        for texts, labels in self.conflicts[:LISTED]:
            yield "several labels in train", " | ".join(texts), "", ", ".join(sorted(labels))


def find_overlap(train: Iterable[Any], test: Sequence[Any]) -> Overlap:
    """Return what two splits have in common, exact up to Unicode form and white space.

    Examples may be of any task; they have `texts`, a str or a tuple of them, and `label`. Of train only hashes are
    kept, and the texts of the conflicts: it may be large.
    """
    labels_of: dict[int, frozenset[str]] = {}
    shared: dict[frozenset[str], frozenset[str]] = {}  # few different sets serve all texts
    conflicts: dict[int, tuple[str, ...]] = {}
    count = 0
    for count, example in enumerate(train, 1):  # noqa: B007  # the last one is how many there are
        texts = fold(example.texts)
        key = hash(texts)
        after = labels_of.get(key, frozenset()) | {str(example.label)}
        labels_of[key] = shared.setdefault(after, after)
        if len(after) > 1:
            conflicts[key] = texts
    folded = [fold(example.texts) for example in test]
    return Overlap(
        train_examples=count,
        repeated=count - len(labels_of),
        conflicts=[(texts, labels_of[key]) for key, texts in conflicts.items()],
        found=[labels_of.get(hash(texts), frozenset()) for texts in folded],
        texts=folded,
        labels=[str(example.label) for example in test],
    )


def read_overlap(corpus: Any, args: TrainArguments, mode: str, test: Sequence[Any]) -> Overlap | None:
    """Return what a split has in common with the rows trained on; None for train itself, or where that is missing."""
    if mode == "train":
        return None
    try:
        train = islice(corpus.iterate_examples(corpus_folder(args), "train"), args.max_train_examples)
        return find_overlap(train, test)
    except CorpusMissingError as error:
        logger.info("not looked for: texts of train in %s: %s", mode, error)
        return None
