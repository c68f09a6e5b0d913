"""Where a report comes from: what was scored, on what, and the published figure to compare it with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN
from ratsnlp.nlpbook.evaluation.blocks import Block, Line
from ratsnlp.nlpbook.evaluation.overlap import Overlap
from ratsnlp.nlpbook.evaluation.published import SPLITS, nearest_figure
from ratsnlp.nlpbook.evaluation.statistics import Score

PRECISIONS = {"32": "float32", "bf16": "bfloat16"}
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
    """What was scored, and on what.

    Attributes:
        corpus: What was scored on.
        mode: Its split.
        model: What was fine-tuned.
        precision: "32" or "bf16".
        own_file: Whether an own file took the place of the split's.
        own_training: Whether one took the place of train's.
        trained_on: How many rows of train were used, where not all were.
        overlap: What train and this split have in common; None where it was not looked at.
    """

    corpus: str
    mode: str
    model: str
    precision: str
    own_file: bool = False
    own_training: bool = False
    trained_on: int | None = None
    overlap: Overlap | None = None

    @classmethod
    def of(cls, args: TrainArguments, mode: str, precision: str, overlap: Overlap | None) -> "Provenance":
        """Return the provenance of a score on a split of the corpus that `args` trained on."""
        own = {"train": args.train_file, "val": args.validation_file, "test": args.test_file}
        return cls(
            corpus=args.downstream_corpus_name or "",
            mode=mode,
            model=args.pretrained_model_name,
            precision=precision,
            own_file=bool(own.get(mode)),
            own_training=bool(args.train_file),
            trained_on=args.max_train_examples,
            overlap=overlap,
        )

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
