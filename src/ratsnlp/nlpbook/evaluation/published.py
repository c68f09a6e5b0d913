"""Published figures of known Korean models, and whether a score compares with one: what was measured, and on what.

Each figure was read at the address given with it; figures of one model differ by up to a point between sources.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ratsnlp.nlpbook.builtin import BUILTIN
from ratsnlp.nlpbook.evaluation.blocks import Block, Line
from ratsnlp.nlpbook.evaluation.overlap import Overlap
from ratsnlp.nlpbook.evaluation.statistics import Score

DATA = json.loads((files(__package__) / "published.json").read_text(encoding="utf-8"))
"""`splits` and `hub_names`, and `sources`: what each says of its splits, and figures in per cent by model and corpus.
A model's makers come before others who measured it."""
HUB_NAMES: Mapping[str, str] = DATA["hub_names"]  # names to load models by, in lower case -> names in the tables


@dataclass(frozen=True)
class Split:
    """What published figures on a corpus were measured on."""

    name: str  # as the sources call it
    rows: int
    metrics: tuple[str, ...]  # what is reported, by our names; accuracy is in 0..1, the others are in 0..100
    headings: tuple[str, ...]  # what the sources call it
    divisor: int  # what a figure in per cent is divided by for our unit


SPLITS = {
    corpus: Split(**split | {name: tuple(split[name]) for name in ("metrics", "headings")})
    for corpus, split in DATA["splits"].items()
}
"""By corpus: the split that our "test" names."""


@dataclass(frozen=True)
class Published:
    """One published result."""

    model: str  # the name its makers use
    scores: Mapping[str, float]  # by metric, in the units of `SPLITS`
    source: str  # where the figure was read
    split: str  # what the source says it was measured on; empty where it does not say


def figures_for(corpus: str) -> Iterator[Published]:
    """Yield the published results on a corpus, source by source."""
    metrics, divisor = SPLITS[corpus].metrics, SPLITS[corpus].divisor
    for source in DATA["sources"]:
        for model, figures in source["figures"].items():
            if corpus in figures:
                scores = {name: value / divisor for name, value in zip(metrics, figures[corpus], strict=True)}
                yield Published(model, scores, source["address"], source["splits"].get(corpus, ""))


def nearest_figure(corpus: str, score: float, pretrained_model_name: str) -> tuple[Published, bool]:
    """Return the published result to show next to a score, and whether it is of the same model.

    The same pretrained model's result comes first, its makers' own before others'; where there is none, the nearest.
    `score` is the first of the metrics of `SPLITS[corpus]`.
    """
    metric = SPLITS[corpus].metrics[0]
    name = HUB_NAMES.get(pretrained_model_name.lower().removeprefix("google-bert/").removeprefix("facebookai/"))
    found = [result for result in figures_for(corpus) if result.split in ("", SPLITS[corpus].name)]
    same = next((result for result in found if result.model == name), None)
    return same or min(found, key=lambda result: abs(result.scores[metric] - score)), bool(same)


NOT_PUBLISHED = {
    "sample": (
        "this sample is for learning the steps; no published figure compares with it",
        "단계를 익히는 견본 말뭉치입니다",
    ),
    "own file": ("scored on an own file", "직접 마련한 파일로 쟀습니다"),
    "training split": ("scored on the rows it was trained on", "학습한 문장으로 쟀습니다"),
}
UNLIKE = {
    "trained_on": ("yours is trained on the first {:,} rows", "이 모델은 앞 {:,}개로만 학습했습니다"),
    "own_training": ("yours is trained on an own file", "직접 마련한 파일로 학습했습니다"),
    "rows": ("the published split has {:,} rows", "발표된 평가 문장은 {:,}개입니다"),
}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a report comes from: what was scored, and on what."""

    corpus: str
    mode: str  # the split
    model: str  # what was fine-tuned
    precision: str  # "32" or "bf16"
    own_file: bool = False  # whether an own file took the place of the split's
    own_training: bool = False  # whether one took the place of train's
    trained_on: int | None = None  # rows of train used, where not all were
    overlap: Overlap | None = None  # what train and this split have in common; None where it was not looked at

    def metrics(self) -> dict[str, Any]:
        """Return what belongs next to the scores, as plain values."""
        found = {"corpus": self.corpus, "split": self.mode}
        return found | {"pretrained_model_name": self.model, "precision": self.precision}

    def find_published(self, scores: Mapping[str, float], rows: int) -> dict[str, Any] | None:
        """Return the published figure nearest to `scores`, or the `reason` why there is none; None for unknown corpora.

        `unlike` says what keeps the figures from being comparable: `trained_on` rows of ours, `own_training`, `rows` of
        the published split.
        """
        if self.corpus.startswith(BUILTIN):
            return {"reason": "sample"}
        if self.corpus not in SPLITS or SPLITS[self.corpus].metrics[0] not in scores:
            return None
        if self.own_file or self.mode == "train":
            return {"reason": "own file" if self.own_file else "training split"}
        split = SPLITS[self.corpus]
        found, same_model = nearest_figure(self.corpus, scores[split.metrics[0]], self.model)
        unlike = {"trained_on": self.trained_on, "own_training": self.own_training}
        unlike |= {"rows": split.rows if rows != split.rows else None}
        said = {name: getattr(found, name) for name in ("model", "scores", "split", "source")}
        return {**said, "same_model": same_model, "unlike": {name: value for name, value in unlike.items() if value}}

    def published_block(self, values: Mapping[str, float], rows: int, score: Score) -> Block:
        """Return the published figure to compare `values` with, or why there is none; `score` says how to show it."""
        found = self.find_published(values, rows)
        if not found:
            return Block()
        if "reason" in found:
            english, korean = NOT_PUBLISHED[found["reason"]]
            korean = f"발표된 수치와 견줄 수 없습니다 (not comparable): {korean}"
            return Block(lines=[Line("published", f"none: {english}", korean=korean)], metrics={"published": found})
        (key, value), *_ = found["scores"].items()
        show, own = score.format, values[key]
        away = f"yours is {show(abs(own - value))} {'higher' if own > value else 'lower'}"
        scores = " / ".join(map(show, found["scores"].values()))
        korean = f"발표된 수치 (published): {found['model']} {scores} ({found['source']})"
        lines = [Line("published", scores, f"{found['model']}; {away} ({found['source']})", korean)]
        for name, count in found["unlike"].items():
            english, korean = (text.format(count) for text in UNLIKE[name])
            lines.append(Line("", f"not alike: {english}", korean=f"조건이 다릅니다 (not alike): {korean}"))
        return Block(lines=lines, metrics={"published": found})
