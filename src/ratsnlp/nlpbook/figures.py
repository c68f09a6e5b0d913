"""Pictures: curves, confusion, lengths, windows, spans. Matplotlib, in a font that knows Hangul."""

import csv
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ratsnlp.nlpbook.fonts import drawable, with_hangul
from ratsnlp.nlpbook.settings import in_notebook

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN_LABELS = 20
NAMED_LABELS = 60
"""Up to so many labels a confusion matrix has counts written in its cells, and names at its sides."""

History = dict[str, tuple[list[float], list[float]]]
"""Metric name -> (optimizer steps, values)."""


@cache
def picture_class() -> type["Figure"]:
    """Return a figure class that shows itself under a cell; left alone, notebooks show only what pyplot made."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        @with_hangul
        def _repr_png_(self) -> bytes:
            content = io.BytesIO()
            self.savefig(content, format="png", dpi=100)
            return content.getvalue()

    return Picture


def new_figure(width: float = 6.4, height: float = 4.0, columns: int = 1) -> tuple["Figure", list[Any]]:
    """Return an empty figure and its axes. It belongs to no window, so nothing is left open."""
    figure = picture_class()(figsize=(width, height), layout="constrained")
    return figure, [figure.add_subplot(1, columns, i + 1) for i in range(columns)]


@with_hangul
def save_figure(figure: "Figure", path: Path) -> Path:
    """Write the figure as a PNG, whole or not at all."""
    partial = path.with_suffix(".partial.png")
    figure.savefig(partial, dpi=120)
    return partial.replace(path)


def show_in_notebook(figure: "Figure") -> None:
    """Show the figure under the cell; does nothing elsewhere."""
    if in_notebook():
        from IPython.display import display

        display(figure)  # type: ignore[no-untyped-call]


def read_history(*paths: Path) -> History:
    """Return the metrics that a training logged, from its `metrics.csv`.

    A training that was cut and resumed has several, in order: what it repeated counts as logged the last time.
    """
    points: dict[str, dict[float, float]] = {}
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if value and name not in ("step", "epoch"):
                        points.setdefault(name, {})[float(row["step"])] = float(value)
    ordered = {name: sorted(found.items()) for name, found in points.items()}
    return {name: ([step for step, _ in found], [value for _, value in found]) for name, found in ordered.items()}


def is_validation_score(name: str) -> bool:
    """Tell whether a metric is a score, and no loss, of the validation split."""
    return name.startswith("val") and not name.endswith("loss")


@with_hangul
def draw_curves(history: History) -> "Figure":
    """Draw loss, scores and learning rate over optimizer steps.

    Where validation scores are in 0..100 (EM and F1), training scores, which are in 0..1, are drawn times 100.
    """
    figure, (losses, scores, rates) = new_figure(12, 3.6, columns=3)
    in_percent = max((max(found) for name, (_, found) in history.items() if is_validation_score(name)), default=0) > 1
    for name, (steps, values) in sorted(history.items()):
        axes = losses if name.endswith("loss") else rates if name.startswith("lr") else scores
        grown = in_percent and axes is scores and not is_validation_score(name)
        shown, label = ([100 * value for value in values], f"{name} x 100") if grown else (values, name)
        axes.plot(steps, shown, marker="o" if name.startswith("val") else None, markersize=4, label=label)
    for axes, title in ((losses, "loss"), (scores, "scores"), (rates, "learning rate")):
        axes.set(title=title, xlabel="optimizer step")
        axes.grid(alpha=0.3)
        if axes.lines and axes is not rates:
            axes.legend(fontsize=8)
    return figure


@with_hangul
def draw_confusion(confusion: np.ndarray, names: Sequence[str]) -> "Figure":
    """Draw how often each true label was predicted as each label.

    Many labels share a picture of bounded size: above `WRITTEN_LABELS` the colours speak alone, above `NAMED_LABELS`
    numbers stand for the names.

    Args:
        confusion: Counts `(K, K)`, true label by row.
        names: How to show the labels, in order.
    """
    size = max(4.2, 1.1 * min(len(names), WRITTEN_LABELS) + 2)
    figure, (axes,) = new_figure(size + 0.8, size)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion) if len(names) <= WRITTEN_LABELS else ():
        dark = shares[row, column] > 0.5
        text = f"{count:,}\n{shares[row, column]:.1%}"
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
    if len(names) <= NAMED_LABELS:
        shown = drawable(names)
        turned = 90 if len(shown) > WRITTEN_LABELS else 30 if len(shown) > 3 else 0
        axes.set_xticks(range(len(shown)), shown, rotation=turned)
        axes.set_yticks(range(len(shown)), shown)
    axes.set(xlabel="predicted", ylabel="true", title="confusion (share of each true label)")
    return figure


@with_hangul
def draw_lengths(lengths: np.ndarray, max_seq_length: int) -> "Figure":
    """Draw how many tokens examples have, and where `max_seq_length` cuts.

    Args:
        lengths: Tokens in each row, `(N,)`; cut rows count as `max_seq_length`.
        max_seq_length: The longest that a row may be.
    """
    figure, (axes,) = new_figure()
    axes.hist(lengths, bins=np.arange(0, max_seq_length + 2, max(1, max_seq_length // 64)))
    axes.axvline(max_seq_length, linestyle="--", color="tab:red", label=f"max_seq_length = {max_seq_length}")
    share = float((np.asarray(lengths) >= max_seq_length).mean())
    axes.set(xlabel="tokens", ylabel="examples", title=f"lengths; {share:.1%} reach the limit")
    axes.legend()
    return figure


@with_hangul
def draw_windows(windows: Sequence[tuple[int, int]], answer: tuple[int, int]) -> "Figure":
    """Draw the stretch of a passage that each window holds, and where in the passage the answer is.

    Args:
        windows: The characters that each window holds, half-open, in order.
        answer: The answer's characters, half-open. Windows that hold all of it are dark.
    """
    figure, (axes,) = new_figure(8, 1.4 + 0.28 * len(windows))
    for number, (start, end) in enumerate(windows):
        holds = start <= answer[0] and answer[1] <= end
        axes.barh(number, end - start, left=start, height=0.7, color="tab:blue" if holds else "lightsteelblue")
    axes.axvspan(*answer, color="tab:red", alpha=0.6, label="answer")
    axes.set_yticks(range(len(windows)))
    axes.set_ylim(len(windows) - 0.4, -0.6)
    axes.set(xlabel="characters of the passage", ylabel="window", title="dark: windows that hold the answer")
    axes.legend(loc="lower left")
    return figure


@with_hangul
def draw_span_logits(
    tokens: Sequence[str], start_logits: Sequence[float], end_logits: Sequence[float], span: tuple[int, int]
) -> "Figure":
    """Draw how much a model takes each token for the first and for the last of the answer.

    Args:
        tokens: The tokens, T of them.
        start_logits: The score of each as the first, T of them.
        end_logits: The score of each as the last, T of them.
        span: The first and the last token of the answer taken, inclusive; not shaded where they are crossed.
    """
    figure, (axes,) = new_figure(max(6.4, 0.17 * len(tokens) + 1), 3.8)
    places = np.arange(len(tokens))
    axes.bar(places - 0.2, start_logits, width=0.4, color="tab:blue", label="start")
    axes.bar(places + 0.2, end_logits, width=0.4, color="tab:orange", label="end")
    if span[0] <= span[1]:
        axes.axvspan(span[0] - 0.5, span[1] + 0.5, color="tab:red", alpha=0.2, label="answer")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(places, drawable(tokens), rotation=90, fontsize=7, parse_math=False)
    axes.set(ylabel="logit", title="start and end of the answer", xlim=(-1, len(tokens)))
    figure.legend(loc="outside upper right", ncols=3)
    return figure
