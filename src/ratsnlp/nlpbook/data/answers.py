"""What an HTTP answer says before a byte of its body is read: whether it brings the file, and from which byte on."""

import email.utils
import re
import time

import httpx2

from ratsnlp.nlpbook.data.catalog import RemoteFile

PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses that say "later", not "never"."""
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
PAGE = "it answers a web page, not the file: a login page of the network may stand in between"


class AddressError(Exception):
    """This address does not give the file. Another one may."""


class PassingError(Exception):
    """It did not work this time.

    Args:
        reason: What happened.
        wait: Seconds for which the server asks to be left alone.
    """

    def __init__(self, reason: str, wait: float = 0):
        super().__init__(reason)
        self.wait = wait


def check_answer(answer: httpx2.Response, remote: RemoteFile) -> None:
    """Look at an answer before a byte of it is read.

    Raises:
        PassingError: The server says "later".
        AddressError: It has no such file, or another one.
    """
    status = f"status {answer.status_code} {answer.reason_phrase}"
    if answer.status_code in PASSING:
        raise PassingError(status, read_retry_after(answer))
    if answer.status_code not in (httpx2.codes.OK, httpx2.codes.PARTIAL_CONTENT):
        raise AddressError(status)
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise AddressError(PAGE)
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise AddressError(f"it answers {answer.headers['Content-Encoding']} though the plain file was asked for")
    size = read_size(answer)
    if size not in (None, remote.size):
        raise AddressError(f"it has {size:,} bytes, the published file {remote.size:,}")


def read_size(answer: httpx2.Response) -> int | None:
    """Return the size of the whole file, where the answer tells it."""
    if answer.status_code == httpx2.codes.PARTIAL_CONTENT:
        return read_range(answer)[1]
    told = answer.headers.get("Content-Length", "")
    return int(told) if told.isdigit() else None


def read_range(answer: httpx2.Response) -> tuple[int | None, int | None]:
    """Return what `Content-Range` says: the first byte of the answer and the size of the whole file, where it does."""
    said = CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
    if not said:
        return None, None
    return int(said[1]), int(said[2]) if said[2].isdigit() else None


def read_version(answer: httpx2.Response) -> str:
    """Return what `If-Range` may hold of an answer: its strong ETag, else its date, else nothing."""
    tag = str(answer.headers.get("ETag", ""))
    return tag if tag.startswith('"') else str(answer.headers.get("Last-Modified", ""))


def read_retry_after(answer: httpx2.Response) -> float:
    """Return the seconds for which a server asks to be left alone: `Retry-After` in seconds or as a date; 0 without."""
    told = answer.headers.get("Retry-After", "")
    if told.isdigit():
        return float(told)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return 0.0
