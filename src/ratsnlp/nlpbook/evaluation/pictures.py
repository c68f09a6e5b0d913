"""Pictures of a score card: what the model promised and kept, and how it does on short and long texts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ratsnlp.nlpbook.evaluation.calibration import BINS
from ratsnlp.nlpbook.figures import new_figure
from ratsnlp.nlpbook.fonts import with_hangul

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@with_hangul
def draw_calibration(calibration: Mapping[str, Any]) -> "Figure":
    """Draw the reliability diagram: the share that came true over the probability promised, and how often it was.

    Args:
        calibration: What `calibration.measure_calibration` found; `ece` and `bins` are used.
    """
    figure, (kept, often) = new_figure(9.6, 4.2, columns=2)
    rows = calibration["bins"]
    middles = [(row["low"] + row["high"]) / 2 for row in rows]
    kept.bar(middles, [row["right"] for row in rows], width=0.9 / BINS, color="tab:blue", label="right")
    kept.plot([0, 1], [0, 1], linestyle="--", color="black", label="as promised")
    kept.plot(
        [row["confidence"] for row in rows], [row["right"] for row in rows], "o", color="tab:orange", markersize=4
    )
    kept.set(
        xlabel="probability given", ylabel="share right", title=f"calibration error (ECE) {calibration['ece']:.4f}"
    )
    kept.set(xlim=(0, 1), ylim=(0, 1))
    kept.legend(loc="upper left")
    often.bar(middles, [row["examples"] for row in rows], width=0.9 / BINS, color="lightsteelblue")
    often.set(xlabel="probability given", ylabel="answers", title="how often", xlim=(0, 1))
    return figure


@with_hangul
def draw_length_scores(rows: Sequence[Mapping[str, Any]], name: str, highest: float = 1) -> "Figure":
    """Draw the score of texts of like length, with 95 % intervals.

    Args:
        rows: What `lengths.score_by_length` found.
        name: What the score is called.
        highest: The best score there is.
    """
    figure, (axes,) = new_figure(6.4, 4.2)
    scores = np.array([row["score"] for row in rows])
    bounds = np.array([row["interval_95"] for row in rows])
    names = [f"{row['shortest']}-{row['longest']}\n({row['examples']:,})" for row in rows]
    axes.bar(range(len(rows)), scores, color="tab:blue", alpha=0.8)
    away = np.maximum(np.abs(bounds.T - scores), 0)
    axes.errorbar(range(len(rows)), scores, yerr=away, fmt="none", ecolor="black", capsize=4)
    axes.set_xticks(range(len(rows)), names)
    axes.set(xlabel="characters (texts)", ylabel=name, ylim=(0, highest), title=f"{name} by length, 95 % intervals")
    return figure
