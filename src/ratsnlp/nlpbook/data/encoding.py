"""Texts -> token ids: batches for a model, and single texts whose tokens know their characters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ratsnlp.nlpbook.errors import ArgumentError

if TYPE_CHECKING:  # settings are checked without transformers
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TokenizedText:
    """A text as tokens, without special ones."""

    ids: np.ndarray  # `(T,)` int32
    characters: np.ndarray  # where each token begins and ends in the text, half-open, `(T, 2)` int32

    def __len__(self) -> int:
        return len(self.ids)

    def tokens_over(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the first and the last token that hold characters of `start..end`; None where no token does."""
        first = int(np.searchsorted(self.characters[:, 1], start, side="right"))
        last = int(np.searchsorted(self.characters[:, 0], end, side="left")) - 1
        return (first, last) if first <= last else None


def tokenize(tokenizer: "PreTrainedTokenizerBase", texts: Iterable[str]) -> dict[str, TokenizedText]:
    """Return each different text as tokens with their characters; an ArgumentError if the tokenizer is no fast one."""
    if not tokenizer.is_fast:
        raise ArgumentError(
            f"{type(tokenizer).__name__} does not tell which characters its tokens hold, as this task needs. "
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


def encode(
    tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str] | Sequence[tuple[str, str]], max_length: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Return token ids and token types of texts or pairs: those of `tokenizer(text, truncation=True, max_length=...)`.

    Special tokens are included, the longer side is cut first. The tokenizer's own call is slower (more objects).
    """
    if not tokenizer.is_fast:
        pairs = [text if isinstance(text, tuple) else (text,) for text in texts]
        found = [tokenizer(*pair, truncation=True, max_length=max_length, return_token_type_ids=True) for pair in pairs]
        return [row["input_ids"] for row in found], [row["token_type_ids"] for row in found]
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_length, direction=tokenizer.truncation_side)
    encodings = backend.encode_batch_fast(list(texts))
    return [row.ids for row in encodings], [row.type_ids for row in encodings]
