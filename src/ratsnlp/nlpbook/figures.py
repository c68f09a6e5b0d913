"""Pictures: learning curves, confusion, lengths. Matplotlib, in a font that knows Hangul where there is one."""

import csv
import io
from collections.abc import Callable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from ratsnlp.nlpbook.settings import in_notebook

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

HANGUL_FONTS = (
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "Noto Sans CJK KR",
    "Noto Sans KR",
)

History = dict[str, tuple[list[float], list[float]]]
"""Metric name -> (optimizer steps, values)."""


@cache
def hangul_font() -> str | None:
    """Return the name of an installed font that knows Hangul, or None."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in HANGUL_FONTS if name in installed), None)


def with_hangul(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a drawing function use the Hangul font, falling back to matplotlib's own for signs that it lacks."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with mpl.rc_context({"font.family": [name for name in (hangul_font(), "DejaVu Sans") if name]}):
            return draw(*args, **kwargs)

    return drawn


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


def readable(names: Sequence[str]) -> list[str]:
    """Return label names that can be drawn: `긍정 (positive)`, or `positive` where no font knows Hangul."""
    if hangul_font() or all(name.isascii() for name in names):
        return list(names)
    return [name[name.find("(") + 1 : -1] if name.endswith(")") else f"label {i}" for i, name in enumerate(names)]


def read_history(path: Path) -> History:
    """Return the metrics that a training logged, from its `metrics.csv`."""
    history: History = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    steps, values = history.setdefault(name, ([], []))
                    steps.append(float(row["step"]))
                    values.append(float(value))
    return history


@with_hangul
def draw_curves(history: History) -> "Figure":
    """Draw loss, scores and learning rate over optimizer steps."""
    figure, (losses, scores, rates) = new_figure(12, 3.6, columns=3)
    for name, (steps, values) in sorted(history.items()):
        axes = losses if name.endswith("loss") else rates if name.startswith("lr") else scores
        axes.plot(steps, values, marker="o" if name.startswith("val") else None, markersize=4, label=name)
    for axes, title in ((losses, "loss"), (scores, "scores"), (rates, "learning rate")):
        axes.set(title=title, xlabel="optimizer step")
        axes.grid(alpha=0.3)
        if axes.lines and axes is not rates:
            axes.legend(fontsize=8)
    return figure


@with_hangul
def draw_confusion(confusion: np.ndarray, names: Sequence[str]) -> "Figure":
    """Draw how often each true label was predicted as each label.

    Args:
        confusion: Counts `(K, K)`, true label by row.
        names: How to show the labels, in order.
    """
    size = max(4.2, 1.1 * len(names) + 2)
    figure, (axes,) = new_figure(size + 0.8, size)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        dark = shares[row, column] > 0.5
        text = f"{count:,}\n{shares[row, column]:.1%}"
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
    shown = readable(names)
    axes.set_xticks(range(len(shown)), shown, rotation=30 if len(shown) > 3 else 0)
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
