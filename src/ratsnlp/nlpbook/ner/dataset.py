"""Features of named entity recognition: one label for each token; special tokens have none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ratsnlp.nlpbook.data.batches import IGNORE_INDEX, Features
from ratsnlp.nlpbook.data.dataset import FeatureDataset, RightAnswer
from ratsnlp.nlpbook.data.encoding import tokenize
from ratsnlp.nlpbook.data.features import Chunk
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.ner.arguments import NERTrainArguments
from ratsnlp.nlpbook.ner.corpus import NERExample
from ratsnlp.nlpbook.ner.tokenization import JosaSplitter, cut_windows, label_texts, tokenize_entities

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OVERLAP = 4  # windows of a text that is longer than a model takes overlap by one part in so many


@dataclass
class NERFeatures(Features):
    """The numbers of one sentence, or of one window of a longer text."""

    label_ids: list[int] = field(default_factory=list)  # of each token, in the corpus's order; -100: none
    window: int | None = None  # the stored row, by which validation finds its sentence; None in training


@dataclass(frozen=True)
class SentenceLayout:
    """The ids that a tokenizer puts around a text, and how a text is cut into windows."""

    before: np.ndarray  # `[CLS]` for BERT
    after: np.ndarray  # `[SEP]` for BERT
    room: int  # tokens of a text in one window
    stride: int  # by how many of them the next window of a long text starts later

    @classmethod
    def of(cls, tokenizer: "PreTrainedTokenizerBase", max_seq_length: int) -> "SentenceLayout":
        """Return a tokenizer's layout for rows of at most `max_seq_length` tokens, in which there must be some room."""
        tokenize(tokenizer, [])  # from here on it neither pads nor cuts
        encoding = tokenizer.backend_tokenizer.encode("a")
        inside = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
        first, last = (inside[0], inside[-1]) if inside else (len(encoding.ids), len(encoding.ids) - 1)
        before, after = (np.array(part, np.int32) for part in (encoding.ids[:first], encoding.ids[last + 1 :]))
        room = max_seq_length - len(before) - len(after)
        if room < 1:
            raise ArgumentError(f"max_seq_length {max_seq_length} leaves no room next to the special tokens; raise it")
        return cls(before, after, room, max(1, room - room // OVERLAP))

    def wrap(self, values: np.ndarray, outside: Any = None) -> np.ndarray:
        """Return the ids of a window, `(T,)`, with special tokens around; or other values with `outside` there."""
        if outside is None:
            return np.concatenate([self.before, values, self.after])
        ends = ((len(self.before), len(self.after)), *((0, 0),) * (values.ndim - 1))
        return np.pad(values, ends, constant_values=outside)


class NERDataset(FeatureDataset[NERExample, NERFeatures]):
    """Sentences with a label for each token, as features. See `FeatureDataset` for the arguments.

    A text that is longer than `max_seq_length` becomes several windows that overlap, so no entity is lost.
    """

    example_class = NERExample
    args: NERTrainArguments
    cuts_texts = False

    def __init__(self, args: NERTrainArguments, tokenizer: Any, corpus: Any, mode: str = "train", **own: Any):
        # settings of another task, or of somebody's own, may lack josa_split
        self.splitter = JosaSplitter(tokenizer) if getattr(args, "josa_split", True) else None
        if self.splitter and not self.splitter.usable:
            logger.info("%s has no pieces that can be split before a josa", type(tokenizer).__name__)
            self.splitter = None
        self.layout = SentenceLayout.of(tokenizer, args.max_seq_length)
        super().__init__(args, tokenizer, corpus, mode, **own)

    def identity(self) -> list[str]:
        """Return the settings, next to tokenizer and corpus file, that decide the numbers."""
        return [*super().identity(), f"josa split: {self.splitter is not None}"]

    def convert_examples(self, examples: Sequence[NERExample]) -> Chunk:
        """Turn sentences into windows: ids, the characters of every token, and its label."""
        number = {label: i for i, label in enumerate(self.get_labels())}
        texts = tokenize_entities(self.tokenizer, [example.text for example in examples], self.splitter)
        try:
            labels = label_texts(texts, [example.entities for example in examples], number)
        except ArgumentError as error:
            raise ArgumentError(f"{self.source}: {error}") from None
        windows = cut_windows(list(map(len, texts)), self.layout.room, self.layout.stride)
        ids = [self.layout.wrap(texts[i].ids[start:end]) for i, start, end in windows]
        tokens = {
            "input_ids": np.concatenate(ids),
            "label_ids": np.concatenate([self.layout.wrap(labels[i][a:b], IGNORE_INDEX) for i, a, b in windows]),
            "characters": np.concatenate([self.layout.wrap(texts[i].characters[a:b], -1) for i, a, b in windows]),
        }
        example, first_token = np.array([(self.converted + i, start) for i, start, _ in windows], np.int32).T
        lengths = np.array(list(map(len, ids)), np.int64)
        return Chunk(lengths, tokens, {"example": example, "first_token": first_token})

    def read_row(self, row: int) -> NERFeatures:
        """Return a stored window as features."""
        label_ids = self.store.tokens_of("label_ids", row).tolist()
        return NERFeatures(**self.shared_fields(row), label_ids=label_ids, window=row if self.scored else None)

    def right_answer(self, features: NERFeatures) -> RightAnswer:
        """Return the labels of a row."""
        names = [self.get_labels()[i] if i != IGNORE_INDEX else "" for i in features.label_ids]
        inside = [place for place, name in enumerate(names) if name not in ("", "O")]
        return RightAnswer("* tokens of entities; special tokens have no label (-100)", inside, names)

    def describe_example(self, example: NERExample, features: NERFeatures) -> dict[str, str]:
        """Return the log lines of one sentence."""
        return {
            "sentence": example.text,
            "target": str(example.label),
            "tokens": " ".join(self.tokenizer.convert_ids_to_tokens(features.input_ids)),
            "label": " ".join(name or "-" for name in self.right_answer(features).labels),
            "features": str(features),
        }
