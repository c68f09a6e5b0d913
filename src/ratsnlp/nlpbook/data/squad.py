"""Question files: SQuAD-shaped JSON, which KorQuAD 1.0 is, and own tables. From a path to plain rows, in NFC."""

import json
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.data.nfc import compose
from ratsnlp.nlpbook.data.readers import shorten
from ratsnlp.nlpbook.data.table import read_table
from ratsnlp.nlpbook.errors import CorpusFormatError

KINDS = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}
COLUMNS = (("question", "질문"), ("context", "지문"), ("answer", "답"))
"""The column names of a table of questions: for each part, the names it may have."""


@dataclass(frozen=True)
class QuestionRow:
    """One question as a file has it.

    Attributes:
        article: The title of the article that the passage is from; empty where the file has none.
        context: The passage.
        question: The question.
        id: The file's name for it, or its place in the file.
        answers: Answers, each with the character of the passage at which the file says it begins, or None.
    """

    article: str
    context: str
    question: str
    id: str
    answers: tuple[tuple[str, int | None], ...]


def read_squad(path: Path) -> Iterator[QuestionRow]:
    """Yield the questions of SQuAD-shaped JSON, as KorQuAD 1.0 is: `{"data": [{"title", "paragraphs": [...]}]}`.

    Offsets count characters of the text as it stands in the file; where that is not NFC, they move along with the text.

    Raises:
        CorpusFormatError: The file is not JSON, or a part of it is missing or of another type; names file and part.

    Source: https://korquad.github.io (60,407 training and 5,774 development questions, CC BY-ND 2.0 KR).
    """
    for i, article in enumerate(need(path, "the file", load_json(path), "data", list)):
        title = article.get("title", "") if isinstance(article, dict) else ""
        for j, paragraph in enumerate(need(path, f"data[{i}]", article, "paragraphs", list)):
            where = f"data[{i}].paragraphs[{j}]"
            given = need(path, where, paragraph, "context", str)
            context, places = compose(given)
            for k, question in enumerate(need(path, where, paragraph, "qas", list)):
                here = f"{where}.qas[{k}]"
                text = unicodedata.normalize("NFC", need(path, here, question, "question", str))
                answers = read_answers(path, here, question, context, places)
                yield QuestionRow(str(title), context, text, str(question.get("id", here)), answers)


def load_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        CorpusFormatError: It is not JSON; names the line.
    """
    text = path.read_bytes()
    try:
        return json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise CorpusFormatError(f"{path}, line {line}: not UTF-8 text. Save the file as UTF-8 and try again.") from None
    except json.JSONDecodeError as error:
        raise CorpusFormatError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None


def need(path: Path, where: str, holder: Any, name: str, kind: type) -> Any:
    """Return a part of a JSON object.

    Raises:
        CorpusFormatError: It is missing or of another type.
    """
    value = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CorpusFormatError(f"{path}, {where}: expected {name} to be {KINDS[kind]}, got {shorten(holder)}")
    return value


def read_answers(
    path: Path, where: str, question: Any, context: str, places: Sequence[int]
) -> tuple[tuple[str, int | None], ...]:
    """Return the different answers of a question with the characters of the composed passage at which they begin.

    Args:
        path: The file, for errors.
        where: The question's place in it, for errors.
        question: The JSON object of the question.
        context: The passage in NFC.
        places: What `compose` gives beside it.

    Raises:
        CorpusFormatError: An answer lacks its text or its place.
    """
    found: dict[tuple[str, int | None], None] = {}
    for number, answer in enumerate(need(path, where, question, "answers", list)):
        here = f"{where}.answers[{number}]"
        text = unicodedata.normalize("NFC", need(path, here, answer, "text", str))
        start = need(path, here, answer, "answer_start", int)
        moved = bisect_left(places, start)
        found[text, start if context.startswith(text, start) else moved] = None
    return tuple(found)


def read_question_table(path: Path) -> Iterator[QuestionRow]:
    """Yield the questions of an own table, in any format that `table` reads, with a header that names its columns.

    The columns are `question`, `context` and `answer` (or 질문, 지문, 답), in any order; others are ignored.

    Raises:
        CorpusFormatError: A column is missing, or a row has other columns; names the file and the line.
    """
    for line, (question, context, answer) in read_table(path, COLUMNS):
        yield QuestionRow("", context, question, f"line {line}", ((answer.strip(), None),))
