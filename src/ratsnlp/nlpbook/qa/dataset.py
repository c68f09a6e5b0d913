"""Features of question answering: windows over passages, and where in each the answer is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ratsnlp.nlpbook.data.batches import Features
from ratsnlp.nlpbook.data.dataset import FeatureDataset, RightAnswer
from ratsnlp.nlpbook.data.encoding import tokenize
from ratsnlp.nlpbook.data.features import Chunk
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.qa.arguments import QATrainArguments
from ratsnlp.nlpbook.qa.corpus import SHOWN_NONE, QAExample
from ratsnlp.nlpbook.qa.windows import PairLayout, Window, WindowCutter

NO_ANSWER = 0  # the position, that of [CLS], which says that a window holds no answer
ROW_VALUES = ("example", "group", "passage_start", "start_positions", "end_positions", "impossible")


@dataclass
class QAFeatures(Features):
    """The numbers of one window. Both positions are 0, which is [CLS], where it does not hold all of the answer."""

    start_positions: int = NO_ANSWER  # the first token of the answer
    end_positions: int = NO_ANSWER  # its last token, inclusive
    window: int | None = None  # the stored window, by which validation finds its question; None in training


class QADataset(FeatureDataset[QAExample, QAFeatures]):
    """Windows over passages, as features. See `FeatureDataset` for the arguments.

    Of `mode="train"`, only a share of the windows beside the answer is used (`negative_window_ratio`); of others, all.
    """

    example_class = QAExample
    args: QATrainArguments
    cuts_texts = False

    def __init__(self, args: QATrainArguments, tokenizer: Any, corpus: Any, mode: str = "train", **own: Any):
        self.creating_line = f"Creating features from {mode} dataset file at %s"
        lengths = args.max_seq_length, args.doc_stride, args.max_query_length
        self.cutter = WindowCutter(PairLayout.of(tokenizer), *lengths)
        self.groups: dict[str, int] = {}
        super().__init__(args, tokenizer, corpus, mode, **own)
        if mode == "train" and self.store.given is None:
            self.selected = self._choose_windows()

    def identity(self) -> list[str]:
        """Return the settings, next to tokenizer and corpus file, that decide the numbers, and what is stored."""
        args = self.args
        return [*map(str, (args.max_seq_length, args.doc_stride, args.max_query_length)), *ROW_VALUES]

    def get_labels(self) -> list[str]:
        """Return no labels: an answer is a place in the passage."""
        return []

    def convert_examples(self, examples: Sequence[QAExample]) -> Chunk:
        """Turn questions into windows: ids, the characters of every token, and the answer's tokens."""
        texts = tokenize(self.tokenizer, (text for e in examples for text in (e.question_text, e.context_text)))
        windows: list[Window] = []
        rows: list[tuple[int, ...]] = []
        for number, example in enumerate(examples, start=self.converted):
            group = self.groups.setdefault(example.article or example.context_text, len(self.groups))
            passage = texts[example.context_text]
            answer = passage.tokens_over(example.start_position_character, example.end_position_character)
            for window in self.cutter.cut(texts[example.question_text], passage):
                place = (window.place_of(*answer) if answer else None) or (NO_ANSWER, NO_ANSWER)
                windows.append(window)
                rows.append((number, group, window.passage_start, *place, not example.answer_text))
        columns = np.array(rows, np.int32).reshape(-1, len(ROW_VALUES)).T
        tokens = {
            "input_ids": np.concatenate([window.ids for window in windows]),
            "characters": np.concatenate([window.characters for window in windows]),
        }
        lengths = np.array([len(window.ids) for window in windows], np.int64)
        return Chunk(lengths, tokens, dict(zip(ROW_VALUES, columns, strict=True)))

    def read_row(self, row: int) -> QAFeatures:
        """Return a stored window as features."""
        names = ("passage_start", "start_positions", "end_positions")
        passage, start, end = (int(self.store.rows[name][row]) for name in names)
        window = row if self.scored else None
        return QAFeatures(**self.shared_fields(row, passage), start_positions=start, end_positions=end, window=window)

    def _choose_windows(self) -> Tensor:
        holds = (self.store.rows["start_positions"] != NO_ANSWER) | (self.store.rows["impossible"] != 0)  # (N,)
        others = torch.nonzero(~holds).flatten()
        wanted = round(self.args.negative_window_ratio * int(holds.sum()))
        generator = torch.Generator().manual_seed(self.args.seed or 0)
        holds[others[torch.randperm(len(others), generator=generator)[:wanted]]] = True
        said = "%s: %d questions in %d windows; training uses all %d that hold the answer or whose question has none"
        counts = len(self.store), len(self.store) - len(others), min(wanted, len(others)), len(others)
        logger.info(f"{said}, and %d of %d others", self.mode, self.example_count, *counts)
        return torch.nonzero(holds).flatten()

    def first_row(self, example: int) -> int:
        """Return the stored window to log of a question: the first that holds its answer, else its first."""
        rows = torch.nonzero(self.store.rows["example"] == example).flatten()
        holding = rows[self.store.rows["start_positions"][rows] != NO_ANSWER]
        return int([*holding, *rows][0])

    def describe_example(self, example: QAExample, features: QAFeatures) -> dict[str, str]:
        """Return the log lines of one question."""
        tokens = self.tokenizer.convert_ids_to_tokens(features.input_ids)
        answer = tokens[features.start_positions : features.end_positions + 1]
        return {
            "question & context": f"{example.question_text} + {example.context_text}",
            "tokens": " ".join(tokens),
            "answer": f"{example.answer_text or SHOWN_NONE} ({' '.join(answer)})",
            "features": str(features),
        }

    def right_answer(self, features: QAFeatures) -> RightAnswer:
        """Return where in a window the answer is."""
        first, last = features.start_positions, features.end_positions
        what = "* the answer" if last else "* [CLS]: this window does not hold the answer"
        return RightAnswer(f"start_positions {first}, end_positions {last}: {what}", range(first, last + 1))

    def passage_tokens(self, window: int) -> tuple[int, int]:
        """Return the places of the first and the last passage token, inclusive, in a stored window."""
        length = int(self.store.offsets[window + 1] - self.store.offsets[window])
        return int(self.store.rows["passage_start"][window]), length - len(self.cutter.layout.after) - 1

    def characters_of(self, window: int, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the passage, half-open, of tokens `start..end` (inclusive) of a stored window."""
        characters = self.store.tokens_of("characters", window)  # (T, 2)
        return int(characters[start, 0]), int(characters[end, 1])
