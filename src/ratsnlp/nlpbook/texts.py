"""Composed text (NFC) and where its characters stood before; texts cut or filled up for people to read."""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def compose(text: str) -> tuple[str, Sequence[int]]:
    """Return a text in NFC, since macOS may write Hangul as separate jamo (NFD), and where its characters stood.

    Returns:
        The composed text of N characters, and N + 1 places in the given one, its end included: characters
        `start..end` of the first (half-open) are `places[start]..places[end]` of the second.
    """
    if unicodedata.is_normalized("NFC", text):
        return text, range(len(text) + 1)
    starts = [i for i, character in enumerate(text) if i == 0 or not _joins(character)]
    composed, places = [], []
    for start, end in pairwise([*starts, len(text)]):
        part = unicodedata.normalize("NFC", text[start:end])
        composed.append(part)
        places.extend([start] * len(part))
    joined = "".join(composed)
    if joined != unicodedata.normalize("NFC", text):  # a script whose letters join in other ways; left as it is
        return text, range(len(text) + 1)
    return joined, [*places, len(text)]


def _joins(character: str) -> bool:
    return "\u1160" <= character <= "\u11ff" or unicodedata.category(character).startswith("M")


def shorten(row: Any, width: int = 80) -> str:
    """Return a row as text, cut to about `width` characters."""
    text = repr(row)
    return text if len(text) <= width else text[:width] + "..."


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes: a Hangul syllable takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def fill(text: str, width: int) -> str:
    """Return a text filled up with spaces to `width` cells."""
    return text + " " * (width - cells(text))


def excerpt(text: str) -> str:
    """Return the first 60 characters of a text, on one line."""
    return " ".join(text.split())[:60]
