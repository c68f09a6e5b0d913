"""Texts longer than a model takes: a question, a passage, and windows that slide over the passage.

Every text is tokenised once, whatever the number of questions about it; windows are cut from its tokens.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor

from ratsnlp.nlpbook.data.encoding import TokenizedText, tokenize
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.qa.arguments import describe_gap

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OUTSIDE = -1  # stands for the characters of a token that is not the passage's


@dataclass(frozen=True)
class PairLayout:
    """The ids that a tokenizer puts around a question and a passage: `[CLS]`, `[SEP]` and `[SEP]` for BERT."""

    before: np.ndarray
    between: np.ndarray
    after: np.ndarray

    @classmethod
    def of(cls, tokenizer: "PreTrainedTokenizerBase") -> Self:
        """Return a tokenizer's layout; `ArgumentError` if no special token is first, to say that there is no answer."""
        tokenize(tokenizer, [])
        encoding = tokenizer.backend_tokenizer.encode("a", "b")
        question, passage = ([i for i, side in enumerate(encoding.sequence_ids) if side == text] for text in (0, 1))
        if not question or not passage or question[0] == 0:
            raise ArgumentError(
                f"{type(tokenizer).__name__} puts no special token before a pair of texts; question answering needs "
                "one ([CLS] in BERT) to say that a window holds no answer"
            )
        ids = np.array(encoding.ids, np.int32)
        return cls(ids[: question[0]], ids[question[-1] + 1 : passage[0]], ids[passage[-1] + 1 :])

    @property
    def special_tokens(self) -> int:
        """How many special tokens a pair has."""
        return len(self.before) + len(self.between) + len(self.after)


@dataclass(frozen=True)
class Window:
    """A question and a stretch of a passage, as a model reads them."""

    ids: np.ndarray  # (T,) int32, special tokens included
    characters: np.ndarray  # (T, 2) int32: the characters of the passage that each token holds, `OUTSIDE` for others
    passage_start: int  # the place of the first passage token in `ids`
    first_token: int  # which of the passage's tokens that is

    def place_of(self, first: int, last: int) -> tuple[int, int] | None:
        """Return where the passage's tokens `first..last` (inclusive) are in `ids`; None unless all of them are."""
        move = self.passage_start - self.first_token
        if first < self.first_token or last + move >= len(self.ids) or self.characters[last + move, 0] == OUTSIDE:
            return None
        return first + move, last + move


@dataclass(frozen=True)
class WindowCutter:
    """Cuts windows of one size, with the settings of these names; `ArgumentError` if they would skip tokens."""

    layout: PairLayout
    max_seq_length: int
    doc_stride: int
    max_query_length: int

    def __post_init__(self) -> None:
        problem = describe_gap(self.max_seq_length, self.doc_stride, self.max_query_length, self.layout.special_tokens)
        if problem:
            raise ArgumentError(problem)

    def cut(self, question: TokenizedText, passage: TokenizedText) -> list[Window]:
        """Return the windows of a question over a passage: at least one, together with every token of the passage."""
        asked = question.ids[: self.max_query_length]
        room = self.max_seq_length - len(asked) - self.layout.special_tokens
        head = np.concatenate([self.layout.before, asked, self.layout.between])
        ahead, behind = (np.full((len(ids), 2), OUTSIDE, np.int32) for ids in (head, self.layout.after))
        count = 1 + max(0, math.ceil((len(passage) - room) / self.doc_stride))
        return [
            Window(
                np.concatenate([head, passage.ids[start : start + room], self.layout.after]),
                np.concatenate([ahead, passage.characters[start : start + room], behind]),
                len(head),
                start,
            )
            for start in range(0, count * self.doc_stride, self.doc_stride)
        ]


@dataclass(frozen=True)
class Spans:
    """The best spans of B windows, K of each, best first. A window with fewer has scores of minus infinity at the end.

    A score is log P(start) + log P(end) among the tokens of the window.
    """

    scores: Tensor  # (B, K)
    starts: Tensor  # (B, K): the first token of each span
    ends: Tensor  # (B, K): the last one, inclusive
    nothing: Tensor  # (B,): the score of the window's first token, [CLS], which says that the answer is not here


def search_spans(
    start_logits: Tensor,
    end_logits: Tensor,
    attention_mask: Tensor,
    passage: Tensor,
    max_answer_length: int,
    count: int = 1,
) -> Spans:
    """Return the best `count` spans of each window, of at most `max_answer_length` tokens.

    `start_logits` and `end_logits` are `(B, T)`, as is `attention_mask` (0 where a row is padded) and `passage` (bool:
    whether a token is one of the passage, where both ends of a span must be).
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
