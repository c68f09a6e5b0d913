"""Corpora for document classification: one text, one label; and own tables, of texts or of pairs."""

import csv
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from ratsnlp.nlpbook import old_names
from ratsnlp.nlpbook.data.corpus import Corpus, choose_held_out, held_out_count, read_lines
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.model_folder import ModelFolder, file_digest
from ratsnlp.nlpbook.tables.columns import Columns, choose_columns
from ratsnlp.nlpbook.tables.reading import Table
from ratsnlp.nlpbook.tables.rows import LabelledTable
from ratsnlp.nlpbook.texts import shorten

__getattr__ = old_names.names_of("classification.corpus")

NSMC_HEADER = ["id", "document", "label"]


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

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Return whether a file begins with NSMC's header."""
        return _read_header(path) == NSMC_HEADER

    def read(self, path: Path) -> Iterator[ClassificationExample]:
        """Yield the reviews of one file. Empty ones are kept, so that counts and scores compare with published ones.

        A file without three columns between tabs is an own one, in any format that `TableCorpus` reads, with NSMC's
        labels.
        """
        if len(_read_header(path)) != len(NSMC_HEADER):
            table = Table(path)
            yield from _make_examples(LabelledTable(table, choose_columns(table, pairs=False), self.labels))
            return
        empty = 0
        for review, label in read_nsmc(path):
            empty += not review.strip()
            yield ClassificationExample(text_a=review, label=label)
        if empty:
            logger.info("%s: %d empty reviews kept, so that counts stay as published", path.name, empty)


def _read_header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.readline().rstrip("\r\n").split("\t")


def _make_examples(table: LabelledTable) -> Iterator[ClassificationExample]:
    for first, *second, label in table.rows():
        yield ClassificationExample(first, second[0] if second else None, label)


