"""What a page has done so far, in the plain text that monitoring tools read (Prometheus' exposition format)."""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping

from flask import Flask, Response, g, request

from ratsnlp.nlpbook.inference.batcher import Batcher

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
