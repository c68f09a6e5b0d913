"""How far a score would move on other test sets of the same kind: bootstrap intervals, seeded."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

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


BINS = 15
LEAST_PROBABILITY = 1e-12
"""Taken for 0, whose logarithm would be infinite."""


def bin_confidences(confidences: np.ndarray, hits: np.ndarray, bins: int = BINS) -> list[dict[str, Any]]:
    """Return what the model promised and what it kept, in bins of equal width; empty ones are left out.

    Args:
        confidences: Probabilities in 0..1, `(N,)`.
        hits: Whether each came true, `(N,)`.
        bins: How many bins 0..1 is cut into; a probability on a boundary belongs to the upper bin.

    Returns:
        A row for each bin: `low` and `high` (its boundaries), `examples`, `confidence` (mean probability), `right`
        (share that came true).
    """
    places = np.minimum(np.floor(np.asarray(confidences, dtype=np.float64) * bins).astype(int), bins - 1)
    counts = np.bincount(places, minlength=bins)
    promised = np.bincount(places, weights=confidences, minlength=bins)
    kept = np.bincount(places, weights=hits, minlength=bins)
    return [
        {
            "low": i / bins,
            "high": (i + 1) / bins,
            "examples": int(counts[i]),
            "confidence": float(promised[i] / counts[i]),
            "right": float(kept[i] / counts[i]),
        }
        for i in np.flatnonzero(counts)
    ]


def expected_calibration_error(rows: list[dict[str, Any]]) -> float:
    """Return the mean distance between promised and kept, in 0..1, each bin weighing as many examples as it holds."""
    sizes = [row["examples"] for row in rows]
    return float(np.average([abs(row["confidence"] - row["right"]) for row in rows], weights=sizes))


def measure_calibration(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return how well a classifier's probabilities are calibrated.

    Args:
        probabilities: `(N, K)`.
        labels: True label numbers, `(N,)`.

    Returns:
        `ece` of the label given (the others' probabilities do not count); `ece_macro`, the mean over all K labels of
        each one's own error, "this label or not"; `brier`, the squared distance to the truth, summed over labels, in
        0..2; `nll`, the mean negative log-likelihood in nats; `bins`, what `ece` is made of.
    """
    truth = np.eye(probabilities.shape[1])[labels]
    given = probabilities.argmax(axis=1)
    bins = bin_confidences(probabilities.max(axis=1), given == labels)
    each = [
        expected_calibration_error(bin_confidences(column, right))
        for column, right in zip(probabilities.T, truth.T, strict=True)
    ]
    likelihood = np.maximum(probabilities[np.arange(len(labels)), labels], LEAST_PROBABILITY)
    return {
        "ece": expected_calibration_error(bins),
        "ece_macro": float(np.mean(each)),
        "brier": float(np.square(probabilities - truth).sum(axis=1).mean()),
        "nll": float(-np.log(likelihood).mean()),
        "bins": bins,
    }


BUCKETS = 5


def score_by_length(lengths: Sequence[int], scores: np.ndarray, buckets: int = BUCKETS) -> list[dict[str, Any]]:
    """Return the mean score of texts of like length, shortest first.

    Buckets hold about as many texts each. Texts of one length stay together, so there may be fewer buckets than asked.
    Intervals take texts for independent.

    Args:
        lengths: How long each text is, in characters, `(N,)`.
        scores: The score of each, `(N,)`.
        buckets: How many buckets there are at most.

    Returns:
        A row for each bucket: `shortest` and `longest`, both inclusive, `examples`, `score` and its `interval_95`.
    """
    sizes = np.asarray(lengths)
    bounds = np.unique(np.quantile(sizes, np.arange(1, buckets) / buckets, method="inverted_cdf"))
    places = np.searchsorted(bounds, sizes)  # a length equal to a bound belongs to the bucket that ends there
    rows = []
    for place in np.unique(places):
        inside = places == place
        rows.append(
            {
                "shortest": int(sizes[inside].min()),
                "longest": int(sizes[inside].max()),
                "examples": int(inside.sum()),
                "score": float(scores[inside].mean()),
                "interval_95": list(draw_interval(scores[inside])),
            }
        )
    return rows


FEWEST_FOR_CHI_SQUARE = 25
"""Below this many rows where just one model is right, the chi-square distribution is too rough."""


class McNemar(NamedTuple):
    """The outcome of a test.

    Attributes:
        p_value: How probable a difference at least this large is between two models that are equally good.
        method: How it was computed.
    """

    p_value: float
    method: Literal["exact binomial", "chi-square, continuity-corrected"]


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """Test whether two models that answered the same rows are equally good, two-sided.

    Rows that both have right, or both wrong, say nothing about which is better.

    Args:
        only_first: Rows that just the first model has right.
        only_second: Rows that just the second model has right.

    Source: McNemar 1947, https://doi.org/10.1007/BF02295996; the correction is Edwards', 1948.
    """
    total = only_first + only_second
    if total < FEWEST_FOR_CHI_SQUARE:
        tail = sum(math.comb(total, k) for k in range(min(only_first, only_second) + 1))
        return McNemar(min(1.0, 2 * tail / 2**total), "exact binomial")
    distance = max(0, abs(only_first - only_second) - 1)
    # P(chi-square with 1 degree of freedom > x) = erfc(sqrt(x / 2))
    return McNemar(math.erfc(distance / math.sqrt(2 * total)), "chi-square, continuity-corrected")
