"""Published file formats: from a path to plain rows. Own tables are read in `tables`.

Every reader normalises to NFC: files from macOS hold Hangul as separate jamo (NFD), which no vocabulary knows.
"""

import csv
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.errors import CorpusFormatError
from ratsnlp.nlpbook.texts import shorten


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their ends, in NFC, without a byte-order mark.

    Raises:
        CorpusFormatError: A line is not UTF-8; names the file and the line.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise CorpusFormatError(
                    f"{path}, line {number}: not UTF-8 text. Save the file as UTF-8 (Excel: 'CSV UTF-8') and try again."
                ) from None
            yield unicodedata.normalize("NFC", text)


def read_nsmc(path: Path) -> Iterator[tuple[str, str]]:
    """Yield `(review, label)` from an NSMC file: tab-separated `id document label`, one header line, label 0 or 1.

    Documents that hold a quote are quoted as in CSV by NSMC's makers, so a line is not simply split at its tabs.

    Raises:
        CorpusFormatError: A row has other columns or another label; names the file and the line on which it starts.

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


def read_json_list(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield `(line, item)` of a UTF-8 file that holds one JSON list; `line` is where the item begins.

    Raises:
        CorpusFormatError: The file holds something else, or breaks off; names the file and the line.
    """
    return parse_json_list(path, "".join(read_lines(path)))


def parse_json_list(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """Yield `(line, item)` of the JSON list that a file's text is. See `read_json_list`."""
    decode = json.JSONDecoder().raw_decode
    place, line, counted = _skip_between(text, 0), 1, 0
    if not text.startswith("[", place):
        raise CorpusFormatError(f"{path}: expected a JSON list, the file begins with {text[place : place + 20]!r}")
    place = _skip_between(text, place + 1)
    while not text.startswith("]", place):
        line, counted = line + text.count("\n", counted, place), place
        try:
            item, place = decode(text, place)
        except json.JSONDecodeError as error:
            raise CorpusFormatError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
        yield line, item
        place = _skip_between(text, place)


def _skip_between(text: str, place: int) -> int:
    while place < len(text) and (text[place].isspace() or text[place] == ","):
        place += 1
    return place
