"""Rows of texts and labels, and labels that come from the data: how they are written, and in which order they stand."""

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.errors import CorpusFormatError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.tables.columns import Chooser, Columns
from ratsnlp.nlpbook.tables.reading import Row, Table

MOST_LABELS, SHOWN_LABELS, SHOWN_ROWS = 1000, 20, 10
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")  # as spreadsheets write 5 in a column that once had gaps: `5.0`


def order_labels(found: Iterable[str]) -> list[str]:
    """Return the labels of a column in their order, `1.0` as `1` where all numbers in it are whole."""
    labels = set(found)
    if all(WHOLE.fullmatch(label) for label in labels if "." in label):
        labels = {_strip_zeros(label) for label in labels}
    return sorted(labels, key=_natural_key)


def _natural_key(label: str) -> tuple[Any, ...]:
    if NUMBER.fullmatch(label):
        return 0, float(label), (), label
    parts = re.split(r"([0-9]+)", label.casefold())
    runs = [(len(digits.lstrip("0")), digits.lstrip("0")) for digits in parts[1::2]]
    return 1, 0.0, tuple(zip(parts[::2], [*runs, (0, "")], strict=True)), label


def _strip_zeros(label: str) -> str:
    whole = WHOLE.fullmatch(label)
    return whole[1] if whole else label


def _match_label(found: str, labels: Collection[str]) -> str | None:
    return next((label for label in (found, _strip_zeros(found)) if label in labels), None)


def _find_fault(labels: Sequence[str], rows: int) -> str:
    if len(labels) < 2:
        return f"holds one value only, {labels[0]!r}, in all of {rows:,} rows; a classifier needs two labels or more"
    if len(labels) <= MOST_LABELS and (len(labels) == 2 or 2 * len(labels) <= rows):
        return ""
    spaced = sum(" " in label for label in labels)
    kind = "texts" if 2 * spaced > len(labels) else "names or ids"
    if all(NUMBER.fullmatch(label) for label in labels):
        kind = "numbers or ids"
    return f"holds {len(labels):,} different values in {rows:,} rows; it looks like {kind}, not labels"


class LabelledTable:
    """A table whose rows carry texts and a label; `labels` are those in order, None takes them from the data.

    `skip_bad_rows` leaves out rows that cannot be used, instead of refusing the file.
    """

    def __init__(
        self, table: Table, columns: Columns, labels: Sequence[str] | None = None, skip_bad_rows: bool = False
    ):
        self.table, self.columns, self.skip_bad_rows = table, columns, skip_bad_rows
        self.names = (*columns.texts, columns.label)
        self.places = [table.names.index(name) for name in self.names]
        self.labels: list[str] | None = list(labels) if labels is not None else None

    def survey(self) -> list[str]:
        """Read all of the table once; set `labels` where they come from the data, and return the label of every row.

        A CorpusFormatError says that rows cannot be used, or that the label column does not hold labels.
        """
        path, bad, good = self.table.path, [], []
        for row in self.table.rows():
            cells, problem = self._read_row(row)
            if problem:
                bad.append(problem)
            else:
                good.append(sys.intern(cells[-1]))  # one text for each label, not for each row
        count = len(bad) + len(good)
        if not count:
            raise CorpusFormatError(f"{path} holds a header ({', '.join(self.table.names)}) and no row below it")
        if bad and not self.skip_bad_rows or not good:
            raise CorpusFormatError(describe_bad(path, bad, f"{len(bad):,} of {count:,} rows cannot be used"))
        if bad:
            logger.warning("%s: %d of %d rows left out: %s", path.name, len(bad), count, "; ".join(bad[:3]))
        if self.labels is None:
            self.labels = order_labels(good)
            if fault := _find_fault(self.labels, len(good)):
                raise CorpusFormatError(
                    f"{path}: column {self.columns.label} {fault}. If another column holds the labels, name it: "
                    f"--label_column NAME, in Python label=NAME.{Chooser(self.table).describe()}"
                )
        matched = [str(_match_label(label, self.labels)) for label in good]
        counts, more = Counter(matched), len(self.labels) - SHOWN_LABELS
        shown = [f"{i}: {label} ({counts[label]:,})" for i, label in enumerate(self.labels[:SHOWN_LABELS])]
        shown += [f"... {more} more"] if more > 0 else []
        found = f"{len(good)} rows; {self.columns}; labels in order, with rows: {', '.join(shown)}"
        logger.info("%s: %s", path.name, found)
        return matched

    def rows(self) -> Iterator[list[str]]:
        """Yield the good rows: text or both texts, and the label as in `labels`. A bad one is an error, or skipped."""
        for row in self.table.rows():
            cells, problem = self._read_row(row)
            if not problem:
                yield [*cells[:-1], str(_match_label(cells[-1], self.labels or ()))]
            elif not self.skip_bad_rows:
                raise CorpusFormatError(describe_bad(self.table.path, [problem], "a row cannot be used"))

    def _read_row(self, row: Row) -> tuple[list[str], str]:
        """Return the cells of the columns, and why they cannot be used, which is empty for a good row."""
        cells, problem = [], row.problem
        if not problem:
            cells = [row.cells[place].strip() for place in self.places]
            if missing := [name for name, cell in zip(self.names, cells, strict=True) if not cell]:
                problem = f"nothing in column {' and '.join(missing)}"
            elif self.labels is not None and _match_label(cells[-1], self.labels) is None:
                problem = f"label {cells[-1]!r} is not one of {', '.join(self.labels[:SHOWN_LABELS])}"
        return cells, problem and f"line {row.line}: {problem}"


def describe_bad(path: Path, bad: Sequence[str], summary: str) -> str:
    """Return the message that lists the bad rows of a file, the first `SHOWN_ROWS` of them, and says what to do."""
    lines = "".join(f"\n  {line}" for line in bad[:SHOWN_ROWS])
    more = f"\n  ... and {len(bad) - SHOWN_ROWS:,} more" if len(bad) > SHOWN_ROWS else ""
    return (
        f"{path}: {summary}:{lines}{more}\nPut them right, or leave them out with --skip_bad_rows, in Python "
        "skip_bad_rows=True."
    )
