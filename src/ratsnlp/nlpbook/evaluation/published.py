"""Published figures of known Korean models: what a learner's score is shown beside, and the tables of docs/results.md.

Every figure was read at the address given with it. One model's figure differs by up to a point between sources.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TestSplit:
    """What published figures on a corpus were measured on.

    Attributes:
        name: How the sources call the split.
        rows: How many rows it has.
        metrics: What is reported, by our names; accuracy is in 0..1, EM and F1 are in 0..100.
    """

    __test__ = False  # not a class of tests

    name: str
    rows: int
    metrics: tuple[str, ...]


SPLITS = {
    "nsmc": TestSplit("test", 50_000, ("accuracy",)),
    "klue-nli": TestSplit("dev", 3_000, ("accuracy",)),
    "kornli": TestSplit("test", 5_010, ("accuracy",)),
    "korquad-v1": TestSplit("dev", 5_774, ("exact_match", "f1")),
}
"""By corpus: the split that our "test" names."""


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


@dataclass(frozen=True)
class Source:
    """An address, what it says of its splits, and its figures in per cent; EM and F1 are a pair.

    Attributes:
        address: The page.
        splits: The split of each corpus, where the page names it.
        figures: Model -> corpus -> figure.
    """

    address: str
    splits: Mapping[str, str]
    figures: Mapping[str, Mapping[str, float | tuple[float, float]]]


# a model's makers come before others who measured it
SOURCES = (
    Source(
        "https://github.com/Beomi/KcBERT",
        {"korquad-v1": "dev"},
        {
            "KcBERT-base": {"nsmc": 89.62, "kornli": 74.85, "korquad-v1": (60.25, 84.39)},
            "KcBERT-large": {"nsmc": 90.68, "kornli": 76.99, "korquad-v1": (62.16, 86.64)},
        },
    ),
    Source(
        "https://github.com/Beomi/KcELECTRA",
        {"korquad-v1": "dev"},
        {
            "KcELECTRA-base": {"nsmc": 91.71, "kornli": 81.65, "korquad-v1": (70.60, 90.11)},
            "KcELECTRA-base-v2022": {"nsmc": 91.97, "kornli": 82.12, "korquad-v1": (69.00, 90.40)},
        },
    ),
    Source(
        "https://github.com/SKTBrain/KoBERT",
        {},
        {"KoBERT": {"nsmc": 90.1}, "mBERT (cased)": {"nsmc": 87.5}, "KoGPT2": {"nsmc": 89.9}},
    ),
    Source(
        "https://github.com/monologg/KoELECTRA",
        {"korquad-v1": "dev"},
        {
            "KoBERT": {"nsmc": 89.59, "kornli": 79.62, "korquad-v1": (51.75, 79.15)},
            "XLM-RoBERTa-base": {"nsmc": 89.03, "kornli": 80.23, "korquad-v1": (64.70, 88.94)},
            "HanBERT": {"nsmc": 90.06, "kornli": 80.32, "korquad-v1": (78.74, 92.02)},
            "KoELECTRA-base": {"nsmc": 90.33, "kornli": 80.64, "korquad-v1": (60.86, 89.28)},
            "KoELECTRA-base-v2": {"nsmc": 89.56, "kornli": 80.72, "korquad-v1": (84.01, 92.40)},
            "KoELECTRA-base-v3": {"nsmc": 90.63, "kornli": 82.24, "korquad-v1": (84.83, 93.45)},
            "DistilKoBERT": {"nsmc": 88.60, "kornli": 72.00, "korquad-v1": (54.40, 77.97)},
            "KoELECTRA-small": {"nsmc": 88.83, "kornli": 76.45, "korquad-v1": (58.04, 86.76)},
            "KoELECTRA-small-v2": {"nsmc": 88.83, "kornli": 78.14, "korquad-v1": (81.43, 90.46)},
            "KoELECTRA-small-v3": {"nsmc": 89.36, "kornli": 78.60, "korquad-v1": (82.11, 91.13)},
        },
    ),
    Source(
        "https://github.com/BM-K/KoMiniLM",
        {"korquad-v1": "dev"},
        {
            "KLUE-BERT-base": {"nsmc": 90.20, "kornli": 81.06, "korquad-v1": (84.43, 93.05)},
            "KcBERT-base": {"nsmc": 89.60, "kornli": 74.17, "korquad-v1": (60.87, 85.01)},
            "KoBERT": {"nsmc": 89.28, "kornli": 78.18, "korquad-v1": (51.94, 79.69)},
            "DistilKoBERT": {"nsmc": 88.39, "kornli": 70.22, "korquad-v1": (52.52, 76.00)},
            "KoMiniLM-68M": {"nsmc": 89.84, "kornli": 79.28, "korquad-v1": (83.27, 92.08)},
            "KoMiniLM-23M": {"nsmc": 89.67, "kornli": 78.10, "korquad-v1": (82.11, 91.21)},
        },
    ),
    Source(
        "https://github.com/kiyoungkim1/LMkor",
        {},
        {
            "KcBERT-base": {"nsmc": 89.87, "kornli": 75.57},
            "LMkor albert-kor-base": {"nsmc": 89.45, "kornli": 79.42},
            "LMkor bert-kor-base": {"nsmc": 90.87, "kornli": 82.32},
            "LMkor electra-kor-base": {"nsmc": 91.29, "kornli": 83.11},
            "LMkor funnel-kor-base": {"nsmc": 91.36},
        },
    ),
    Source(
        "https://github.com/monologg/KoBERT-nsmc",
        {},
        {"mBERT (cased)": {"nsmc": 87.07}, "FastText": {"nsmc": 85.50}},
    ),
    Source(
        "https://github.com/monologg/DistilKoBERT",
        {},
        {"mBERT (cased)": {"korquad-v1": (77.04, 87.85)}},
    ),
    Source(
        "https://github.com/KLUE-benchmark/KLUE",
        {},
        {
            "mBERT (cased)": {"klue-nli": 73.20},
            "XLM-RoBERTa-base": {"klue-nli": 77.33},
            "XLM-RoBERTa-large": {"klue-nli": 85.93},
            "KR-BERT-base": {"klue-nli": 77.17},
            "KoELECTRA-base (version not named)": {"klue-nli": 85.63},
            "KLUE-BERT-base": {"klue-nli": 81.63},
            "KLUE-RoBERTa-small": {"klue-nli": 79.33},
            "KLUE-RoBERTa-base": {"klue-nli": 84.83},
            "KLUE-RoBERTa-large": {"klue-nli": 89.17},
        },
    ),
    Source(
        "https://huggingface.co/chunwoolee0/klue_nli_roberta_base_model",
        {"klue-nli": "dev"},
        {"KLUE-RoBERTa-base": {"klue-nli": 86.53}},
    ),
    Source(
        "https://korquad.github.io/category/1.0_ENG.html",
        {"korquad-v1": "test, not published"},
        {"people": {"korquad-v1": (80.17, 91.20)}, "KorBERT-large v1.0": {"korquad-v1": (87.76, 95.02)}},
    ),
)

HUB_NAMES = {
    "beomi/kcbert-base": "KcBERT-base",
    "beomi/kcbert-large": "KcBERT-large",
    "beomi/kcelectra-base": "KcELECTRA-base",
    "beomi/kcelectra-base-v2022": "KcELECTRA-base-v2022",
    "bert-base-multilingual-cased": "mBERT (cased)",
    "bm-k/kominilm": "KoMiniLM-23M",
    "bm-k/kominilm-68m": "KoMiniLM-68M",
    "klue/bert-base": "KLUE-BERT-base",
    "klue/roberta-base": "KLUE-RoBERTa-base",
    "klue/roberta-large": "KLUE-RoBERTa-large",
    "klue/roberta-small": "KLUE-RoBERTa-small",
    "kykim/albert-kor-base": "LMkor albert-kor-base",
    "kykim/bert-kor-base": "LMkor bert-kor-base",
    "kykim/electra-kor-base": "LMkor electra-kor-base",
    "kykim/funnel-kor-base": "LMkor funnel-kor-base",
    "monologg/distilkobert": "DistilKoBERT",
    "monologg/kobert": "KoBERT",
    "monologg/koelectra-base-discriminator": "KoELECTRA-base",
    "monologg/koelectra-base-v2-discriminator": "KoELECTRA-base-v2",
    "monologg/koelectra-base-v3-discriminator": "KoELECTRA-base-v3",
    "monologg/koelectra-small-discriminator": "KoELECTRA-small",
    "monologg/koelectra-small-v2-discriminator": "KoELECTRA-small-v2",
    "monologg/koelectra-small-v3-discriminator": "KoELECTRA-small-v3",
    "skt/kobert-base-v1": "KoBERT",
    "xlm-roberta-base": "XLM-RoBERTa-base",
    "xlm-roberta-large": "XLM-RoBERTa-large",
}
"""Names to load models by, in lower case -> names in the tables."""


def figures_for(corpus: str) -> Iterator[Published]:
    """Yield the published results on a corpus, source by source."""
    for source in SOURCES:
        for model, figures in source.figures.items():
            if corpus in figures:
                found = figures[corpus]
                values = found if isinstance(found, tuple) else (found / 100,)
                scores = dict(zip(SPLITS[corpus].metrics, values, strict=True))
                yield Published(corpus, model, scores, source.address, source.splits.get(corpus, ""))


def nearest_figure(corpus: str, score: float, pretrained_model_name: str) -> tuple[Published, bool]:
    """Return the published result to show beside a score, and whether it is of the same model.

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
