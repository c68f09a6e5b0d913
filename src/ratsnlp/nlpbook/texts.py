"""Values as they enter: composed text (NFC), plain Python values; and texts cut or filled up for people to read."""

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
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
        # what was joined stands first; marks that stay behind it keep a place of their own
        places += [start, *(max(start + 1, end - left) for left in range(len(part) - 1, 0, -1))]
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


def plain(value: Any) -> Any:
    """Return a value as Python's own type of it: paths as text, numpy's and torch's scalars as numbers, enums by value.

    Checkpoints hold plain values only, since `torch.load` opens nothing else; so values become plain where they enter.
    Containers are gone through; what has no plain form stays as it is.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    for kind in (bool, str, int, float):  # numpy's texts, and whole numbers of other libraries, are subclasses
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return {plain(name): plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple | set) else value


def plain_label(label: Any) -> str | None:
    """Return a label as text, `1.0` as `1`, since spreadsheets turn whole numbers into such; None where it is none."""
    found = plain(label)
    if found is None or found != found:  # a cell without a value, which pandas calls not-a-number
        return None
    return str(int(found)) if isinstance(found, float) and found.is_integer() else str(found)


def plain_labels(labels: Iterable[Any]) -> list[str]:
    """Return labels as texts, in their order; those that read alike, such as `0` and `"0"`, are one."""
    return list(dict.fromkeys(str(plain_label(label)) for label in labels))
