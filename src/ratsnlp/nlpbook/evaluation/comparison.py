"""Two models on the same rows: which is better, by how much, and where they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from ratsnlp.nlpbook.errors import EvaluationError
from ratsnlp.nlpbook.evaluation.blocks import Line, read_tsv, write_tsv
from ratsnlp.nlpbook.evaluation.statistics import Score, draw_difference, mcnemar, ratio_of_sums
from ratsnlp.nlpbook.model_folder import ModelFolder, write_json
from ratsnlp.nlpbook.texts import excerpt

LEVEL = 0.05  # below this p-value a difference is called one


@dataclass(frozen=True)
class Scored:
    """What `evaluate` left in a model folder, of N rows."""

    folder: Path
    columns: Mapping[str, Sequence[str]]  # its predictions
    names: Sequence[str]  # the columns that say what was asked and what is right
    asked: Sequence[tuple[str, ...]]  # their rows
    hits: np.ndarray  # whether each answer is right, `(N,)` bool
    groups: Sequence[str] | None  # what the rows are about; None where they are independent
    scores: Sequence[Score]  # those that are made of rows
    settings: Mapping[str, str]  # corpus, split and precision


def read_scored(folder: Path) -> Scored:
    """Return what `evaluate` left in a model folder; `EvaluationError` if it cannot be compared."""
    path, found = ModelFolder(folder).evaluation / "predictions.tsv", ModelFolder(folder).read_metrics()
    again = f"Run again: ratsnlp evaluate {folder}"
    if "comparison" not in found:
        raise EvaluationError(f"{path.parent} was written by an earlier version, which cannot be compared. {again}")
    said, (header, rows) = found["comparison"], read_tsv(path)
    names, scores = said["asked"], [Score(**score) for score in said["scores"]]
    needed = [*names, "prediction", said["right"], *([said["group"]] if said["group"] else [])]
    needed += [name for score in scores for name in (score.numerator, *score.denominator)]
    missing = [name for name in dict.fromkeys(needed) if name not in header]
    if missing or not rows:
        lacks = f"lacks {', '.join(missing)}" if missing else "has no rows"
        raise EvaluationError(f"{path} {lacks}; found {', '.join(header) or 'nothing'}. {again}")
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    asked = list(zip(*(columns[name] for name in names), strict=True))
    hits = np.array(columns[said["right"]]) == "1"
    settings: dict[str, str] = {name: str(found[name]) for name in ("corpus", "split", "precision") if name in found}
    return Scored(folder, columns, names, asked, hits, columns.get(said["group"]), scores, settings)


def require_same_rows(first: Scored, second: Scored) -> None:
    """Raise EvaluationError, with the first difference, unless two models were asked the same, in the same order."""
    pairs = enumerate(zip_longest(first.asked, second.asked), 1)
    place, (one, other) = next(((i, pair) for i, pair in pairs if pair[0] != pair[1]), (0, ((), ())))
    if place or (first.names, first.scores) != (second.names, second.scores):
        about = [" ".join([f"{len(scored.asked):,} rows", *scored.settings.values()]) for scored in (first, second)]
        shown = [excerpt(" | ".join(row)) if row else "nothing" for row in (one, other)]
        raise EvaluationError(
            f"{first.folder} and {second.folder} were scored on different rows, so they cannot be compared: "
            f"{about[0]} and {about[1]}; first difference in row {place or 1}: {shown[0]!r} and {shown[1]!r}. "
            "Run ratsnlp evaluate on both with the same corpus and --mode."
        )


@dataclass(frozen=True)
class Comparison:
    """Two models' answers to the same rows; differences are second minus first."""

    first: Scored
    second: Scored

    @cached_property
    def better(self) -> np.ndarray:
        """1 where just the second model is right, -1 where just the first is, else 0, `(N,)`."""
        found: np.ndarray = self.second.hits.astype(int) - self.first.hits
        return found

    @cached_property
    def _measured(self) -> dict[str, Any]:
        one, other = self.first, self.second
        scores = {}
        for score in one.scores:
            parts = score.parts(one.columns), score.parts(other.columns)
            first, second = map(ratio_of_sums, parts)
            interval = [*draw_difference(*parts, one.groups)]
            difference = second - first
            scores[score.key] = {"first": first, "second": second, "difference": difference, "interval_95": interval}
        only_first, only_second = int((self.better < 0).sum()), int((self.better > 0).sum())
        both, neither = int((one.hits & other.hits).sum()), int((~one.hits & ~other.hits).sum())
        return {
            "first": str(one.folder),
            "second": str(other.folder),
            "examples": len(one.hits),
            "scores": scores,
            "right": {"both": both, "only_first": only_first, "only_second": only_second, "neither": neither},
            "mcnemar": mcnemar(only_first, only_second)._asdict(),
        }

    def metrics(self) -> dict[str, Any]:
        """Return everything measured, as plain values."""
        return dict(self._measured)

    def __str__(self) -> str:
        found, right, test = self._measured, self._measured["right"], self._measured["mcnemar"]
        lines: list[Line | str] = [Line(name, found[name]) for name in ("first", "second")]
        lines.append(Line("examples", f"{found['examples']:,}"))
        for score in self.first.scores:
            compared = found["scores"][score.key]
            values = " -> ".join(score.format(compared[key]) for key in ("first", "second"))
            change, low, high = (score.format(v, "+") for v in (compared["difference"], *compared["interval_95"]))
            lines.append(Line(score.name, values, f"{change}   95 % interval {low} to {high}"))
        counted = f"both {right['both']:,}   neither {right['neither']:,}"
        counted += f"   only first {right['only_first']:,}   only second {right['only_second']:,}"
        shown = "p < 0.0001" if test["p_value"] < 1e-4 else f"p = {test['p_value']:.4f}"
        verdict = "a real difference" if test["p_value"] < LEVEL else "may be luck"
        tested = f"{shown} ({test['method']}): {verdict} at the {LEVEL:.0%} level"
        lines += [Line("right", counted), Line("McNemar", tested)]
        if self.first.groups:
            lines.append("rows of one group are not independent; McNemar's test ignores that, the intervals do not")
        for name, one in self.first.settings.items():
            other = self.second.settings.get(name, one)
            if other != one:
                lines.append(f"note: the scores differ in {name} {one} and {other}")
        return "\n".join(map(str, lines))

    @property
    def default_folder(self) -> Path:
        """Where the outcome goes by default."""
        return self.second.folder / "evaluation" / f"against-{self.first.folder.resolve().name}"

    def save(self, folder: Path) -> None:
        """Write `comparison.json` and `differences.tsv`, the rows that just one model has right, into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "comparison.json", self._measured)
        rows = [("right", *self.first.names, "first", "second")]
        for i in np.flatnonzero(self.better).tolist():
            given = (scored.columns["prediction"][i] for scored in (self.first, self.second))
            rows.append(("second" if self.better[i] > 0 else "first", *self.first.asked[i], *given))
        write_tsv(folder / "differences.tsv", rows)


def compare(first: str | Path, second: str | Path, folder: str | Path | None = None) -> Comparison:
    """Compare two model folders that were scored on the same rows; write the outcome and return it.

    `comparison.json` and `differences.tsv` go to `folder`, by default `SECOND/evaluation/against-FIRST`. Raises
    `EvaluationError` if one is not scored, or they were scored on different rows.
    """
    one, other = read_scored(Path(first)), read_scored(Path(second))
    require_same_rows(one, other)
    comparison = Comparison(one, other)
    comparison.save(Path(folder) if folder else comparison.default_folder)
    return comparison
