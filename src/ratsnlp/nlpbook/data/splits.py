"""Which rows are held out, each label with its share."""

import random
from collections import defaultdict
from collections.abc import Sequence

HELD_OUT_AT_MOST = 5000
"""More held-out rows than these make a score hardly surer."""


def held_out_count(rows: int, ratio: float) -> int:
    """Return how many rows to hold out: their share, at least one, at most `HELD_OUT_AT_MOST`."""
    return max(1, min(HELD_OUT_AT_MOST, round(rows * ratio)))


def share_out(sizes: Sequence[int], total: int) -> list[int]:
    """Return how many of `total` rows each group gives, by its size; the largest remainders are rounded up.

    No group gives its last row: a label must stay among the rows to learn from.
    """
    exact = [total * size / max(1, sum(sizes)) for size in sizes]
    shares = [min(int(share), max(0, size - 1)) for share, size in zip(exact, sizes, strict=True)]
    for group in sorted(range(len(sizes)), key=lambda i: shares[i] - exact[i]):
        if sum(shares) < total and shares[group] < sizes[group] - 1:
            shares[group] += 1
    return shares


def choose_held_out(labels: Sequence[str], count: int, seed: int) -> frozenset[int]:
    """Return the numbers of about `count` rows to hold out, each label with its share.

    Args:
        labels: The label of every row.
        count: How many rows to hold out.
        seed: Same labels and seed, same rows, on every machine.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        rows[label].append(row)
    names = sorted(rows)
    draw = random.Random(seed)
    shares = share_out([len(rows[name]) for name in names], count)
    return frozenset(row for name, share in zip(names, shares, strict=True) for row in draw.sample(rows[name], share))
