"""Pictures: curves, confusion, lengths, calibration. Matplotlib, in a font that knows Hangul."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from ratsnlp.nlpbook.environment import in_notebook
from ratsnlp.nlpbook.model_folder import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")
SYSTEM_FONTS = (
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "Noto Sans CJK KR",
    "Noto Sans KR",
)
BUILTIN_FONT = Path(str(files("ratsnlp.nlpbook.builtin"))) / "fonts" / "RatsnlpHangul.ttf"
"""Colab and most servers have no Hangul font. This one holds the 2,350 usual syllables; tools/font.py makes it."""


@cache
def hangul_font() -> str:
    """Return the name of a font that knows Hangul, registered with matplotlib."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    for name in SYSTEM_FONTS:
        if name in installed:
            return name
    font_manager.fontManager.addfont(BUILTIN_FONT)
    return font_manager.get_font(BUILTIN_FONT).family_name


def with_hangul(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a drawing function use the Hangul font, falling back to matplotlib's own for signs that it lacks."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with mpl.rc_context({"font.family": [hangul_font(), "DejaVu Sans"]}):
            return draw(*args, **kwargs)

    return drawn


def drawable(texts: Sequence[str]) -> list[str]:
    """Return the texts with `?` for what no font has."""
    from matplotlib import font_manager

    fonts = [font_manager.get_font(font_manager.findfont(name)) for name in (hangul_font(), "DejaVu Sans")]
    known = {chr(code) for font in fonts for code in font.get_charmap()}
    return ["".join(sign if sign in known else "?" for sign in text) for text in texts]


WRITTEN_LABELS = 20  # up to so many labels a confusion matrix has counts written in its cells,
NAMED_LABELS = 60  # and up to so many names at its sides
History = dict[str, tuple[list[float], list[float]]]  # metric name -> (optimizer steps, values)


@cache
def _picture_class() -> type["Figure"]:
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
    figure = _picture_class()(figsize=(width, height), layout="constrained")
    return figure, [figure.add_subplot(1, columns, i + 1) for i in range(columns)]


@with_hangul
def save_figure(figure: "Figure", path: Path) -> Path:
    """Write the figure as a PNG, whole or not at all."""
    return write_whole(path, lambda partial: figure.savefig(partial, dpi=120, format="png"))


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
    """Return whether a metric is a score, not a loss, of the validation split."""
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
    """Draw how often each true label was predicted as each label: counts `(K, K)`, true label by row.

    A picture's size is bounded: above `WRITTEN_LABELS` labels only colours show the counts, above `NAMED_LABELS`
    numbers stand for the names.
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
    """Draw how many tokens rows have, `(N,)`, and where `max_seq_length` cuts; cut rows count as that."""
    figure, (axes,) = new_figure()
    axes.hist(lengths, bins=np.arange(0, max_seq_length + 2, max(1, max_seq_length // 64)))
    axes.axvline(max_seq_length, linestyle="--", color="tab:red", label=f"max_seq_length = {max_seq_length}")
    share = float((np.asarray(lengths) >= max_seq_length).mean())
    axes.set(xlabel="tokens", ylabel="examples", title=f"lengths; {share:.1%} reach the limit")
    axes.legend()
    return figure


@with_hangul
def draw_calibration(calibration: Mapping[str, Any]) -> "Figure":
    """Draw `ece` and `bins` of `measure_calibration`: the share right over the probability given, how often it was."""
    figure, (kept, often) = new_figure(9.6, 4.2, columns=2)
    rows = calibration["bins"]
    middles, right = [(row["low"] + row["high"]) / 2 for row in rows], [row["right"] for row in rows]
    width = 0.9 * (rows[0]["high"] - rows[0]["low"])
    kept.bar(middles, right, width=width, color="tab:blue", label="right")
    kept.plot([0, 1], [0, 1], linestyle="--", color="black", label="as promised")
    kept.plot([row["confidence"] for row in rows], right, "o", color="tab:orange", markersize=4)
    title = f"calibration error (ECE) {calibration['ece']:.4f}"
    kept.set(xlabel="probability given", ylabel="share right", title=title, xlim=(0, 1), ylim=(0, 1))
    kept.legend(loc="upper left")
    often.bar(middles, [row["examples"] for row in rows], width=width, color="lightsteelblue")
    often.set(xlabel="probability given", ylabel="answers", title="how often", xlim=(0, 1))
    return figure


@with_hangul
def draw_length_scores(rows: Sequence[Mapping[str, Any]], name: str, highest: float = 1) -> "Figure":
    """Draw what `statistics.score_by_length` found of the score `name`, which is in 0..`highest`."""
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
