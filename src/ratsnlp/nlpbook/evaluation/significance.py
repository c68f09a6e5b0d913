"""Whether one model is better than another, or was lucky: McNemar's test on the rows where they differ."""

import math
from typing import Literal, NamedTuple

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