class TableCorpus(Corpus[ClassificationExample]):
    """Own texts with own labels: `TableCorpus("reviews.csv", text="리뷰", label="평점")`.

    The file is CSV, TSV, JSON lines, a JSON list or an Excel workbook. Columns are those named, else those of known
    names, else chosen by contents; where that is not certain, the user is asked. Labels come from the data, numbers by
    size, then texts by alphabet. Without a test file some rows are held out, each label with its share: "val" and
    "test" name them, "train" the others.

    Args:
        train: The file to learn from.
        text, label: Its columns of texts and of labels.
        pair: Its column of second texts, which makes pairs.
        test: A file to score on, with the same columns or ones of known names; default: rows held out of `train`.
        validation: A file to validate on; default: as `test`.
        pairs: Whether each example has two texts; default: where `pair` is named, or both columns have known names.
        held_out: The held-out share of the rows, at most 5,000 rows. Same `seed`, same rows.
        skip_bad_rows: Leave out rows that cannot be used, instead of refusing the file.

    Raises:
        ArgumentError: A column is not there, or which one is meant is not certain.
        CorpusMissingError: A file is not there.
        CorpusFormatError: A file cannot be read, has bad rows, or its labels are none.
    """

    where_to_look = "Check its path: one that is not absolute is meant from the folder in which Python runs."
    where_to_get = where_to_look

    def __init__(
        self,
        train: str | Path,
        text: str | None = None,
        label: str | None = None,
        pair: str | None = None,
        *,
        test: str | Path | None = None,
        validation: str | Path | None = None,
        pairs: bool | None = None,
        held_out: float = 0.1,
        seed: int = 0,
        skip_bad_rows: bool = False,
    ):
        self.skip_bad_rows = skip_bad_rows
        self._name_files(train, validation or test or train, test or train)
        path = self.train_path = self.path("", "train")
        table = Table(path)
        if not table.names:
            raise CorpusFormatError(f"{path} is empty")
        learned = LabelledTable(table, choose_columns(table, text, label, pair, pairs), None, skip_bad_rows)
        self.columns = learned.columns
        found = learned.survey()
        self.labels = list(learned.labels or ())
        self.held_out: frozenset[int] = frozenset()
        if path in (self.path("", "val"), self.path("", "test")):
            self.held_out = choose_held_out(found, held_out_count(len(found), held_out), seed)
            count, rows = len(self.held_out), len(found)
            if not count:
                raise CorpusFormatError(
                    f"{path}: {rows} rows of {len(self.labels)} labels are too few to hold any out for scoring; "
                    "give more rows, or a file to score on: --test_file, in Python test=FILE"
                )
            logger.info("%s: %d rows held out to score on, %d left to learn from", path.name, count, rows - count)
        for other in {self.path("", mode) for mode in ("val", "test")} - {path}:
            self.open(other).survey()

    def path(self, data_root_path: str | Path, mode: str) -> Path:
        """Return the file of a split. Raises `ArgumentError` where a subclass's `paths` gives several."""
        path, *others = self.paths(data_root_path, mode)
        if others:
            raise ArgumentError(f"{type(self).__name__} reads one file for each split: join the files of {mode!r}")
        return path

    def _name_files(self, train: str | Path, validation: str | Path, test: str | Path) -> None:
        named = {"train": train, "val": validation, "test": test}
        # absolute, so that they do not depend on the corpus's folder
        super().__init__({mode: Path(path).expanduser().absolute() for mode, path in named.items()})

    def open(self, path: Path) -> LabelledTable:
        """Return one of the files as labelled rows: with the training file's columns, or ones of known names."""
        table = Table(path)
        same = {*self.columns.texts, self.columns.label} <= set(table.names)
        columns = self.columns if same else choose_columns(table, pairs=self.columns.pair is not None)
        return LabelledTable(table, columns, self.labels, self.skip_bad_rows)

    def read(self, path: Path) -> Iterator[ClassificationExample]:
        """Yield the examples of one of the files, held out or not."""
        yield from _make_examples(self.open(path))

    def iterate_examples(self, data_root_path: str | Path, mode: str) -> Iterator[ClassificationExample]:
        """Yield the examples of a split one by one, in the order of the file."""
        path = self.path(data_root_path, mode)
        whole = path != self.train_path
        for number, example in enumerate(self.read(path)):
            if whole or (number in self.held_out) == (mode != "train"):
                yield example

    @property
    def identity(self) -> str:
        """Text that differs wherever the same file gives other examples."""
        return repr((type(self).__name__, self.columns, self.labels, self.skip_bad_rows, sorted(self.held_out)))

    def write_record(self, folder: str | Path) -> None:
        """Write into a model folder what scoring needs later: columns, labels, files, and the held-out rows."""
        record = {
            "files": {mode: str(self.path("", mode)) for mode in self.files},
            "sha256": file_digest(self.path("", "train")),
            "columns": asdict(self.columns),
            "labels": self.labels,
            "skip_bad_rows": self.skip_bad_rows,
            "held_out": sorted(self.held_out),
        }
        names = [*self.columns.texts, self.columns.label]
        rows = enumerate(self.open(self.path("", "train")).rows())
        held = (dict(zip(names, row, strict=True)) for number, row in rows if number in self.held_out)
        ModelFolder(folder).write_table(record, held)

    @classmethod
    def restore(cls, folder: str | Path) -> Self:
        """Return the corpus that a model folder learned from; the held-out rows come from the folder itself."""
        home = ModelFolder(folder)
        record = home.read_table()
        train = record["files"]["train"]
        others = (record["files"][mode] for mode in ("val", "test"))
        corpus = cls.__new__(cls)
        corpus._name_files(train, *(home.held_out if other == train else other for other in others))
        corpus.train_path = Path(train)
        corpus.columns = Columns(**record["columns"])
        corpus.labels, corpus.skip_bad_rows = record["labels"], record["skip_bad_rows"]
        corpus.held_out = frozenset(record["held_out"])
        return corpus


def read_nsmc(path: Path) -> Iterator[tuple[str, str]]:
    """Yield `(review, label)` from an NSMC file: tab-separated `id document label`, one header line, label 0 or 1.

    Documents that hold a quote are quoted as in CSV by NSMC's makers, so a line is not simply split at its tabs. Raises
    `CorpusFormatError`, with file and line, for a row of other columns or another label.

    Source: https://github.com/e9t/nsmc (150,000 training and 50,000 test reviews, CC0).
    """
    rows = csv.reader(read_lines(path), delimiter="\t")
    next(rows, None)  # header
    line = rows.line_num + 1
    for row in rows:
        if len(row) != 3 or row[2] not in ("0", "1"):
            raise CorpusFormatError(
                f"{path}, line {line}: expected 'id<TAB>document<TAB>0 or 1', got {shorten(row)}. "
                "A quote that opens and never closes swallows the lines after it."
            )
        yield row[1], row[2]
        line = rows.line_num + 1
