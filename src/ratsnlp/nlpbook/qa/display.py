"""Pictures of question answering: windows over a passage, and what a model takes for the answer's ends."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ratsnlp.nlpbook.data.encoding import tokenize
from ratsnlp.nlpbook.display import ShownPicture
from ratsnlp.nlpbook.figures import drawable, new_figure, with_hangul
from ratsnlp.nlpbook.qa.corpus import SHOWN_NONE, QAExample
from ratsnlp.nlpbook.qa.windows import OUTSIDE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratsnlp.nlpbook.qa.dataset import QADataset
    from ratsnlp.nlpbook.qa.predictor import QAPredictor


@with_hangul
def draw_windows(windows: Sequence[tuple[int, int]], answer: tuple[int, int]) -> "Figure":
    """Draw the characters of a passage, half-open, that each window holds; those that hold all of the answer dark."""
    figure, (axes,) = new_figure(8, 1.4 + 0.28 * len(windows))
    for number, (start, end) in enumerate(windows):
        holds = start <= answer[0] < answer[1] <= end
        axes.barh(number, end - start, left=start, height=0.7, color="tab:blue" if holds else "lightsteelblue")
    axes.axvspan(*answer, color="tab:red", alpha=0.6, label="answer" if answer[0] < answer[1] else SHOWN_NONE)
    axes.set_yticks(range(len(windows)))
    axes.set_ylim(len(windows) - 0.4, -0.6)
    axes.set(xlabel="characters of the passage", ylabel="window", title="dark: windows that hold the answer")
    axes.legend(loc="lower left")
    return figure


@with_hangul
def draw_span_logits(
    tokens: Sequence[str], start_logits: Sequence[float], end_logits: Sequence[float], span: tuple[int, int]
) -> "Figure":
    """Draw how much a model takes each of T tokens for the first and for the last of the answer.

    `span`, the first and the last token of the answer taken (inclusive), is shaded unless it ends before it begins.
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


def show_windows(reader: "QADataset | QAPredictor", example: QAExample) -> ShownPicture:
    """Show which characters of a passage each window of a dataset or predictor holds, and which hold the answer."""
    texts = tokenize(reader.tokenizer, (example.question_text, example.context_text))
    windows = reader.cutter.cut(texts[example.question_text], texts[example.context_text])
    inside = [window.characters[window.characters[:, 0] != OUTSIDE] for window in windows]
    stretches = [(int(held[0, 0]), int(held[-1, 1])) if len(held) else (0, 0) for held in inside]
    start, end = example.start_position_character, example.end_position_character
    lines = [f"answer: {f'characters {start} to {end} of {len(example.context_text)}' if end else SHOWN_NONE}"]
    for number, (window, (first, last)) in enumerate(zip(windows, stretches, strict=True)):
        holds = "  <- holds the answer" if first <= start < end <= last else ""
        lines.append(f"window {number}: {len(window.ids)} tokens, characters {first} to {last}{holds}")
    return ShownPicture("\n".join(lines), draw_windows(stretches, (start, end)))
