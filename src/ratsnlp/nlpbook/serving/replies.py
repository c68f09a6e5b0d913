"""What a request gets back: answers and errors, both as JSON. An error names its cause for who wrote the request, and
says in Korean what to do for who reads the page."""

import json
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ratsnlp.nlpbook.inference.batcher import AnswerTimeout, Overloaded
from ratsnlp.nlpbook.serving.payload import RequestError

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
