"""Which eojeol moved the decision: leave each one out, and see by how much the probability falls."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from torch import Tensor
from transformers import PreTrainedTokenizerBase

EOJEOL = re.compile(r"\S+")


class Classifier(Protocol):
    """What `explain` needs of a predictor."""

    tokenizer: PreTrainedTokenizerBase
    max_seq_length: int
    label_names: list[str]

    @property
    def answer_fields(self) -> tuple[str, ...]:
        """The names of a question's texts."""

    def probabilities(self, texts: Sequence[Any]) -> Tensor:
        """Return the probability of each label for each text or pair, `(N, K)`."""


@dataclass(frozen=True)
class Word:
    """An eojeol and what it did.

    Attributes:
        field: The text that it stands in, by name.
        text: The eojeol.
        start: Its first character in that text.
        end: One past its last.
        weight: By how much the probability of the decision falls where the eojeol is left out; below 0, it rises.
    """

    field: str
    text: str
    start: int
    end: int
    weight: float


def explain(predictor: Classifier, *texts: str) -> dict[str, Any]:
    """Return how much each eojeol of a text, or of a pair of texts, moved the decision.

    The model reads the texts once as they are and once without each eojeol, all together. What lies beyond
    `max_seq_length` is not read, so it weighs 0.

    Args:
        predictor: A classifier of texts or pairs.
        texts: The texts of one question.

    Returns:
        The texts (in NFC, which places count in) under their names; `prediction` and its `probability`; and `words`,
        the eojeols in order, as dicts with the fields of `Word`.

    Raises:
        TypeError: There are more or fewer texts than a question has.
    """
    fields = predictor.answer_fields
    if len(texts) != len(fields):
        raise TypeError(f"{len(texts)} texts given; needed: {', '.join(fields)}")
    texts = tuple(unicodedata.normalize("NFC", text) for text in texts)
    lengths = measure_read(predictor.tokenizer, texts, predictor.max_seq_length)
    read = tuple(text[:length] for text, length in zip(texts, lengths, strict=True))
    found = [(side, match) for side, text in enumerate(texts) for match in EOJEOL.finditer(text)]
    seen = [(side, match.span()) for side, match in found if match.start() < lengths[side]]
    rows = predictor.probabilities([as_question(read), *(as_question(leave_out(read, *place)) for place in seen)])
    decision = int(rows[0].argmax())
    falls = dict(zip(seen, (rows[0, decision] - rows[1:, decision]).tolist(), strict=True))
    words = [
        Word(fields[side], match[0], *match.span(), round(falls.get((side, match.span()), 0.0), 4))
        for side, match in found
    ]
    return dict(zip(fields, texts, strict=True)) | {
        "prediction": predictor.label_names[decision],
        "probability": round(float(rows[0, decision]), 4),
        "words": [asdict(word) for word in words],
    }


def as_question(texts: tuple[str, ...]) -> str | tuple[str, ...]:
    """Return the texts of a question as a predictor takes them: one text by itself, several as a tuple."""
    return texts if len(texts) > 1 else texts[0]


def leave_out(texts: tuple[str, ...], side: int, place: tuple[int, int]) -> tuple[str, ...]:
    """Return the texts without the characters of one of them from a place, with the space behind it."""
    start, end = place
    shorter = texts[side][:start] + texts[side][end:].lstrip()
    return (*texts[:side], shorter, *texts[side + 1 :])


def measure_read(tokenizer: PreTrainedTokenizerBase, texts: tuple[str, ...], max_seq_length: int) -> list[int]:
    """Return how many characters of each text a model reads before it is cut; all, where the tokenizer cannot say."""
    if not tokenizer.is_fast:
        return list(map(len, texts))
    encoded = tokenizer(*texts, truncation=True, max_length=max_seq_length, return_offsets_mapping=True)
    ends = [0] * len(texts)
    for side, (_, end) in zip(encoded.sequence_ids(), encoded["offset_mapping"], strict=True):
        if side is not None:
            ends[side] = max(ends[side], end)
    return ends
