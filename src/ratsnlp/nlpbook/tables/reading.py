"""Table files as rows of text: CSV and its like, JSON lines, JSON lists, Excel workbooks, recognised by their contents.

Korean Excel saves "CSV" as CP949, "CSV UTF-8" as UTF-8 with a byte-order mark, and "Unicode Text" as UTF-16. All of a
file is decoded to know its encoding; it is never guessed from a part.
"""

import codecs
import csv
import json
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from ratsnlp.nlpbook.data.corpus import parse_json_list
from ratsnlp.nlpbook.errors import CorpusFormatError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.texts import shorten

SHOWN = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte-order mark",
    "utf-16": "UTF-16",
    "cp949": "CP949 (it is not UTF-8)",
}
"""The encodings that are read, by Python's name, as the log shows them."""
DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
LOOKED_AT = 100  # rows from which the delimiter, and the names in JSON objects, are taken
END = "\0"  # a line put after the last one: inside a cell, it shows that a quote is still open. No text holds it.
OLD_EXCEL, ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    line: int  # of the file, on which it begins
    cells: Sequence[str]  # as many as the table has columns
    problem: str = ""  # why it is not a row of the table; empty for a good one


@dataclass(frozen=True)
class Layout:
    """How a file is to be read."""

    kind: str  # "delimited", "objects", "list" or "workbook"
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""

    def __str__(self) -> str:
        if self.kind == "workbook":
            return f"an Excel workbook, {self.sheet}"
        columns = f"columns separated by {DELIMITERS[self.delimiter]}" if self.delimiter else "JSON"
        return f"text in {SHOWN[self.encoding]}, {columns}"


class Table:
    """A table in a file. `names` are its columns, an unnamed one is called `column 3`.

    Raises:
        CorpusFormatError: It is in no readable format or encoding; names the line where there is one.
    """

    def __init__(self, path: Path):
        self.path = path
        state = path.stat()
        self.layout = _find_layout(path, state.st_mtime_ns, state.st_size)
        self.names: list[str] = self._open()[0]

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the header that hold any text; a CorpusFormatError names a line that breaks off."""
        return self._open()[1]

    def _open(self) -> tuple[list[str], Iterator[Row]]:
        path, layout = self.path, self.layout
        if layout.kind == "list":
            return _open_objects(lambda: parse_json_list(path, "".join(_decoded_lines(path, layout.encoding))))
        if layout.kind == "objects":
            return _open_objects(lambda: _read_objects(path, layout.encoding))
        if layout.kind == "workbook":
            return _open_records((line, [*map(_cell_text, values)]) for line, values in read_workbook(path))
        return _open_records(_read_records(path, layout.encoding, layout.delimiter))


@lru_cache(maxsize=64)
def _find_layout(path: Path, modified: int, size: int) -> Layout:
    with path.open("rb") as file:
        opening = file.read(8)
    if fault := find_workbook_fault(path, opening):
        raise CorpusFormatError(f"{path}: {fault}")
    if opening.startswith(ZIP):
        with _open_workbook(path) as workbook:
            first, *more = workbook.sheetnames
        layout = Layout("workbook", sheet=f"sheet {first!r}" + (f", the first of {len(more) + 1}" if more else ""))
    else:
        encoding = find_encoding(path)
        begin = next((line.strip() for line in _decoded_lines(path, encoding) if line.strip()), "")
        kind = {"[": "list", "{": "objects"}.get(begin[:1], "delimited")
        layout = Layout(kind, encoding, _find_delimiter(path, encoding) if kind == "delimited" else "")
    logger.info("%s: %s", path.name, layout)
    return layout


def find_encoding(path: Path) -> str:
    """Return the encoding of a text file, a key of `SHOWN`; a CorpusFormatError says where each one fails.

    UTF-8 is tried before CP949: Hangul written in CP949 is not valid UTF-8, so the first that fits is right.
    """
    with path.open("rb") as file:
        opening = file.read(3)
    if opening[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        try:
            text = path.read_bytes().decode("utf-16")
        except UnicodeDecodeError as error:
            raise CorpusFormatError(
                f"{path}, byte {error.start + 1}: the file starts like UTF-16 but is not valid UTF-16. It may have "
                "been cut short; save it as UTF-8 and try again."
            ) from None
        if "\0" in text:
            raise CorpusFormatError(f"{path}: the file starts like UTF-16, but holds zero characters; save it as UTF-8")
        return "utf-16"
    marked, faults = opening == codecs.BOM_UTF8, []
    for codec in ("utf-8",) if marked else ("utf-8", "cp949"):
        if not (fault := _find_fault(path, codec)):
            return "utf-8-sig" if marked else codec
        faults.append(f"not {codec.upper()} ({fault})")
    found = " and ".join(faults)
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


def _decoded_lines(path: Path, encoding: str) -> Iterator[str]:
    with path.open(encoding=encoding, newline="") as file:
        for line in file:
            yield unicodedata.normalize("NFC", line if line[-1:] in "\r\n" else line + "\n")


def _find_delimiter(path: Path, encoding: str) -> str:
    def fit(delimiter: str) -> tuple[float, int]:
        """Return the share of rows as wide as the header, and that width."""
        widths: list[int] = []
        with suppress(CorpusFormatError):  # said when the table is read with the delimiter that fits best
            widths.extend(len(cells) for _, cells in islice(_read_records(path, encoding, delimiter), LOOKED_AT))
        width = widths[0] if widths else 0
        return (widths.count(width) / len(widths), width) if width > 1 else (0, 0)

    best = max(DELIMITERS, key=fit)
    return best if fit(best) > (0, 0) else ","


def _read_records(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield `(line, cells)` of a delimited file, quoted as spreadsheets do: a quoted cell may hold line breaks."""
    lines = chain(_decoded_lines(path, encoding), [END + "\n"])
    rows, line = csv.reader(lines, delimiter=delimiter), 1
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


