"""Excel workbooks, read with openpyxl (the extra `xlsx`), which is imported only here and only when it is needed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from ratsnlp.nlpbook.errors import CorpusFormatError

OLD_EXCEL = b"\xd0\xcf\x11\xe0"
ZIP = b"PK\x03\x04"


def find_workbook_fault(path: Path, opening: bytes) -> str:
    """Return why a file that is a workbook, or is called one, cannot be read; empty for any other file."""
    if opening.startswith(OLD_EXCEL):
        return "an Excel file of the old kind (.xls), or one with a password; save it as .xlsx without one, or as CSV"
    if path.suffix.lower() == ".xlsx" and not opening.startswith(ZIP):
        return "called .xlsx, but it is no Excel workbook; rename it after what it is (.csv, .tsv, .jsonl)"
    return ""


def describe_sheet(path: Path) -> str:
    """Return which sheet of a workbook is read, for the log."""
    with open_workbook(path) as workbook:
        names = workbook.sheetnames
        return f"sheet {names[0]!r}" + (f", the first of {len(names)}" if len(names) > 1 else "")


def read_workbook(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """Yield `(row number, values)` of a workbook's first sheet, formulas as the values that Excel last stored.

    Raises:
        CorpusFormatError: openpyxl is missing, or the file is damaged or no workbook.
    """
    with open_workbook(path) as workbook:
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()  # some programs write them wrong
        for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            yield number, list(values)


@contextmanager
def open_workbook(path: Path) -> Iterator[Any]:
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
