"""Whether a model's probabilities can be believed: of the answers it gives with 80 %, are 80 % right?

Source: Guo et al. 2017, On Calibration of Modern Neural Networks, https://proceedings.mlr.press/v70/guo17a.html
"""

from typing import Any

import numpy as np

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
