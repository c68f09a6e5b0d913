"""Corpora for pair classification: a premise, a hypothesis, and how the first bears on the second."""

import logging
from collections.abc import Iterator
from pathlib import Path

from ratsnlp.nlpbook.classification.corpus import ClassificationExample
from ratsnlp.nlpbook.data.corpus import Corpus
from ratsnlp.nlpbook.data.pairs import NLI_LABELS, is_inference, read_pairs

logger = logging.getLogger("ratsnlp")


class NLICorpus(Corpus[ClassificationExample]):
    """Base of the inference corpora: three labels, always in this order. Any of their files may take any other's place.

    An own file may also be a table whose first line names the columns premise, hypothesis and label.
    """

    labels = NLI_LABELS
    label_names = ("참 (entailment)", "거짓 (contradiction)", "중립 (neutral)")

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Tell whether a file holds pairs with the labels of inference."""
        return is_inference(path)

    def read(self, path: Path) -> Iterator[ClassificationExample]:
        """Yield the pairs of one file. Empty texts are kept, so that counts and scores compare with published ones."""
        empty = 0
        for premise, hypothesis, label in read_pairs(path):
            empty += not (premise.strip() and hypothesis.strip())
            yield ClassificationExample(text_a=premise, text_b=hypothesis, label=label)
        if empty:
            logger.info("%s: %d pairs with an empty text kept, so that counts stay as published", path.name, empty)


class KlueNLICorpus(NLICorpus):
    """KLUE-NLI: sentences written in Korean. "val" and "test" both name the published development file."""

    files = {"train": "klue_nli_train.json", "val": "klue_nli_dev.json", "test": "klue_nli_dev.json"}


class KorNLICorpus(NLICorpus):
    """KorNLI: MultiNLI and SNLI translated by machine to train on, XNLI translated by people to measure on."""

    files = {
        "train": ("multinli.train.ko.tsv", "snli_1.0_train.ko.tsv"),
        "val": "xnli.dev.ko.tsv",
        "test": "xnli.test.ko.tsv",
    }
