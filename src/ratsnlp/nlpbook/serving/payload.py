"""What a request says: its JSON, and the texts in it, checked."""

import json
import unicodedata
from collections.abc import Mapping, Sequence

from flask import request

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
