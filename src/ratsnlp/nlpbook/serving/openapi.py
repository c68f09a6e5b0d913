"""The description of a page's HTTP interface that tools read: OpenAPI 3.1, served at `/openapi.json`."""

from collections.abc import Sequence
from typing import Any

from ratsnlp import __version__
from ratsnlp.nlpbook.serving.limits import Limits

ERRORS = {
    "400": "The question is not as described.",
    "413": "A text, or the request, is too long.",
    "500": "Answering failed; the server's log holds the reason under the id in the answer.",
    "503": "Too many questions at a time; `Retry-After` says in how many seconds to ask again.",
    "504": "Answering takes longer than allowed.",
}
PASSWORD_ERRORS = {"401": "The password is missing or wrong.", "429": "Too many wrong passwords; wait `Retry-After`."}


def describe_api(
    title: str, fields: Sequence[str], limits: Limits, *, explains: bool, protected: bool
) -> dict[str, Any]:
    """Return the description of a page's interface.

    Args:
        title: The page's title.
        fields: The texts of a question.
        limits: What the page takes on.
        explains: Whether it tells which words moved a decision.
        protected: Whether it asks for a password.
    """
    asked = {"/api": ("Answer a question.", "Answer")}
    if explains:
        asked["/api/explain"] = ("Tell which eojeols moved the decision.", "Explanation")
    errors = ERRORS | (PASSWORD_ERRORS if protected else {})
    plain = {
        "/healthz": describe_plain("Tell that the server runs.", "application/json"),
        "/metrics": describe_plain("Count what was done.", "text/plain"),
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__},
        "paths": {path: describe_asking(text, answer, errors) for path, (text, answer) in asked.items()} | plain,
        "components": {
            "schemas": {"Question": describe_question(fields, limits.max_text_length), **ANSWERS},
            **({"securitySchemes": {"password": {"type": "http", "scheme": "basic"}}} if protected else {}),
        },
        **({"security": [{"password": []}]} if protected else {}),
    }


def describe_question(fields: Sequence[str], max_text_length: int) -> dict[str, Any]:
    """Return the schema of a question: an object of texts, or a bare text where there is one only."""
    text = {"type": "string", "minLength": 1, "maxLength": max_text_length}
    whole = {"type": "object", "required": list(fields), "properties": dict.fromkeys(fields, text)}
    return {"anyOf": [whole, text]} if len(fields) == 1 else whole


def describe_asking(text: str, answer: str, errors: dict[str, str]) -> dict[str, Any]:
    """Return what a path takes and gives that is asked with a question, by GET or by POST."""
    content = {"application/json": {"schema": refer("Question")}}
    responses = {"200": describe_json("The answer.", answer)}
    responses |= {status: describe_json(meaning, "Error") for status, meaning in errors.items()}
    return {
        "get": {
            "summary": text,
            "parameters": [{"name": "q", "in": "query", "required": True, "content": content}],
            "responses": responses,
        },
        "post": {"summary": text, "requestBody": {"required": True, "content": content}, "responses": responses},
    }


def describe_plain(text: str, kind: str) -> dict[str, Any]:
    """Return what a path gives that takes nothing."""
    return {"get": {"summary": text, "responses": {"200": {"description": text, "content": {kind: {}}}}}}


def describe_json(text: str, schema: str) -> dict[str, Any]:
    """Return a response that holds JSON."""
    return {"description": text, "content": {"application/json": {"schema": refer(schema)}}}


def refer(schema: str) -> dict[str, str]:
    """Return a reference to a schema by name."""
    return {"$ref": f"#/components/schemas/{schema}"}


def typed(**kinds: str) -> dict[str, Any]:
    """Return the schema of an object whose fields have these types, all of them required."""
    return {"type": "object", "required": list(kinds), "properties": {name: {"type": k} for name, k in kinds.items()}}


WORD = typed(field="string", text="string", start="integer", end="integer", weight="number")
ANSWERS: dict[str, Any] = {
    "Answer": {"type": "object", "description": "What inference_fn returns: the texts, the decision, how sure it is."},
    "Explanation": {
        "type": "object",
        "required": ["prediction", "probability", "words"],
        "properties": {
            "prediction": {"type": "string"},
            "probability": {"type": "number"},
            "words": {"type": "array", "items": WORD},
        },
    },
    "Error": typed(error="string", message="string", code="integer"),
}
