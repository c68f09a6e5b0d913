"""Rows as files and as text: tab-separated tables, and columns in a terminal where Hangul is two cells wide."""

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

SHOWN_CHARACTERS = 60
NAME_CELLS = 11
"""Width of the names at the beginning of a score card's lines."""


def write_tsv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as tab-separated UTF-8, quoted as in CSV where a text holds a tab, a quote or a line break."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)


def read_tsv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns, and the rows, of a file that `write_tsv` wrote."""
    csv.field_size_limit(2**31 - 1)  # a passage may be longer than the 128 KiB that csv allows
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    return (rows[0] if rows else []), rows[1:]


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes: a Hangul syllable takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def fill(text: str, width: int) -> str:
    """Return a text filled up with spaces to `width` cells."""
    return text + " " * (width - cells(text))


def line_of(name: str, value: str, more: str = "") -> str:
    """Return one line of a score card: `accuracy   0.8110   95 % interval 0.8075 to 0.8144`."""
    return f"{name:{NAME_CELLS}}{value}{'   ' + more if more else ''}"


def shorten(text: str) -> str:
    """Return the beginning of a text, on one line."""
    return " ".join(text.split())[:SHOWN_CHARACTERS]
