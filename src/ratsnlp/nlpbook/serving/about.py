"""What a page has done so far, in the plain text that monitoring tools read (Prometheus' exposition format)."""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Flask, Response, g, request

from ratsnlp import __version__
from ratsnlp.nlpbook.arguments import Limits
from ratsnlp.nlpbook.serving.batcher import Batcher

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Counters:
    """Counts the requests of an app by route and status, and the seconds they took."""

    def __init__(self, app: Flask, batcher: Batcher) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, int], int] = defaultdict(int)
        self._seconds: dict[str, float] = defaultdict(float)
        self._batcher, self._start = batcher, time.monotonic()
        app.before_request(self._begin)
        app.after_request(self._count)

    def _begin(self) -> None:
        g.start = time.perf_counter()

    def _count(self, response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"  # not the path: visitors could fill the memory
        with self._lock:
            self._requests[route, response.status_code] += 1
            self._seconds[route] += time.perf_counter() - g.start
        return response

    def render(self) -> str:
        """Return the counts as text."""
        with self._lock:
            requests = {f'{{route="{route}",status="{code}"}}': n for (route, code), n in self._requests.items()}
            seconds = {f'{{route="{route}"}}': round(spent, 6) for route, spent in self._seconds.items()}
        age, batcher = round(time.monotonic() - self._start, 3), self._batcher
        metrics: list[tuple[str, str, str, Mapping[str, float]]] = [
            ("requests_total", "counter", "Requests answered.", requests),
            ("request_seconds_total", "counter", "Seconds that requests took, waiting included.", seconds),
            ("questions_total", "counter", "Questions that went to the model.", {"": batcher.questions}),
            ("batches_total", "counter", "Batches in which they went.", {"": batcher.batches}),
            ("pending", "gauge", "Questions waiting or being answered.", {"": batcher.pending}),
            ("uptime_seconds", "gauge", "Age of the app.", {"": age}),
        ]
        return "".join(describe(*metric) for metric in metrics)


def describe(name: str, kind: str, text: str, values: Mapping[str, float]) -> str:
    """Return the lines of one metric: what it is, and its value for each set of labels."""
    head = f"# HELP ratsnlp_{name} {text}\n# TYPE ratsnlp_{name} {kind}\n"
    return head + "".join(f"ratsnlp_{name}{labels} {value}\n" for labels, value in sorted(values.items()))


ERRORS = {
    "400": "The question is not as described.",
    "413": "A text, or the request, is too long.",
    "500": "Answering failed; the server's log holds the reason under the id in the answer.",
    "503": "Too many questions at a time; `Retry-After` says in how many seconds to ask again.",
    "504": "Answering takes longer than allowed.",
}
PASSWORD_ERRORS = {"401": "The password is missing or wrong.", "429": "Too many wrong passwords; wait `Retry-After`."}


def describe_api(
    title: str, fields: Sequence[str], limits: Limits, *, explains: bool, protected: bool
) -> dict[str, Any]:
    """Return the description of a page's interface.

    Args:
        title: The page's title.
        fields: The texts of a question.
        limits: What the page takes on.
        explains: Whether it tells which words moved a decision.
        protected: Whether it asks for a password.
    """
    asked = {"/api": ("Answer a question.", "Answer")}
    if explains:
        asked["/api/explain"] = ("Tell which eojeols moved the decision.", "Explanation")
    errors = ERRORS | (PASSWORD_ERRORS if protected else {})
    plain = {
        "/healthz": _describe_plain("Tell that the server runs.", "application/json"),
        "/metrics": _describe_plain("Count what was done.", "text/plain"),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__},
        "paths": {path: _describe_asking(text, answer, errors) for path, (text, answer) in asked.items()} | plain,
        "components": {
            "schemas": {"Question": _describe_question(fields, limits.max_text_length), **ANSWERS},
            **({"securitySchemes": {"password": {"type": "http", "scheme": "basic"}}} if protected else {}),
        },
        **({"security": [{"password": []}]} if protected else {}),
    }


def _describe_question(fields: Sequence[str], max_text_length: int) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": max_text_length}
    whole = {"type": "object", "required": list(fields), "properties": dict.fromkeys(fields, text)}
    return {"anyOf": [whole, text]} if len(fields) == 1 else whole


def _describe_asking(text: str, answer: str, errors: dict[str, str]) -> dict[str, Any]:
    content = {"application/json": {"schema": refer("Question")}}
    responses = {"200": _describe_json("The answer.", answer)}
    responses |= {status: _describe_json(meaning, "Error") for status, meaning in errors.items()}
    return {
        "get": {
            "summary": text,
            "parameters": [{"name": "q", "in": "query", "required": True, "content": content}],
            "responses": responses,
        },
        "post": {"summary": text, "requestBody": {"required": True, "content": content}, "responses": responses},
    }


def _describe_plain(text: str, kind: str) -> dict[str, Any]:
    return {"get": {"summary": text, "responses": {"200": {"description": text, "content": {kind: {}}}}}}


def _describe_json(text: str, schema: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": refer(schema)}}}


def refer(schema: str) -> dict[str, str]:
    """Return a reference to a schema by name."""
    return {"$ref": f"#/components/schemas/{schema}"}


def typed(**kinds: str) -> dict[str, Any]:
    """Return the schema of an object whose fields have these types, all of them required."""
    return {"type": "object", "required": list(kinds), "properties": {name: {"type": k} for name, k in kinds.items()}}


WORD = typed(field="string", text="string", start="integer", end="integer", weight="number")
ANSWERS: dict[str, Any] = {
    "Answer": {"type": "object", "description": "What inference_fn returns: the texts, the decision, how sure it is."},
    "Explanation": {
        "type": "object",
        "required": ["prediction", "probability", "words"],
        "properties": {
            "prediction": {"type": "string"},
            "probability": {"type": "number"},
            "words": {"type": "array", "items": WORD},
        },
    },
    "Error": typed(error="string", message="string", code="integer"),
}
