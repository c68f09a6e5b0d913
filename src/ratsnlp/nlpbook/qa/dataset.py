"""Features of question answering: windows over passages, and where in each the answer is."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ratsnlp.nlpbook.data.dataset import FeatureDataset, Features
from ratsnlp.nlpbook.data.encoding import TokenizedText, tokenize
from ratsnlp.nlpbook.data.features import Chunk
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.qa.arguments import QATrainArguments
from ratsnlp.nlpbook.qa.corpus import QAExample
from ratsnlp.nlpbook.qa.windows import PairLayout, Window, WindowCutter

NO_ANSWER = 0
"""The position, that of [CLS], which says that a window holds no answer."""


@dataclass(kw_only=True)
class QAFeatures(Features):
    """The numbers of one window.

    Attributes:
        start_positions: The first token of the answer; 0, which is [CLS], where the window does not hold all of it.
        end_positions: Its last token, inclusive; 0 likewise.
        window: The number of the stored window, by which validation finds its question; None in training.
    """

    start_positions: int
    end_positions: int
    window: int | None = None


class QADataset(FeatureDataset[QAExample, QAFeatures]):
    """Windows over passages, as features. See `FeatureDataset` for the arguments.

    Of `mode="train"`, only a share of the windows without an answer is used (`negative_window_ratio`); of others, all.
    """

    args: QATrainArguments

    def __init__(self, args: QATrainArguments, tokenizer: Any, corpus: Any, mode: str = "train"):
        self.creating_line = f"Creating features from {mode} dataset file at %s"
        self.cutter = WindowCutter(
            PairLayout.of(tokenizer), args.max_seq_length, args.doc_stride, args.max_query_length
        )
        self.loaded: list[QAExample] = []  # shared with the datasets that `select` makes
        self.scored = mode != "train"
        super().__init__(args, tokenizer, corpus, mode)
        if mode == "train":
            self.selected = self.choose_windows()

    def identity(self) -> list[str]:
        """Return the settings, beside tokenizer and corpus file, that decide the numbers."""
        return [str(n) for n in (self.args.max_seq_length, self.args.doc_stride, self.args.max_query_length)]

    def get_labels(self) -> list[str]:
        """Return no labels: an answer is a place in the passage."""
        return []

    def convert_all(self) -> Iterator[Chunk]:
        """Yield the windows of the whole split chunk by chunk."""
        self.converted = 0  # questions so far
        self.groups: dict[str, int] = {}
        yield from super().convert_all()

    def convert_examples(self, examples: Sequence[QAExample]) -> Chunk:
        """Turn questions into windows: ids, the characters of every token, and the answer's tokens."""
        texts = tokenize(self.tokenizer, (text for e in examples for text in (e.question_text, e.context_text)))
        windows: list[Window] = []
        rows: list[tuple[int, ...]] = []
        for number, example in enumerate(examples, start=self.converted):
            group = self.groups.setdefault(example.article or example.context_text, len(self.groups))
            found = self.cutter.cut(texts[example.question_text], texts[example.context_text])
            answer = locate(texts[example.context_text], example)
            places = [window.place_of(*answer) if answer else None for window in found]
            windows += found
            rows += [
                (number, group, window.passage_start, *(place or (NO_ANSWER, NO_ANSWER)))
                for window, place in zip(found, places, strict=True)
            ]
        self.converted += len(examples)
        names = ("question", "group", "passage_start", "start_positions", "end_positions")
        columns = np.array(rows, np.int32).reshape(-1, len(names)).T
        return Chunk(
            np.fromiter((len(window.ids) for window in windows), np.int64, len(windows)),
            {
                "input_ids": np.concatenate([window.ids for window in windows]),
                "characters": np.concatenate([window.characters for window in windows]),
            },
            dict(zip(names, columns, strict=True)),
        )

    def read_row(self, row: int) -> QAFeatures:
        """Return a stored window as features."""
        ids = self.store.tokens_of("input_ids", row).tolist()
        first = int(self.store.rows["passage_start"][row])
        return QAFeatures(
            input_ids=ids,
            attention_mask=[1] * len(ids),
            token_type_ids=[0] * first + [1] * (len(ids) - first) if self.typed else None,
            start_positions=int(self.store.rows["start_positions"][row]),
            end_positions=int(self.store.rows["end_positions"][row]),
            window=row if self.scored else None,
            padding=self.padding,
        )

    @property
    def typed(self) -> bool:
        """Whether the tokenizer's models tell a pair's texts apart by token types."""
        return "token_type_ids" in self.tokenizer.model_input_names

    def choose_windows(self) -> Tensor:
        """Return the stored windows to train on: all that hold an answer, and a seeded share of the others."""
        holds = self.store.rows["start_positions"] != NO_ANSWER  # (N,)
        others = torch.nonzero(~holds).flatten()
        wanted = round(self.args.negative_window_ratio * int(holds.sum()))
        generator = torch.Generator().manual_seed(self.args.seed or 0)
        holds[others[torch.randperm(len(others), generator=generator)[:wanted]]] = True
        used = torch.nonzero(holds).flatten()
        logger.info(
            "%s: %d questions in %d windows; training uses all %d windows with an answer and %d of %d without",
            self.mode,
            self.example_count,
            len(self.store),
            len(self.store) - len(others),
            min(wanted, len(others)),
            len(others),
        )
        return used

    def first_row(self, example: int) -> int:
        """Return the stored window to log of a question: the first that holds its answer, else its first."""
        rows = torch.nonzero(self.store.rows["question"] == example).flatten()
        holding = rows[self.store.rows["start_positions"][rows] != NO_ANSWER]
        return int([*holding, *rows][0])

    def describe_example(self, example: QAExample, features: QAFeatures) -> dict[str, str]:
        """Return the log lines of one question."""
        tokens = self.tokenizer.convert_ids_to_tokens(features.input_ids)
        answer = tokens[features.start_positions : features.end_positions + 1]
        return {
            "question & context": f"{example.question_text} + {example.context_text}",
            "tokens": " ".join(tokens),
            "answer": f"{example.answer_text} ({' '.join(answer)})",
            "features": str(features),
        }

    @property
    def example_count(self) -> int:
        """How many questions the windows are about."""
        return len(distinct(self.row_values("question")))

    def split_after(self, count: int) -> "tuple[QADataset, QADataset]":
        """Return the windows of the first `count` questions, and those after them."""
        questions = self.row_values("question")
        first = torch.isin(questions, distinct(questions)[:count])
        return self.pick(torch.nonzero(first).flatten()), self.pick(torch.nonzero(~first).flatten())

    def split_held_out(self, count: int, seed: int) -> "tuple[QADataset, QADataset]":
        """Return the windows to train on, and all windows of at least `count` questions held out to score.

        Whole articles are held out, so that no passage is in both; questions only where there is just one article.
        """
        groups = self.row_values("group" if len(distinct(self.row_values("group"))) > 1 else "question")
        questions = self.row_values("question")
        held = torch.zeros(len(self), dtype=torch.bool)
        order = distinct(groups)
        for group in order[torch.randperm(len(order), generator=torch.Generator().manual_seed(seed))][:-1]:
            if len(distinct(questions[held])) >= count:
                break
            held |= groups == group
        return self.pick(torch.nonzero(~held).flatten()), self.all_windows_of(distinct(questions[held]))

    def pick(self, rows: Tensor) -> "QADataset":
        """Return a dataset of these rows only."""
        other = copy.copy(self)
        other.selected = rows if self.selected is None else self.selected[rows]
        return other

    def all_windows_of(self, questions: Tensor) -> "QADataset":
        """Return a dataset of every stored window of these questions, to score them."""
        other = copy.copy(self)
        other.selected = torch.nonzero(torch.isin(self.store.rows["question"], questions)).flatten()
        other.scored = True
        return other

    def question_of(self, window: int) -> int:
        """Return the number of the question of a stored window."""
        return int(self.store.rows["question"][window])

    def passage_tokens(self, window: int) -> tuple[int, int]:
        """Return the places of the first and the last passage token, inclusive, in a stored window."""
        length = int(self.store.offsets[window + 1] - self.store.offsets[window])
        return int(self.store.rows["passage_start"][window]), length - len(self.cutter.layout.after) - 1

    def characters_of(self, window: int, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the passage, half-open, of tokens `start..end` (inclusive) of a stored window."""
        characters = self.store.tokens_of("characters", window)  # (T, 2)
        return int(characters[start, 0]), int(characters[end, 1])

    def example(self, question: int) -> QAExample:
        """Return a question by its number. The corpus is read again, once, when the first one is asked for."""
        if not self.loaded:
            self.loaded += self.examples()
        return self.loaded[question]


def locate(passage: TokenizedText, example: QAExample) -> tuple[int, int] | None:
    """Return the first and the last token of the passage that hold the answer; None where no token does."""
    return passage.tokens_over(example.start_position_character, example.end_position_character)


def distinct(numbers: Tensor) -> Tensor:
    """Return the different values among `numbers`, `(N,)`, in rising order."""
    values: Tensor = torch.unique(numbers)
    return values
