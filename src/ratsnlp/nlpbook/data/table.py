"""Own tables: from a file in any of the usual formats to rows of text, with the line of each.

CSV and its relatives, JSON lists, JSON lines, Excel workbooks. What a file is, is told by what it holds, not by its
name. All text comes out in NFC.
"""

import json
import logging
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.data.delimited import DELIMITERS, decoded_lines, find_delimiter, read_records
from ratsnlp.nlpbook.data.encodings import SHOWN, find_encoding
from ratsnlp.nlpbook.data.readers import parse_json_list, shorten
from ratsnlp.nlpbook.data.workbook import ZIP, describe_sheet, find_workbook_fault, read_workbook
from ratsnlp.nlpbook.errors import CorpusFormatError

logger = logging.getLogger("ratsnlp")

LOOKED_AT = 100
"""Rows from which the names in JSON objects are told."""


@dataclass(frozen=True)
class Row:
    """One row: the line of the file on which it begins, and its cells, as many as the table has columns.

    `problem` says why it is no row of the table, and is empty for a good one.
    """

    line: int
    cells: Sequence[str]
    problem: str = ""


@dataclass(frozen=True)
class Layout:
    """How a file is to be read: "delimited", "objects", "list" or "workbook"; then its encoding, delimiter, sheet."""

    kind: str
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""

    def __str__(self) -> str:
        """Say it in words, for the log."""
        if self.kind == "workbook":
            return f"an Excel workbook, {self.sheet}"
        columns = f"columns parted by {DELIMITERS[self.delimiter]}" if self.delimiter else "JSON"
        return f"text in {SHOWN[self.encoding]}, {columns}"


class Table:
    """A table in a file. `names` are its columns, an unnamed one is called `column 3`.

    Args:
        path: The file.

    Raises:
        CorpusFormatError: It is in no readable format or encoding; names the line where there is one.
    """

    def __init__(self, path: Path):
        self.path = path
        state = path.stat()
        self.layout = find_layout(path, state.st_mtime_ns, state.st_size)
        self.names: list[str] = self.open()[0]

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the header, one by one. Rows without any text are none.

        Raises:
            CorpusFormatError: The file breaks off, or a quote never closes; names the line.
        """
        return self.open()[1]

    def open(self) -> tuple[list[str], Iterator[Row]]:
        """Return the names of the columns and the rows."""
        if self.layout.kind in ("objects", "list"):
            read = read_objects if self.layout.kind == "objects" else read_list
            return open_objects(lambda: read(self.path, self.layout.encoding))
        if self.layout.kind == "workbook":
            sheet = read_workbook(self.path)
            return open_records((line, [cell_text(value) for value in values]) for line, values in sheet)
        return open_records(read_records(self.path, self.layout.encoding, self.layout.delimiter))


@lru_cache(maxsize=64)
def find_layout(path: Path, modified: int, size: int) -> Layout:
    """Return how a file is to be read, and say it in the log: once, until the file changes."""
    with path.open("rb") as file:
        opening = file.read(8)
    if fault := find_workbook_fault(path, opening):
        raise CorpusFormatError(f"{path}: {fault}")
    if opening.startswith(ZIP):
        layout = Layout("workbook", sheet=describe_sheet(path))
    else:
        encoding = find_encoding(path)
        first = next((line.strip() for line in decoded_lines(path, encoding) if line.strip()), "")
        kind = {"[": "list", "{": "objects"}.get(first[:1], "delimited")
        layout = Layout(kind, encoding, find_delimiter(path, encoding) if kind == "delimited" else "")
    logger.info("%s: %s", path.name, layout)
    return layout


def open_records(records: Iterator[tuple[int, list[str]]]) -> tuple[list[str], Iterator[Row]]:
    """Return the names in the first record that is not blank, and the others as rows."""
    filled = ((line, cells) for line, cells in records if any(cell.strip() for cell in cells))
    _, header = next(filled, (0, []))
    names = [name.strip() or f"column {i}" for i, name in enumerate(header, start=1)]
    return names, (fit_row(line, cells, names) for line, cells in filled)


def fit_row(line: int, cells: list[str], names: Sequence[str]) -> Row:
    """Return a record as a row; blank cells beyond the last column are no cells."""
    while len(cells) > len(names) and not cells[-1].strip():
        cells = cells[:-1]
    problem = ""
    if len(cells) != len(names):
        problem = f"expected {len(names)} columns ({', '.join(names)}), got {len(cells)}: {shorten(cells)}"
    return Row(line, cells, problem)


def open_objects(read: Callable[[], Iterator[tuple[int, Any]]]) -> tuple[list[str], Iterator[Row]]:
    """Return the names in the first objects, in the order in which they come, and all objects as rows."""
    first = (item for _, item in islice(read(), LOOKED_AT) if isinstance(item, dict))
    names = list(dict.fromkeys(str(name) for item in first for name in item))

    def rows() -> Iterator[Row]:
        for line, item in read():
            good = isinstance(item, dict)
            problem = "" if good else f"expected a JSON object, got {shorten(item)}"
            yield Row(line, [cell_text(item.get(name)) for name in names] if good else [], problem)

    return names, rows()


def read_objects(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    """Yield `(line, item)` of a file with one JSON object in each line; a line that is no JSON comes as text."""
    for number, line in enumerate(decoded_lines(path, encoding), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError:
                yield number, line.strip()


def read_list(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    """Yield `(line, item)` of a file that holds one JSON list."""
    return parse_json_list(path, "".join(decoded_lines(path, encoding)))


def cell_text(value: Any) -> str:
    """Return what a cell of JSON or Excel holds as text: `5.0` as `5`, nothing for what is no text or number."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if value is None or isinstance(value, list | dict) or value != value:  # not-a-number differs from itself
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def read_table(path: Path, columns: Sequence[Sequence[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield `(line, cells)` of the rows of a table with known columns; other columns are ignored.

    Args:
        path: The file.
        columns: For each cell wanted, in order, the names that its column may have, in any case.

    Raises:
        CorpusFormatError: A column is missing, or a row has other columns; names the file and the line.
    """
    table = Table(path)
    places = [find_column(table, known, columns) for known in columns]
    for row in table.rows():
        if row.problem:
            raise CorpusFormatError(
                f"{path}, line {row.line}: {row.problem}. A quote that opens and never closes swallows the lines "
                "after it."
            )
        yield row.line, [row.cells[place] for place in places]


def find_column(table: Table, known: Sequence[str], columns: Sequence[Sequence[str]]) -> int:
    """Return the place of the column that has one of the `known` names.

    Raises:
        CorpusFormatError: There is none.
    """
    names = [name.casefold() for name in table.names]
    for name in known:
        if name in names:
            return names.index(name)
    raise CorpusFormatError(
        f"{table.path}, line 1: no column {' or '.join(known)} in the header {', '.join(table.names) or '(empty)'}. "
        f"The first line must name the columns, for example {','.join(names[0] for names in columns)}"
    )
