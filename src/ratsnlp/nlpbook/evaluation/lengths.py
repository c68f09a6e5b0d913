"""Whether a model does worse on long texts than on short ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ratsnlp.nlpbook.evaluation.intervals import draw_interval

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
