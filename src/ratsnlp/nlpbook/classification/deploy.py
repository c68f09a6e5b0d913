"""The page of document classification."""

from collections.abc import Callable, Mapping
from typing import Any

from ratsnlp.nlpbook.serving.web import DemoPage, WebApp, build_web_service_app

PAGE = DemoPage(
    template="classification.html",
    title="문서 분류",
    fields=("sentence",),
    examples=(
        ("두 시간이 십 분처럼 지나갔어요. 또 보고 싶네요!",),
        ("배우 연기는 좋은데 이야기가 너무 지루했다",),
        ("기대 안 했는데 생각보다 나쁘지 않네 ㅋㅋ",),
    ),
)


def get_web_service_app(
    inference_fn: Callable[[str], Mapping[str, Any]], is_colab: bool = True, **options: Any
) -> WebApp:
    """Return the page that answers with `inference_fn(sentence)`; `app.run()` serves it.

    Args:
        inference_fn: A predictor, or a hand-written function that returns a dict in the published form.
        is_colab: As in the published cells; False keeps the page to its machine even in Colab.
        options: See `build_web_service_app`.
    """
    return build_web_service_app(inference_fn, PAGE, is_colab=is_colab, **options)
