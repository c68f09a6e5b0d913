"""Published figures of known Korean models, to compare a score with and for the tables of docs/results.md.

Each was read at the address given with it; figures of one model differ by up to a point between sources.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

DATA = json.loads((files(__package__) / "published.json").read_text(encoding="utf-8"))
"""`splits` and `hub_names`, and `sources`: what each says of its splits, and figures in per cent by model and corpus.
A model's makers come before others who measured it."""


@dataclass(frozen=True)
class TestSplit:
    """What published figures on a corpus were measured on.

    Attributes:
        name: How the sources call the split.
        rows: How many rows it has.
        metrics: What is reported, by our names; accuracy is in 0..1, the others are in 0..100.
        headings: What the sources call it.
        divisor: What a figure in per cent is divided by for our unit.
    """

    __test__ = False  # not a class of tests

    name: str
    rows: int
    metrics: tuple[str, ...]
    headings: tuple[str, ...]
    divisor: int


SPLITS = {
    corpus: TestSplit(split["name"], split["rows"], tuple(split["metrics"]), tuple(split["headings"]), split["divisor"])
    for corpus, split in DATA["splits"].items()
}
"""By corpus: the split that our "test" names."""

HUB_NAMES: Mapping[str, str] = DATA["hub_names"]
"""Names to load models by, in lower case -> names in the tables."""


@dataclass(frozen=True)
class Published:
    """One published result.

    Attributes:
        corpus: The corpus.
        model: The model, by the name its makers use.
        scores: Values by metric, in the units of `SPLITS`.
        source: Where the figure was read.
        split: What the source says it was measured on; empty where it does not say.
    """

    corpus: str
    model: str
    scores: Mapping[str, float]
    source: str
    split: str


def figures_for(corpus: str) -> Iterator[Published]:
    """Yield the published results on a corpus, source by source."""
    metrics, divisor = SPLITS[corpus].metrics, SPLITS[corpus].divisor
    for source in DATA["sources"]:
        for model, figures in source["figures"].items():
            if corpus in figures:
                scores = {name: value / divisor for name, value in zip(metrics, figures[corpus], strict=True)}
                yield Published(corpus, model, scores, source["address"], source["splits"].get(corpus, ""))


def nearest_figure(corpus: str, score: float, pretrained_model_name: str) -> tuple[Published, bool]:
    """Return the published result to show next to a score, and whether it is of the same model.

    The same pretrained model's result comes first, its makers' own before others'; where there is none, the nearest.

    Args:
        corpus: A corpus of `SPLITS`.
        score: The first of the corpus's metrics.
        pretrained_model_name: What was fine-tuned.
    """
    metric = SPLITS[corpus].metrics[0]
    name = HUB_NAMES.get(pretrained_model_name.lower().removeprefix("google-bert/").removeprefix("facebookai/"))
    found = [result for result in figures_for(corpus) if result.split in ("", SPLITS[corpus].name)]
    same = next((result for result in found if result.model == name), None)
    return same or min(found, key=lambda result: abs(result.scores[metric] - score)), bool(same)
