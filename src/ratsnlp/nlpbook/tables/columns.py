"""Which column of an own table holds what: as named, else by known names, else by contents, else by asking."""

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from ratsnlp.nlpbook.environment import is_first_process, is_interactive
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError
from ratsnlp.nlpbook.tables.reading import Table

TEXT_NAMES = (
    *("text", "sentence", "document", "review", "content", "comment", "body"),
    *("텍스트", "문장", "문서", "리뷰", "내용", "본문", "댓글", "후기", "발화"),
)
LABEL_NAMES = (
    *("label", "gold_label", "class", "category", "rating", "score", "sentiment", "target", "intent", "topic"),
    *("라벨", "레이블", "분류", "평점", "별점", "점수", "감정", "감성", "정답", "주제", "의도", "카테고리", "클래스"),
)
PAIR_NAMES = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("question1", "question2"),
    ("question", "answer"),
    ("전제", "가설"),
    ("문장1", "문장2"),
    ("질문1", "질문2"),
    ("질문", "답변"),
    ("질문", "답"),
)
TEXT_LENGTH = 6
"""Mean characters from which a column may be one of texts."""
LABEL_LENGTH = 20
"""Mean characters up to which a column may be one of labels."""


def _looks_like_text(values: Sequence[str]) -> bool:
    if not values or sum(map(len, values)) < TEXT_LENGTH * len(values) or 2 * len(set(values)) <= len(values):
        return False
    worded = sum(any(c.isalpha() for c in value) and (" " in value or _has_hangul(value)) for value in values)
    return 2 * worded > len(values)


def _has_hangul(value: str) -> bool:
    return any("가" <= character <= "힣" for character in value)


