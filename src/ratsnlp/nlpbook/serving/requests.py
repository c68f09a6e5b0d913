"""What a request says: its JSON, and the texts in it, checked."""

import json
import logging
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ratsnlp.nlpbook.serving.batcher import AnswerTimeout, Overloaded

KINDS = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "an object"}


class RequestError(Exception):
    """A request that cannot be answered: `error` is for who wrote the request, `message` for who reads the page."""

    def __init__(self, status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.message, self.headers = status, error, message, dict(headers or {})


def read_payload() -> object:
    """Return the JSON of the current request. GET carries it in `q`, because Colab's port proxy can refuse POST.

    Raises:
        RequestError: There is none, or it is no JSON.
    """
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

    Raises:
        RequestError: The payload is of another type, or a field is missing, no text, blank or too long.
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
        raise RequestError(
            400, f"{name} is blank; needed: some text", "빈칸이 있습니다. 내용을 입력한 뒤 다시 눌러 주세요."
        )
    if len(text) > max_text_length:
        error = f"{name} has {len(text):,} characters; needed: at most {max_text_length:,}"
        raise RequestError(413, error, f"글이 너무 깁니다. {max_text_length:,}자까지 넣을 수 있습니다.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise RequestError(
            400, f"{name} holds half a character (a lone surrogate); needed: Unicode text", "깨진 글자가 있습니다."
        )
    return text


def _kind(value: object) -> str:
    return KINDS.get(type(value), "null")


logger = logging.getLogger("ratsnlp")


def json_response(answer: object, status: int = 200) -> Response:
    """Return an answer as a response.

    Raises:
        TypeError: It is no mapping, or holds what JSON cannot.
    """
    if not isinstance(answer, Mapping):
        raise TypeError(
            f"inference_fn returned {type(answer).__name__}; needed: a dict such as {{'prediction': '...'}}"
        )
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


def answer_errors(app: Flask) -> None:
    """Let an app answer every error as JSON."""
    app.register_error_handler(RequestError, _answer_request_error)
    app.register_error_handler(Overloaded, _answer_overload)
    app.register_error_handler(AnswerTimeout, _answer_timeout)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_failure)


def _error_response(status: int, error: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    response = json_response({"error": error, "message": message, "code": status}, status)
    response.headers.update(headers or {})
    return response


def _answer_request_error(error: RequestError) -> Response:
    return _error_response(error.status, error.error, error.message, error.headers)


def _answer_overload(error: Overloaded) -> Response:
    text = f"{error}; ask again in {error.retry_after} s"
    message = f"지금은 질문이 많아 답하지 못했습니다. {error.retry_after}초쯤 뒤에 다시 시도해 주세요."
    return _error_response(503, text, message, {"Retry-After": str(error.retry_after)})


def _answer_timeout(error: AnswerTimeout) -> Response:
    message = "답을 만드는 데 너무 오래 걸려 기다리기를 멈췄습니다. 글을 줄여서 다시 시도해 주세요."
    return _error_response(504, f"{error}; needed: a shorter text, or a higher max_seconds", message)


def _answer_http_error(error: HTTPException) -> Response:
    found = f"{request.method} {request.path}"
    allowed = " or ".join(sorted({*(getattr(error, "valid_methods", None) or ())} - {"HEAD", "OPTIONS"}))
    text, message = {
        404: (f"found {found}; needed: GET /, POST /api or GET /api?q=<JSON>", "없는 주소입니다."),
        405: (f"found {found}; needed: {allowed}", "이 주소에는 쓸 수 없는 방식의 요청입니다."),
        413: ("the request body is too large; needed: shorter texts", "글이 너무 깁니다. 줄여서 다시 시도해 주세요."),
    }.get(error.code or 500, (f"{error.name}: {found}", "요청을 처리할 수 없습니다."))
    response = _error_response(error.code or 500, text, message)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _answer_failure(error: Exception) -> Response:
    error_id = secrets.token_hex(4)
    logger.error("request failed, id %s: %s: %s", error_id, type(error).__name__, error, exc_info=error)
    text = f"answering failed; the server's log holds the traceback under id {error_id}"
    message = f"답을 만들다가 오류가 났습니다. 서버의 로그를 확인해 주세요. 오류 번호: {error_id}"
    return _error_response(500, text, message)
