"""The score card as a page: one file with its pictures in it, no script, nothing fetched from elsewhere."""

import base64
import csv
import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN
from ratsnlp.nlpbook.evaluation.overlap import COLUMNS, Overlap, read_overlap
from ratsnlp.nlpbook.evaluation.published import SPLITS, nearest_figure
from ratsnlp.nlpbook.evaluation.statistics import score_by_length
from ratsnlp.nlpbook.figures import draw_calibration, draw_length_scores, save_figure
from ratsnlp.nlpbook.hardware import bf16_is_faster

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class About:
    """What a score card says beside its scores.

    Attributes:
        corpus: What was scored on.
        mode: Its split.
        model: What was fine-tuned.
        precision: "32" or "bf16".
        own_file: Whether an own file took the place of the split's.
        own_training: Whether one took the place of train's.
        trained_on: How many rows of train were used, where not all were.
        overlap: What train and this split have in common; None where it was not looked at.
    """

    corpus: str
    mode: str
    model: str
    precision: str
    own_file: bool = False
    own_training: bool = False
    trained_on: int | None = None
    overlap: Overlap | None = None

    @classmethod
    def of(cls, args: TrainArguments, mode: str, precision: str, overlap: Overlap | None) -> "About":
        """Return what the settings of a training say about a score on one of its corpus's splits."""
        own = {"train": args.train_file, "val": args.validation_file, "test": args.test_file}
        return cls(
            corpus=args.downstream_corpus_name or "",
            mode=mode,
            model=args.pretrained_model_name,
            precision=precision,
            own_file=bool(own.get(mode)),
            own_training=bool(args.train_file),
            trained_on=args.max_train_examples,
            overlap=overlap,
        )

    def metrics(self) -> dict[str, Any]:
        """Return what belongs beside the scores, as plain values."""
        found = {
            "corpus": self.corpus,
            "split": self.mode,
            "pretrained_model_name": self.model,
            "precision": self.precision,
        }
        return found | ({"overlap": self.overlap.metrics()} if self.overlap else {})

    def refer(self, scores: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the published figure nearest to `scores`, or why there is none; None for an unknown corpus.

        Args:
            scores: What was measured; `examples` is among it.

        Returns:
            `model`, `scores`, `split` (empty where the source does not say), `source`, `same_model`, and `unlike`, what
            keeps the figures from being comparable: `trained_on` rows of ours, `own_training`, `rows` of the published
            split; or `reason` alone: "sample", "own file" or "training split".
        """
        if self.corpus.startswith(BUILTIN):
            return {"reason": "sample"}
        if self.corpus not in SPLITS:
            return None
        if self.own_file or self.mode == "train":
            return {"reason": "own file" if self.own_file else "training split"}
        split = SPLITS[self.corpus]
        found, same_model = nearest_figure(self.corpus, scores[split.metrics[0]], self.model)
        unlike: dict[str, int] = {"trained_on": self.trained_on} if self.trained_on else {}
        unlike |= {"own_training": True} if self.own_training else {}
        unlike |= {"rows": split.rows} if scores["examples"] != split.rows else {}
        return {
            "model": found.model,
            "scores": dict(found.scores),
            "split": found.split,
            "source": found.source,
            "same_model": same_model,
            "unlike": unlike,
        }


NAME_CELLS = 11
"""Width of the names at the beginning of a score card's lines."""


def write_tsv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as tab-separated UTF-8, quoted as in CSV where a text holds a tab, a quote or a line break."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)


def read_tsv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns, and the rows, of a file that `write_tsv` wrote."""
    csv.field_size_limit(2**31 - 1)  # a passage may be longer than the 128 KiB that csv allows
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    return (rows[0] if rows else []), rows[1:]


def line_of(name: str, value: str, more: str = "") -> str:
    """Return one line of a score card: `accuracy   0.8110   95 % interval 0.8075 to 0.8144`."""
    return f"{name:{NAME_CELLS}}{value}{'   ' + more if more else ''}"


NAMES = {
    "confusion.png": "혼동 행렬 (confusion matrix)",
    "calibration.png": "확률 보정 (calibration)",
    "lengths.png": "길이별 점수 (score by length)",
}
"""What each picture shows, in the order in which they stand on the page."""


@cache
def load_template() -> Template:
    """Return the page's template. Everything put into it is escaped."""
    loader = PackageLoader("ratsnlp.nlpbook.evaluation", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("report.html")


def data_address(path: Path) -> str:
    """Return a PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def write_report(
    path: Path, found: Mapping[str, Any], worst: Sequence[Mapping[str, Any]], pictures: Mapping[str, Path]
) -> None:
    """Write the page.

    Args:
        path: Where to.
        found: What the score card measured.
        worst: Its worst mistakes, by column.
        pictures: Its pictures' files, by name.
    """
    shown = [(title, data_address(pictures[name])) for name, title in NAMES.items() if name in pictures]
    page = load_template().render(found=found, worst=worst, pictures=shown)
    path.write_text(page + "\n", encoding="utf-8")


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


Precision = Literal["auto", "32", "bf16"]


def choose_precision(wanted: Precision, device: str) -> Literal["32", "bf16"]:
    """Return the precision to score in: `auto` takes bfloat16 where the hardware multiplies it faster.

    Args:
        wanted: What is asked for.
        device: Where the model is: "cpu" or "cuda".
    """
    if wanted == "auto":
        return "bf16" if bf16_is_faster("gpu" if device == "cuda" else device) else "32"
    return wanted


def computing_in(precision: Literal["32", "bf16"], device: str) -> AbstractContextManager[None]:
    """Let the models inside the block compute in a precision. Weights, sums and softmax stay float32."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16")


def score(
    predictor: Any, examples: Sequence[Any], corpus: Any, args: TrainArguments, mode: str, precision: Precision
) -> Any:
    """Return a predictor's score card on a split, which knows where it comes from and what train gives away.

    Args:
        predictor: A predictor of any task.
        examples: The examples of the split.
        corpus: The corpus they are from.
        args: The settings of the training.
        mode: The split.
        precision: What to compute in.
    """
    device = predictor.model.device.type
    used = choose_precision(precision, device)
    with computing_in(used, device):
        card = predictor.evaluate(examples)
    if not isinstance(card, Card):
        return card
    return dataclasses.replace(card, about=About.of(args, mode, used, read_overlap(corpus, args, mode, examples)))
