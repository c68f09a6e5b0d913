"""Texts longer than a model takes: a question, a passage, and windows that slide over the passage.

Every text is tokenised once, whatever the number of questions about it; windows are cut from its tokens.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from ratsnlp.nlpbook.errors import ArgumentError

if TYPE_CHECKING:  # settings are checked with what is here, without transformers
    from transformers import PreTrainedTokenizerBase

OUTSIDE = -1
"""Stands for the characters of a token that is not the passage's."""


@dataclass(frozen=True)
class TokenizedText:
    """A text as tokens, without special ones.

    Attributes:
        ids: `(T,)` int32.
        characters: Where each token begins and ends in the text, half-open, `(T, 2)` int32.
    """

    ids: np.ndarray
    characters: np.ndarray

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.ids)

    def tokens_over(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the first and the last token that hold characters of `start..end`; None where no token does."""
        first = int(np.searchsorted(self.characters[:, 1], start, side="right"))
        last = int(np.searchsorted(self.characters[:, 0], end, side="left")) - 1
        return (first, last) if first <= last else None


def tokenize(tokenizer: "PreTrainedTokenizerBase", texts: Iterable[str]) -> dict[str, TokenizedText]:
    """Return each different text as tokens with their characters.

    Raises:
        ArgumentError: The tokenizer does not tell where its tokens are.
    """
    if not tokenizer.is_fast:
        raise ArgumentError(
            f"{type(tokenizer).__name__} does not tell which characters its tokens hold, as question answering needs. "
            "Use a model whose tokenizer is a fast one (tokenizer.is_fast)."
        )
    different = list(dict.fromkeys(texts))
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    encodings = backend.encode_batch(different, add_special_tokens=False)
    return {
        text: TokenizedText(np.array(found.ids, np.int32), np.array(found.offsets, np.int32).reshape(-1, 2))
        for text, found in zip(different, encodings, strict=True)
    }


@dataclass(frozen=True)
class PairLayout:
    """Where a tokenizer puts its special tokens around a question and a passage.

    Attributes:
        before: Ids before the question, `[CLS]` for BERT.
        between: Ids between question and passage, `[SEP]` for BERT.
        after: Ids after the passage.
    """

    before: np.ndarray
    between: np.ndarray
    after: np.ndarray

    @classmethod
    def of(cls, tokenizer: "PreTrainedTokenizerBase") -> Self:
        """Return the layout of a tokenizer.

        Raises:
            ArgumentError: It puts no token first, which a window without an answer would point at.
        """
        tokenize(tokenizer, [])
        encoding = tokenizer.backend_tokenizer.encode("a", "b")
        sides = encoding.sequence_ids
        question = [i for i, side in enumerate(sides) if side == 0]
        passage = [i for i, side in enumerate(sides) if side == 1]
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
    """A question and a stretch of a passage, as a model reads them.

    Attributes:
        ids: `(T,)` int32, special tokens included.
        characters: The characters of the passage that each token holds, `(T, 2)` int32; `OUTSIDE` for other tokens.
        passage_start: The place of the first passage token in `ids`.
        first_token: Which of the passage's tokens that is.
    """

    ids: np.ndarray
    characters: np.ndarray
    passage_start: int
    first_token: int

    def place_of(self, first: int, last: int) -> tuple[int, int] | None:
        """Return where the passage's tokens `first..last` (inclusive) are in `ids`; None unless all of them are."""
        move = self.passage_start - self.first_token
        inside = (
            self.first_token <= first and last + move < len(self.ids) and self.characters[last + move, 0] != OUTSIDE
        )
        return (first + move, last + move) if inside else None


@dataclass(frozen=True)
class WindowCutter:
    """Cuts windows of one size.

    Attributes:
        layout: Where special tokens go.
        max_seq_length: Tokens of a window at most, special ones included.
        doc_stride: Tokens by which the window slides over the passage.
        max_query_length: Tokens of the question at most; the rest is left out.

    Raises:
        ArgumentError: The window is too small for these lengths.
    """

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
        around = np.full((len(head) + len(self.layout.after), 2), OUTSIDE, np.int32)
        ahead, behind = around[: len(head)], around[len(head) :]
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


def describe_gap(max_seq_length: int, doc_stride: int, max_query_length: int, special_tokens: int) -> str:
    """Say, with the arithmetic, why windows of these lengths would skip part of a passage; empty if they do not."""
    room = max_seq_length - max_query_length - special_tokens
    sum_shown = (
        f"max_seq_length {max_seq_length} - max_query_length {max_query_length} - {special_tokens} special tokens "
        f"= {room} tokens of the passage in a window"
    )
    if room < 1:
        return f"{sum_shown}: nothing of it would be read. Raise max_seq_length or lower max_query_length."
    if doc_stride > room:
        return (
            f"{sum_shown}, but doc_stride slides the window by {doc_stride}: {doc_stride - room} tokens between two "
            f"windows would never be read. Give doc_stride <= {room}, or more max_seq_length, or less max_query_length."
        )
    return ""
