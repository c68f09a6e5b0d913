"""The page of question answering."""

from collections.abc import Callable, Mapping
from typing import Any

from ratsnlp.nlpbook.serving.web import DemoPage, WebApp, build_web_service_app

PASSAGE = (
    "한글은 세종이 1443년에 만들어 1446년에 널리 알린 글자이다. 처음 이름은 훈민정음이었고, "
    "'백성을 가르치는 바른 소리'라는 뜻을 담았다.\n"
    "처음에는 모두 스물여덟 글자였지만 네 글자가 쓰이지 않게 되어 오늘날에는 스물네 글자를 쓴다."
)
PAGE = DemoPage(
    template="qa.html",
    title="질의응답",
    fields=("question", "context"),
    examples=(
        ("한글을 만든 사람은 누구인가?", PASSAGE),
        ("한글의 처음 이름은 무엇인가?", PASSAGE),
        ("오늘날 쓰는 한글은 몇 글자인가?", PASSAGE),
    ),
)


def get_web_service_app(
    inference_fn: Callable[[str, str], Mapping[str, Any]], is_colab: bool = True, **options: Any
) -> WebApp:
    """Return the page that answers with `inference_fn(question, context)`; `app.run()` serves it.

    Args:
        inference_fn: A predictor, or a hand-written function that returns a dict with question, context and answer.
        is_colab: As in the published cells; False keeps the page to its machine even in Colab.
        options: See `build_web_service_app`.
    """
    return build_web_service_app(inference_fn, PAGE, is_colab=is_colab, **options)
