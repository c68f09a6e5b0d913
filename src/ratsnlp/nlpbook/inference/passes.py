"""Which texts share a forward pass: those of like length, so that little of it is spent on padding."""

from collections.abc import Sequence

PASS_TOKENS = 32
"""What a forward pass costs on a CPU beside its tokens, in tokens: 20 for a 12x768 BERT, 27 for 12x384, measured."""


def split_into_passes(lengths: Sequence[int], most: int, pass_tokens: int = PASS_TOKENS) -> list[list[int]]:
    """Return row numbers by forward pass, longest rows first.

    A new pass begins where the padding of the one so far would cost more than another pass does.

    Args:
        lengths: Tokens in each row.
        most: Rows in a pass at most.
        pass_tokens: What one more pass costs, in tokens.
    """
    passes: list[list[int]] = []
    padding = 0
    for row in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        padding += lengths[passes[-1][0]] - lengths[row] if passes else 0
        if not passes or len(passes[-1]) == most or padding > pass_tokens:
            passes.append([])
            padding = 0
        passes[-1].append(row)
    return passes
