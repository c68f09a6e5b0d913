"""Which encoding a text file is in: told by decoding all of it, never guessed from a part.

Korean Excel saves "CSV" as CP949, "CSV UTF-8" as UTF-8 with a byte-order mark, and "Unicode Text" as UTF-16.
"""

import codecs
import csv
import json
import logging
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from ratsnlp.nlpbook.data.readers import parse_json_list
from ratsnlp.nlpbook.errors import CorpusFormatError
from ratsnlp.nlpbook.texts import shorten

SHOWN = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte-order mark",
    "utf-16": "UTF-16",
    "cp949": "CP949 (it is not UTF-8)",
}
"""The encodings that are read, by Python's name, as the log shows them."""


def find_encoding(path: Path) -> str:
    """Return the encoding of a text file, a key of `SHOWN`.

    UTF-8 is tried before CP949: Hangul written in CP949 is not valid UTF-8, so the first that fits is right.

    Raises:
        CorpusFormatError: The file is text in none of them; names the line and the byte at which each one fails.
    """
    with path.open("rb") as file:
        opening = file.read(3)
    if opening[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        _check_utf16(path)
        return "utf-16"
    marked = opening == codecs.BOM_UTF8
    faults = {}
    for codec in ("utf-8",) if marked else ("utf-8", "cp949"):
        faults[codec] = _find_fault(path, codec)
        if not faults[codec]:
            return "utf-8-sig" if marked else codec
    found = " and ".join(f"not {codec.upper()} ({fault})" for codec, fault in faults.items())
    zero = " A byte 0x00 means UTF-16 without its mark, or no text at all." if "0x00" in found else ""
    raise CorpusFormatError(
        f"{path}: {found}.{zero} Save the file as UTF-8 (Excel: 'CSV UTF-8') and try again; "
        "a file joined from several must be in one encoding throughout."
    )


def _find_fault(path: Path, codec: str) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            place = line.find(b"\0")
            try:
                line.decode(codec)
            except UnicodeDecodeError as error:
                place = error.start
            if place >= 0:
                return f"line {number}, byte {place + 1} of the line, 0x{line[place]:02x}"
    return ""


def _check_utf16(path: Path) -> None:
    """Decode a file that begins with a mark of UTF-16.

    Raises:
        CorpusFormatError: Some of it is not UTF-16; names the byte.
    """
    try:
        text = path.read_bytes().decode("utf-16")
    except UnicodeDecodeError as error:
        raise CorpusFormatError(
            f"{path}, byte {error.start + 1}: the file begins as UTF-16, but this is none. It may have been cut short; "
            "save it as UTF-8 and try again."
        ) from None
    if "\0" in text:
        raise CorpusFormatError(f"{path}: the file begins as UTF-16, but holds zero characters; save it as UTF-8")


DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
DELIMITER_ROWS = 100
"""Rows from which the delimiter is told."""
END = "\0"
"""A line put after the last one: found inside a cell, it tells that a quote is still open. No text holds it."""


def _decoded_lines(path: Path, encoding: str) -> Iterator[str]:
    with path.open(encoding=encoding, newline="") as file:
        for line in file:
            yield unicodedata.normalize("NFC", line if line[-1:] in "\r\n" else line + "\n")


def _find_delimiter(path: Path, encoding: str) -> str:

    def fit(delimiter: str) -> tuple[float, int]:
        widths: list[int] = []
        with suppress(CorpusFormatError):  # said when the table is read with the delimiter that fits best
            widths.extend(len(cells) for _, cells in islice(_read_records(path, encoding, delimiter), DELIMITER_ROWS))
        if not widths or widths[0] < 2:
            return 0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    best = max(DELIMITERS, key=fit)
    return best if fit(best) > (0, 0) else ","


def _read_records(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield `(line, cells)` of a delimited file, quoted as spreadsheets do: a quoted cell may hold line breaks.

    Raises:
        CorpusFormatError: A quote never closes, or a cell is too long; names the line on which the row begins.
    """

    def lines() -> Iterator[str]:
        yield from _decoded_lines(path, encoding)
        yield END + "\n"

    rows, line = csv.reader(lines(), delimiter=delimiter), 1
    try:
        for cells in rows:
            if cells == [END]:
                return
            if END in "".join(cells[-1:]):
                raise CorpusFormatError(
                    f"{path}, line {line}: a quote opens in this row and never closes, so it swallows the lines after "
                    'it. Close it, or write it twice ("") where it belongs to the text.'
                )
            yield line, cells
            line = rows.line_num + 1
    except csv.Error as error:
        raise CorpusFormatError(f"{path}, line {line}: {error}; a quote may never close") from None


OLD_EXCEL = b"\xd0\xcf\x11\xe0"
ZIP = b"PK\x03\x04"


def find_workbook_fault(path: Path, opening: bytes) -> str:
    """Return why a file that is a workbook, or is called one, cannot be read; empty for any other file."""
    if opening.startswith(OLD_EXCEL):
        return "an Excel file of the old kind (.xls), or one with a password; save it as .xlsx without one, or as CSV"
    if path.suffix.lower() == ".xlsx" and not opening.startswith(ZIP):
        return "called .xlsx, but it is no Excel workbook; rename it after what it is (.csv, .tsv, .jsonl)"
    return ""


def _describe_sheet(path: Path) -> str:
    with _open_workbook(path) as workbook:
        names = workbook.sheetnames
        return f"sheet {names[0]!r}" + (f", the first of {len(names)}" if len(names) > 1 else "")


def read_workbook(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """Yield `(row number, values)` of a workbook's first sheet, formulas as the values that Excel last stored.

    Raises:
        CorpusFormatError: openpyxl is missing, or the file is damaged or no workbook.
    """
    with _open_workbook(path) as workbook:
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()  # some programs write them wrong
        for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            yield number, list(values)


@contextmanager
def _open_workbook(path: Path) -> Iterator[Any]:
    """Open a workbook for reading, row by row.

    Raises:
        CorpusFormatError: openpyxl is missing, or the file is damaged or no workbook.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise CorpusFormatError(
            f"{path}: reading Excel files needs openpyxl: pip install openpyxl. Or save the sheet as 'CSV UTF-8'."
        ) from None
    try:
        # as a file without a name: openpyxl refuses a workbook that is called otherwise
        with path.open("rb") as file:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # styles and charts that it leaves out are none of ours
                workbook = load_workbook(file, read_only=True, data_only=True)
            try:
                yield workbook
            finally:
                workbook.close()
    except (BadZipFile, KeyError, IndexError, ValueError) as error:
        raise CorpusFormatError(
            f"{path}: not a readable Excel workbook ({type(error).__name__}: {error}); save it again in Excel"
        ) from None


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
        self.layout = _find_layout(path, state.st_mtime_ns, state.st_size)
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
            read = _read_objects if self.layout.kind == "objects" else _read_list
            return _open_objects(lambda: read(self.path, self.layout.encoding))
        if self.layout.kind == "workbook":
            sheet = read_workbook(self.path)
            return _open_records((line, [_cell_text(value) for value in values]) for line, values in sheet)
        return _open_records(_read_records(self.path, self.layout.encoding, self.layout.delimiter))


@lru_cache(maxsize=64)
def _find_layout(path: Path, modified: int, size: int) -> Layout:
    with path.open("rb") as file:
        opening = file.read(8)
    if fault := find_workbook_fault(path, opening):
        raise CorpusFormatError(f"{path}: {fault}")
    if opening.startswith(ZIP):
        layout = Layout("workbook", sheet=_describe_sheet(path))
    else:
        encoding = find_encoding(path)
        first = next((line.strip() for line in _decoded_lines(path, encoding) if line.strip()), "")
        kind = {"[": "list", "{": "objects"}.get(first[:1], "delimited")
        layout = Layout(kind, encoding, _find_delimiter(path, encoding) if kind == "delimited" else "")
    logger.info("%s: %s", path.name, layout)
    return layout


def _open_records(records: Iterator[tuple[int, list[str]]]) -> tuple[list[str], Iterator[Row]]:
    filled = ((line, cells) for line, cells in records if any(cell.strip() for cell in cells))
    _, header = next(filled, (0, []))
    names = [name.strip() or f"column {i}" for i, name in enumerate(header, start=1)]
    return names, (_fit_row(line, cells, names) for line, cells in filled)


def _fit_row(line: int, cells: list[str], names: Sequence[str]) -> Row:
    while len(cells) > len(names) and not cells[-1].strip():
        cells = cells[:-1]
    problem = ""
    if len(cells) != len(names):
        problem = f"expected {len(names)} columns ({', '.join(names)}), got {len(cells)}: {shorten(cells)}"
    return Row(line, cells, problem)


def _open_objects(read: Callable[[], Iterator[tuple[int, Any]]]) -> tuple[list[str], Iterator[Row]]:
    first = (item for _, item in islice(read(), LOOKED_AT) if isinstance(item, dict))
    names = list(dict.fromkeys(str(name) for item in first for name in item))

    def rows() -> Iterator[Row]:
        for line, item in read():
            good = isinstance(item, dict)
            problem = "" if good else f"expected a JSON object, got {shorten(item)}"
            yield Row(line, [_cell_text(item.get(name)) for name in names] if good else [], problem)

    return names, rows()


def _read_objects(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_decoded_lines(path, encoding), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError:
                yield number, line.strip()


def _read_list(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    return parse_json_list(path, "".join(_decoded_lines(path, encoding)))


def _cell_text(value: Any) -> str:
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
    places = [_find_column(table, known, columns) for known in columns]
    for row in table.rows():
        if row.problem:
            raise CorpusFormatError(
                f"{path}, line {row.line}: {row.problem}. A quote that opens and never closes swallows the lines "
                "after it."
            )
        yield row.line, [row.cells[place] for place in places]


def _find_column(table: Table, known: Sequence[str], columns: Sequence[Sequence[str]]) -> int:
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
