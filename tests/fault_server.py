"""A loopback server that publishes one file and fails as told, the list of its faults, and what each one costs."""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import httpx2

from ratsnlp.nlpbook.data import download
from ratsnlp.nlpbook.data.download import Patience
from ratsnlp.nlpbook.errors import DownloadError

MIB = 1 << 20
SIZE, CUT = 8 * MIB, 3 * MIB
HEADER = b"id\tdocument\tlabel\n"
CONTENT = HEADER + random.Random(1).randbytes(SIZE - len(HEADER))
OTHER = HEADER + random.Random(2).randbytes(SIZE - len(HEADER))
LOGIN = b"<!DOCTYPE html><title>Wi-Fi login</title>"
NAME = "ratings_train.txt"
QUICK = Patience(tries=4, first_wait=0.01)


class Answer(BaseHTTPRequestHandler):
    """One request, and the ways to answer it. The server's `behave` chooses one; its `number`-th request is this."""

    server: "FaultServer"

    def do_GET(self) -> None:
        self.number = self.server.note(self)
        told = self.headers.get("Range", "bytes=0-")
        self.start = int(told.removeprefix("bytes=").removesuffix("-"))
        self.server.behave(self)

    def send(self, body: bytes = b"", status: int = 200, most: int | None = None, **headers: str) -> None:
        """Send a body, or its first `most` bytes; `Content_Length=""` leaves the length out."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[:most])

    def send_file(self, content: bytes = CONTENT, most: int | None = None, **headers: str) -> None:
        """Send the file as a good server does: from the byte asked for, unless `If-Range` names another version."""
        wanted = self.headers.get("If-Range")
        if not self.start or (wanted and wanted != headers.get("ETag")):
            self.send(content, 200, most, **headers)
        else:
            said = f"bytes {self.start}-{len(content) - 1}/{len(content)}"
            self.send(content[self.start :], 206, most, **{"Content_Range": said, **headers})

    def send_chunks(self, most: int | None = None) -> None:
        """Send the file as a server does that does not know its length; cut where `most` is given."""
        self.protocol_version = "HTTP/1.1"
        self.send(b"", Content_Length="", Transfer_Encoding="chunked", Connection="close")
        for place in range(0, most or SIZE, MIB):
            self.wfile.write(b"%x\r\n%b\r\n" % (MIB, CONTENT[place : place + MIB]))
        if most is None:
            self.wfile.write(b"0\r\n\r\n")

    def stall(self) -> None:
        """Say nothing more until the server is closed."""
        self.wfile.flush()
        self.server.closing.wait(30)

    def log_message(self, *args: object) -> None:
        pass


class FaultServer(ThreadingHTTPServer):
    """Publishes `CONTENT` under any path, as `behave` says. Remembers the headers of each request."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, behave: Callable[[Answer], None]):
        super().__init__(("127.0.0.1", 0), Answer)
        self.behave = behave
        self.closing = threading.Event()
        self.asked: list[tuple[str, dict[str, str]]] = []

    def note(self, answer: Answer) -> int:
        """Remember a request, and return which one it is, from 1."""
        self.asked.append((answer.path, dict(answer.headers)))
        return len(self.asked)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that hangs up: most faults make it do so."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def ranges(self) -> list[str | None]:
        """Return the `Range` header of each request."""
        return [headers.get("Range") for _, headers in self.asked]


@contextmanager
def serving(behave: Callable[[Answer], None]) -> Iterator[FaultServer]:
    """Run a server for as long as the block lasts."""
    with FaultServer(behave) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


def publish(*addresses: str) -> download.RemoteCorpus:
    """Return a corpus of one file, `CONTENT`, published at `addresses`."""
    return download.RemoteCorpus(
        "CC0", (download.RemoteFile(NAME, SIZE, hashlib.sha256(CONTENT).hexdigest(), addresses),)
    )


@dataclass(frozen=True)
class Fault:
    """A fault, and what has to come of it: requests made, MiB that arrive, whether the file does, and what is said."""

    name: str
    behave: Callable[[Answer], None]
    requests: int
    mebibytes: int
    said: str = ""
    kept: int = 0
    """MiB of a half file that are left for the next try, where the file does not arrive."""
    silence: float = QUICK.silence
    """Seconds without a byte until the client gives up a connection."""

    @property
    def fetched(self) -> bool:
        return not self.said


def first(
    fault: Callable[[Answer], None], then: Callable[[Answer], None] = Answer.send_file
) -> Callable[[Answer], None]:
    """Return a behaviour that has a fault at the first request only."""
    return lambda answer: (fault if answer.number == 1 else then)(answer)


def cut(answer: Answer) -> None:
    answer.send_file(most=CUT)


def ignore_ranges(answer: Answer, most: int | None = None) -> None:
    answer.send(CONTENT, most=most)


def say(status: int, **headers: str) -> Callable[[Answer], None]:
    return lambda answer: answer.send(b"no", status, **headers)


def log_in(kind: str, length: str = str(len(LOGIN))) -> Callable[[Answer], None]:
    return lambda answer: answer.send(LOGIN, Content_Type=kind, Content_Length=length)


def send_range(said: str) -> Callable[[Answer], None]:
    return lambda answer: answer.send_file(Content_Range=said) if answer.start else answer.send_file()


def redirect(answer: Answer) -> None:
    moved = answer.path.startswith("/moved")
    answer.send_file() if moved else answer.send(b"", 302, Location=f"/moved{answer.path}")


def fall_silent(answer: Answer) -> None:
    cut(answer)
    answer.stall()


