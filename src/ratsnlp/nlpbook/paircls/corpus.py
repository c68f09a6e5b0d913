"""Corpora for pair classification: a premise, a hypothesis, and how the first bears on the second."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from ratsnlp.nlpbook.classification.corpus import ClassificationExample
from ratsnlp.nlpbook.data.corpus import Corpus, parse_json_list, read_lines
from ratsnlp.nlpbook.errors import CorpusFormatError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.tables.reading import LOOKED_AT, Table, read_table
from ratsnlp.nlpbook.texts import shorten

Row = tuple[int, Sequence[str]]  # line; premise, hypothesis, label
NLI_LABELS = ("entailment", "contradiction", "neutral")
KLUE_NLI_KEYS = ("premise", "hypothesis", "gold_label")
KORNLI_HEADER = ["sentence1", "sentence2", "gold_label"]
PAIR_COLUMNS = (
    ("premise", "sentence1", "전제", "문장1"),
    ("hypothesis", "sentence2", "가설", "문장2"),
    ("label", "gold_label", "라벨", "레이블"),
)
"""The columns of an own table of pairs, in any order: for each part, the names it may have. Others are ignored."""


def _read_klue_nli(path: Path) -> Iterator[Row]:
    """Yield the pairs of a KLUE-NLI file: a JSON list of objects with `premise`, `hypothesis` and `gold_label`.

    Source: https://github.com/KLUE-benchmark/KLUE (24,998 training and 3,000 development pairs, CC BY-SA 4.0).
    """
    for line, row in parse_json_list(path, "".join(read_lines(path))):
        values = [row.get(key) if isinstance(row, dict) else None for key in KLUE_NLI_KEYS]
        found = [value for value in values if isinstance(value, str)]
        if len(found) != len(KLUE_NLI_KEYS):
            raise CorpusFormatError(
                f"{path}, line {line}: expected an object with the texts premise, hypothesis and gold_label, "
                f"got {shorten(row)}"
            )
        yield line, found


def _read_kornli(path: Path) -> Iterator[Row]:
    """Yield the pairs of a KorNLI file: tab-separated `sentence1 sentence2 gold_label`, one header line.

    Nothing is quoted: a quote is a character of the text, and many rows hold only one, so a CSV reader would glue rows.

    Source: https://github.com/kakaobrain/kor-nlu-datasets (942,854 / 2,490 / 5,010 pairs, CC BY-SA 4.0).
    """
    for line, text in islice(enumerate(read_lines(path), start=1), 1, None):
        row = text.rstrip("\r\n").split("\t")
        if len(row) != len(KORNLI_HEADER):
            raise CorpusFormatError(
                f"{path}, line {line}: expected 'sentence1<TAB>sentence2<TAB>gold_label', got {shorten(row)}"
            )
        yield line, row


def _read_pair_table(path: Path) -> Iterator[Row]:
    return read_table(path, PAIR_COLUMNS)


def _find_reader(path: Path) -> Callable[[Path], Iterator[Row]]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = next((line for line in file if line.strip()), "")
    if first.rstrip("\r\n").split("\t") == KORNLI_HEADER:
        return _read_kornli
    if first.lstrip().startswith("["):
        names = Table(path).names
        return _read_klue_nli if "gold_label" in names or not names else _read_pair_table
    return _read_pair_table


class NLICorpus(Corpus[ClassificationExample]):
    """Base of the inference corpora: three labels, always in this order. Any of their files may take any other's place.

    An own file may also be a table whose first line names the columns premise, hypothesis and label.
    """

    labels = NLI_LABELS
    label_names = ("참 (entailment)", "거짓 (contradiction)", "중립 (neutral)")

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Return whether a file holds pairs with the labels of inference."""
        read = _find_reader(path)
        try:
            rows = islice(read(path), LOOKED_AT if read is _read_pair_table else 1)
            return any(label.strip() in NLI_LABELS for _, (_, _, label) in rows)
        except CorpusFormatError:
            return False  # whoever reads it as another table says what is wrong

    def read(self, path: Path) -> Iterator[ClassificationExample]:
        """Yield the pairs of one file. Empty texts are kept, so that counts and scores compare with published ones.

        Raises `CorpusFormatError`, with file and line, if the file breaks its format or has another label.
        """
        empty = 0
        for line, (premise, hypothesis, label) in _find_reader(path)(path):
            if label.strip() not in NLI_LABELS:
                raise CorpusFormatError(f"{path}, line {line}: label {label!r} is not one of {', '.join(NLI_LABELS)}")
            empty += not (premise.strip() and hypothesis.strip())
            yield ClassificationExample(text_a=premise, text_b=hypothesis, label=label.strip())
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
