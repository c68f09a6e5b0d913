"""Corpora for question answering: a question, a passage, and where in the passage the answer stands."""

import json
import logging
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.data.corpus import Corpus
from ratsnlp.nlpbook.errors import CorpusFormatError
from ratsnlp.nlpbook.tables.reading import read_table
from ratsnlp.nlpbook.texts import compose, shorten

KINDS = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}
QUESTION_COLUMNS = (("question", "질문"), ("context", "지문"), ("answer", "답"))
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
    for i, article in enumerate(need(path, "the file", _load_json(path), "data", list)):
        title = article.get("title", "") if isinstance(article, dict) else ""
        for j, paragraph in enumerate(need(path, f"data[{i}]", article, "paragraphs", list)):
            where = f"data[{i}].paragraphs[{j}]"
            given = need(path, where, paragraph, "context", str)
            context, places = compose(given)
            for k, question in enumerate(need(path, where, paragraph, "qas", list)):
                here = f"{where}.qas[{k}]"
                text = unicodedata.normalize("NFC", need(path, here, question, "question", str))
                answers = _read_answers(path, here, question, context, places)
                yield QuestionRow(str(title), context, text, str(question.get("id", here)), answers)


def _load_json(path: Path) -> Any:
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


def _read_answers(
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
    for line, (question, context, answer) in read_table(path, QUESTION_COLUMNS):
        yield QuestionRow("", context, question, f"line {line}", ((answer.strip(), None),))


logger = logging.getLogger("ratsnlp")
SHOWN_IDS = 10


@dataclass
class QAExample:
    """A question about a passage.

    Attributes:
        question_text: The question.
        context_text: The passage.
        answer_text: The answer to learn, as it stands in the passage.
        start_position_character: The character of the passage at which it begins; 0 is a place like any other.
        answers: All answers that count as right; `answer_text` alone by default.
        id: The corpus's name for the question.
        article: The article that the passage is from. Questions about one article stay together when some are held out.
    """

    question_text: str
    context_text: str
    answer_text: str
    start_position_character: int
    answers: tuple[str, ...] = ()
    id: str = ""
    article: str = ""

    def __post_init__(self) -> None:
        self.answers = self.answers or (self.answer_text,)

    @property
    def texts(self) -> tuple[str, str]:
        """What is read: the question and the passage."""
        return self.question_text, self.context_text

    @property
    def label(self) -> str:
        """What is to be said of them: the answer to learn."""
        return self.answer_text

    @property
    def end_position_character(self) -> int:
        """One past the answer's last character."""
        return self.start_position_character + len(self.answer_text)


class QACorpus(Corpus[QAExample]):
    """Base of the question corpora, and the corpus of own files: `QACorpus({"train": "my_questions.csv"})`.

    A file is SQuAD-shaped JSON, or a table (CSV or TSV) whose first line names the columns question, context, answer.
    """

    def __init__(self, files: dict[str, str | Path] | None = None):
        super().__init__(files)
        self.reported: set[Path] = set()  # a file is read again to score answers; what was mended is said once

    def read(self, path: Path) -> Iterator[QAExample]:
        """Yield the questions of one file whose answer stands in the passage.

        An answer that is not at its place is moved if it stands in the passage exactly once; otherwise the question is
        skipped. Both are counted in the log.

        Raises:
            CorpusFormatError: The file breaks its format; names the file and the place.
        """
        mended: list[str] = []
        skipped: list[str] = []
        rows = read_squad(path) if path.suffix == ".json" else read_question_table(path)
        for row in rows:
            right = _place_answers(row)
            if not right:
                skipped.append(row.id)
                continue
            if any((text, place) not in row.answers and (text, None) not in row.answers for text, place in right):
                mended.append(row.id)
            yield _build_example(row, right)
        self.report(path, mended, skipped)

    def report(self, path: Path, mended: list[str], skipped: list[str]) -> None:
        """Log how many answers were moved and which questions were skipped, once for each file."""
        if path not in self.reported and mended:
            logger.info(
                "%s: %d answers were not at their place and were moved: %s", path.name, *_count_and_name(mended)
            )
        if path not in self.reported and skipped:
            logger.warning(
                "%s: %d questions skipped, no answer of theirs stands in the passage at its place, or just once: %s",
                path.name,
                *_count_and_name(skipped),
            )
        self.reported.add(path)


class KorQuADV1Corpus(QACorpus):
    """KorQuAD 1.0. "val" and "test" both name the published development file."""

    files = {"train": "KorQuAD_v1.0_train.json", "val": "KorQuAD_v1.0_dev.json", "test": "KorQuAD_v1.0_dev.json"}


def _place_answers(row: QuestionRow) -> list[tuple[str, int]]:
    placed = [(text, _place_answer(row.context, text, start)) for text, start in row.answers]
    return [(text, place) for text, place in placed if place is not None]


def _place_answer(context: str, text: str, start: int | None) -> int | None:
    """Return the character of the passage at which an answer stands.

    Args:
        context: The passage.
        text: The answer.
        start: Where the file says it begins; None where it does not say: then the first place is taken.

    Returns:
        `start` where the answer is there; else its only place in the passage; None where it has none, or several.
    """
    if not text.strip():
        return None
    first = context.find(text)
    if start is None:
        return first if first >= 0 else None
    if start >= 0 and context.startswith(text, start):
        return start
    return first if first >= 0 and context.find(text, first + 1) < 0 else None


def _build_example(row: QuestionRow, right: list[tuple[str, int]]) -> QAExample:
    text, place = right[0]
    answers = tuple(dict.fromkeys(answer for answer, _ in right))
    return QAExample(row.question, row.context, text, place, answers, row.id, row.article)


def _count_and_name(ids: list[str]) -> tuple[int, str]:
    return len(ids), ", ".join(ids[:SHOWN_IDS]) + (" ..." if len(ids) > SHOWN_IDS else "")