def _looks_like_labels(values: Sequence[str]) -> bool:
    different = len(set(values))
    short = sum(map(len, values)) <= LABEL_LENGTH * len(values)
    return short and 2 <= different <= max(2, min(100, len(values) // 3))


LOOKED_AT = 1000
"""Rows from which columns are told."""


@dataclass(frozen=True)
class Columns:
    """The names of the columns of texts, of labels and, for pairs, of second texts."""

    text: str
    label: str
    pair: str | None = None

    @property
    def texts(self) -> list[str]:
        """The column of texts, or both of a pair."""
        return [self.text] if self.pair is None else [self.text, self.pair]

    def __str__(self) -> str:
        """Say them, for the log."""
        return f"text {' + '.join(self.texts)}, label {self.label}"


class Chooser:
    """Chooses the columns of one table, each at most once.

    Args:
        table: The table.
    """

    def __init__(self, table: Table):
        self.table = table
        rows = [row.cells for row in islice(table.rows(), LOOKED_AT) if not row.problem]
        self.values = {
            name: [cells[i].strip() for cells in rows if cells[i].strip()] for i, name in enumerate(table.names)
        }
        self.taken: list[str] = []

    def take(self, name: str) -> str:
        """Take a column and return its name.

        Raises:
            CorpusFormatError: Two columns are called so.
        """
        if self.table.names.count(name) > 1:
            raise CorpusFormatError(f"{self.table.path}: two columns are called {name!r}; rename one of them")
        self.taken.append(name)
        return name

    @property
    def left(self) -> list[str]:
        """The columns not taken yet."""
        return [name for name in self.table.names if name not in self.taken]

    def named(self, given: str, option: str) -> str:
        """Take the column that was named.

        Raises:
            ArgumentError: There is none, or it was taken already.
        """
        found = [name for name in self.table.names if plain(name) == plain(given)]
        if not found:
            near = difflib.get_close_matches(given, self.table.names, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ArgumentError(f"{self.table.path} has no column {given!r} ({option}).{hint}{self.describe()}")
        exact = given if given in found else found[0]
        if exact in self.taken:
            raise ArgumentError(f"{self.table.path}: column {exact!r} is named twice; {option} must be another column")
        return self.take(exact)

    def find(self, known: Collection[str], fits: Callable[[Sequence[str]], bool], option: str, what: str) -> str:
        """Take the only column with a known name, or whose contents fit, or that is left; else the one answered."""
        names = {plain(name) for name in known}
        by_name = [name for name in self.left if plain(name) in names]
        by_contents = [name for name in self.left if fits(self.values[name])]
        for found in (by_name, by_contents, self.left):
            if len(found) == 1:
                return self.take(found[0])
            if found:
                break
        return self.take(self.ask(option, what))

    def ask(self, option: str, what: str) -> str:
        """Return the column that the user names at the terminal or in the notebook.

        Raises:
            ArgumentError: There is nobody to ask.
        """
        problem = f"{self.table.path}: which column holds the {what} is not certain."
        try:
            if not (is_first_process() and is_interactive()):
                raise EOFError
            print(f"{problem}{self.describe()}")
            while True:
                answer = input(f"number or name of the column that holds the {what}: ").strip()
                found = [name for i, name in enumerate(self.table.names, 1) if answer in (str(i), name)]
                if len(found) == 1 and found[0] in self.left:
                    return found[0]
                print(f"{answer!r} is none of the columns that are left: {', '.join(self.left)}")
        except (EOFError, NotImplementedError):  # a notebook run without a reader raises the latter
            python = option.removeprefix("--").removesuffix("_column")
            raise ArgumentError(
                f"{problem} Name it: {option} NAME, in Python {python}=NAME.{self.describe()}"
            ) from None

    def describe(self) -> str:
        """Return the columns, numbered, each with a value as an example."""
        lines = [f"\n  {i}. {name}: {example(self.values[name])}" for i, name in enumerate(self.table.names, 1)]
        return " Its columns:" + "".join(lines)


def plain(name: str) -> str:
    """Return a column's name as it is compared: without case, spaces, hyphens and underscores."""
    return "".join(character for character in name.casefold() if character not in " _-")


def example(values: Sequence[str], width: int = 30) -> str:
    """Return one value of a column, cut to a width."""
    if not values:
        return "(empty)"
    return repr(values[0] if len(values[0]) <= width else values[0][:width] + "...")


def choose_columns(
    table: Table,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    pairs: bool | None = None,
) -> Columns:
    """Return which columns hold the texts and the labels.

    Args:
        table: The table.
        text: The column of texts, if named.
        label: The column of labels, if named.
        pair: The column of second texts, if named.
        pairs: Whether two columns of texts are wanted; None: where `pair` is named, or both have known names.

    Raises:
        ArgumentError: A named column is not there, or which one is meant is not certain and nobody can be asked.
        CorpusFormatError: The first line does not name the columns.
    """
    chooser = Chooser(table)
    named_label = chooser.named(label, "--label_column") if label else None
    first = chooser.named(text, "--text_column") if text else None
    second = chooser.named(pair, "--pair_column") if pair else None
    known = _known_pair(chooser) if not (first or second) else None
    if pairs is False:
        _refuse_pairs(table, pair, known)
    if known:
        first, second = (chooser.take(name) for name in known)
    last = named_label or chooser.find(LABEL_NAMES, _looks_like_labels, "--label_column", "label")
    if not (first or second) and pairs:
        texts = [name for name in chooser.left if _looks_like_text(chooser.values[name])]
        first, second = (chooser.take(name) for name in texts) if len(texts) == 2 else (None, None)
    first = first or chooser.find(TEXT_NAMES, _looks_like_text, "--text_column", "text")
    if pairs and not second:
        second = chooser.find((), _looks_like_text, "--pair_column", "second text")
    _refuse_missing_header(chooser, last, bool(label))
    return Columns(first, last, second)


def _refuse_pairs(table: Table, pair: str | None, known: tuple[str, str] | None) -> None:
    """Refuse two columns of texts where a task reads one.

    Raises:
        ArgumentError: A second column is named, or two are known to belong together.
    """
    if pair:
        raise ArgumentError(f"pair_column {pair} makes pairs, and this task reads one text: ratsnlp train paircls")
    if known:
        raise ArgumentError(
            f"{table.path} has two columns of texts, {' and '.join(known)}, and this task reads one: name it with "
            "--text_column, in Python text=NAME, or train on pairs: ratsnlp train paircls"
        )


def _known_pair(chooser: Chooser) -> tuple[str, str] | None:
    names = {plain(name): name for name in chooser.left}
    both = [(plain(first), plain(second)) for first, second in PAIR_NAMES]
    return next(((names[first], names[second]) for first, second in both if {first, second} <= names.keys()), None)


def _refuse_missing_header(chooser: Chooser, label: str, was_named: bool) -> None:
    """Refuse a table whose first line is a row already.

    Raises:
        CorpusFormatError: The name of the label column is one of its labels.
    """
    if not was_named and label in chooser.values[label]:
        raise CorpusFormatError(
            f"{chooser.table.path}, line 1: {', '.join(chooser.table.names)} looks like a row, not like the names of "
            "columns. Put a first line such as text,label before it."
        )
