"""Labels that come from the data: how they are written, in which order they stand, and what is none."""

import logging
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.errors import CorpusFormatError
from ratsnlp.nlpbook.tables.columns import Chooser, Columns
from ratsnlp.nlpbook.tables.reading import Row, Table

MOST_LABELS = 1000
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")
"""A whole number as spreadsheets write it in a column that once had gaps: `5.0`."""


def _natural_key(label: str) -> tuple[Any, ...]:
    if NUMBER.fullmatch(label):
        return 0, float(label), (), label
    parts = re.split(r"([0-9]+)", label.casefold())
    runs = [(len(digits.lstrip("0")), digits.lstrip("0")) for digits in parts[1::2]]
    return 1, 0.0, tuple(zip(parts[::2], [*runs, (0, "")], strict=True)), label


def _whole_numbers(labels: Collection[str]) -> bool:
    return all(WHOLE.fullmatch(label) for label in labels if "." in label)


def order_labels(found: Iterable[str]) -> list[str]:
    """Return the labels of a column in their order, `1.0` as `1` where all numbers in it are whole."""
    labels = set(found)
    if _whole_numbers(labels):
        labels = {_strip_zeros(label) for label in labels}
    return sorted(labels, key=_natural_key)


def _strip_zeros(label: str) -> str:
    match = WHOLE.fullmatch(label)
    return match[1] if match else label


def _match_label(found: str, labels: Collection[str]) -> str | None:
    return next((label for label in (found, _strip_zeros(found)) if label in labels), None)


def _describe_labels(counts: Mapping[str, int], labels: Sequence[str], shown: int = 20) -> str:
    named = [f"{i}: {label} ({counts[label]:,})" for i, label in enumerate(labels[:shown])]
    return ", ".join([*named, f"... {len(labels) - shown} more"] if len(labels) > shown else named)


def _find_fault_of_labels(labels: Sequence[str], rows: int) -> str:
    if len(labels) < 2:
        return f"holds one value only, {labels[0]!r}, in all of {rows:,} rows; a classifier tells two labels or more"
    if len(labels) > MOST_LABELS or (len(labels) > 2 and 2 * len(labels) > rows):
        return f"holds {len(labels):,} different values in {rows:,} rows; it looks like {kind_of(labels)}, not labels"
    return ""


def kind_of(values: Sequence[str]) -> str:
    """Say what a column of many different values holds."""
    if all(NUMBER.fullmatch(value) for value in values):
        return "numbers or ids"
    spaced = sum(" " in value for value in values)
    return "texts" if 2 * spaced > len(values) else "names or ids"


logger = logging.getLogger("ratsnlp")
SHOWN_ROWS = 10


@dataclass(frozen=True)
class LabelledRow:
    """A row: the line on which it begins, its text or both texts of a pair, and its label, as the cell has it."""

    line: int
    texts: Sequence[str]
    label: str
    problem: str = ""


class LabelledTable:
    """A table whose rows carry texts and a label.

    Args:
        table: The table.
        columns: Which columns to read.
        labels: The labels in order; None takes them from the data.
        skip_bad_rows: Leave out rows that cannot be used, instead of refusing the file.

    Raises:
        CorpusFormatError: Rows cannot be used, there are none, or the label column holds no labels.
    """

    def __init__(
        self, table: Table, columns: Columns, labels: Sequence[str] | None = None, skip_bad_rows: bool = False
    ):
        self.table, self.columns, self.skip_bad_rows = table, columns, skip_bad_rows
        self.places = [table.names.index(name) for name in (*columns.texts, columns.label)]
        self.labels: list[str] | None = list(labels) if labels is not None else None

    @property
    def path(self) -> Path:
        """The file."""
        return self.table.path

    def survey(self) -> list[str]:
        """Read all of the table once; set `labels` where they come from the data, and return the label of every row."""
        bad: list[str] = []
        good: list[str] = []
        for row in map(self.read_row, self.table.rows()):
            if row.problem:
                bad.append(f"line {row.line}: {row.problem}")
            else:
                good.append(sys.intern(row.label))  # one text for each label, not for each row
        count = len(bad) + len(good)
        if not count:
            raise CorpusFormatError(f"{self.path} holds a header ({', '.join(self.table.names)}) and no row below it")
        if bad and not self.skip_bad_rows or not good:
            raise CorpusFormatError(self.describe_bad(bad, count))
        if bad:
            logger.warning("%s: %d of %d rows left out: %s", self.path.name, len(bad), count, "; ".join(bad[:3]))
        if self.labels is None:
            self.labels = order_labels(good)
            self.refuse_labels(self.labels, len(good))
        matched = [str(_match_label(label, self.labels)) for label in good]
        shown = _describe_labels(Counter(matched), self.labels)
        logger.info("%s: %d rows; %s; labels in order, with rows: %s", self.path.name, len(good), self.columns, shown)
        return matched

    def rows(self) -> Iterator[LabelledRow]:
        """Yield the good rows, their labels as they stand in `labels`.

        Raises:
            CorpusFormatError: A row cannot be used, and `skip_bad_rows` is off.
        """
        known = self.labels or ()
        for row in map(self.read_row, self.table.rows()):
            if not row.problem:
                yield LabelledRow(row.line, row.texts, str(_match_label(row.label, known)))
            elif not self.skip_bad_rows:
                raise CorpusFormatError(self.describe_bad([f"line {row.line}: {row.problem}"]))

    def read_row(self, row: Row) -> LabelledRow:
        """Return a row with what is wrong with it."""
        if row.problem:
            return LabelledRow(row.line, (), "", row.problem)
        *texts, label = (row.cells[place].strip() for place in self.places)
        names = (*self.columns.texts, self.columns.label)
        missing = [name for name, cell in zip(names, (*texts, label), strict=True) if not cell]
        problem = f"nothing in column {' and '.join(missing)}" if missing else ""
        if not missing and self.labels is not None and _match_label(label, self.labels) is None:
            problem = f"label {label!r} is not one of {', '.join(self.labels[:20])}"
        return LabelledRow(row.line, texts, label, problem)

    def describe_bad(self, bad: Sequence[str], count: int | None = None) -> str:
        """Say which rows cannot be used: the first of them, and how many there are."""
        many = f"{len(bad):,} of {count:,} rows cannot be used" if count else "a row cannot be used"
        lines = [f"\n  {line}" for line in bad[:SHOWN_ROWS]]
        more = f"\n  ... and {len(bad) - SHOWN_ROWS:,} more" if len(bad) > SHOWN_ROWS else ""
        return (
            f"{self.path}: {many}:{''.join(lines)}{more}\nPut them right, or leave them out with --skip_bad_rows, in "
            "Python skip_bad_rows=True."
        )

    def refuse_labels(self, labels: Sequence[str], rows: int) -> None:
        """Refuse a column whose values cannot be labels.

        Raises:
            CorpusFormatError: They are one, or too many; lists the columns.
        """
        if fault := _find_fault_of_labels(labels, rows):
            raise CorpusFormatError(
                f"{self.path}: column {self.columns.label} {fault}. If another column holds the labels, name it: "
                f"--label_column NAME, in Python label=NAME.{Chooser(self.table).describe()}"
            )
