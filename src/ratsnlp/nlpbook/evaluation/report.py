"""The report on a model: what all tasks' reports share, and how one is made of a model folder's predictor.

A report is a list of blocks. What is printed, `report.html` and `metrics.json` all come from them.
"""

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.evaluation.blocks import Block, Line, ScoreLine, Table, write_tsv
from ratsnlp.nlpbook.evaluation.overlap import COLUMNS, Overlap, read_overlap
from ratsnlp.nlpbook.evaluation.published import Provenance
from ratsnlp.nlpbook.evaluation.statistics import Parts, Score, draw_interval, ratio_of_sums, score_by_length
from ratsnlp.nlpbook.figures import draw_calibration, draw_length_scores, save_figure
from ratsnlp.nlpbook.hardware import bf16_is_faster
from ratsnlp.nlpbook.model_folder import write_json
from ratsnlp.nlpbook.texts import excerpt

IN_TABLE, IN_FILE = 20, 100  # how many mistakes the page and `worst.tsv` hold
PRECISIONS = {"32": "float32", "bf16": "bfloat16"}
Precision = Literal["auto", "32", "bf16"]


@dataclass(frozen=True)
class Report(ABC):
    """Base of all reports. A task says what was asked and answered, and which blocks its report has."""

    provenance: Provenance | None = field(default=None, kw_only=True)  # None for a report made by hand
    # reports on simpler ways to answer the same examples, by name, shown next to this one
    baselines: Mapping[str, "Report"] = field(default_factory=dict, kw_only=True)
    # the one that counts most first; `ratsnlp compare` compares those that are made of rows
    top_scores: ClassVar[Sequence[Score]]
    right: ClassVar[str] = "right"  # the column that is 1 in rows answered right, else 0
    group: ClassVar[str] = ""  # the column that says which rows are not independent; empty where all are

    @property
    @abstractmethod
    def asked(self) -> Mapping[str, Sequence[Any]]:
        """The columns of `predictions.tsv` that two models must share to be compared: texts and the right answers."""

    @property
    @abstractmethod
    def answered(self) -> Mapping[str, Sequence[Any]]:
        """The columns after those: `prediction`, `right`, and what the scores are made of."""

    @property
    def lengths(self) -> Sequence[int]:
        """How long each row's text is, in characters; empty where that is not known."""
        return ()

    @abstractmethod
    def blocks(self) -> Sequence[Block]:
        """Return the parts of the report, in order; `head` makes the first."""

    # what follows from that

    @cached_property
    def columns(self) -> Mapping[str, Sequence[Any]]:
        """The columns of `predictions.tsv`."""
        return {**self.asked, **self.answered}

    @property
    def row_count(self) -> int:
        """How many rows were scored."""
        return len(self.columns["prediction"])

    @cached_property
    def values(self) -> dict[str, float]:
        """The scores at the top, by key, and others that a published figure is compared with."""
        return {key: ratio_of_sums(parts) for key, parts in self._parts.items()}

    @cached_property
    def intervals(self) -> Mapping[str, Sequence[float]]:
        """The 95 % intervals of scores, by key."""
        groups = self.columns.get(self.group)
        return {key: draw_interval(above, groups, below) for key, (above, below) in self._parts.items()}

    @cached_property
    def _parts(self) -> Mapping[str, Parts]:
        return {score.key: score.parts(self.columns) for score in self.top_scores if score.numerator}

    @cached_property
    def _made(self) -> Sequence[Block]:
        return self.blocks()

    def metrics(self) -> dict[str, Any]:
        """Return everything measured, as plain values."""
        rows = [score for score in self.top_scores if score.numerator]
        scores = [{**asdict(score), "denominator": [*score.denominator]} for score in rows]
        comparison = {"asked": [*self.asked], "right": self.right, "group": self.group, "scores": scores}
        found = {name: value for block in self._made for name, value in block.metrics.items()}
        return found | {"comparison": comparison}

    def headline(self) -> dict[str, Any]:
        """Return what a baseline is known by: the scores at the top, and the interval of the first."""
        first = self.top_scores[0].key
        return self.values | ({f"{first}_interval_95": [*self.intervals[first]]} if first in self.intervals else {})

    def __str__(self) -> str:
        return "\n".join(line for block in self._made for line in block.text())

    def tables(self) -> Mapping[str, Sequence[Sequence[Any]]]:
        """Return the tables to write, by file name, each with a row of column names first."""
        files = {name: rows for block in self._made for name, rows in block.files.items()}
        return {"predictions.tsv": [[*self.columns], *zip(*self.columns.values(), strict=True)], **files}

    def save(self, folder: Path) -> None:
        """Write `metrics.json`, the tables, the pictures, and `report.html` into `folder`.

        The page is one file that holds all of it, its pictures too, has no script and fetches nothing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "metrics.json", self.metrics())
        for name, rows in self.tables().items():
            write_tsv(folder / name, rows)
        drawn = {name: draw for block in self._made for name, draw in block.pictures.items()}
        pictures = {name: save_figure(draw(), folder / name).read_bytes() for name, draw in drawn.items()}
        encoded = {name: base64.b64encode(content).decode("ascii") for name, content in pictures.items()}
        loader = PackageLoader("ratsnlp.nlpbook.evaluation", "templates")  # everything put into it is escaped
        template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("report.html")
        page = template.render(blocks=self._made, pictures=encoded)
        (folder / "report.html").write_text(page + "\n", encoding="utf-8")

    # the blocks that reports share

    def head(self, name: str = "examples") -> Block:
        """Return how many rows were scored, and of what; `name` says what a row is."""
        count, origin, metrics = f"{self.row_count:,}", self.provenance, {"examples": self.row_count}
        if not origin:
            return Block(lines=[Line(name, count, korean=f"{count}개")], metrics=metrics)
        precision = PRECISIONS[origin.precision]
        korean = f"{origin.corpus} 말뭉치의 {origin.mode} · {origin.model} · {precision} · {count}개"
        line = Line(name, count, f"{origin.corpus}, {origin.mode}, {precision}", korean)
        return Block(lines=[line], metrics=metrics | origin.metrics())

    def top(self, *lines: Line) -> Block:
        """Return the scores at the top, with `lines` below them."""
        intervals = {f"{name}_interval_95": [*bounds] for name, bounds in self.intervals.items()}
        scores = [self._line(score) for score in self.top_scores]
        return Block(scores=scores, lines=lines, metrics=self.values | intervals)

    def context(self, *lines: Line, metrics: Mapping[str, Any] | None = None) -> Sequence[Block]:
        """Return what to compare the scores with: `lines`, baselines, a published figure, and what train gives away."""
        title, korean = "what to compare with", "견주어 보기 (what to compare with)"
        blocks = [Block(title=title, korean=korean, lines=lines, metrics=metrics or {})]
        found = {name.replace(" ", "_"): report.headline() for name, report in self.baselines.items()}
        simpler = [report._line(report.top_scores[0], name) for name, report in self.baselines.items()]
        blocks.append(Block(lines=simpler, metrics={"baselines": [*self.baselines], **found}))
        if origin := self.provenance:
            blocks.append(origin.published_block(self.values, self.row_count, self.top_scores[0]))
            blocks += [self._describe(origin.overlap)] if origin.overlap else []
        return blocks

    def _line(self, score: Score, name: str = "") -> ScoreLine:
        return ScoreLine(score, self.values[score.key], self.intervals.get(score.key, ()), name)

    def _describe(self, overlap: Overlap) -> Block:
        found, score, rows = overlap.metrics(), self.top_scores[0], self.row_count
        metrics: dict[str, Any] = {"overlap": found}
        train, repeated, conflicts, seen, other = (f"{count:,}" for count in found.values())
        more = f"of {rows:,} rows; {other} with another label there"
        korean = f"평가 문장 가운데 학습 문장에도 있는 것 (in train too): {seen}개, 그중 라벨이 다른 것 {other}개"
        if overlap.seen.any() and not overlap.seen.all() and score.numerator:
            above, below = (part[~overlap.seen] for part in self._parts[score.key])
            metrics[f"{score.key}_outside_train"] = outside = ratio_of_sums((above, below))
            more += f"; {score.name} of the others {score.format(outside)}"
            korean += f"; 이들을 뺀 점수 {score.format(outside)}"
        english = f"train has {train} rows, {repeated} of them repeated; {conflicts} texts of train have several labels"
        repeats = f"학습 문장 {train}개 가운데 되풀이된 것 (repeated) {repeated}개"
        repeats += f", 라벨이 엇갈리는 문장 (label conflicts) {conflicts}개"
        lines = [Line("in train", seen, more, korean), Line("", english, korean=repeats)]
        return Block(lines=lines, files={"overlap.tsv": [COLUMNS, *overlap.rows()]}, metrics=metrics)

    def by_length(self) -> Block:
        """Return the first score of texts of similar length."""
        score = self.top_scores[0]
        if not (len(self.lengths) and score.numerator):
            return Block()
        found = score_by_length(self.lengths, *self._parts[score.key])
        shown = "   ".join(f"{row['shortest']}-{row['longest']}: {score.format(row['score'])}" for row in found)
        return Block(
            title="score by length",
            korean="길이별 점수 (score by length)",
            lines=[Line("characters", shown, korean=f"글자 수 (characters) {shown}")],
            pictures={"lengths.png": partial(draw_length_scores, found, score.name, score.highest)},
            metrics={"by_length": found},
        )


def calibration_block(found: Mapping[str, Any], more: str = "", korean: str = "") -> Block:
    """Return how well probabilities are calibrated: `ece` and `bins` of `found`, and `more` to say, also in Korean."""
    ece = f"{found['ece']:.4f}"
    return Block(
        title="calibration",
        korean="확률 보정 (calibration)",
        note="모델이 말한 확률만큼 실제로 맞았는지 봅니다. 막대가 점선보다 낮으면 자신이 지나친 것입니다.",
        lines=[Line("ECE", ece, f"calibration error{more}; 0 is best", f"구간 15개의 ECE {ece}{korean}")],
        pictures={"calibration.png": partial(draw_calibration, found)},
        metrics={"calibration": found},
    )


def mistakes_block(worst: Sequence[Mapping[str, Any]], right: str, texts: Sequence[str]) -> Block:
    """Return the surest mistakes: rows with `prediction` and `probability` among their columns, surest first.

    `right` is the column of the right answers, `texts` are those to quote.
    """
    names = [*worst[0]] if worst else [*texts, right, "prediction", "probability"]
    said = []
    for row in worst:
        quote = " + ".join(excerpt(row[name]) for name in texts)
        said.append(f"{row[right]} taken for {row['prediction']} ({row['probability']:.2f}): {quote}")
    nothing = Line("mistakes", "none", korean="틀린 답이 없습니다.")
    heading = Block(title="surest mistakes", korean="가장 자신 있게 틀린 답 (surest mistakes)", lines=[nothing])
    return worst_block(heading, names, worst, said)


def worst_block(heading: Block, names: Sequence[str], worst: Sequence[Mapping[str, Any]], said: Sequence[str]) -> Block:
    """Return the worst rows as a table of the columns `names` under a heading, whose lines say that there are none.

    `said` are the rows as sentences.
    """
    rows = [[row[name] for name in names] for row in worst]
    block = replace(heading, files={"worst.tsv": [names, *rows]})
    table = Table({name: name for name in names}, rows[:IN_TABLE], said)
    return replace(block, lines=(), table=table) if rows else block


def surest(wrong: Sequence[bool] | np.ndarray, probabilities: Sequence[float], count: int) -> list[int]:
    """Return the rows of the wrong answers with the highest probabilities, highest first."""
    rows = np.flatnonzero(wrong).tolist()
    return sorted(rows, key=lambda row: -probabilities[row])[:count]


def choose_precision(wanted: Precision, device: str) -> Literal["32", "bf16"]:
    """Return the precision to score in on "cpu" or "cuda": `auto` is bfloat16 where that multiplies faster."""
    if wanted == "auto":
        return "bf16" if bf16_is_faster("gpu" if device == "cuda" else device) else "32"
    return wanted


def score(
    predictor: Any, examples: Sequence[Any], corpus: Any, args: TrainArguments, mode: str, precision: Precision
) -> Report:
    """Return the report of any task's predictor, trained with `args`, on `examples`: the split `mode` of `corpus`."""
    device = predictor.model.device.type
    used = choose_precision(precision, device)
    with torch.autocast(device, dtype=torch.bfloat16, enabled=used == "bf16"):  # weights, sums, softmax stay float32
        report: Report = predictor.evaluate(examples)
    own = {"train": args.train_file, "val": args.validation_file, "test": args.test_file}
    provenance = Provenance(
        corpus=args.downstream_corpus_name or "",
        mode=mode,
        model=args.pretrained_model_name,
        precision=used,
        own_file=bool(own.get(mode)),
        own_training=bool(args.train_file),
        trained_on=args.max_train_examples,
        overlap=read_overlap(corpus, args, mode, examples),
    )
    return replace(report, provenance=provenance)
