"""Which column of an own table holds what: the named one, else by known names, else by contents, else by asking."""

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
    *(("premise", "hypothesis"), ("sentence1", "sentence2"), ("text1", "text2"), ("text_a", "text_b")),
    *(("question1", "question2"), ("question", "answer"), ("전제", "가설"), ("문장1", "문장2")),
    *(("질문1", "질문2"), ("질문", "답변"), ("질문", "답")),
)
TEXT_LENGTH, LABEL_LENGTH = 6, 20  # mean characters: of a column of texts at least, of one of labels at most
LOOKED_AT = 1000  # rows whose contents are looked at


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
        return f"text {' + '.join(self.texts)}, label {self.label}"


class Chooser:
    """Chooses the columns of one table, each at most once. What cannot be taken is an error: see `choose_columns`."""

    def __init__(self, table: Table):
        self.table = table
        rows = [[*map(str.strip, row.cells)] for row in islice(table.rows(), LOOKED_AT) if not row.problem]
        self.values = {name: [cells[i] for cells in rows if cells[i]] for i, name in enumerate(table.names)}
        self.left = list(table.names)

    def take(self, name: str) -> str:
        """Take a column and return its name; that two are called so is an error."""
        if self.table.names.count(name) > 1:
            raise CorpusFormatError(f"{self.table.path}: two columns are called {name!r}; rename one of them")
        self.left.remove(name)
        return name

    def named(self, given: str | None, option: str) -> str | None:
        """Take the column that was named, which must be there and not be taken yet; None where none was named."""
        if not given:
            return None
        found = [name for name in self.table.names if _plain(name) == _plain(given)]
        if not found:
            near = difflib.get_close_matches(given, self.table.names, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ArgumentError(f"{self.table.path} has no column {given!r} ({option}).{hint}{self.describe()}")
        exact = given if given in found else found[0]
        if exact not in self.left:
            raise ArgumentError(f"{self.table.path}: column {exact!r} is named twice; {option} must be another column")
        return self.take(exact)

    def find(self, known: Collection[str], fits: Callable[[Sequence[str]], bool], option: str, what: str) -> str:
        """Take the only column with a known name, or whose contents fit, or that is left; else ask the user for it."""
        names = {*map(_plain, known)}
        by_name = [name for name in self.left if _plain(name) in names]
        by_contents = [name for name in self.left if fits(self.values[name])]
        found = by_name or by_contents or self.left
        return self.take(found[0] if len(found) == 1 else self._ask(option, what))

    def _ask(self, option: str, what: str) -> str:
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
                print(f"{answer!r} is not one of the columns that are left: {', '.join(self.left)}")
        except (EOFError, NotImplementedError):  # a notebook run without a reader raises the latter
            python = option.removeprefix("--").removesuffix("_column")
            advice = f"Name it: {option} NAME, in Python {python}=NAME.{self.describe()}"
            raise ArgumentError(f"{problem} {advice}") from None

    def describe(self) -> str:
        """Return the columns, numbered, each with a value as an example."""
        described = " Its columns:"
        for i, name in enumerate(self.table.names, 1):
            value = next(iter(self.values[name]), "")
            shown = value if len(value) <= 30 else f"{value[:30]}..."
            described += f"\n  {i}. {name}: {repr(shown) if value else '(empty)'}"
        return described


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character not in " _-")


def _looks_like_text(values: Sequence[str]) -> bool:
    if not values or sum(map(len, values)) < TEXT_LENGTH * len(values) or 2 * len(set(values)) <= len(values):
        return False
    spaced = (value for value in values if " " in value or any("가" <= character <= "힣" for character in value))
    return 2 * sum(any(map(str.isalpha, value)) for value in spaced) > len(values)


def _looks_like_labels(values: Sequence[str]) -> bool:
    short = sum(map(len, values)) <= LABEL_LENGTH * len(values)
    return short and 2 <= len(set(values)) <= max(2, min(100, len(values) // 3))


def choose_columns(
    table: Table, text: str | None = None, label: str | None = None, pair: str | None = None, pairs: bool | None = None
) -> Columns:
    """Return which columns hold the texts and the labels.

    `text`, `label` and `pair` (second texts) are those that the user named. `pairs` says whether two columns of texts
    are wanted; None: where `pair` is named, or both have known names.

    Raises:
        ArgumentError: A named column is not there or named twice, which one is meant is not certain and nobody can be
            asked, or there are two columns of texts and one is wanted.
        CorpusFormatError: The first line does not name the columns, or two of them alike.
    """
    chooser = Chooser(table)
    last = chooser.named(label, "--label_column")
    first = chooser.named(text, "--text_column")
    second = chooser.named(pair, "--pair_column")
    names = {_plain(name): name for name in chooser.left}
    both = next((two for two in PAIR_NAMES if {*map(_plain, two)} <= names.keys()), None)
    known = [names[_plain(name)] for name in both] if both and not (first or second) else None
    if pairs is False and pair:
        raise ArgumentError(f"pair_column {pair} makes pairs, and this task reads one text: ratsnlp train paircls")
    if pairs is False and known:
        raise ArgumentError(
            f"{table.path} has two columns of texts, {' and '.join(known)}, and this task reads one: name it with "
            "--text_column, in Python text=NAME, or train on pairs: ratsnlp train paircls"
        )
    if known:
        first, second = map(chooser.take, known)
    last = last or chooser.find(LABEL_NAMES, _looks_like_labels, "--label_column", "label")
    texts = [name for name in chooser.left if _looks_like_text(chooser.values[name])]
    if pairs and not (first or second) and len(texts) == 2:
        first, second = map(chooser.take, texts)
    first = first or chooser.find(TEXT_NAMES, _looks_like_text, "--text_column", "text")
    if pairs and not second:
        second = chooser.find((), _looks_like_text, "--pair_column", "second text")
    if not label and last in chooser.values[last]:
        raise CorpusFormatError(
            f"{table.path}, line 1: {', '.join(table.names)} looks like a row, not like the names of "
            "columns. Put a first line such as text,label before it."
        )
    return Columns(first, last, second)
