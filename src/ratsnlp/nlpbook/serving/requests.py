"""What a request says: its JSON, and the texts in it, checked. What it gets back: JSON, for every error too."""

import json
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.serving.batcher import AnswerTimeout, Overloaded

KINDS = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "an object"}


class RequestError(Exception):
    """A request that cannot be answered: `error` is for who wrote the request, `message` for who reads the page."""

    def __init__(self, status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.message, self.headers = status, error, message, dict(headers or {})


def read_payload() -> object:
    """Return the JSON of the current request; `RequestError` if there is none, or what there is is no JSON."""
    # GET carries it in `q`, because Colab's port proxy can refuse POST
    raw = request.get_data() if request.method == "POST" else request.args.get("q")
    if raw is None:
        error = f"missing q; needed: GET {request.path}?q=<JSON>, or POST with a JSON body"
        raise RequestError(400, error, "보낼 내용이 빠져 있습니다.")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        needed = 'a JSON object such as {"sentence": "..."}'
        raise RequestError(400, f"not JSON: {error}; needed: {needed}", "요청이 JSON 형식이 아닙니다.") from None


def read_texts(payload: object, fields: Sequence[str], max_text_length: int) -> list[str]:
    """Return the text of each field, in order and in NFC. A bare string is enough where there is one field.

    Raises `RequestError` if the payload is of another type, or a field is missing, no text, blank or too long.
    """
    if isinstance(payload, str) and len(fields) == 1:
        payload = {fields[0]: payload}
    needed = ", ".join(fields)
    if not isinstance(payload, dict):
        error = f"the request is {_kind(payload)}; needed: an object with {needed}"
        raise RequestError(400, error, f"요청에는 다음 항목이 있어야 합니다: {needed}")
    missing = ", ".join(name for name in fields if name not in payload)
    if missing:
        raise RequestError(400, f"missing {missing}; needed: {needed}", f"빠진 항목이 있습니다: {missing}")
    return [_check_text(name, payload[name], max_text_length) for name in fields]


def _check_text(name: str, value: object, max_text_length: int) -> str:
    if not isinstance(value, str):
        raise RequestError(400, f"{name} is {_kind(value)}; needed: a string", f"글자로 된 값이 필요합니다: {name}")
    text = unicodedata.normalize("NFC", value)  # macOS sends decomposed Hangul, which tokenizers do not know
    if not text.strip():
        message = "빈칸이 있습니다. 내용을 입력한 뒤 다시 눌러 주세요."
        raise RequestError(400, f"{name} is blank; needed: some text", message)
    if len(text) > max_text_length:
        error = f"{name} has {len(text):,} characters; needed: at most {max_text_length:,}"
        raise RequestError(413, error, f"글이 너무 깁니다. {max_text_length:,}자까지 넣을 수 있습니다.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        error = f"{name} holds half a character (a lone surrogate); needed: Unicode text"
        raise RequestError(400, error, "깨진 글자가 있습니다.")
    return text


def _kind(value: object) -> str:
    return KINDS.get(type(value), "null")


UNPACKED = (
    "a model's output that is unpacked gives names, not values; write outputs = model(...), then outputs.start_logits "
    "and outputs.end_logits, or outputs.logits"
)
UNPACKED_KOREAN = (
    "모델의 출력을 풀면 값이 아니라 이름이 나옵니다. outputs = model(...)라고 쓴 뒤 outputs.start_logits처럼 "
    "꺼내 쓰세요."
)
"""What to write in an `inference_fn` that does as the published cells did, where a model gave a tuple."""


def json_response(answer: object, status: int = 200) -> Response:
    """Return an answer as a response; `TypeError` if it is no mapping, or holds what JSON cannot."""
    if not isinstance(answer, Mapping):
        text = f"inference_fn returned {type(answer).__name__}; needed: a dict such as {{'prediction': '...'}}"
        raise TypeError(text)
    try:
        body = json.dumps(dict(answer), ensure_ascii=False, allow_nan=False, default=_to_plain).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"inference_fn returned what JSON cannot hold: {error}") from error
    return Response(body, status, {"Cache-Control": "no-store"}, content_type="application/json; charset=utf-8")


def _to_plain(value: Any) -> Any:
    """Turn numpy and torch numbers and arrays into plain ones, without importing either."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"no JSON for {type(value).__name__}")


def answer_error(error: Exception) -> Response:
    """Answer any error as JSON."""
    known = error if isinstance(error, RequestError) else _explain(error)
    response = json_response({"error": known.error, "message": known.message, "code": known.status}, known.status)
    response.headers.update(known.headers)
    return response


def _explain(error: Exception) -> RequestError:
    if isinstance(error, Overloaded):
        seconds = error.retry_after
        message = f"지금은 질문이 많아 답하지 못했습니다. {seconds}초쯤 뒤에 다시 시도해 주세요."
        return RequestError(503, f"{error}; ask again in {seconds} s", message, {"Retry-After": str(seconds)})
    if isinstance(error, AnswerTimeout):
        message = "답을 만드는 데 너무 오래 걸려 기다리기를 멈췄습니다. 글을 줄여서 다시 시도해 주세요."
        return RequestError(504, f"{error}; needed: a shorter text, or a higher max_seconds", message)
    if isinstance(error, HTTPException):
        status, found = error.code or 500, f"{request.method} {request.path}"
        methods = sorted(getattr(error, "valid_methods", None) or ())
        allowed = " or ".join(method for method in methods if method not in ("HEAD", "OPTIONS"))
        too_long = "the request body is too large; needed: shorter texts"
        text, message = {
            404: (f"found {found}; needed: GET /, POST /api or GET /api?q=<JSON>", "없는 주소입니다."),
            405: (f"found {found}; needed: {allowed}", "이 주소에는 쓸 수 없는 방식의 요청입니다."),
            413: (too_long, "글이 너무 깁니다. 줄여서 다시 시도해 주세요."),
        }.get(status, (f"{error.name}: {found}", "요청을 처리할 수 없습니다."))
        return RequestError(status, text, message, {"Allow": ", ".join(methods)} if methods else None)
    error_id = secrets.token_hex(4)
    unpacked = isinstance(error, AttributeError) and str(error).startswith("'str' object has no attribute")
    if unpacked:
        error.add_note(UNPACKED)
    logger.error("request failed, id %s: %s: %s", error_id, type(error).__name__, error, exc_info=error)
    text = f"answering failed; the server's log holds the traceback under id {error_id}"
    message = f"답을 만들다가 오류가 났습니다. 서버의 로그를 확인해 주세요. 오류 번호: {error_id}"
    if unpacked:
        text, message = f"{text}; {UNPACKED}", f"{message}. {UNPACKED_KOREAN}"
    return RequestError(500, text, message)
