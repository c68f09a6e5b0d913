"""Where a score card comes from, and which published figure to read it beside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN
from ratsnlp.nlpbook.evaluation.overlap import Overlap
from ratsnlp.nlpbook.evaluation.published import SPLITS, nearest_figure


@dataclass(frozen=True, kw_only=True)
class About:
    """What a score card says beside its scores.

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
    def of(cls, args: TrainArguments, mode: str, precision: str, overlap: Overlap | None) -> "About":
        """Return what the settings of a training say about a score on one of its corpus's splits."""
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
        """Return what belongs beside the scores, as plain values."""
        found = {
            "corpus": self.corpus,
            "split": self.mode,
            "pretrained_model_name": self.model,
            "precision": self.precision,
        }
        return found | ({"overlap": self.overlap.metrics()} if self.overlap else {})

    def refer(self, scores: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the published figure nearest to `scores`, or why there is none; None for an unknown corpus.

        Args:
            scores: What was measured; `examples` is among it.

        Returns:
            `model`, `scores`, `split` (empty where the source does not say), `source`, `same_model`, and `unlike`, what
            keeps the figures from being comparable: `trained_on` rows of ours, `own_training`, `rows` of the published
            split; or `reason` alone: "sample", "own file" or "training split".
        """
        if self.corpus.startswith(BUILTIN):
            return {"reason": "sample"}
        if self.corpus not in SPLITS:
            return None
        if self.own_file or self.mode == "train":
            return {"reason": "own file" if self.own_file else "training split"}
        split = SPLITS[self.corpus]
        found, same_model = nearest_figure(self.corpus, scores[split.metrics[0]], self.model)
        unlike: dict[str, int] = {"trained_on": self.trained_on} if self.trained_on else {}
        unlike |= {"own_training": True} if self.own_training else {}
        unlike |= {"rows": split.rows} if scores["examples"] != split.rows else {}
        return {
            "model": found.model,
            "scores": dict(found.scores),
            "split": found.split,
            "source": found.source,
            "same_model": same_model,
            "unlike": unlike,
        }
