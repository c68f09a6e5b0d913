"""Clients that ask a page as fast as it answers, for `serving.py`."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException

Row = tuple[float, int | str, int]  # seconds that an answer took, its status, the status expected
NO_ANSWER = (OSError, HTTPException)


class Client:
    """One connection to a page, kept open where the server lets it."""

    def __init__(self, port: int) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, body: bytes) -> tuple[int | str, bytes]:
        """Return status and body of an answer; for the status "refused" or "lost" where there was none."""
        try:
            if self.connection.sock is None:
                self.connection.connect()
        except OSError:
            self.connection.close()
            return "refused", b""
        try:
            self.connection.request("POST", "/api", body, {"Content-Type": "application/json"})
            response = self.connection.getresponse()
            return response.status, response.read()
        except NO_ANSWER:
            self.connection.close()
            return "lost", b""


def drive(port: int, bodies: list[tuple[bytes, int]], clients: int, seconds: float) -> list[Row]:
    """Ask bodies, each given with the status expected, from several clients for a time."""
    numbers, lock, end = itertools.count(), threading.Lock(), time.perf_counter() + seconds

    def run() -> list[Row]:
        client, found = Client(port), []
        while (start := time.perf_counter()) < end:
            with lock:
                body, expected = bodies[next(numbers) % len(bodies)]
            status, _ = client.ask(body)
            found.append((time.perf_counter() - start, status, expected))
            if status == "refused":
                time.sleep(0.05)
        return found

    with ThreadPoolExecutor(clients) as pool:
        return [row for future in [pool.submit(run) for _ in range(clients)] for row in future.result()]


def summarize(rows: list[Row], seconds: float) -> dict[str, float]:
    latencies = sorted(latency for latency, status, expected in rows if status == expected)
    errors = sum(status != expected for _, status, expected in rows)
    p95 = latencies[int(0.95 * (len(latencies) - 1))] if latencies else float("nan")
    return {"per_second": len(latencies) / seconds, "p95_ms": 1000 * p95, "errors": errors}
