"""What `evaluate` left in model folders, read back row by row."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ratsnlp.nlpbook.checkpoints import held_in
from ratsnlp.nlpbook.errors import EvaluationError
from ratsnlp.nlpbook.evaluation.tables import read_tsv, shorten


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
    evaluation = folder / "evaluation"
    path, metrics = evaluation / "predictions.tsv", evaluation / "metrics.json"
    if not (path.is_file() and metrics.is_file()):
        raise EvaluationError(
            f"{folder} is not scored yet ({held_in(evaluation)}). Run first: ratsnlp evaluate {folder}"
        )
    header, rows = read_tsv(path)
    found = json.loads(metrics.read_text(encoding="utf-8"))
    settings = {name: str(found[name]) for name in ("corpus", "split", "precision") if name in found}
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
        shown = [shorten(" | ".join(row)) if row else "nothing" for row in (one, other)]
        raise EvaluationError(
            f"{first.folder} and {second.folder} were scored on different rows, so they cannot be compared: "
            f"{about[0]} and {about[1]}; first difference in row {place or 1}: {shown[0]!r} and {shown[1]!r}. "
            "Run ratsnlp evaluate on both with the same corpus and --mode."
        )
