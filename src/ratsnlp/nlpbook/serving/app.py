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
from ratsnlp.nlpbook.errors import ServingError
from ratsnlp.nlpbook.serving.about import TEXT, Counters, describe_api
from ratsnlp.nlpbook.serving.batcher import Batcher, Question, Work
from ratsnlp.nlpbook.serving.password import PasswordGuard, find_password
from ratsnlp.nlpbook.serving.requests import RequestError, answer_errors, json_response, read_payload, read_texts
from ratsnlp.nlpbook.serving.server import Server, run_app, serve
from ratsnlp.nlpbook.tasks import DemoPage, TaskSpec

__all__ = [
    "DemoPage",
    "Limits",
    "RequestError",
    "Server",
    "ServingError",
    "WebApp",
    "build_task_app",
    "build_web_service_app",
    "read_texts",
    "serve",
]
# A Windows registry may say that .js is plain text, and browsers then refuse the page's modules.
mimetypes.add_type("text/javascript", ".js")
# No frame-ancestors: Colab shows the page inside an iframe of another origin.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)


class WebApp(Flask):
    """A Flask app whose `run()` uses a threaded server instead of Flask's development server."""

    limits = Limits()

    def run(self, host: str | None = None, port: int | None = None, *ignored: Any, **options: Any) -> Server:  # type: ignore[override]
        """Show the page: see `serve`, whose options it takes; Flask's own options are logged and ignored."""
        return run_app(self, host, port, *ignored, **options)


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
        own = [FileSystemLoader(page.templates), *filter(None, [app.jinja_loader])]
        app.jinja_loader = ChoiceLoader(own)
    app.limits = Limits.from_mapping(limits, "the limits of the page")
    app.config["MAX_CONTENT_LENGTH"] = app.limits.body_bytes(len(page.fields))
    secret = find_password(password)
    app.config |= {"RATSNLP_IS_COLAB": is_colab, "RATSNLP_PASSWORD_SET": secret is not None}
    app.config["RATSNLP_THREADS"] = app.limits.threads
    works = _plan_work(inference_fn, explain, app.limits.max_batch)
    batcher = Batcher(app.limits.max_pending)
    _add_about(app, Counters(app, batcher))
    if secret is not None:
        PasswordGuard(secret).protect(app)
    _add_page(app, page, works)
    _add_api(app, page, works, batcher)
    answer_errors(app)
    app.after_request(_add_security_headers)
    if origins:
        _allow_origins(app, origins)
    return app


def build_task_app(spec: TaskSpec, inference_fn: Callable[..., Mapping[str, Any]], **options: Any) -> WebApp:
    """Build the web app of a task's page. See `build_web_service_app`."""
    return build_web_service_app(inference_fn, spec.page_for(inference_fn), **options)


def _plan_work(inference_fn: Any, explain: Callable[..., Any] | None, max_batch: int) -> dict[str, Work]:
    many = getattr(inference_fn, "answer_many", None)
    works = {"/api": Work(many, max_batch) if many else Work(_one_by_one(inference_fn))}
    explain = explain or getattr(inference_fn, "explain", None)
    return works | ({"/api/explain": Work(_one_by_one(explain))} if explain else {})


def _one_by_one(function: Callable[..., Any]) -> Callable[[Sequence[Question]], list[Any]]:
    return lambda questions: [function(*question) for question in questions]


def _add_page(app: WebApp, page: DemoPage, works: Mapping[str, Work]) -> None:
    explains = "/api/explain" in works

    @app.get("/")
    def show_page() -> str:
        return render_template(page.template, page=page, task=page.task, title=page.title, can_explain=explains)

    @app.get("/favicon.ico")
    def show_favicon() -> Response:
        return app.send_static_file("favicon.svg")

    @app.get("/openapi.json")
    def show_description() -> Response:
        protected = app.config["RATSNLP_PASSWORD_SET"]
        return json_response(describe_api(page.title, page.fields, app.limits, explains=explains, protected=protected))


def _add_api(app: WebApp, page: DemoPage, works: Mapping[str, Work], batcher: Batcher) -> None:
    def answer(path: str) -> Response:
        if path not in works:
            error = f"{path}: this inference_fn explains nothing; needed: a predictor, or explain=..."
            raise RequestError(404, error, "이 페이지에서는 이유를 볼 수 없습니다.")
        texts = read_texts(read_payload(), page.fields, app.limits.max_text_length)
        return json_response(batcher.ask(works[path], tuple(texts), app.limits.max_seconds))

    for path in ("/api", "/api/explain"):
        app.add_url_rule(path, path, answer, methods=["GET", "POST"], defaults={"path": path})


def _add_about(app: WebApp, counters: Counters) -> None:
    @app.get("/healthz")
    def report_health() -> Response:
        return json_response({"status": "ok"})

    @app.get("/metrics")
    def report_counts() -> Response:
        return Response(counters.render(), content_type=TEXT, headers={"Cache-Control": "no-store"})


def _add_security_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _allow_origins(app: WebApp, origins: Sequence[str]) -> None:
    from flask_cors import CORS

    CORS(app, resources={"/api(/explain)?": {"origins": [origins] if isinstance(origins, str) else list(origins)}})
