"""How far a score would move on other test sets of the same kind: bootstrap intervals, seeded."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ratsnlp.nlpbook.metrics import overall_scores

RESAMPLES = 2000
FEW_KINDS = 2000
"""Up to here a multinomial is drawn faster than rows are, measured."""

DRAWN_AT_ONCE = 4_000_000
"""Counts held at once, so that memory does not grow with rows times resamples."""


def draw_counts(counts: np.ndarray, resamples: int = RESAMPLES, seed: int = 0, width: int = 0) -> Iterator[np.ndarray]:
    """Yield resampled counts in chunks `(R, C)` int64, `resamples` rows in all.

    Drawing N rows with replacement only decides how many fall into each kind of row. So the counts of few kinds are
    drawn at once, as multinomials: the same distribution as resampling rows, in a fraction of the time.

    Args:
        counts: How many rows there are of each kind, `(C,)`.
        resamples: How many test sets to draw.
        seed: Same seed, same draws.
        width: Numbers that the caller makes of each draw, where those are more than the kinds.
    """
    generator, total, kinds = np.random.default_rng(seed), int(counts.sum()), len(counts)
    size = max(1, DRAWN_AT_ONCE // max(kinds, width))
    kind_of = np.repeat(np.arange(kinds), counts)  # (N,)
    for start in range(0, resamples, size):
        some = min(size, resamples - start)
        if kinds <= FEW_KINDS:
            yield generator.multinomial(total, counts / total, size=some)
        else:
            rows = (kind_of[generator.integers(total, size=total)] for _ in range(some))
            yield np.stack([np.bincount(drawn, minlength=kinds) for drawn in rows])


def middle_95(values: np.ndarray) -> tuple[float, float]:
    """Return the bounds that leave out 2.5 % of the values at each end."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def bootstrap_intervals(confusion: Tensor, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, list[float]]:
    """Return the 95 % bootstrap intervals of accuracy and macro F1.

    Args:
        confusion: Counts `(K, K)`.
        resamples: How many test sets to draw.
        seed: Same seed, same intervals.
    """
    flat = confusion.numpy().ravel()
    kinds = np.flatnonzero(flat)  # most cells of many labels are empty, and stay so
    found: dict[str, list[np.ndarray]] = {}
    for draws in draw_counts(flat[kinds], resamples, seed, width=len(flat)):
        matrices = np.zeros((len(draws), len(flat)), dtype=np.int64)
        matrices[:, kinds] = draws
        scores = overall_scores(torch.from_numpy(matrices.reshape(-1, *confusion.shape)))
        for name, values in scores.items():
            found.setdefault(name, []).append(values.numpy())
    return {name: list(middle_95(np.concatenate(chunks))) for name, chunks in found.items()}


def draw_interval(
    scores: np.ndarray, groups: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of `scores`.

    Whole groups are drawn with replacement: questions about one article stand and fall together, and an interval that
    took them for independent would be too narrow. Groups alike in size and sum are one kind (see `draw_counts`).

    Args:
        scores: One score for each row, `(N,)`.
        groups: What each row is about; None takes every row for a group of its own.
        resamples: How many test sets to draw.
        seed: Same seed, same interval.
    """
    place = {group: i for i, group in enumerate(dict.fromkeys(groups or ()))}
    numbers = np.array([place[group] for group in groups]) if groups else np.arange(len(scores))
    sums, sizes = np.bincount(numbers, weights=scores), np.bincount(numbers)
    kinds, counts = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)  # (C, 2), (C,)
    means = [(draws @ kinds[:, 0]) / (draws @ kinds[:, 1]) for draws in draw_counts(counts, resamples, seed)]
    return middle_95(np.concatenate(means))
