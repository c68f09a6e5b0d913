"""Corpora for document classification: one text, one label."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ratsnlp.nlpbook.data.corpus import Corpus
from ratsnlp.nlpbook.data.readers import read_nsmc

logger = logging.getLogger("ratsnlp")


@dataclass
class ClassificationExample:
    """A text, or a pair of texts, and its label. The label is None where it is not known."""

    text_a: str
    text_b: str | None = None
    label: str | None = None

    @property
    def texts(self) -> str | tuple[str, str]:
        """What is classified: the text, or both texts of a pair."""
        return self.text_a if self.text_b is None else (self.text_a, self.text_b)


class NsmcCorpus(Corpus[ClassificationExample]):
    """Naver movie reviews: label 0 negative, 1 positive. "val" and "test" both name the published test file."""

    files = {"train": "ratings_train.txt", "val": "ratings_test.txt", "test": "ratings_test.txt"}
    labels = ("0", "1")
    label_names = ("부정 (negative)", "긍정 (positive)")

    def read(self, path: Path) -> Iterator[ClassificationExample]:
        """Yield the reviews of one file. Empty ones are kept, so that counts and scores compare with published ones."""
        empty = 0
        for review, label in read_nsmc(path):
            empty += not review.strip()
            yield ClassificationExample(text_a=review, label=label)
        if empty:
            logger.info("%s: %d empty reviews kept, so that counts stay as published", path.name, empty)
