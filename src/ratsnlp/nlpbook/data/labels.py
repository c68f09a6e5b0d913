"""Labels that come from the data: how they are written, in which order they stand, and what is none."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

MOST_LABELS = 1000
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")
"""A whole number as spreadsheets write it in a column that once had gaps: `5.0`."""


def natural_key(label: str) -> tuple[Any, ...]:
    """Return a key that sorts labels as people do: numbers by size and first, `9점` before `10점`."""
    if NUMBER.fullmatch(label):
        return 0, float(label), (), label
    parts = re.split(r"([0-9]+)", label.casefold())
    runs = [(len(digits.lstrip("0")), digits.lstrip("0")) for digits in parts[1::2]]
    return 1, 0.0, tuple(zip(parts[::2], [*runs, (0, "")], strict=True)), label


def whole_numbers(labels: Collection[str]) -> bool:
    """Tell whether a point in these labels only ever belongs to a whole number: `1.0, 2.0`, not `1.0, 1.5`."""
    return all(WHOLE.fullmatch(label) for label in labels if "." in label)


def order_labels(found: Iterable[str]) -> list[str]:
    """Return the labels of a column in their order, `1.0` as `1` where all numbers in it are whole."""
    labels = set(found)
    if whole_numbers(labels):
        labels = {strip_zeros(label) for label in labels}
    return sorted(labels, key=natural_key)


def strip_zeros(label: str) -> str:
    """Return `5.0` as `5`, and any other label as it is."""
    match = WHOLE.fullmatch(label)
    return match[1] if match else label


def match_label(found: str, labels: Collection[str]) -> str | None:
    """Return which of the labels a cell means: itself, or without `.0`; None where it is none of them."""
    return next((label for label in (found, strip_zeros(found)) if label in labels), None)


def describe_labels(counts: Mapping[str, int], labels: Sequence[str], shown: int = 20) -> str:
    """Return labels in order with how many rows have them: `0: 부정 (512), 1: 긍정 (488)`."""
    named = [f"{i}: {label} ({counts[label]:,})" for i, label in enumerate(labels[:shown])]
    return ", ".join([*named, f"... {len(labels) - shown} more"] if len(labels) > shown else named)


def find_fault_of_labels(labels: Sequence[str], rows: int) -> str:
    """Return why the values of a column cannot be labels; empty where they can."""
    if len(labels) < 2:
        return f"holds one value only, {labels[0]!r}, in all of {rows:,} rows; a classifier tells two labels or more"
    if len(labels) > MOST_LABELS or (len(labels) > 2 and 2 * len(labels) > rows):
        return f"holds {len(labels):,} different values in {rows:,} rows; it looks like {kind_of(labels)}, not labels"
    return ""


def kind_of(values: Sequence[str]) -> str:
    """Say what a column of many different values holds."""
    if all(NUMBER.fullmatch(value) for value in values):
        return "numbers or ids"
    spaced = sum(" " in value for value in values)
    return "texts" if 2 * spaced > len(values) else "names or ids"
