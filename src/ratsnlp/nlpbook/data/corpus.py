"""What a corpus is: the file of each split, the labels in order, and how rows become examples."""

import json
import random
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, builtin_corpus
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError, CorpusMissingError
from ratsnlp.nlpbook.model_folder import held_in

HELD_OUT_AT_MOST = 5000
"""More held-out rows than these make a score hardly surer."""


def held_out_count(rows: int, ratio: float) -> int:
    """Return how many rows to hold out: their share, at least one, at most `HELD_OUT_AT_MOST`."""
    return max(1, min(HELD_OUT_AT_MOST, round(rows * ratio)))


def share_out(sizes: Sequence[int], total: int) -> list[int]:
    """Return how many of `total` rows each group gives, by its size; the largest remainders are rounded up.

    No group gives its last row: a label must stay among the rows to learn from.
    """
    exact = [total * size / max(1, sum(sizes)) for size in sizes]
    shares = [min(int(share), max(0, size - 1)) for share, size in zip(exact, sizes, strict=True)]
    for group in sorted(range(len(sizes)), key=lambda i: shares[i] - exact[i]):
        if sum(shares) < total and shares[group] < sizes[group] - 1:
            shares[group] += 1
    return shares


def choose_held_out(labels: Sequence[str], count: int, seed: int) -> frozenset[int]:
    """Return the numbers of about `count` of the rows with these labels to hold out, of each label its share.

    Same labels and seed, same rows, on every machine.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        rows[label].append(row)
    names = sorted(rows)
    draw = random.Random(seed)
    shares = share_out([len(rows[name]) for name in names], count)
    return frozenset(row for name, share in zip(names, shares, strict=True) for row in draw.sample(rows[name], share))


ExampleT = TypeVar("ExampleT")
Files = str | Path | tuple[str | Path, ...]
"""The file of a split, or the files that make it up, in order."""
READING = ("get_examples", "iterate_examples", "read")
"""The methods by which a corpus gives examples, of which a subclass may override any."""


class Corpus(Generic[ExampleT]):
    """Base of all corpora. A corpus class names its files and labels and says how to read one file.

    A subclass may override any of `get_examples`, `iterate_examples` and `read`, and `paths` or `path`: what the most
    derived class says is what is read, by datasets, checks and scores alike. See `examples`.

    Args:
        files: Own files by split, instead of the published ones: `NsmcCorpus({"train": "my_reviews.txt"})`.
    """

    files: Mapping[str, Files] = {}
    labels: Sequence[str] = ()
    label_names: Sequence[str] = ()
    """How to show each label, as `한국어 (english)`; empty where the labels speak for themselves."""
    where_to_get: ClassVar[str] = "Run nlpbook.download_downstream_dataset(args) first."
    """What to do about a missing file."""
    where_to_look: ClassVar[str] = "Check its path: one that is not absolute is meant from the corpus's folder."
    """What to do about a missing own file."""

    folder: Path | None = None
    """Where the files lie, once that is known; labels that come from the train file are looked for there."""

    can_skip_rows: ClassVar[bool] = False
    """Whether own files may be read without their bad rows: then the class takes `skip_bad_rows`."""

    def __init__(self, files: Mapping[str, Files] | None = None):
        self.files = {**type(self).files, **(files or {})}

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Return whether an own file is in a format that this corpus reads, and not another table."""
        return True

    @property
    def identity(self) -> str:
        """Text that differs wherever the same file gives other examples."""
        return type(self).__name__

    def read(self, path: Path) -> Iterator[ExampleT]:
        """Yield the examples of one file."""
        raise NotImplementedError

    def path(self, data_root_path: str | Path, mode: str) -> Path:
        """Return the file of a split, the first one where it has several. See `paths`."""
        return self.paths(data_root_path, mode)[0]

    def paths(self, data_root_path: str | Path, mode: str) -> list[Path]:
        """Return the files of a split.

        Raises:
            ArgumentError: The corpus has no such split.
            CorpusMissingError: A file is not there; the message names what its folder holds.
        """
        if mode not in self.files:
            raise ArgumentError(f"{type(self).__name__} has no split {mode!r}; it has {', '.join(sorted(self.files))}")
        named = self.files[mode]
        names = named if isinstance(named, tuple) else (named,)
        advice = self.where_to_get if named == type(self).files.get(mode) else self.where_to_look
        found = [Path(data_root_path) / Path(name).expanduser() for name in names]
        for path in found:
            if not path.is_file():
                raise CorpusMissingError(f"{path} is missing ({held_in(path.parent, 'that folder')}). {advice}")
        return found

    def examples(self, data_root_path: str | Path, mode: str) -> Iterator[ExampleT]:
        """Yield the examples of a split, by the method that decides which they are: all the library reads by this."""
        if self._latest(READING) == "get_examples":
            yield from self.get_examples(str(data_root_path), mode)
        else:
            yield from self.iterate_examples(data_root_path, mode)

    def _latest(self, names: Sequence[str]) -> str:
        places = (vars(self), *map(vars, type(self).__mro__))
        return next(name for place in places for name in names if name in place)

    @property
    def is_read_from_files(self) -> bool:
        """Whether the files of a split, with `identity`, decide its examples: so where no method is somebody's own."""
        ours = __name__.partition(".")[0] + "."
        methods = [getattr(self, name) for name in (*READING, "paths", "path")]
        return all(str(getattr(method, "__module__", "")).startswith(ours) for method in methods)

    def iterate_examples(self, data_root_path: str | Path, mode: str) -> Iterator[ExampleT]:
        """Yield the examples of a split one by one, so that memory does not grow with the corpus."""
        one = self._latest(("paths", "path")) == "path"
        paths = [self.path(data_root_path, mode)] if one else self.paths(data_root_path, mode)
        return chain.from_iterable(self.read(Path(path)) for path in paths)

    def get_examples(self, data_root_path: str | Path, mode: str) -> list[ExampleT]:
        """Return all examples of a split."""
        return list(self.iterate_examples(data_root_path, mode))

    def get_labels(self) -> list[str]:
        """Return the labels in the order of the model's outputs."""
        return list(self.labels)

    @property
    def num_labels(self) -> int:
        """How many labels there are."""
        return len(self.get_labels())


