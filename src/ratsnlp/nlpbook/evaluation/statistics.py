"""What scores are worth: seeded bootstrap intervals, calibration, scores by length, McNemar's test. NumPy only."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

Parts = tuple[np.ndarray, np.ndarray]  # what each row adds above and below the line of a score: two `(N,)` float64


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score that a report shows: how it is called and, where it is made of rows, from which columns.

    Over rows it is `weight * sum(numerator) / sum(denominator)`, times 100 if `percent`.
    """

    key: str  # its name in `metrics.json`
    name: str  # its name in a terminal
    korean: str = ""  # its name on the page; by default `name`
    percent: bool = False  # whether it is in 0..100, shown with two decimals; else it is in 0..1, with four
    numerator: str = ""  # a column of `predictions.tsv`; empty for a score that is no ratio of sums, such as macro F1
    denominator: Sequence[str] = ()  # columns that are added up; empty for the number of rows
    weight: float = 1  # 2 for an F1, which is 2 * right / (gold + predicted)

    @property
    def highest(self) -> float:
        """The best that can be reached."""
        return 100 if self.percent else 1

    def format(self, value: float, sign: str = "") -> str:
        """Return a value as it is shown."""
        return f"{value:{sign}.{2 if self.percent else 4}f}"

    def parts(self, columns: Mapping[str, Sequence[Any]]) -> Parts:
        """Return what each row adds above and below the line, in the unit of the score."""
        above = self.highest * self.weight * np.asarray(columns[self.numerator], dtype=np.float64)
        below = [np.asarray(columns[name], dtype=np.float64) for name in self.denominator] or [np.ones(len(above))]
        return above, np.sum(below, axis=0)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return `above / below`, and 0 where there is nothing to count."""
    found: np.ndarray = np.divide(above, below, out=np.zeros(np.shape(above)), where=np.not_equal(below, 0))
    return found


def ratio_of_sums(parts: Parts) -> float:
    """Return the score of the rows that `parts` stand for."""
    return float(ratio(parts[0].sum(), parts[1].sum()))


def class_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Return `precision`, `recall` and `f1` of each class in 0..1, each `(..., K)`, from counts `(..., K, K)`.

    True labels are in rows. A score with nothing to count is 0.
    """
    hits, predicted, present = confusion.diagonal(axis1=-2, axis2=-1), confusion.sum(-2), confusion.sum(-1)
    f1 = ratio(2 * hits, predicted + present)
    return {"precision": ratio(hits, predicted), "recall": ratio(hits, present), "f1": f1}


def overall_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Return `accuracy` and `macro_f1` in 0..1, each `(...)`, from counts `(..., K, K)`, true label by row.

    A class that is neither present nor predicted does not count towards macro F1.
    """
    seen = (confusion.sum(-1) + confusion.sum(-2)) > 0
    return {
        "accuracy": confusion.diagonal(axis1=-2, axis2=-1).sum(-1) / confusion.sum((-2, -1)),
        "macro_f1": class_scores(confusion)["f1"].sum(-1) / seen.sum(-1),
    }


FEW_KINDS = 2000  # up to here a multinomial is drawn faster than rows are, measured
DRAWN_AT_ONCE = 4_000_000  # counts held at once, so that memory does not grow with rows times resamples


def draw_counts(counts: np.ndarray, resamples: int = 2000, seed: int = 0, width: int = 0) -> Iterator[np.ndarray]:
    """Yield `resamples` drawn test sets, given how many rows there are of each kind, `(C,)`: chunks `(R, C)` int64.

    Drawing N rows with replacement only decides how many fall into each kind of row. So the counts of few kinds are
    drawn at once, as multinomials: the same distribution as resampling rows, in a fraction of the time. `width` is how
    many numbers the caller makes of each draw, if more than the kinds.
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


