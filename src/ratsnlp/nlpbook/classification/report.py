"""How good a classifier is: accuracy and macro F1 with intervals, what to beat, each label, the surest mistakes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from torch import Tensor

from ratsnlp.nlpbook.evaluation import statistics
from ratsnlp.nlpbook.evaluation.blocks import Block, Line, Table
from ratsnlp.nlpbook.evaluation.report import IN_FILE, Report, calibration_block, mistakes_block, surest
from ratsnlp.nlpbook.figures import draw_confusion


@dataclass(frozen=True)
class ClassificationReport(Report):
    """The scores of a classifier on one split, of N texts (or N tuples of texts) and K labels."""

    texts: Sequence[str] | Sequence[tuple[str, ...]]
    labels: Tensor  # true label numbers, `(N,)`
    probabilities: Tensor  # `(N, K)`
    classes: Sequence[str]  # the corpus's labels in order
    label_names: Sequence[str]  # how to show them, in the same order
    text_columns: Sequence[str] = ("text",)  # what each text of a tuple is called

    top_scores = (
        statistics.Score(key="accuracy", name="accuracy", korean="정확도 (accuracy)", numerator="right"),
        statistics.Score(key="macro_f1", name="macro F1"),
    )

    @cached_property
    def predictions(self) -> Tensor:
        """The most probable label of each text, `(N,)`."""
        return self.probabilities.argmax(dim=-1)

    @cached_property
    def confusion(self) -> np.ndarray:
        """Counts `(K, K)`, true label by row."""
        size = len(self.label_names)
        return np.bincount((self.labels * size + self.predictions).numpy(), minlength=size**2).reshape(size, size)

    @property
    def asked(self) -> Mapping[str, Sequence[Any]]:
        """The texts, and their labels."""
        rows = [(texts,) if isinstance(texts, str) else texts for texts in self.texts]
        texts = dict(zip(self.text_columns, zip(*rows, strict=True), strict=True))
        return {**texts, "label": [self.classes[label] for label in self.labels.tolist()]}

    @property
    def answered(self) -> Mapping[str, Sequence[Any]]:
        """The labels given, and how sure the model was."""
        return {
            "prediction": [self.classes[label] for label in self.predictions.tolist()],
            "probability": self.probabilities.amax(dim=-1).tolist(),
            "right": (self.predictions == self.labels).int().tolist(),
        }

    @property
    def lengths(self) -> Sequence[int]:
        """How many characters each text, or both texts of a pair, have."""
        return [len("".join(texts)) for texts in self.texts]

    @cached_property
    def values(self) -> dict[str, float]:
        """Accuracy and macro F1, in 0..1."""
        return {name: float(value) for name, value in statistics.overall_scores(self.confusion).items()}

    @cached_property
    def intervals(self) -> Mapping[str, Sequence[float]]:
        """Their 95 % intervals, from the same drawn test sets."""
        return statistics.bootstrap_intervals(self.confusion)

    def blocks(self) -> Sequence[Block]:
        """Return the parts of the report."""
        majority = float(self.confusion.sum(-1).max() / self.confusion.sum())
        korean = f"늘 가장 흔한 라벨만 답하면 (majority baseline): {majority:.4f}"
        beaten = Line("always the most frequent label", f"{majority:.4f}", korean=korean)
        calibration = statistics.measure_calibration(self.probabilities.double().numpy(), self.labels.numpy())
        ece, brier, nll = (f"{calibration[name]:.4f}" for name in ("ece_macro", "brier", "nll"))
        korean = f", 라벨 평균 (macro) {ece}, Brier {brier}, NLL {nll}"
        return [
            self.head(),
            self.top(*self._warnings()),
            *self.context(beaten, metrics={"majority_baseline": majority}),
            calibration_block(calibration, f", macro over labels {ece}", korean),
            self.by_length(),
            self._labels(),
            mistakes_block(self.worst_mistakes(IN_FILE), "label", self.text_columns),
        ]

    def _warnings(self) -> list[Line]:
        given = set(self.predictions.tolist())
        if len(given) > 1 or len(self.label_names) == 1:
            return []
        name = self.label_names[given.pop()]
        korean = f"주의 (warning): 모델이 모든 글에 {name}라고만 답합니다"
        return [Line("", f"warning: the model answers {name} to every text", korean=korean)]

    def _labels(self) -> Block:
        scores = {name: values.tolist() for name, values in statistics.class_scores(self.confusion).items()}
        columns = {"label": list(self.label_names), **scores, "examples": self.confusion.sum(-1).tolist()}
        rows = list(zip(*columns.values(), strict=True))
        korean = {"label": "라벨", "precision": "정밀도 (precision)", "recall": "재현율 (recall)", "F1": "F1"}
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        return Block(
            title="each label",
            korean="라벨별 점수 (each label)",
            table=Table(korean | {"examples": "개수"}, rows),
            pictures={"confusion.png": partial(draw_confusion, self.confusion, self.label_names)},
            metrics={"classes": found, "confusion": self.confusion.tolist()},
        )

    def worst_mistakes(self, count: int = 10) -> list[dict[str, Any]]:
        """Return the wrong answers of which the model was surest, surest first."""
        given, worst = self.columns["probability"], []
        for i in surest((self.predictions != self.labels).numpy(), given, count):
            true, predicted = (self.label_names[int(labels[i])] for labels in (self.labels, self.predictions))
            texts = {name: self.columns[name][i] for name in self.text_columns}
            worst.append({**texts, "label": true, "prediction": predicted, "probability": round(given[i], 4)})
        return worst
