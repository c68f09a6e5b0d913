"""Corpora for question answering: a question, a passage, and where in the passage the answer stands."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ratsnlp.nlpbook.data.corpus import Corpus
from ratsnlp.nlpbook.data.squad import QuestionRow, read_question_table, read_squad

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
            right = place_answers(row)
            if not right:
                skipped.append(row.id)
                continue
            if any((text, place) not in row.answers and (text, None) not in row.answers for text, place in right):
                mended.append(row.id)
            yield build_example(row, right)
        self.report(path, mended, skipped)

    def report(self, path: Path, mended: list[str], skipped: list[str]) -> None:
        """Log how many answers were moved and which questions were skipped, once for each file."""
        if path not in self.reported and mended:
            logger.info("%s: %d answers were not at their place and were moved: %s", path.name, *count_and_name(mended))
        if path not in self.reported and skipped:
            logger.warning(
                "%s: %d questions skipped, no answer of theirs stands in the passage at its place, or just once: %s",
                path.name,
                *count_and_name(skipped),
            )
        self.reported.add(path)


class KorQuADV1Corpus(QACorpus):
    """KorQuAD 1.0. "val" and "test" both name the published development file."""

    files = {"train": "KorQuAD_v1.0_train.json", "val": "KorQuAD_v1.0_dev.json", "test": "KorQuAD_v1.0_dev.json"}


def place_answers(row: QuestionRow) -> list[tuple[str, int]]:
    """Return the answers of a row that stand in its passage, each with the character at which it begins."""
    placed = [(text, place_answer(row.context, text, start)) for text, start in row.answers]
    return [(text, place) for text, place in placed if place is not None]


def place_answer(context: str, text: str, start: int | None) -> int | None:
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


def build_example(row: QuestionRow, right: list[tuple[str, int]]) -> QAExample:
    """Return the example of a row: the first of its answers to learn from, all to score with."""
    text, place = right[0]
    answers = tuple(dict.fromkeys(answer for answer, _ in right))
    return QAExample(row.question, row.context, text, place, answers, row.id, row.article)


def count_and_name(ids: list[str]) -> tuple[int, str]:
    """Return how many ids there are, and the first of them as text."""
    return len(ids), ", ".join(ids[:SHOWN_IDS]) + (" ..." if len(ids) > SHOWN_IDS else "")
