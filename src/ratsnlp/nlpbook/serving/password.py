"""A password before a page: HTTP Basic authentication, which browsers and curl know. Any user name will do."""

import hmac
import math
import os
import threading
import time
import unicodedata
from collections.abc import Callable

from flask import request

from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.serving.requests import RequestError

VARIABLE = "RATSNLP_PASSWORD"
OPEN_PATHS = ("/healthz",)  # what watches over a server knows no password, and learns nothing here
WRONG_AT_MOST, WITHIN_SECONDS = 10, 60.0
CHALLENGE = {"WWW-Authenticate": 'Basic realm="ratsnlp", charset="UTF-8"'}


def find_password(password: str | None) -> str | None:
    """Return the password given, or the environment's, or None; `ArgumentError` if the one given is blank."""
    if password is not None and not password.strip():
        raise ArgumentError(f"password is blank; give one, or leave it out (then {VARIABLE} is looked at)")
    return password or os.environ.get(VARIABLE) or None


class PasswordGuard:
    """Lets requests with the password through. An address that guesses wrong too often has to wait."""

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._password, self._clock = _to_bytes(password), clock
        self._lock = threading.Lock()
        self._wrong: dict[str, list[float]] = {}  # when each address guessed wrong, of late

    def check(self) -> None:
        """Raise `RequestError` unless the current request gives the password: 401, or 429 after too many wrong ones."""
        if request.path in OPEN_PATHS or request.method == "OPTIONS":  # a browser's question before a foreign request
            return
        given = request.authorization.password if request.authorization else None
        error = "no password given"
        if given is not None:
            address = request.remote_addr or ""
            with self._lock:
                self._refuse_guesser(address)
                if hmac.compare_digest(_to_bytes(given), self._password):
                    return
                self._wrong.setdefault(address, []).append(self._clock())
            error = "wrong password"
        error += "; needed: HTTP Basic with the page's password"
        raise RequestError(401, error, "비밀번호가 필요합니다.", CHALLENGE)

    def _refuse_guesser(self, address: str) -> None:
        since = self._clock() - WITHIN_SECONDS
        recent = {known: [moment for moment in moments if moment > since] for known, moments in self._wrong.items()}
        self._wrong = {known: moments for known, moments in recent.items() if moments}
        moments = self._wrong.get(address, [])
        if len(moments) >= WRONG_AT_MOST:
            seconds = math.ceil(moments[0] - since)
            error = f"{len(moments)} wrong passwords in {WITHIN_SECONDS:g} s; try again in {seconds} s"
            message = f"비밀번호가 여러 번 틀렸습니다. {seconds}초 뒤에 다시 시도해 주세요."
            raise RequestError(429, error, message, {"Retry-After": str(seconds)})


def _to_bytes(password: str) -> bytes:
    """Return a password in one spelling: macOS may type Hangul as separate jamo."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
