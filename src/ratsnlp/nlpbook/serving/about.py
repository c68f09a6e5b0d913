"""What a page says about itself: its counts, in the text form that Prometheus reads, and its interface, as OpenAPI."""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, request

from ratsnlp import __version__
from ratsnlp.nlpbook.arguments import Limits
from ratsnlp.nlpbook.serving.batcher import Batcher
from ratsnlp.nlpbook.tasks import DemoPage

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
        lines: list[str] = []
        for name, kind, text, values in metrics:
            lines += [f"# HELP ratsnlp_{name} {text}", f"# TYPE ratsnlp_{name} {kind}"]
            lines += [f"ratsnlp_{name}{labels} {value}" for labels, value in sorted(values.items())]
        return "\n".join(lines) + "\n"


ERRORS = {
    "400": "The question is not as described.",
    "413": "A text, or the request, is too long.",
    "500": "Answering failed; the server's log holds the reason under the id in the answer.",
    "503": "Too many questions at a time; `Retry-After` says in how many seconds to ask again.",
    "504": "Answering takes longer than allowed.",
}
PASSWORD_ERRORS = {"401": "The password is missing or wrong.", "429": "Too many wrong passwords; wait `Retry-After`."}
PLAIN = {
    "/healthz": ("Report that the server runs.", "application/json"),
    "/metrics": ("Count what was done.", "text/plain"),
}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


STRING, INTEGER, NUMBER = ({"type": kind} for kind in ("string", "integer", "number"))
WORD = _object({"field": STRING, "text": STRING, "start": INTEGER, "end": INTEGER, "weight": NUMBER})
ANSWERS: dict[str, Any] = {
    "Answer": {"type": "object", "description": "What inference_fn returns: the texts, the decision, how sure it is."},
    "Explanation": _object({"prediction": STRING, "probability": NUMBER, "words": {"type": "array", "items": WORD}}),
    "Error": _object({"error": STRING, "message": STRING, "code": INTEGER}),
}


def describe_api(page: DemoPage, limits: Limits, *, explains: bool, protected: bool) -> dict[str, Any]:
    """Return the description of a page that `explains` decisions, or is `protected` by a password."""
    asked = {"/api": ("Answer a question.", "Answer")}
    if explains:
        asked["/api/explain"] = ("Return the eojeols (words between spaces) that moved the decision.", "Explanation")
    errors = ERRORS | (PASSWORD_ERRORS if protected else {})
    question = {"required": True, "content": _json_content("Question")}
    paths: dict[str, Any] = {}
    for path, (summary, answer) in asked.items():
        responses = {"200": {"description": "The answer.", "content": _json_content(answer)}}
        for status, meaning in errors.items():
            responses[status] = {"description": meaning, "content": _json_content("Error")}
        common = {"summary": summary, "responses": responses}
        get = {**common, "parameters": [{"name": "q", "in": "query", **question}]}
        paths[path] = {"get": get, "post": {**common, "requestBody": question}}
    for path, (summary, kind) in PLAIN.items():
        found = {"200": {"description": summary, "content": {kind: {}}}}
        paths[path] = {"get": {"summary": summary, "responses": found}}
    text = {"type": "string", "minLength": 1, "maxLength": limits.max_text_length}
    texts = _object(dict.fromkeys(page.fields, text))
    schemas = {"Question": {"anyOf": [texts, text]} if len(page.fields) == 1 else texts, **ANSWERS}
    components: dict[str, Any] = {"schemas": schemas}
    info = {"title": page.title, "version": __version__}
    described: dict[str, Any] = {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}
    if protected:
        components["securitySchemes"] = {"password": {"type": "http", "scheme": "basic"}}
        described["security"] = [{"password": []}]
    return described


def _json_content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