def change(*versions: str) -> Callable[[Answer], None]:
    """Return a behaviour that cuts an old file at the first request, and has the published one from then on."""
    old, new = ({"ETag": version} for version in versions) if versions else ({}, {})
    return first(lambda answer: answer.send_file(OTHER, CUT, **old), lambda answer: answer.send_file(**new))


FAULTS = [
    Fault("none", Answer.send_file, 1, 8),
    Fault("connection cut once, at 3 MiB", first(cut), 2, 8),
    Fault("connection cut after every 3 MiB", cut, 3, 8),
    Fault("connection closed without an answer, once", first(lambda answer: None), 2, 8),
    Fault(
        "connection closed without an answer, always", lambda answer: None, 4, 0, "disconnected .*4 requests in a row"
    ),
    Fault("silence after 3 MiB, once", first(fall_silent), 2, 8, silence=2),
    Fault("silence, always", Answer.stall, 4, 0, "timed out .*4 requests in a row", silence=0.5),
    Fault("404", say(404), 1, 0, "status 404 Not Found"),
    Fault("500 once", first(say(500)), 2, 8),
    Fault("500 always", say(500), 4, 0, "status 500 .*4 requests in a row brought nothing new"),
    Fault("503 once, Retry-After: 1 second", first(say(503, Retry_After="1")), 2, 8),
    Fault("429, Retry-After: 1 hour", say(429, Retry_After="3600"), 1, 0, "status 429 .*left alone for 3,600 seconds"),
    Fault("a login page with status 200", log_in("text/html; charset=utf-8"), 1, 0, "a web page, not the file"),
    Fault("the same as text/plain, without length", log_in("text/plain", ""), 1, 0, "a web page, not the file"),
    Fault("cut at 3 MiB, then a login page", first(cut, log_in("text/html")), 2, 3, "a web page, not the file", 3),
    Fault(
        "wrong bytes of the right size", lambda a: a.send_file(OTHER), 1, 8, "not the published file: sha256 \\w{64}"
    ),
    Fault(
        "a file of another size", lambda a: a.send(OTHER[:-1]), 1, 0, "it has 8,388,607 bytes, the published file 8,"
    ),
    Fault("no Content-Length", lambda a: a.send_file(Content_Length=""), 1, 8),
    Fault("no Content-Length, cut once", first(lambda a: a.send_file(most=CUT, Content_Length="")), 2, 8),
    Fault(
        "no Content-Length, too long", lambda a: a.send(CONTENT + b"more", Content_Length=""), 1, 8, "answers more than"
    ),
    Fault("chunks", Answer.send_chunks, 1, 8),
    Fault("chunks, cut once", first(lambda a: a.send_chunks(CUT)), 2, 8),
    Fault("compressed though not asked for", lambda a: a.send(CONTENT, Content_Encoding="gzip"), 1, 0, "answers gzip"),
    Fault("redirect", redirect, 2, 8),
    Fault("redirects without end", say(302, Location="/on"), 21, 0, "Exceeded maximum allowed redirects"),
    Fault("ranges ignored (200), cut once", first(cut, ignore_ranges), 2, 11),
    Fault("ranges ignored, cut at 3 MiB always", lambda a: ignore_ranges(a, CUT), 4, 12, "4 requests in a row", 3),
    Fault("206 with another range, cut once", first(cut, send_range(f"bytes 0-{SIZE - 1}/{SIZE}")), 3, 11),
    Fault("206 without Content-Range, cut once", first(cut, send_range("")), 3, 11),
    Fault("206 of a file of another size", first(cut, send_range(f"bytes {CUT}-9/10")), 2, 3, "it has 10 bytes", 3),
    Fault("changed between two tries, with ETag", change('"1"', '"2"'), 2, 11),
    Fault("changed between two tries, without ETag", change(), 3, 16),
]


@dataclass
class Outcome:
    """What a fault came to."""

    requests: int = 0
    received: int = 0
    said: str = ""
    held: dict[str, int] = field(default_factory=dict)
    """The size of each file in the corpus's folder, the lock left out."""


def measure(fault: Fault, root: Path) -> Outcome:
    """Fetch `CONTENT` from a server with a fault, and tell what came of it."""
    outcome = Outcome()
    take = httpx2.Response.iter_raw

    def count(answer: httpx2.Response) -> Iterator[bytes]:
        for block in take(answer):
            outcome.received += len(block)
            yield block

    with (
        serving(fault.behave) as server,
        mock.patch.dict(download.CATALOG, {"nsmc": publish(f"{server.address}/{NAME}")}),
        mock.patch.dict("os.environ", {download.OFFLINE: "", download.MIRRORS: ""}),
        mock.patch.object(httpx2.Response, "iter_raw", count),
    ):
        try:
            download.download_corpus("nsmc", root, patience=replace(QUICK, silence=fault.silence))
        except DownloadError as error:
            outcome.said = str(error)
        outcome.requests = len(server.asked)
    folder = root / "nsmc"
    outcome.held = {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix != ".lock"}
    return outcome


def tabulate(fault: Fault, outcome: Outcome) -> str:
    """Return a fault's line of the table in docs/downloads.md."""
    kept = outcome.held.get(f"{NAME}.part", 0) // MIB
    end = (
        "fetched"
        if NAME in outcome.held
        else "nothing in place" + (f", {kept} MiB kept for the next try" if kept else "")
    )
    return f"| {fault.name} | {outcome.requests} | {round(outcome.received / MIB)} | {end} |"
