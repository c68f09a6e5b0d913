"""File formats: from a path to plain rows, nothing else. What rows mean is said in `corpus.py` and the task folders.

Every reader normalises to NFC: files that passed through macOS hold Hangul as separate jamo (NFD), which no vocabulary
knows.
"""

import csv
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from ratsnlp.nlpbook.errors import CorpusFormatError


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


def shorten(row: list[str], width: int = 80) -> str:
    """Return a row as text, cut to about `width` characters."""
    text = repr(row)
    return text if len(text) <= width else text[:width] + "..."
