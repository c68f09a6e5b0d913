"""The demo page: `inference_fn` in, a Flask app out.

`build_web_service_app` is a plain app factory and starts nothing; `serve`, or `app.run()`, shows the app. Nothing here
knows a model: a page names its text fields, and `inference_fn` takes them in that order.
"""

import json
import logging
import secrets
import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ratsnlp.nlpbook.errors import ServingError
from ratsnlp.nlpbook.serving.server import Server, serve

__all__ = [
    "DemoPage",
    "RequestError",
    "Server",
    "ServingError",
    "WebApp",
    "build_web_service_app",
    "read_texts",
    "serve",
]

logger = logging.getLogger("ratsnlp")

# No frame-ancestors: Colab shows the page inside an iframe of another origin.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
KINDS = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "an object"}


class RequestError(Exception):
    """A request that cannot be answered: `error` is for who wrote the request, `message` for who reads the page."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(error)
        self.status, self.error, self.message = status, error, message


@dataclass(frozen=True, kw_only=True)
class DemoPage:
    """What a task's page shows. `fields` names the texts of a request in the order `inference_fn` takes them.

    Raises:
        ValueError: An example has more or fewer values than there are fields.
    """

    template: str
    fields: tuple[str, ...]
    title: str = "ratsnlp"
    examples: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        for example in self.examples:
            if len(example) != len(self.fields):
                raise ValueError(f"example {example!r} has {len(example)} values; needed: {', '.join(self.fields)}")


class WebApp(Flask):
    """A Flask app whose `run()` uses a threaded server instead of Flask's development server."""

    def run(self, host: str | None = None, port: int | None = None, *ignored: Any, **options: Any) -> Server:  # type: ignore[override]
        """Show the page: see `serve`. Takes `threads` and `block`; Flask's own options are logged and ignored."""
        known = {name: options.pop(name) for name in ("threads", "block") if name in options}
        if ignored or options:
            logger.warning("ignored by this server: %s", ", ".join([*map(repr, ignored), *options]))
        return serve(self, host=host or "127.0.0.1", port=5000 if port is None else port, **known)


def build_web_service_app(
    inference_fn: Callable[..., Mapping[str, Any]],
    page: DemoPage,
    *,
    is_colab: bool = True,
    cors_origins: Sequence[str] = (),
    max_text_length: int = 10_000,
) -> WebApp:
    """Build the web app of one page. Starts nothing.

    Args:
        inference_fn: Takes the page's fields as positional strings (in NFC), returns what is sent as JSON. Never called
            from two threads at once.
        page: The template, its fields and examples.
        is_colab: Accepted for the published cells and not needed: `serve` finds out by itself.
        cors_origins: Origins whose pages may call `/api` from a browser. None by default.
        max_text_length: Characters allowed in one field.
    """
    app = WebApp(__name__)
    character_bytes = 12  # an emoji written as \ud83d\ude00
    app.config["MAX_CONTENT_LENGTH"] = character_bytes * max_text_length * len(page.fields) + 4096
    _add_routes(app, inference_fn, page, max_text_length)
    app.register_error_handler(RequestError, _answer_request_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_failure)
    app.after_request(_add_security_headers)
    if cors_origins:
        _allow_origins(app, cors_origins)
    return app


def _add_routes(app: WebApp, inference_fn: Callable[..., Any], page: DemoPage, max_text_length: int) -> None:
    one_at_a_time = threading.Lock()  # a hand-written inference_fn is rarely safe in two threads

    @app.get("/")
    def show_page() -> str:
        return render_template(page.template, page=page)

    @app.route("/api", methods=["GET", "POST"])
    def answer() -> Response:
        texts = read_texts(_read_payload(), page.fields, max_text_length)
        with one_at_a_time:
            result = inference_fn(*texts)
        return _json_response(result)

    @app.get("/healthz")
    def report_health() -> Response:
        return _json_response({"status": "ok"})

    @app.get("/favicon.ico")
    def show_favicon() -> Response:
        return app.send_static_file("favicon.svg")


def _read_payload() -> object:
    """Return the request's JSON. GET carries it in `q`, because Colab's port proxy can refuse POST."""
    raw = request.get_data() if request.method == "POST" else request.args.get("q")
    if raw is None:
        raise RequestError(
            400, "missing q; needed: GET /api?q=<JSON>, or POST with a JSON body", "보낼 내용이 빠져 있습니다."
        )
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


def _json_response(answer: object, status: int = 200) -> Response:
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


def _answer_request_error(error: RequestError) -> ResponseReturnValue:
    return _json_response({"error": error.error, "message": error.message}, error.status)


def _answer_http_error(error: HTTPException) -> ResponseReturnValue:
    found = f"{request.method} {request.path}"
    allowed = " or ".join(sorted({*(getattr(error, "valid_methods", None) or ())} - {"HEAD", "OPTIONS"}))
    text, message = {
        404: (f"found {found}; needed: GET /, POST /api or GET /api?q=<JSON>", "없는 주소입니다."),
        405: (f"found {found}; needed: {allowed}", "이 주소에는 쓸 수 없는 방식의 요청입니다."),
        413: ("the request body is too large; needed: shorter texts", "글이 너무 깁니다. 줄여서 다시 시도해 주세요."),
    }.get(error.code or 500, (f"{error.name}: {found}", "요청을 처리할 수 없습니다."))
    response = _json_response({"error": text, "message": message}, error.code or 500)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _answer_failure(error: Exception) -> ResponseReturnValue:
    error_id = secrets.token_hex(4)
    logger.error("request failed, id %s: %s: %s", error_id, type(error).__name__, error, exc_info=error)
    text = f"answering failed; the server's log holds the traceback under id {error_id}"
    message = f"답을 만들다가 오류가 났습니다. 서버의 로그를 확인해 주세요. 오류 번호: {error_id}"
    return _json_response({"error": text, "message": message}, 500)


def _add_security_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _allow_origins(app: WebApp, origins: Sequence[str]) -> None:
    from flask_cors import CORS

    CORS(app, resources={"/api": {"origins": [origins] if isinstance(origins, str) else list(origins)}})
