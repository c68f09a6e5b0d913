"""Corpora for question answering: a question, a passage, and where in the passage the answer stands."""

import json
import logging
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook import old_names
from ratsnlp.nlpbook.data.corpus import Corpus
from ratsnlp.nlpbook.errors import CorpusFormatError
from ratsnlp.nlpbook.tables.reading import read_table
from ratsnlp.nlpbook.texts import compose, excerpt, shorten

logger = logging.getLogger("ratsnlp")
__getattr__ = old_names.names_of("qa.corpus")

KINDS = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}
QUESTION_COLUMNS = (("question", "질문"), ("context", "지문"), ("answer", "답"))  # the names that each may have
SHOWN_IDS = 10
SHOWN_NONE = "(답 없음)"  # stands for an empty answer where people read it


@dataclass(frozen=True)
class QuestionRow:
    """One question as a file has it."""

    article: str  # the title of the article that the passage is from; empty where the file has none
    context: str
    question: str
    id: str  # the file's name for it, or its place in the file
    answers: tuple[tuple[str, int | None], ...]  # each with the character at which the file says it begins, or None
    impossible: bool = False  # the file says that the passage does not answer it


def read_squad(path: Path) -> Iterator[QuestionRow]:
    """Yield the questions of SQuAD-shaped JSON, such as KorQuAD 1.0: `{"data": [{"title", "paragraphs": [...]}]}`.

    Offsets count characters of the text as it stands in the file; where that is not NFC, they move along with the text.
    Raises `CorpusFormatError`, with file and part, if it is not JSON, or a part is missing or of another type.

    Source: https://korquad.github.io (60,407 training and 5,774 development questions, CC BY-ND 2.0 KR).
    """

    def need(where: str, holder: Any, name: str, kind: type) -> Any:
        value = holder.get(name) if isinstance(holder, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise CorpusFormatError(f"{path}, {where}: expected {name} to be {KINDS[kind]}, got {shorten(holder)}")
        return value

    for i, article in enumerate(need("the file", _load_json(path), "data", list)):
        title = article.get("title", "") if isinstance(article, dict) else ""
        for j, paragraph in enumerate(need(f"data[{i}]", article, "paragraphs", list)):
            where = f"data[{i}].paragraphs[{j}]"
            context, places = compose(need(where, paragraph, "context", str))
            for k, question in enumerate(need(where, paragraph, "qas", list)):
                here = f"{where}.qas[{k}]"
                asked = unicodedata.normalize("NFC", need(here, question, "question", str))
                answers = []
                for number, answer in enumerate(need(here, question, "answers", list)):
                    text = unicodedata.normalize("NFC", need(f"{here}.answers[{number}]", answer, "text", str))
                    start = need(f"{here}.answers[{number}]", answer, "answer_start", int)
                    answers.append((text, start if context.startswith(text, start) else bisect_left(places, start)))
                name, impossible = question.get("id", question.get("guid", here)), question.get("is_impossible") is True
                yield QuestionRow(str(title), context, asked, str(name), tuple(dict.fromkeys(answers)), impossible)


def _load_json(path: Path) -> Any:
    text = path.read_bytes()
    try:
        return json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise CorpusFormatError(f"{path}, line {line}: not UTF-8 text. Save the file as UTF-8 and try again.") from None
    except json.JSONDecodeError as error:
        raise CorpusFormatError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None


def read_question_table(path: Path) -> Iterator[QuestionRow]:
    """Yield the questions of an own table, in any format that `tables` reads; errors name the file and the line.

    Its header names the columns `question`, `context` and `answer` (or 질문, 지문, 답), in any order, among others.
    """
    for line, (question, context, answer) in read_table(path, QUESTION_COLUMNS):
        yield QuestionRow("", context, question, f"line {line}", ((answer.strip(), None),))


@dataclass
class QAExample:
    """A question about a passage; `answer_text` is empty where the passage does not answer it.

    Raises `CorpusFormatError` if the answer does not stand in it, or not at its place and at several others.
    """

    question_text: str
    context_text: str
    answer_text: str  # the answer to learn, as it stands in the passage
    start_position_character: int = -1  # where in the passage it begins; -1 or None: at its first place
    answers: tuple[str, ...] = ()  # all answers that count as right; `answer_text` alone by default
    id: str = ""  # the corpus's name for the question
    article: str = ""  # questions about one article stay together when some are held out

    def __post_init__(self) -> None:
        self.answers = self.answers or (self.answer_text,)
        given = None if self.start_position_character == -1 else self.start_position_character
        place = _place_answer(self.context_text, self.answer_text, given)
        if place is None and self.answer_text:
            raise CorpusFormatError(
                f"the answer {self.answer_text!r} of {self.question_text!r} does not stand "
                + ("in " if given is None else f"at character {given} of ")
                + f"the passage {excerpt(self.context_text)!r}"
            )
        self.start_position_character = place or 0

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
        """Yield the questions of one file whose answer stands in the passage, or that it marks `is_impossible`.

        An answer that is not at its place is moved if it stands in the passage exactly once; otherwise the question is
        skipped. Both are counted in the log, once for each file. See `read_squad` and `read_question_table`.
        """
        mended: list[str] = []
        skipped: list[str] = []
        for row in read_squad(path) if path.suffix == ".json" else read_question_table(path):
            if row.impossible:
                yield QAExample(row.question, row.context, "", id=row.id, article=row.article)
                continue
            placed = [(text, _place_answer(row.context, text, start)) for text, start in row.answers]
            right = [(text, place) for text, place in placed if place is not None]
            if not right:
                skipped.append(row.id)
                continue
            if any((text, place) not in row.answers and (text, None) not in row.answers for text, place in right):
                mended.append(row.id)
            answers = tuple(dict.fromkeys(text for text, _ in right))
            yield QAExample(row.question, row.context, *right[0], answers, row.id, row.article)
        if path in self.reported:
            return
        self.reported.add(path)
        if mended:
            moved = "%s: %d answers were not at their place and were moved: %s"
            logger.info(moved, path.name, len(mended), _name_first(mended))
        if skipped:
            nowhere = (
                "%s: %d questions skipped, no answer of theirs stands in the passage at its place, or just once: %s"
            )
            logger.warning(nowhere, path.name, len(skipped), _name_first(skipped))


class KorQuADV1Corpus(QACorpus):
    """KorQuAD 1.0. "val" and "test" both name the published development file."""

    files = {"train": "KorQuAD_v1.0_train.json", "val": "KorQuAD_v1.0_dev.json", "test": "KorQuAD_v1.0_dev.json"}


def _place_answer(context: str, text: str, start: int | None) -> int | None:
    """Return where an answer stands: at `start`, else at its only place; where `start` is None, at its first place."""
    if not text.strip():
        return None
    first = context.find(text)
    if start is None:
        return first if first >= 0 else None
    if start >= 0 and context.startswith(text, start):
        return start
    return first if first >= 0 and context.find(text, first + 1) < 0 else None


def _name_first(ids: Sequence[str]) -> str:
    return ", ".join(ids[:SHOWN_IDS]) + (" ..." if len(ids) > SHOWN_IDS else "")
