"""Two models on the same rows: which is better, by how much, and where they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from ratsnlp.nlpbook.errors import EvaluationError
from ratsnlp.nlpbook.evaluation.report import line_of, read_tsv, write_tsv
from ratsnlp.nlpbook.evaluation.statistics import McNemar, draw_interval, mcnemar
from ratsnlp.nlpbook.model_folder import ModelFolder, write_json
from ratsnlp.nlpbook.texts import excerpt


@dataclass(frozen=True)
class Scored:
    """What `evaluate` left in a model folder.

    Attributes:
        folder: The model folder.
        names: The columns that say what was asked and what is right.
        asked: The rows of those columns.
        predictions: The answers.
        hits: Whether each is right, `(N,)` bool.
        f1: The F1 of each answer in 0..100, `(N,)`; None for labels.
        groups: What the rows are about, where they are not independent.
        settings: Corpus, split and precision of the score.
    """

    folder: Path
    names: Sequence[str]
    asked: Sequence[Sequence[str]]
    predictions: Sequence[str]
    hits: np.ndarray
    f1: np.ndarray | None
    groups: Sequence[str] | None
    settings: dict[str, str]


def read_scored(folder: Path) -> Scored:
    """Return what `evaluate` left in a model folder.

    Raises:
        EvaluationError: It left nothing there, or no answers that can be compared row by row.
    """
    path = ModelFolder(folder).evaluation / "predictions.tsv"
    found = ModelFolder(folder).read_metrics()
    header, rows = read_tsv(path)
    settings: dict[str, str] = {name: str(found[name]) for name in ("corpus", "split", "precision") if name in found}
    if "prediction" not in header or not rows:
        raise EvaluationError(f"{path} has no column 'prediction', or no rows; found {', '.join(header) or 'nothing'}")
    column = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    names = header[: header.index("prediction")]
    asked = list(zip(*(column[name] for name in names), strict=True))
    if "exact_match" in column:
        hits = np.array([value == "1" for value in column["exact_match"]])
        f1 = 100 * np.array([float(value) for value in column["f1"]])
        return Scored(folder, names, asked, column["prediction"], hits, f1, column.get("group"), settings)
    if "label" not in column:
        raise EvaluationError(f"{path} holds neither labels nor exact matches; found {', '.join(header)}")
    hits = np.array([label == given for label, given in zip(column["label"], column["prediction"], strict=True)])
    return Scored(folder, names, asked, column["prediction"], hits, None, None, settings)


def require_same_rows(first: Scored, second: Scored) -> None:
    """Do nothing if two models were asked the same, in the same order.

    Raises:
        EvaluationError: They were not; the message names the first difference.
    """
    pairs = enumerate(zip_longest(first.asked, second.asked), 1)
    place, (one, other) = next(((i, pair) for i, pair in pairs if pair[0] != pair[1]), (0, ((), ())))
    if place or first.names != second.names:
        about = [" ".join([f"{len(scored.asked):,} rows", *scored.settings.values()]) for scored in (first, second)]
        shown = [excerpt(" | ".join(row)) if row else "nothing" for row in (one, other)]
        raise EvaluationError(
            f"{first.folder} and {second.folder} were scored on different rows, so they cannot be compared: "
            f"{about[0]} and {about[1]}; first difference in row {place or 1}: {shown[0]!r} and {shown[1]!r}. "
            "Run ratsnlp evaluate on both with the same corpus and --mode."
        )


LEVEL = 0.05
"""Below this p-value a difference is called one."""


@dataclass(frozen=True)
class Comparison:
    """Two models' answers to the same rows.

    Args:
        first: What one model answered.
        second: What the other answered, to the same rows.
    """

    first: Scored
    second: Scored

    @cached_property
    def only_first(self) -> np.ndarray:
        """Rows that just the first model has right, `(N,)` bool."""
        found: np.ndarray = self.first.hits & ~self.second.hits
        return found

    @cached_property
    def only_second(self) -> np.ndarray:
        """Rows that just the second model has right, `(N,)` bool."""
        found: np.ndarray = self.second.hits & ~self.first.hits
        return found

    @cached_property
    def test(self) -> McNemar:
        """Whether the difference in right answers may be luck."""
        return mcnemar(int(self.only_first.sum()), int(self.only_second.sum()))

    def compare_scores(self, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
        """Return both means, their difference (second minus first), and its paired bootstrap interval."""
        interval = draw_interval(second - first, self.first.groups)
        means = float(first.mean()), float(second.mean())
        return {"first": means[0], "second": means[1], "difference": means[1] - means[0], "interval_95": list(interval)}

    @cached_property
    def measured(self) -> dict[str, Any]:
        """Everything measured: see `metrics`."""
        answers = self.first.f1 is not None
        hits = [scored.hits * (100.0 if answers else 1.0) for scored in (self.first, self.second)]
        found = {"exact_match" if answers else "accuracy": self.compare_scores(*hits)}
        if self.first.f1 is not None and self.second.f1 is not None:
            found["f1"] = self.compare_scores(self.first.f1, self.second.f1)
        counts = {
            "both": int((self.first.hits & self.second.hits).sum()),
            "only_first": int(self.only_first.sum()),
            "only_second": int(self.only_second.sum()),
            "neither": int((~self.first.hits & ~self.second.hits).sum()),
        }
        return {
            "first": str(self.first.folder),
            "second": str(self.second.folder),
            "examples": len(self.first.hits),
            "scores": found,
            "right": counts,
            "mcnemar": self.test._asdict(),
        }

    def metrics(self) -> dict[str, Any]:
        """Return everything measured, as plain values; differences are second minus first."""
        return dict(self.measured)

    def __str__(self) -> str:
        """Return the comparison as a table to print."""
        found, right = self.measured, self.measured["right"]
        lines = [
            line_of("first", str(self.first.folder)),
            line_of("second", str(self.second.folder)),
            line_of("examples", f"{found['examples']:,}"),
        ]
        for name, scores in found["scores"].items():
            digits = 4 if name == "accuracy" else 2
            means = " -> ".join(f"{scores[key]:.{digits}f}" for key in ("first", "second"))
            change, low, high = (f"{value:+.{digits}f}" for value in (scores["difference"], *scores["interval_95"]))
            more = f"{change}   95 % interval {low} to {high}"
            lines.append(line_of({"exact_match": "EM", "f1": "F1"}.get(name, name), means, more))
        counted = f"both {right['both']:,}   neither {right['neither']:,}"
        counted += f"   only first {right['only_first']:,}   only second {right['only_second']:,}"
        return "\n".join([*lines, line_of("right", counted), *self.lines_about_luck()])

    def lines_about_luck(self) -> list[str]:
        """Return the outcome of the test, and what limits it."""
        p_value, method = self.test
        verdict = "a real difference" if p_value < LEVEL else "may be luck"
        shown = "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.4f}"
        lines = [line_of("McNemar", f"{shown} ({method}): {verdict} at the {LEVEL:.0%} level")]
        if self.first.groups:
            lines.append(
                "questions about one article hang together, which McNemar's test does not know; the intervals do"
            )
        differing = [
            f"{name} {one} and {other}"
            for name, one in self.first.settings.items()
            if (other := self.second.settings.get(name, one)) != one
        ]
        return lines + [f"note: the scores differ in {change}" for change in differing]

    @property
    def default_folder(self) -> Path:
        """Where the outcome goes unless told otherwise."""
        return self.second.folder / "evaluation" / f"against-{self.first.folder.resolve().name}"

    def save(self, folder: Path) -> None:
        """Write `comparison.json` and `differences.tsv`, the rows that just one model has right, into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "comparison.json", self.measured)
        rows = [
            ("second" if self.only_second[i] else "first", *self.first.asked[i], *given)
            for i, given in enumerate(zip(self.first.predictions, self.second.predictions, strict=True))
            if self.only_first[i] or self.only_second[i]
        ]
        write_tsv(folder / "differences.tsv", [("right", *self.first.names, "first", "second"), *rows])


def compare(first: str | Path, second: str | Path, folder: str | Path | None = None) -> Comparison:
    """Compare two model folders that were scored on the same rows; write the outcome and return it.

    Args:
        first: A model folder.
        second: Another one.
        folder: Where `comparison.json` and `differences.tsv` go; by default `SECOND/evaluation/against-FIRST`.

    Raises:
        EvaluationError: One is not scored, or they were scored on different rows.
    """
    one, other = read_scored(Path(first)), read_scored(Path(second))
    require_same_rows(one, other)
    comparison = Comparison(one, other)
    comparison.save(Path(folder) if folder else comparison.default_folder)
    return comparison
