"""CSV and its relatives: lines of text, cells parted by a sign, quoted as spreadsheets do."""

import csv
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ratsnlp.nlpbook.errors import CorpusFormatError

DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
LOOKED_AT = 100
"""Rows from which the delimiter is told."""

END = "\0"
"""A line put after the last one: found inside a cell, it tells that a quote is still open. No text holds it."""


def decoded_lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file with their ends, in NFC, the last one ended too."""
    with path.open(encoding=encoding, newline="") as file:
        for line in file:
            yield unicodedata.normalize("NFC", line if line[-1:] in "\r\n" else line + "\n")


def find_delimiter(path: Path, encoding: str) -> str:
    """Return the sign that parts most rows into as many cells as the first one has; a comma where none parts it."""

    def fit(delimiter: str) -> tuple[float, int]:
        widths: list[int] = []
        with suppress(CorpusFormatError):  # said when the table is read with the delimiter that fits best
            widths.extend(len(cells) for _, cells in islice(read_records(path, encoding, delimiter), LOOKED_AT))
        if not widths or widths[0] < 2:
            return 0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    best = max(DELIMITERS, key=fit)
    return best if fit(best) > (0, 0) else ","


def read_records(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield `(line, cells)` of a delimited file, quoted as spreadsheets do: a quoted cell may hold line breaks.

    Raises:
        CorpusFormatError: A quote never closes, or a cell is too long; names the line on which the row begins.
    """

    def lines() -> Iterator[str]:
        yield from decoded_lines(path, encoding)
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
