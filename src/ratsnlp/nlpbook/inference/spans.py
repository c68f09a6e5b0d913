"""The best spans of a batch of windows: start and end searched together, inside the passage only."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Spans:
    """The best spans of B windows, K of each, best first. A window with fewer has scores of minus infinity at the end.

    Attributes:
        scores: log P(start) + log P(end) among the tokens of the window, `(B, K)`.
        starts: The first token of each span, `(B, K)`.
        ends: The last token of each span, inclusive, `(B, K)`.
        nothing: The score of the window's first token, [CLS], which says that the answer is not here, `(B,)`.
    """

    scores: Tensor
    starts: Tensor
    ends: Tensor
    nothing: Tensor


def search_spans(
    start_logits: Tensor,
    end_logits: Tensor,
    attention_mask: Tensor,
    passage: Tensor,
    max_answer_length: int,
    count: int = 1,
) -> Spans:
    """Return the best spans with start <= end, at most `max_answer_length` tokens, and both ends in the passage.

    Args:
        start_logits: The model's scores of each token as the first of the answer, `(B, T)`.
        end_logits: The same as the last, `(B, T)`.
        attention_mask: 0 where a row is padded, `(B, T)`.
        passage: Whether a token is one of the passage, `(B, T)` bool.
        max_answer_length: Tokens of a span at most.
        count: Spans of each window.
    """
    padded = attention_mask == 0
    first = start_logits.float().masked_fill(padded, -torch.inf).log_softmax(-1)
    last = end_logits.float().masked_fill(padded, -torch.inf).log_softmax(-1)
    nothing = first[:, 0] + last[:, 0]
    width = min(max_answer_length, first.shape[1])
    ends = torch.nn.functional.pad(last.masked_fill(~passage, -torch.inf), (0, width - 1), value=-torch.inf)
    scores = first.masked_fill(~passage, -torch.inf)[..., None] + ends.unfold(-1, width, 1)  # (B, T, W)
    best = scores.flatten(1).topk(min(count, scores[0].numel()))
    starts = best.indices // width
    return Spans(best.values, starts, starts + best.indices % width, nothing)
