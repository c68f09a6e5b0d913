"""The demo page: `inference_fn` in, a Flask app out.

`build_web_service_app` is a plain app factory and starts nothing; `serve`, or `app.run()`, shows the app. Nothing here
knows a model: a page names its text fields, and `inference_fn` takes them in that order.
"""

import mimetypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Flask, Response, render_template
from jinja2 import ChoiceLoader, FileSystemLoader

from ratsnlp.nlpbook.arguments import Limits
from ratsnlp.nlpbook.errors import ServingError as ServingError
from ratsnlp.nlpbook.serving.about import TEXT, Counters, describe_api
from ratsnlp.nlpbook.serving.batcher import Batcher, Question, Work
from ratsnlp.nlpbook.serving.password import PasswordGuard, find_password
from ratsnlp.nlpbook.serving.requests import RequestError, answer_error, json_response, read_payload, read_texts
from ratsnlp.nlpbook.serving.server import Server as Server
from ratsnlp.nlpbook.serving.server import run_app
from ratsnlp.nlpbook.serving.server import serve as serve
from ratsnlp.nlpbook.tasks import DemoPage

# A Windows registry may say that .js is plain text, and browsers then refuse the page's modules.
mimetypes.add_type("text/javascript", ".js")
SECURITY_HEADERS = {
    # no frame-ancestors: Colab shows the page inside an iframe of another origin
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class WebApp(Flask):
    """A Flask app whose `run()` uses a threaded server instead of Flask's development server."""

    limits = Limits()
    run = run_app  # type: ignore[assignment]


def build_web_service_app(
    inference_fn: Callable[..., Mapping[str, Any]],
    page: DemoPage,
    *,
    is_colab: bool = True,
    password: str | None = None,
    origins: Sequence[str] = (),
    explain: Callable[..., Mapping[str, Any]] | None = None,
    **limits: float,
) -> WebApp:
    """Build the web app of one page. Starts nothing.

    Args:
        inference_fn: Takes the page's fields as positional strings (in NFC), returns what is sent as JSON. Never called
            from two threads at once. A predictor gets the questions of several users together.
        page: The template, its fields and examples.
        is_colab: As in the published cells; False keeps the page to this machine even in Colab.
        password: Asked of everybody who opens the page; by default what the environment's RATSNLP_PASSWORD holds.
        origins: Origins whose pages may call `/api` from a browser. None by default.
        explain: Takes what `inference_fn` takes, returns which words moved the decision; by default the predictor's.
        limits: What the page takes on, by the names in `Limits`.

    Raises:
        ArgumentError: A limit is unknown or cannot be, or the password is blank.
    """
    app = WebApp(__name__)
    if page.templates:
        app.jinja_loader = ChoiceLoader([FileSystemLoader(page.templates), *filter(None, [app.jinja_loader])])
    app.limits = Limits.from_mapping(limits, "the limits of the page")
    secret = find_password(password)
    app.config |= {
        "MAX_CONTENT_LENGTH": app.limits.body_bytes(len(page.fields)),
        "RATSNLP_IS_COLAB": is_colab,
        "RATSNLP_PASSWORD_SET": secret is not None,
        "RATSNLP_THREADS": app.limits.threads,
    }
    many = getattr(inference_fn, "answer_many", None)
    works = {"/api": Work(many, app.limits.max_batch) if many else Work(_one_by_one(inference_fn))}
    if explain := explain or getattr(inference_fn, "explain", None):
        works["/api/explain"] = Work(_one_by_one(explain))
    batcher = Batcher(app.limits.max_pending)
    counters = Counters(app, batcher)  # before the password is asked for, so that refusals count too
    if secret is not None:
        app.before_request(PasswordGuard(secret).check)
    _add_api(app, page, works, batcher)
    _add_pages(app, page, counters, explains="/api/explain" in works)
    app.register_error_handler(Exception, answer_error)
    app.after_request(_add_security_headers)
    if origins:
        from flask_cors import CORS

        CORS(app, resources={"/api(/explain)?": {"origins": [origins] if isinstance(origins, str) else list(origins)}})
    return app


def _one_by_one(function: Callable[..., Any]) -> Callable[[Sequence[Question]], list[Any]]:
    return lambda questions: [function(*question) for question in questions]


def _add_api(app: WebApp, page: DemoPage, works: Mapping[str, Work], batcher: Batcher) -> None:
    def answer(path: str) -> Response:
        if path not in works:
            error = f"{path}: this inference_fn explains nothing; needed: a predictor, or explain=..."
            raise RequestError(404, error, "이 페이지에서는 이유를 볼 수 없습니다.")
        texts = read_texts(read_payload(), page.fields, app.limits.max_text_length)
        return json_response(batcher.ask(works[path], tuple(texts), app.limits.max_seconds))

    for path in ("/api", "/api/explain"):
        app.add_url_rule(path, path, answer, methods=["GET", "POST"], defaults={"path": path})


def _add_pages(app: WebApp, page: DemoPage, counters: Counters, explains: bool) -> None:
    @app.get("/")
    def show_page() -> str:
        return render_template(page.template, page=page, task=page.task, title=page.title, can_explain=explains)

    @app.get("/favicon.ico")
    def show_favicon() -> Response:
        return app.send_static_file("favicon.svg")

    @app.get("/openapi.json")
    def show_description() -> Response:
        protected = app.config["RATSNLP_PASSWORD_SET"]
        return json_response(describe_api(page, app.limits, explains=explains, protected=protected))

    @app.get("/healthz")
    def report_health() -> Response:
        return json_response({"status": "ok"})

    @app.get("/metrics")
    def report_counts() -> Response:
        return Response(counters.render(), content_type=TEXT, headers={"Cache-Control": "no-store"})


def _add_security_headers(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    return response
