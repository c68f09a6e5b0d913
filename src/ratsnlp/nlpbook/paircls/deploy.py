"""The page of pair classification: of inference, and of pairs with other labels."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ratsnlp.nlpbook.data.pairs import NLI_LABELS
from ratsnlp.nlpbook.serving.web import DemoPage, WebApp, build_web_service_app

PAGE = DemoPage(
    template="paircls.html",
    title="문장 쌍 분류",
    fields=("premise", "hypothesis"),
    examples=(
        ("동생은 아침마다 강아지와 공원을 걷는다.", "동생은 강아지와 산책을 한다."),
        ("이 식당은 월요일마다 문을 닫는다.", "월요일에도 이 식당에서 밥을 먹을 수 있다."),
        ("할머니가 시장에서 사과를 한 봉지 샀다.", "할머니는 사과로 잼을 만들 생각이다."),
    ),
)

OWN_LABELS_PAGE = dataclasses.replace(PAGE, template="pairs.html", examples=())


def select_page(inference_fn: Callable[..., Any]) -> DemoPage:
    """Return the page that speaks of a premise and a hypothesis, unless a predictor has labels of another kind."""
    labels = getattr(inference_fn, "labels", NLI_LABELS)
    return PAGE if set(labels) == set(NLI_LABELS) else OWN_LABELS_PAGE


def get_web_service_app(
    inference_fn: Callable[[str, str], Mapping[str, Any]], is_colab: bool = True, **options: Any
) -> WebApp:
    """Return the page that answers with `inference_fn(premise, hypothesis)`; `app.run()` serves it.

    Args:
        inference_fn: A predictor, or a hand-written function that returns a dict in the published form.
        is_colab: As in the published cells; False keeps the page to its machine even in Colab.
        options: See `build_web_service_app`.
    """
    return build_web_service_app(inference_fn, select_page(inference_fn), is_colab=is_colab, **options)
