"""The parts of a report. Each is written once and shown twice: in English in a terminal, in Korean on the page."""

import base64
import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ratsnlp.nlpbook.evaluation.statistics import Score
from ratsnlp.nlpbook.texts import cells, fill

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME_CELLS = 11
"""Width of the names at the beginning of lines."""


@dataclass(frozen=True)
class Line:
    """One line: `ECE        0.0941   calibration error; 0 is best`.

    Attributes:
        name: What is measured; empty for a remark on the line above.
        value: What came out.
        more: What to know about it.
        korean: The same on the page, with the English term in brackets; by default the English parts.
    """

    name: str
    value: str
    more: str = ""
    korean: str = ""

    def __str__(self) -> str:
        name = f"{self.name:{NAME_CELLS}}" if len(self.name) < NAME_CELLS else f"{self.name}: "
        return f"{name}{self.value}{'   ' + self.more if self.more else ''}"

    @property
    def item(self) -> str:
        """The line on the page."""
        return self.korean or f"{self.name}: {self.value}{f' ({self.more})' if self.more else ''}"


@dataclass(frozen=True)
class ScoreLine:
    """A score: `accuracy   0.8110   95 % interval 0.8075 to 0.8144`.

    Attributes:
        score: What is measured.
        value: What came out.
        interval: The bounds of its 95 % interval; empty where there is none.
        name: What has this score, where it is not the model.
    """

    score: Score
    value: float
    interval: Sequence[float]
    name: str = ""

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


SAID = 5


@dataclass(frozen=True)
class Table:
    """A table: names to the left, numbers to the right.

    Attributes:
        columns: What the columns are called, English -> Korean.
        rows: The cells. Whole numbers get thousands separators, others four decimals.
        said: The rows as sentences; a terminal then shows the first of these, and no columns.
    """

    columns: Mapping[str, str]
    rows: Sequence[Sequence[Any]]
    said: Sequence[str] = ()

    @property
    def shown(self) -> list[list[str]]:
        """The cells, as texts."""
        return [[_show(value) for value in row] for row in self.rows]

    def lines(self) -> list[str]:
        """Return the lines of a terminal."""
        if self.said:
            return [f"  {sentence}" for sentence in self.said[:SAID]]
        rows = [list(self.columns), *self.shown]
        widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
        return [
            "  ".join(
                [
                    fill(row[0], widths[0]),
                    *(" " * (width - cells(text)) + text for text, width in zip(row[1:], widths[1:], strict=True)),
                ]
            )
            for row in rows
        ]


def _show(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One part of a report; every attribute may be missing.

    Attributes:
        title: What it is about; in a terminal only a table stands under its title.
        korean: The title on the page. Without one, the page goes on under the title before.
        note: A Korean sentence that explains it, for the page.
        scores: The scores shown large.
        lines: What else there is to say, line by line.
        table: A table.
        pictures: Functions that draw its pictures, by file name.
        files: Tables to write, by file name, each with a row of column names first.
        metrics: What goes into `metrics.json`, as plain values.
    """

    title: str = ""
    korean: str = ""
    note: str = ""
    scores: Sequence[ScoreLine] = ()
    lines: Sequence[Line | ScoreLine] = ()
    table: Table | None = None
    pictures: Mapping[str, Callable[[], "Figure"]] = field(default_factory=dict)
    files: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> list[str]:
        """Return the lines of a terminal."""
        table = ["", f"{self.title}:", *self.table.lines()] if self.table else []
        return [*map(str, self.scores), *map(str, self.lines), *table]


def write_page(path: Path, blocks: Sequence[Block], pictures: Mapping[str, Path]) -> None:
    """Write a report as one file that holds its pictures, has no script and fetches nothing.

    Args:
        path: Where to.
        blocks: The report; its first line stands under the heading.
        pictures: The files of its pictures, by name.
    """
    loader = PackageLoader("ratsnlp.nlpbook.evaluation", "templates")  # everything put into it is escaped
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("report.html")
    encoded = {name: base64.b64encode(picture.read_bytes()).decode("ascii") for name, picture in pictures.items()}
    path.write_text(template.render(blocks=blocks, pictures=encoded) + "\n", encoding="utf-8")


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
