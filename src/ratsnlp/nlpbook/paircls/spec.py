"""All that the rest of the library has to know of pair classification: of inference, and of pairs with other labels."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ratsnlp.nlpbook.arguments import LAST_EPOCH
from ratsnlp.nlpbook.classification.spec import SPEC as CLASSIFICATION
from ratsnlp.nlpbook.paircls.corpus import NLI_LABELS
from ratsnlp.nlpbook.tasks import Baseline, Demo, DemoPage

HERE = "ratsnlp.nlpbook.paircls"
PREMISE = "할머니가 시장에서 사과를 한 봉지 샀다."

SPEC = dataclasses.replace(  # settings, dataset and task are the same
    CLASSIFICATION,
    name="paircls",
    task_name="pair-classification",
    title="Pair classification (NLI)",
    corpora={"klue-nli": f"{HERE}.corpus:KlueNLICorpus", "kornli": f"{HERE}.corpus:KorNLICorpus"},
    pairs=True,
    predictor=f"{HERE}.predictor:PairClassificationPredictor",
    page=DemoPage(
        template="paircls.html",
        title="문장 쌍 분류",
        fields=("premise", "hypothesis"),
        examples=(
            ("동생은 아침마다 강아지와 공원을 걷는다.", "동생은 아침에 공원에 간다."),
            ("이 식당은 월요일마다 문을 닫는다.", "월요일에도 이 식당에서 밥을 먹을 수 있다."),
            (PREMISE, "할머니는 사과로 잼을 만들 생각이다."),
        ),
    ),
    choose_page=f"{HERE}.spec:choose_page",
    demo=Demo(
        settings={"max_seq_length": 64, "epochs": 3, "learning_rate": 1e-4, "batch_size": 32, "monitor": LAST_EPOCH},
        inputs=(
            (PREMISE, "할머니가 과일을 샀다."),
            (PREMISE, "할머니는 시장에서 아무것도 사지 않았다."),
            (PREMISE, "할머니는 사과로 잼을 만들 생각이다."),
        ),
        shown=("premise", "hypothesis", "prediction"),
    ),
    baselines={
        "hypothesis_only": Baseline(
            function=f"{HERE}.baseline:score_hypothesis_only",
            help="pairs: also score a classifier that never sees the premise",
        )
    },
    notebooks=("paircls_train", "paircls_deploy"),
)
OWN_LABELS_PAGE = dataclasses.replace(SPEC.page, template="pairs.html", examples=())


def choose_page(inference_fn: Callable[..., Any]) -> DemoPage:
    """Return the page that speaks of a premise and a hypothesis, unless a predictor has labels of another kind."""
    labels = getattr(inference_fn, "labels", NLI_LABELS)
    return SPEC.page if set(labels) == set(NLI_LABELS) else OWN_LABELS_PAGE


get_web_service_app = SPEC.get_web_service_app
