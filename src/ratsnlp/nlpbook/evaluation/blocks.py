"""The parts of a report. Each is written once and shown twice: in English in a terminal, in Korean on the page."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratsnlp.nlpbook.evaluation.statistics import Score
from ratsnlp.nlpbook.texts import cells, fill

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME_CELLS = 11  # width of the names at the beginning of lines
SAID = 5  # sentences of a table that a terminal shows


@dataclass(frozen=True)
class Line:
    """One line: `ECE        0.0941   calibration error; 0 is best`."""

    name: str  # empty for a remark on the line above
    value: str
    more: str = ""
    korean: str = ""  # the same on the page, with the English term in brackets; by default the English parts

    def __str__(self) -> str:
        name = f"{self.name:{NAME_CELLS}}" if len(self.name) < NAME_CELLS else f"{self.name}: "
        return f"{name}{self.value}{'   ' + self.more if self.more else ''}"

    @property
    def item(self) -> str:
        """The line on the page."""
        return self.korean or f"{self.name}: {self.value}{f' ({self.more})' if self.more else ''}"


@dataclass(frozen=True)
class ScoreLine:
    """A score: `accuracy   0.8110   95 % interval 0.8075 to 0.8144`."""

    score: Score
    value: float
    interval: Sequence[float]  # the bounds of its 95 % interval; empty where there is none
    name: str = ""  # what has this score, where it is not the model

    @property
    def shown(self) -> str:
        """The value, as text."""
        return self.score.format(self.value)

    @property
    def label(self) -> str:
        """The name on the page."""
        return self.name or self.score.korean or self.score.name

    @property
    def bounds(self) -> str:
        """The interval on the page."""
        return " ~ ".join(map(self.score.format, self.interval))

    def __str__(self) -> str:
        interval = " to ".join(map(self.score.format, self.interval))
        return str(Line(self.name or self.score.name, self.shown, f"95 % interval {interval}" if interval else ""))

    @property
    def item(self) -> str:
        """The line on the page."""
        return f"{self.label}: {self.shown}{f' (95 % 구간 {self.bounds})' if self.interval else ''}"


@dataclass(frozen=True)
class Table:
    """A table: names to the left, numbers to the right."""

    columns: Mapping[str, str]  # their names, English -> Korean
    rows: Sequence[Sequence[Any]]  # whole numbers are shown with thousands separators, others with four decimals
    said: Sequence[str] = ()  # the rows as sentences; a terminal then shows the first of these, and no columns

    @property
    def shown(self) -> list[list[str]]:
        """The cells, as texts."""
        return [[_show(value) for value in row] for row in self.rows]

    def lines(self) -> list[str]:
        """Return the lines of a terminal."""
        if self.said:
            return [f"  {sentence}" for sentence in self.said[:SAID]]
        rows = [list(self.columns), *self.shown]
        first, *others = (max(map(cells, column)) for column in zip(*rows, strict=True))
        lines = []
        for name, *texts in rows:
            padded = (" " * (width - cells(text)) + text for text, width in zip(texts, others, strict=True))
            lines.append("  ".join([fill(name, first), *padded]))
        return lines


def _show(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One part of a report; every field may be missing."""

    title: str = ""  # in a terminal only a table stands under its title
    korean: str = ""  # the title on the page; without one, the page goes on under the title before
    note: str = ""  # a Korean sentence that explains it, for the page
    scores: Sequence[ScoreLine] = ()  # shown large
    lines: Sequence[Line | ScoreLine] = ()
    table: Table | None = None
    pictures: Mapping[str, Callable[[], "Figure"]] = field(default_factory=dict)  # what draws each, by file name
    files: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)  # tables to write, column names first
    metrics: Mapping[str, Any] = field(default_factory=dict)  # what goes into `metrics.json`, as plain values

    def text(self) -> list[str]:
        """Return the lines of a terminal."""
        table = ["", f"{self.title}:", *self.table.lines()] if self.table else []
        return [*map(str, self.scores), *map(str, self.lines), *table]


def write_tsv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as tab-separated UTF-8, quoted as in CSV where a text holds a tab, a quote or a line break."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerows([f"{value:.4f}" if isinstance(value, float) else value for value in row] for row in rows)


def read_tsv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns, and the rows, of a file that `write_tsv` wrote."""
    limit = csv.field_size_limit(2**31 - 1)  # a passage may be longer than the 128 KiB that csv allows
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t"))
    finally:
        csv.field_size_limit(limit)
    return (rows[0] if rows else []), rows[1:]
