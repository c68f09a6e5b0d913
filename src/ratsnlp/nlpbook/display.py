"""What notebooks look at: features, lengths, windows, curves, confusion. Each shows itself under a cell.

`print` gives the same in words, for a terminal, a screen reader, or a question to somebody else.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl

from ratsnlp.nlpbook.data.dataset import FeatureDataset
from ratsnlp.nlpbook.figures import draw_confusion, draw_curves, draw_lengths, is_validation_score
from ratsnlp.nlpbook.texts import cells, fill
from ratsnlp.nlpbook.training.trainer import read_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("input_ids", "attention_mask", "token_type_ids")  # what features hold for each token
MARK = "*"  # stands in a table before the rows that the text below it speaks of


@dataclass(frozen=True, repr=False)
class Shown:
    """Something to look at, and what it says in words."""

    text: str

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class ShownPicture(Shown):
    """A picture, and what it says in words. `figure.savefig(path)` writes it."""

    figure: "Figure"

    def _repr_png_(self) -> bytes:
        content: bytes = self.figure._repr_png_()  # type: ignore[attr-defined]
        return content


@dataclass(frozen=True, repr=False)
class ShownTable(Shown):
    """A table that scrolls under its cell, and the same in words."""

    rows: Sequence[Sequence[str]]  # names of the columns first; a row that begins with `MARK` stands out
    caption: str  # what stands below

    def _repr_html_(self) -> str:
        lines = []
        for number, row in enumerate(self.rows):
            tag = "th" if number == 0 or row[0] == MARK else "td"
            written = (f'<{tag} style="text-align: left">{html.escape(text)}</{tag}>' for text in row)
            lines.append(f"<tr>{''.join(written)}</tr>")
        table = f"<table>{''.join(lines)}</table>"
        return f'<div style="max-height: 24em; overflow: auto">{table}</div><p>{html.escape(self.caption)}</p>'


def show_features(dataset: FeatureDataset[Any, Any], row: int) -> ShownTable:
    """Show one row of a dataset of any task as the model reads it: each token with its numbers, and the right answer.

    Raises `IndexError` if there is no such row.
    """
    features = dataset[row]
    columns = [name for name in COLUMNS if getattr(features, name) is not None]
    tokens = dataset.tokenizer.convert_ids_to_tokens(features.input_ids)
    answer = dataset.right_answer(features)
    labels = ["label"] if answer.labels else []
    rows = [["", "", "token", *columns, *labels]]
    for place, token in enumerate(tokens):
        numbers = [str(getattr(features, name)[place]) for name in columns]
        cells_of = [MARK if place in answer.marked else "", str(place), str(token), *numbers]
        rows.append([*cells_of, *answer.labels[place : place + 1]])
    return ShownTable(f"{_lay_out(rows)}\n{answer.text}", rows, answer.text)


def show_lengths(dataset: FeatureDataset[Any, Any]) -> ShownPicture:
    """Show how many tokens the rows of a dataset have, and how many reach `max_seq_length`, where they may be cut."""
    lengths, longest = dataset.lengths.numpy(), dataset.args.max_seq_length
    ordered = sorted(lengths.tolist())
    half, most = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95))
    text = (
        f"{len(ordered):,} rows of {ordered[0]} to {ordered[-1]} tokens; "
        f"half have at most {half}, 95 % at most {most}; "
        f"{(lengths >= longest).mean():.1%} reach max_seq_length {longest}"
    )
    return ShownPicture(text, draw_lengths(lengths, longest))


def show_history(trainer: pl.Trainer) -> ShownPicture:
    """Show the curves of a training that `get_trainer`'s trainer ran; in words, what each validation measured."""
    history = read_run(trainer)
    names = sorted(name for name in history if name.startswith("val"))
    names.sort(key=is_validation_score)  # losses first
    steps = sorted({step for name in names for step in history[name][0]})
    rows = [["step", *names]]
    for step in steps:
        found = (dict(zip(*history[name], strict=True)).get(step) for name in names)
        rows.append([f"{step:.0f}", *("" if value is None else f"{value:.4f}" for value in found)])
    return ShownPicture(_lay_out(rows), draw_curves(history))


def show_confusion(report: Any) -> ShownPicture:
    """Show how often each true label was taken for each label.

    `report` is what `nlpbook.evaluate` returns for a task with labels: it has `label_names`, and `confusion`, counts
    `(K, K)` with the true label by row.
    """
    names, counts = list(report.label_names), report.confusion
    rows = [["true / predicted", *names]]
    rows += [[name, *(f"{count:,}" for count in row)] for name, row in zip(names, counts.tolist(), strict=True)]
    return ShownPicture(_lay_out(rows), draw_confusion(counts, names))


def _lay_out(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(fill, row, widths)).rstrip() for row in rows)
