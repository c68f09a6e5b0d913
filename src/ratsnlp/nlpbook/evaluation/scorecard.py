"""How good the answers are: metrics with intervals, a baseline to beat, each class, and the worst mistakes."""

import csv
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ratsnlp.nlpbook.figures import draw_confusion, save_figure
from ratsnlp.nlpbook.metrics import class_scores, confusion_matrix, overall_scores

RESAMPLES = 2000
WORST = 10
SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class ScoreCard:
    """The scores of a classifier on one split.

    Args:
        texts: What was classified: N texts, or N tuples of texts.
        labels: True label numbers, `(N,)`.
        probabilities: The model's probabilities, `(N, K)`.
        classes: The corpus's labels in order.
        label_names: How to show them, in the same order.
        columns: What each text of a tuple is called.
        baselines: Score cards of simpler classifiers on the same examples, by name, shown beside this one.
    """

    texts: Sequence[str] | Sequence[tuple[str, ...]]
    labels: Tensor
    probabilities: Tensor
    classes: Sequence[str]
    label_names: Sequence[str]
    columns: Sequence[str] = ("text",)
    baselines: Mapping[str, "ScoreCard"] = field(default_factory=dict)

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

    def metrics(self) -> dict[str, Any]:
        """Return everything measured, as plain values; shares are in 0..1."""
        confusion = self.confusion
        scores = {name: float(value) for name, value in overall_scores(confusion).items()}
        present = confusion.sum(-1)
        return {
            **scores,
            "examples": len(self.labels),
            **{f"{name}_interval_95": interval for name, interval in bootstrap_intervals(confusion).items()},
            "majority_baseline": float(present.max() / present.sum()),
            **{name.replace(" ", "_"): card.headline() for name, card in self.baselines.items()},
            "classes": self.class_table(),
            "confusion": confusion.tolist(),
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
        wrong = torch.nonzero(predictions != self.labels).flatten()
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
        found = self.metrics()
        low, high = found["accuracy_interval_95"]
        width = max(map(cells, self.label_names))
        lines = [
            f"examples   {found['examples']:,}",
            f"accuracy   {found['accuracy']:.4f}   95 % interval {low:.4f} to {high:.4f}",
            f"macro F1   {found['macro_f1']:.4f}   95 % interval {found['macro_f1_interval_95'][0]:.4f}"
            f" to {found['macro_f1_interval_95'][1]:.4f}",
            f"always the most frequent label: {found['majority_baseline']:.4f}",
            *(describe_baseline(name, card.headline()) for name, card in self.baselines.items()),
            "",
            f"{fill('label', width)}  precision  recall      F1  examples",
        ]
        for row in found["classes"]:
            numbers = f"{row['precision']:>9.4f}  {row['recall']:.4f}  {row['f1']:.4f}  {row['examples']:>8,}"
            lines.append(f"{fill(row['label'], width)}  {numbers}")
        lines += ["", "surest mistakes:"]
        for row in self.worst_mistakes(5):
            texts = " + ".join(row[column][:SHOWN_CHARACTERS] for column in self.columns)
            lines.append(f"  {row['label']} taken for {row['prediction']} ({row['probability']:.2f}): {texts}")
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """Write `metrics.json`, `predictions.tsv`, `mistakes.tsv` and `confusion.png` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        metrics = json.dumps(self.metrics(), ensure_ascii=False, indent=2)
        (folder / "metrics.json").write_text(metrics + "\n", encoding="utf-8")
        sureness, predictions = self.probabilities.max(dim=-1).values, self.predictions
        rows = zip(range(len(self.texts)), self.labels.tolist(), predictions.tolist(), sureness.tolist(), strict=True)
        named = [(*self.named_texts(i).values(), self.classes[a], self.classes[b], f"{p:.4f}") for i, a, b, p in rows]
        header = (*self.columns, "label", "prediction", "probability")
        write_tsv(folder / "predictions.tsv", [header, *named])
        worst = [tuple(row.values()) for row in self.worst_mistakes(100)]
        write_tsv(folder / "mistakes.tsv", [header, *worst])
        save_figure(draw_confusion(self.confusion.numpy(), self.label_names), folder / "confusion.png")


def describe_baseline(name: str, scores: Mapping[str, Any]) -> str:
    """Return the line that a score card prints of a baseline."""
    low, high = scores["accuracy_interval_95"]
    return f"{name}: {scores['accuracy']:.4f}   95 % interval {low:.4f} to {high:.4f}"


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes: a Hangul syllable takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def fill(text: str, width: int) -> str:
    """Return a text filled up with spaces to `width` cells."""
    return text + " " * (width - cells(text))


def bootstrap_intervals(confusion: Tensor, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, list[float]]:
    """Return the 95 % bootstrap intervals of accuracy and macro F1.

    Drawing N texts with replacement only decides how many fall into each cell of the confusion matrix, so the matrices
    are drawn at once, as multinomials: the same distribution as resampling texts, in a fraction of the time.

    Args:
        confusion: Counts `(K, K)`.
        resamples: How many test sets to draw.
        seed: Same seed, same intervals.
    """
    counts = confusion.numpy()
    draws = np.random.default_rng(seed).multinomial(counts.sum(), counts.ravel() / counts.sum(), size=resamples)
    scores = overall_scores(torch.from_numpy(draws.reshape(resamples, *counts.shape)))
    return {name: [float(q) for q in np.quantile(values.numpy(), [0.025, 0.975])] for name, values in scores.items()}


def write_tsv(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows as tab-separated UTF-8, quoted as in CSV where a text holds a tab, a quote or a line break."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)