class ForeignCorpus(Corpus[Any]):
    """Somebody's own object, as a corpus of ours: it has `get_examples(folder, mode)` and, maybe, labels."""

    def __init__(self, corpus: Any):
        super().__init__()
        self.corpus = corpus
        self.label_names = tuple(getattr(corpus, "label_names", ()))

    @property
    def is_read_from_files(self) -> bool:
        """Whether files decide the examples: nobody knows."""
        return False

    @property
    def identity(self) -> str:
        """The name of the object's class."""
        return type(self.corpus).__name__

    def get_examples(self, data_root_path: str | Path, mode: str) -> list[Any]:
        """Return all examples of a split, as the object gives them."""
        return list(self.corpus.get_examples(str(data_root_path), mode))

    def get_labels(self) -> list[Any]:
        """Return the object's labels; none where it has none."""
        return list(self.corpus.get_labels()) if hasattr(self.corpus, "get_labels") else []


def adopt_corpus(corpus: Any) -> Corpus[Any]:
    """Return a corpus of ours as it is, anything else with `get_examples` as one; an ArgumentError if it has none."""
    if isinstance(corpus, Corpus):
        return corpus
    if not callable(getattr(corpus, "get_examples", None)):
        raise ArgumentError(
            f"a corpus needs get_examples(folder, mode), which returns examples; {type(corpus).__name__} has none"
        )
    return ForeignCorpus(corpus)


def corpus_folder(args: TrainArguments) -> Path:
    """Return the corpus's folder: under the root, or inside the package for `builtin-...`."""
    name = args.downstream_corpus_name or ""
    if name.startswith(BUILTIN):
        return Path(builtin_corpus(name.removeprefix(BUILTIN)))
    return Path(args.downstream_corpus_root_dir).expanduser() / name


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their ends, in NFC, without a byte-order mark; an error names a bad line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise CorpusFormatError(
                    f"{path}, line {number}: not UTF-8 text. Save the file as UTF-8 (Excel: 'CSV UTF-8') and try again."
                ) from None
            yield unicodedata.normalize("NFC", text)


def parse_json_list(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """Yield `(line, item)` of a JSON list, `line` where the item begins; a CorpusFormatError says where it is none."""
    decode = json.JSONDecoder().raw_decode
    place, line, counted = _skip_between(text, 0), 1, 0
    if not text.startswith("[", place):
        raise CorpusFormatError(f"{path}: expected a JSON list, the file begins with {text[place : place + 20]!r}")
    place = _skip_between(text, place + 1)
    while not text.startswith("]", place):
        line, counted = line + text.count("\n", counted, place), place
        try:
            item, place = decode(text, place)
        except json.JSONDecodeError as error:
            raise CorpusFormatError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
        yield line, item
        place = _skip_between(text, place)


def _skip_between(text: str, place: int) -> int:
    while place < len(text) and (text[place].isspace() or text[place] == ","):
        place += 1
    return place