def _open_records(records: Iterator[tuple[int, list[str]]]) -> tuple[list[str], Iterator[Row]]:
    filled = ((line, cells) for line, cells in records if any(cell.strip() for cell in cells))
    _, header = next(filled, (0, []))
    names = [name.strip() or f"column {i}" for i, name in enumerate(header, start=1)]

    def rows() -> Iterator[Row]:
        for line, cells in filled:
            while len(cells) > len(names) and not cells[-1].strip():
                cells.pop()
            problem = ""
            if len(cells) != len(names):
                problem = f"expected {len(names)} columns ({', '.join(names)}), got {len(cells)}: {shorten(cells)}"
            yield Row(line, cells, problem)

    return names, rows()


def _open_objects(read: Callable[[], Iterator[tuple[int, Any]]]) -> tuple[list[str], Iterator[Row]]:
    first = (item for _, item in islice(read(), LOOKED_AT) if isinstance(item, dict))
    names = list(dict.fromkeys(str(name) for item in first for name in item))

    def rows() -> Iterator[Row]:
        for line, item in read():
            if isinstance(item, dict):
                yield Row(line, [_cell_text(item.get(name)) for name in names])
            else:
                yield Row(line, [], f"expected a JSON object, got {shorten(item)}")

    return names, rows()


def _read_objects(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_decoded_lines(path, encoding), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError:
                yield number, line.strip()


def _cell_text(value: Any) -> str:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if value is None or isinstance(value, list | dict) or value != value:  # not-a-number differs from itself
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def find_workbook_fault(path: Path, opening: bytes) -> str:
    """Return why a file that is a workbook, or is called one, cannot be read; empty for any other file."""
    if opening.startswith(OLD_EXCEL):
        return "an Excel file of the old kind (.xls), or one with a password; save it as .xlsx without one, or as CSV"
    if path.suffix.lower() == ".xlsx" and not opening.startswith(ZIP):
        return "called .xlsx, but it is not an Excel workbook; rename it after what it is (.csv, .tsv, .jsonl)"
    return ""


def read_workbook(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """Yield `(row number, values)` of a workbook's first sheet, formulas as the values that Excel last stored."""
    with _open_workbook(path) as workbook:
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()  # some programs write them wrong
        for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            yield number, list(values)


@contextmanager
def _open_workbook(path: Path) -> Iterator[Any]:
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
                warnings.simplefilter("ignore")  # it warns of styles and charts it leaves out, which are not read
                workbook = load_workbook(file, read_only=True, data_only=True)
            try:
                yield workbook
            finally:
                workbook.close()
    except (BadZipFile, KeyError, IndexError, ValueError) as error:
        raise CorpusFormatError(
            f"{path}: not a readable Excel workbook ({type(error).__name__}: {error}); save it again in Excel"
        ) from None


def read_table(path: Path, columns: Sequence[Sequence[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield `(line, cells)` of the rows of a table with known columns; other columns are ignored.

    `columns` are, for each cell wanted, in order, the names that its column may have, in any case. A CorpusFormatError
    names the line of a header, or of a row, that lacks one.
    """
    table = Table(path)
    header = [name.casefold() for name in table.names]
    places = []
    for known in columns:
        if not (found := [name for name in known if name in header]):
            raise CorpusFormatError(
                f"{path}, line 1: no column {' or '.join(known)} in the header {', '.join(table.names) or '(empty)'}. "
                f"The first line must name the columns, for example {','.join(names[0] for names in columns)}"
            )
        places.append(header.index(found[0]))
    for row in table.rows():
        if row.problem:
            raise CorpusFormatError(
                f"{path}, line {row.line}: {row.problem}. A quote that opens and never closes swallows the lines "
                "after it."
            )
        yield row.line, [row.cells[place] for place in places]
