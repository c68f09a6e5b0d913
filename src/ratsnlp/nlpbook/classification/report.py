"""How good a classifier is: metrics with intervals, baselines to beat, each class, and the worst mistakes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ratsnlp.nlpbook.evaluation.report import Card, line_of
from ratsnlp.nlpbook.evaluation.statistics import bootstrap_intervals, measure_calibration
from ratsnlp.nlpbook.figures import draw_confusion
from ratsnlp.nlpbook.metrics import class_scores, confusion_matrix, overall_scores
from ratsnlp.nlpbook.texts import cells, excerpt, fill

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORST = 10
LISTED = 100


@dataclass(frozen=True)
class ScoreCard(Card):
    """The scores of a classifier on one split.

    Args:
        texts: What was classified: N texts, or N tuples of texts.
        labels: True label numbers, `(N,)`.
        probabilities: The model's probabilities, `(N, K)`.
        classes: The corpus's labels in order.
        label_names: How to show them, in the same order.
        columns: What each text of a tuple is called.
        baselines: Score cards of simpler classifiers on the same examples, by name, shown beside this one.
        about: Where the card comes from; None for one made by hand.
    """

    texts: Sequence[str] | Sequence[tuple[str, ...]]
    labels: Tensor
    probabilities: Tensor
    classes: Sequence[str]
    label_names: Sequence[str]
    columns: Sequence[str] = ("text",)
    baselines: Mapping[str, "ScoreCard"] = field(default_factory=dict)

    metric, shown, digits = "accuracy", "accuracy", 4

    def named_texts(self, row: int) -> dict[str, str]:
        """Return the texts of one example by column name."""
        texts = self.texts[row]
        return dict(zip(self.columns, (texts,) if isinstance(texts, str) else texts, strict=True))

    @property
    def predictions(self) -> Tensor:
        """The most probable label of each text, `(N,)`."""
        return self.probabilities.argmax(dim=-1)

    @property
    def confusion(self) -> Tensor:
        """Counts `(K, K)`, true label by row."""
        return confusion_matrix(self.predictions, self.labels, len(self.label_names))

    @property
    def row_scores(self) -> np.ndarray:
        """1 where the answer is right, else 0, `(N,)`."""
        scores: np.ndarray = (self.predictions == self.labels).double().numpy()
        return scores

    @property
    def lengths(self) -> Sequence[int]:
        """How many characters each text, or both texts of a pair, have."""
        return [len("".join(texts)) for texts in self.texts]

    def measure(self) -> dict[str, Any]:
        """Return the scores, as plain values; shares are in 0..1."""
        confusion = self.confusion
        present = confusion.sum(-1)
        return {
            **{name: float(value) for name, value in overall_scores(confusion).items()},
            "examples": len(self.labels),
            **{f"{name}_interval_95": interval for name, interval in bootstrap_intervals(confusion).items()},
            "majority_baseline": float(present.max() / present.sum()),
            "baselines": list(self.baselines),
            **{key_of(name): card.headline() for name, card in self.baselines.items()},
            "classes": self.class_table(),
            "confusion": confusion.tolist(),
            "calibration": measure_calibration(self.probabilities.double().numpy(), self.labels.numpy()),
        }

    def headline(self) -> dict[str, Any]:
        """Return accuracy, its interval, and macro F1: what a baseline is known by."""
        scores = {name: float(value) for name, value in overall_scores(self.confusion).items()}
        return {**scores, "accuracy_interval_95": bootstrap_intervals(self.confusion)["accuracy"]}

    def class_table(self) -> list[dict[str, Any]]:
        """Return one row for each label: its precision, recall, F1, and how many examples have it."""
        confusion = self.confusion
        scores = class_scores(confusion)
        return [
            {
                "label": name,
                **{key: float(values[i]) for key, values in scores.items()},
                "examples": int(confusion[i].sum()),
            }
            for i, name in enumerate(self.label_names)
        ]

    def worst_mistakes(self, count: int = WORST) -> list[dict[str, Any]]:
        """Return the wrong answers of which the model was surest, surest first."""
        sureness, predictions = self.probabilities.max(dim=-1).values, self.predictions
        wrong = (predictions != self.labels).nonzero().flatten()
        surest = wrong[sureness[wrong].argsort(descending=True, stable=True)][:count]
        return [
            {
                **self.named_texts(i),
                "label": self.label_names[int(self.labels[i])],
                "prediction": self.label_names[int(predictions[i])],
                "probability": round(float(sureness[i]), 4),
            }
            for i in surest.tolist()
        ]

    def __str__(self) -> str:
        """Return the score card as a table to print."""
        found = self.measured
        lines = self.lines_about_rows("examples")
        for name, key in (("accuracy", "accuracy"), ("macro F1", "macro_f1")):
            low, high = found[f"{key}_interval_95"]
            lines.append(line_of(name, f"{found[key]:.4f}", f"95 % interval {low:.4f} to {high:.4f}"))
        lines.append(f"always the most frequent label: {found['majority_baseline']:.4f}")
        lines += [describe_baseline(name, found[key_of(name)]) for name in self.baselines]
        given = set(self.predictions.tolist())
        if len(given) == 1 and len(self.label_names) > 1:
            lines.append(f"warning: the model answers {self.label_names[given.pop()]} to every text")
        lines += [*self.lines_around(), "", *self.lines_about_classes(), "", "surest mistakes:"]
        for row in self.worst_mistakes(5):
            texts = " + ".join(excerpt(row[column]) for column in self.columns)
            lines.append(f"  {row['label']} taken for {row['prediction']} ({row['probability']:.2f}): {texts}")
        return "\n".join(lines)

    def lines_about_classes(self) -> list[str]:
        """Return the table of the labels."""
        width = max(map(cells, ("label", *self.label_names)))
        lines = [f"{fill('label', width)}  precision  recall      F1  examples"]
        for row in self.measured["classes"]:
            numbers = f"{row['precision']:>9.4f}  {row['recall']:.4f}  {row['f1']:.4f}  {row['examples']:>8,}"
            lines.append(f"{fill(row['label'], width)}  {numbers}")
        return lines

    def tables(self) -> Mapping[str, Iterable[Sequence[Any]]]:
        """Return `predictions.tsv`, every answer in order, and `worst.tsv`, the surest mistakes."""
        sureness, predictions = self.probabilities.max(dim=-1).values, self.predictions
        rows = zip(range(len(self.texts)), self.labels.tolist(), predictions.tolist(), sureness.tolist(), strict=True)
        named = [(*self.named_texts(i).values(), self.classes[a], self.classes[b], f"{p:.4f}") for i, a, b, p in rows]
        header = (*self.columns, "label", "prediction", "probability")
        worst = [tuple(row.values()) for row in self.worst_mistakes(LISTED)]
        return {"predictions.tsv": [header, *named], "worst.tsv": [header, *worst]}

    def figures(self) -> dict[str, "Figure"]:
        """Return the pictures to draw, by file name."""
        return {"confusion.png": draw_confusion(self.confusion.numpy(), self.label_names), **super().figures()}


def key_of(baseline: str) -> str:
    """Return the name under which the scores of a baseline stand among the metrics."""
    return baseline.replace(" ", "_")


def describe_baseline(name: str, scores: Mapping[str, Any]) -> str:
    """Return the line that a score card prints of a baseline."""
    low, high = scores["accuracy_interval_95"]
    return f"{name}: {scores['accuracy']:.4f}   95 % interval {low:.4f} to {high:.4f}"
