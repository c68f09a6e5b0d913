"""What all score cards do: measure once, say where they come from, and leave their files."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ratsnlp.nlpbook.evaluation.about import About
from ratsnlp.nlpbook.evaluation.lengths import score_by_length
from ratsnlp.nlpbook.evaluation.overlap import COLUMNS
from ratsnlp.nlpbook.evaluation.pictures import draw_calibration, draw_length_scores
from ratsnlp.nlpbook.evaluation.report import write_report
from ratsnlp.nlpbook.evaluation.tables import NAME_CELLS, line_of, write_tsv
from ratsnlp.nlpbook.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PRECISIONS = {"32": "float32", "bf16": "bfloat16"}
INDENT = " " * NAME_CELLS
NOT_PUBLISHED = {
    "sample": "this sample is for learning the steps; no published figure compares with it",
    "own file": "scored on an own file",
    "training split": "scored on the rows it was trained on",
}
UNLIKE = {
    "trained_on": "not alike: yours is trained on the first {:,} rows",
    "own_training": "not alike: yours is trained on an own file",
    "rows": "not alike: the published split has {:,} rows",
}


@dataclass(frozen=True)
class Card(ABC):
    """Base of all score cards.

    Args:
        about: Where the card comes from; None for one made by hand.
    """

    about: About | None = field(default=None, kw_only=True)

    metric: ClassVar[str]
    """The score that stands first, as `metrics` names it."""

    shown: ClassVar[str]
    """How that score is called on the card."""

    digits: ClassVar[int]
    """How many decimals it is shown with."""

    @property
    @abstractmethod
    def row_scores(self) -> np.ndarray:
        """The first score of each row, `(N,)`, in its own unit."""

    @property
    @abstractmethod
    def lengths(self) -> Sequence[int]:
        """How long each row's text is, in characters; empty where that is not known."""

    @abstractmethod
    def measure(self) -> dict[str, Any]:
        """Return the scores, as plain values; `calibration` is among them."""

    @abstractmethod
    def tables(self) -> Mapping[str, Iterable[Sequence[Any]]]:
        """Return the tables to write, by file name, each with a row of column names first."""

    @abstractmethod
    def worst_mistakes(self, count: int = 10) -> list[dict[str, Any]]:
        """Return the wrong answers of which the model was surest, surest first."""

    @cached_property
    def measured(self) -> dict[str, Any]:
        """Everything measured: see `metrics`."""
        found = self.measure()
        if len(self.lengths):
            found["by_length"] = score_by_length(self.lengths, self.row_scores)
        if not self.about:
            return found
        if self.about.overlap and 0 < self.about.overlap.seen.sum() < len(self.row_scores):
            found[f"{self.metric}_outside_train"] = float(self.row_scores[~self.about.overlap.seen].mean())
        found |= self.about.metrics()
        published = self.about.refer(found)
        return found | ({"published": published} if published else {})

    def metrics(self) -> dict[str, Any]:
        """Return everything measured, as plain values."""
        return dict(self.measured)

    def figures(self) -> dict[str, "Figure"]:
        """Return the pictures to draw, by file name."""
        found = {"calibration.png": draw_calibration(self.measured["calibration"])}
        if rows := self.measured.get("by_length"):
            found["lengths.png"] = draw_length_scores(rows, self.shown, 100 if self.digits == 2 else 1)
        return found

    def save(self, folder: Path) -> None:
        """Write `metrics.json`, the tables, the pictures, and all of it as one page, `report.html`, into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        metrics = json.dumps(self.measured, ensure_ascii=False, indent=2)
        (folder / "metrics.json").write_text(metrics + "\n", encoding="utf-8")
        tables = dict(self.tables())
        if self.about and self.about.overlap:
            tables["overlap.tsv"] = [COLUMNS, *self.about.overlap.rows()]
        for name, rows in tables.items():
            write_tsv(folder / name, rows)
        pictures = {name: save_figure(figure, folder / name) for name, figure in self.figures().items()}
        write_report(folder / "report.html", self.measured, self.worst_mistakes(20), pictures)

    # lines of the card in a terminal

    def format(self, score: float) -> str:
        """Return the first score as it is shown."""
        return f"{score:.{self.digits}f}"

    def lines_about_rows(self, name: str) -> list[str]:
        """Return how many rows were scored, and of what."""
        about = self.about
        of = f"{about.corpus}, {about.mode}, {PRECISIONS.get(about.precision, about.precision)}" if about else ""
        return [line_of(name, f"{self.measured['examples']:,}", of)]

    def lines_around(self) -> list[str]:
        """Return what to read the scores beside: published figures, what train gives away, calibration, lengths."""
        calibration = self.measured["calibration"]
        more = f", macro over labels {calibration['ece_macro']:.4f}" if "ece_macro" in calibration else ""
        lines = [*self.lines_about_published(), *self.lines_about_overlap()]
        lines.append(line_of("ECE", f"{calibration['ece']:.4f}", f"calibration error{more}; 0 is best"))
        if rows := self.measured.get("by_length"):
            parts = [f"{row['shortest']}-{row['longest']}: {self.format(row['score'])}" for row in rows]
            lines.append(line_of("characters", "   ".join(parts)))
        return lines

    def lines_about_published(self) -> list[str]:
        """Return the published figure to compare with, or why there is none."""
        found = self.measured.get("published")
        if not found:
            return []
        if "reason" in found:
            return [line_of("published", f"none: {NOT_PUBLISHED[found['reason']]}")]
        value, own = found["scores"][self.metric], self.measured[self.metric]
        away = f"yours is {self.format(abs(own - value))} {'higher' if own > value else 'lower'}"
        scores = " / ".join(self.format(score) for score in found["scores"].values())
        lines = [line_of("published", scores, f"{found['model']}; {away} ({found['source']})")]
        return lines + [INDENT + UNLIKE[name].format(count) for name, count in found["unlike"].items()]

    def lines_about_overlap(self) -> list[str]:
        """Return how many rows stand in train too, and how many texts there have several labels."""
        found = self.measured.get("overlap")
        if not found:
            return []
        lines = [line_of("in train", f"{found['test_in_train']:,}", f"of {self.measured['examples']:,} rows")]
        if found["test_in_train"]:
            lines[0] += f"; {found['test_in_train_with_another_label']:,} with another label there"
        if (without := self.measured.get(f"{self.metric}_outside_train")) is not None:
            lines[0] += f"; {self.shown} of the others {self.format(without)}"
        if found["label_conflicts_in_train"]:
            lines.append(f"{INDENT}{found['label_conflicts_in_train']:,} texts of train have several labels")
        return lines
