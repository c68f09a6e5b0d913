"""What the tests of the pages share: models that a test steers, and the hands and eyes of a user."""

import time
from dataclasses import dataclass, field
from typing import Any

from ratsnlp.nlpbook import classification, paircls, qa

MARKUP = "<img src=x onerror=\"document.title='broken'\"><b>굵게</b>"
LABELS = {
    "prediction": "긍정 (positive)",
    "labels": [
        {"label": "부정 (negative)", "probability": 0.0269},
        {"label": "긍정 (positive)", "probability": 0.9731},
    ],
}
INFERENCE = {
    "prediction": "거짓 (contradiction)",
    "labels": [
        {"label": "거짓 (contradiction)", "probability": 0.7},
        {"label": "중립 (neutral)", "probability": 0.2},
        {"label": "참 (entailment)", "probability": 0.1},
    ],
}


@dataclass
class Model:
    """An inference_fn that a test steers, and that remembers what it was asked."""

    answer: dict[str, Any]
    fields: tuple[str, ...] = ("sentence",)
    seconds: float = 0.0
    asked: list[Any] = field(default_factory=list)

    def __call__(self, *texts: str) -> dict[str, Any]:
        self.asked.append(texts if len(texts) > 1 else texts[0])
        time.sleep(self.seconds)
        if "고장" in texts[0]:
            raise RuntimeError("broken on purpose")
        return {**dict(zip(self.fields, texts, strict=True)), **self.answer}


def explain_first_words(fields: tuple[str, ...]) -> Any:
    """Return an explanation that finds the first eojeol of each text for, the second against the decision."""

    def explain(*texts: str) -> dict[str, Any]:
        words = []
        for name, text in zip(fields, texts, strict=True):
            for index, word in enumerate(text.split()):
                start, weight = text.index(word), (0.4, -0.1)[index] if index < 2 else 0.0
                words.append({"field": name, "text": word, "start": start, "end": start + len(word), "weight": weight})
        named = dict(zip(fields, texts, strict=True))
        return {**named, "prediction": "긍정 (positive)", "probability": 0.9731, "words": words}

    return explain


def find_first_word(question: str, context: str) -> dict[str, Any]:
    """Answer with the first word of the passage, and name the second as the next best."""
    first, second, *_ = context.split()
    places = [(first, 0.8), (second, 0.1)]
    answers = [
        {"answer": word, "start": context.index(word), "end": context.index(word) + len(word), "score": score}
        for word, score in places
    ]
    return {"question": question, "context": context, **answers[0], "answers": answers}


def build_app(task: str) -> Any:
    """Return the app of a task around a small function."""
    if task == "qa":
        return qa.get_web_service_app(find_first_word)
    if task == "paircls":
        fields = ("premise", "hypothesis")
        return paircls.get_web_service_app(Model(INFERENCE, fields), explain=explain_first_words(fields))
    return classification.get_web_service_app(Model(LABELS), explain=explain_first_words(("sentence",)))


def ask(page: Any, text: str) -> None:
    page.fill("#text", text)
    page.click("#ask")


def ask_example(page: Any) -> None:
    page.click(".chip >> nth=0")
    wait_for_result(page)


def hold_answers(page: Any) -> list[Any]:
    """Let no question through, so that no test depends on how fast an answer comes. Returns the held ones."""
    held: list[Any] = []
    page.route("**/api", lambda route: held.append(route))
    return held


def let_through(page: Any, held: list[Any]) -> None:
    for route in held:
        route.continue_()
    page.unroute("**/api")


def wait_for_result(page: Any) -> None:
    page.wait_for_selector("#result:visible")
    page.wait_for_selector("body:not(.busy)")


def read_bars(page: Any) -> list[list[str]]:
    return [row.inner_text().split("\n") for row in page.query_selector_all("#bars li")]