def bootstrap_intervals(confusion: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return the 95 % bootstrap intervals of accuracy and macro F1, from counts `(K, K)`."""
    flat = confusion.ravel()
    kinds = np.flatnonzero(flat)  # most cells of many labels are empty, and stay so
    found: dict[str, list[np.ndarray]] = {}
    for draws in draw_counts(flat[kinds], width=len(flat)):
        matrices = np.zeros((len(draws), len(flat)), dtype=np.int64)
        matrices[:, kinds] = draws
        for name, values in overall_scores(matrices.reshape(-1, *confusion.shape)).items():
            found.setdefault(name, []).append(values)
    return {name: _middle_95(np.concatenate(chunks)) for name, chunks in found.items()}


def draw_interval(
    scores: np.ndarray, groups: Sequence[Any] | None = None, sizes: np.ndarray | None = None, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of `sum(scores) / sum(sizes)`; of the mean, unless sizes are given.

    Whole groups of the N rows are drawn with replacement: questions about one article are not independent, and an
    interval that took them for it would be too narrow. Without groups every row is one of its own.
    """
    below = np.ones(len(scores)) if sizes is None else sizes
    return _middle_95(_resample([scores, below], ratio, groups, seed))


def draw_difference(first: Parts, second: Parts, groups: Sequence[Any] | None = None) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a score's difference, second minus first, on the same drawn rows."""
    if np.array_equal(first[1], second[1]):
        return draw_interval(second[0] - first[0], groups, first[1])
    return _middle_95(_resample([*first, *second], lambda a, b, c, d: ratio(c, d) - ratio(a, b), groups))


def _resample(
    columns: Sequence[np.ndarray], statistic: Callable[..., np.ndarray], groups: Sequence[Any] | None, seed: int = 0
) -> np.ndarray:
    """Return a function of the columns' sums for every drawn test set; groups of equal sums are one kind."""
    place = {group: i for i, group in enumerate(dict.fromkeys(groups or ()))}
    numbers = np.array([place[group] for group in groups]) if groups else np.arange(len(columns[0]))
    sums = np.stack([np.bincount(numbers, weights=column) for column in columns], axis=1)  # (groups, columns)
    kinds, counts = np.unique(sums, axis=0, return_counts=True)
    draws = draw_counts(counts, seed=seed)
    return np.concatenate([statistic(*(drawn @ column for column in kinds.T)) for drawn in draws])


def _middle_95(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


LEAST_PROBABILITY = 1e-12  # taken for 0, whose logarithm would be infinite


def bin_confidences(confidences: np.ndarray, hits: np.ndarray, bins: int = 15) -> list[dict[str, Any]]:
    """Return confidence and accuracy in bins of equal width, given probabilities in 0..1 and whether each is right.

    A row for each bin that is not empty: its boundaries `low` and `high` (a probability on one belongs to the upper
    bin), `examples`, mean `confidence`, and the share `right`.
    """
    places = np.minimum(np.floor(np.asarray(confidences, dtype=np.float64) * bins).astype(int), bins - 1)
    counts = np.bincount(places, minlength=bins)
    confidence = np.bincount(places, weights=confidences, minlength=bins)
    right = np.bincount(places, weights=hits, minlength=bins)
    rows = []
    for i in np.flatnonzero(counts):
        means = {"confidence": float(confidence[i] / counts[i]), "right": float(right[i] / counts[i])}
        rows.append({"low": i / bins, "high": (i + 1) / bins, "examples": int(counts[i]), **means})
    return rows


def expected_calibration_error(rows: list[dict[str, Any]]) -> float:
    """Return the mean distance between confidence and accuracy, in 0..1, each bin weighted by its examples."""
    sizes = [row["examples"] for row in rows]
    return float(np.average([abs(row["confidence"] - row["right"]) for row in rows], weights=sizes))


def measure_calibration(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return how well probabilities `(N, K)` are calibrated, given true label numbers `(N,)`.

    `ece` of the label given (the others' probabilities do not count); `ece_macro`, the mean over all K labels of each
    one's own error, "this label or not"; `brier`, the squared distance to the truth, summed over labels, in 0..2;
    `nll`, the mean negative log-likelihood in nats; `bins`, what `ece` is made of.
    """
    truth = np.eye(probabilities.shape[1])[labels]
    bins = bin_confidences(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    columns = zip(probabilities.T, truth.T, strict=True)
    each = [expected_calibration_error(bin_confidences(column, right)) for column, right in columns]
    likelihood = np.maximum(probabilities[np.arange(len(labels)), labels], LEAST_PROBABILITY)
    return {
        "ece": expected_calibration_error(bins),
        "ece_macro": float(np.mean(each)),
        "brier": float(np.square(probabilities - truth).sum(axis=1).mean()),
        "nll": float(-np.log(likelihood).mean()),
        "bins": bins,
    }


def score_by_length(
    lengths: Sequence[int], scores: np.ndarray, sizes: np.ndarray | None = None, buckets: int = 5
) -> list[dict[str, Any]]:
    """Return the score of texts of similar length, `sum(scores) / sum(sizes)` in each bucket, shortest first.

    Buckets hold about as many texts each. Texts of one length stay together, so there may be fewer buckets than asked.
    Intervals take texts for independent. A row for each bucket: `shortest` and `longest`, both inclusive, `examples`,
    `score` and its `interval_95`.
    """
    long, below = np.asarray(lengths), np.ones(len(scores)) if sizes is None else sizes
    bounds = np.unique(np.quantile(long, np.arange(1, buckets) / buckets, method="inverted_cdf"))
    places = np.searchsorted(bounds, long)  # a length equal to a bound belongs to the bucket that ends there
    rows = []
    for inside in (places == place for place in np.unique(places)):
        within, parts = long[inside], (scores[inside], below[inside])
        bucket = {"shortest": int(within.min()), "longest": int(within.max()), "examples": len(within)}
        interval = draw_interval(parts[0], sizes=parts[1])
        rows.append({**bucket, "score": ratio_of_sums(parts), "interval_95": [*interval]})
    return rows


FEWEST_FOR_CHI_SQUARE = 25  # rows where just one model is right; below, the chi-square distribution is too rough


class McNemar(NamedTuple):
    """The outcome of a test: how probable so large a difference is between equally good models, and how computed."""

    p_value: float
    method: Literal["exact binomial", "chi-square, continuity-corrected"]


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """Test whether two models that answered the same rows are equally good, two-sided.

    Only rows that just one of them has right count: `only_first` the first, `only_second` the second.

    Source: McNemar 1947, https://doi.org/10.1007/BF02295996; the correction is Edwards', 1948.
    """
    total = only_first + only_second
    if total < FEWEST_FOR_CHI_SQUARE:
        tail = sum(math.comb(total, k) for k in range(min(only_first, only_second) + 1))
        return McNemar(min(1.0, 2 * tail / 2**total), "exact binomial")
    distance = max(0, abs(only_first - only_second) - 1)
    # P(chi-square with 1 degree of freedom > x) = erfc(sqrt(x / 2))
    return McNemar(math.erfc(distance / math.sqrt(2 * total)), "chi-square, continuity-corrected")
