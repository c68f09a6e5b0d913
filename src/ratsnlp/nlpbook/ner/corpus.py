"""Corpora of named entities: a text, and which stretches of it are entities of which tag."""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook import old_names
from ratsnlp.nlpbook.data.corpus import Corpus, Files, corpus_folder
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.model_folder import ModelFolder, write_whole
from ratsnlp.nlpbook.ner.formats import Entity, describe_difference, find_reader, parse_tagged, tagged
from ratsnlp.nlpbook.tables.rows import SHOWN_ROWS, describe_bad
from ratsnlp.nlpbook.texts import compose

__getattr__ = old_names.names_of("ner.corpus")

TAG_NAMES = {
    **dict.fromkeys(("PER", "PS"), "인명"),
    **dict.fromkeys(("LOC", "LC"), "지명"),
    **dict.fromkeys(("ORG", "OG"), "기관명"),
    **dict.fromkeys(("DAT", "DT"), "날짜"),
    **dict.fromkeys(("TIM", "TI"), "시간"),
    **{"DUR": "기간", "MNY": "통화", "PNT": "비율", "NOH": "기타 수량표현", "QT": "수량", "POH": "기타"},
}


def tag_name(tag: str) -> str:
    """Return the Korean name of a known tag, and any other tag as it is."""
    return TAG_NAMES.get(tag, tag)


@dataclass
class NERExample:
    """A text and its entities. Where only one of the two ways to say them is there, the other is made from it.

    The text comes to stand in NFC, and the entities' positions move along; spaces at their ends are trimmed. Raises
    `CorpusFormatError` if entities overlap or are not in the text, or if the tagged form is one of another text.
    """

    text: str = ""  # made from `label` where it is empty
    label: str | None = None  # the tagged form, `<김환희:PER>가 왔다`; read for entities where none are given
    entities: tuple[Entity, ...] = ()  # by position
    id: str = ""  # the corpus's name for the sentence

    def __post_init__(self) -> None:
        given = self.entities
        if self.label is not None and not given:
            plain, given = parse_tagged(self.label.strip("\r\n"))
            if self.text and (fault := describe_difference(self.text.strip("\r\n"), plain)):
                raise CorpusFormatError(fault)
            self.text = plain
        self.text, self.entities = _place(self.text, given)
        self.label = tagged(self.text, self.entities)

    @property
    def texts(self) -> str:
        """What is read: the text."""
        return self.text


def _place(text: str, entities: Sequence[Entity]) -> tuple[str, tuple[Entity, ...]]:
    """Return a text in NFC and its entities there: moved along, trimmed, in order, each once."""
    composed, places = compose(text)
    found: set[tuple[int, int, str]] = set()
    for start, end, tag in ((e.start, e.end, e.tag) for e in entities):
        named = isinstance(tag, str) and len(tag.strip().splitlines()) == 1  # a label map has one on each line
        if not (isinstance(start, int) and isinstance(end, int) and named):
            raise CorpusFormatError(f"expected start, end and one tag of an entity, got {start!r}, {end!r}, {tag!r}")
        if not 0 <= start < end <= len(text):
            raise CorpusFormatError(f"entity {start}..{end} {tag} is not within the text of {len(text)} characters")
        start = bisect_left(places, places[bisect_right(places, start) - 1])  # the character that holds it
        end = bisect_left(places, end)
        surface = composed[start:end]
        if not surface.strip():
            raise CorpusFormatError(f"entity {start}..{end} {tag} holds only spaces")
        start += len(surface) - len(surface.lstrip())
        found.add((start, start + len(surface.strip()), unicodedata.normalize("NFC", tag.strip())))
    placed = tuple(Entity(*span) for span in sorted(found))
    for first, second in pairwise(placed):
        if second.start < first.end:
            shown = " and ".join(f"{composed[e.start : e.end]!r} {e.start}..{e.end} {e.tag}" for e in (first, second))
            raise CorpusFormatError(f"entities overlap: {shown}")
    return composed, placed


def read_entities(path: Path, skip_bad_rows: bool = False, report: bool = True) -> Iterator[NERExample]:
    """Yield the sentences of a file in any of `formats`; `report` says in the log what was trimmed or left out.

    Raises `CorpusFormatError` if the format is unknown, or rows cannot be used and are not to be skipped: counts them,
    and names the first 10 by line. Rows before the first bad one have been yielded by then.
    """
    bad: list[str] = []
    count = trimmed = 0
    for sentence in find_reader(path)(path):
        count += 1
        try:
            if sentence.problem or not sentence.text.strip():
                raise CorpusFormatError(sentence.problem or "no text")
            example = NERExample(sentence.text, entities=tuple(sentence.entities), id=sentence.id)
        except CorpusFormatError as error:
            bad.append(f"line {sentence.line}: {error}")
            continue
        trimmed += sum(len(sentence.text[e.start : e.end].strip()) < e.end - e.start for e in sentence.entities)
        if skip_bad_rows or not bad:
            yield example
    if not count:
        raise CorpusFormatError(f"{path} holds no sentence")
    if len(bad) == count or (bad and not skip_bad_rows):
        raise CorpusFormatError(describe_bad(path, bad, f"{len(bad):,} of {count:,} rows cannot be used"))
    if report and trimmed:
        logger.info("%s: %d entities began or ended with spaces, which were trimmed", path.name, trimmed)
    if report and bad:
        logger.warning("%s: %d of %d rows left out: %s", path.name, len(bad), count, "; ".join(bad[:3]))


class NERCorpus(Corpus[NERExample]):
    """The book's corpus, and the one of own files: `NERCorpus(args)`, or `NERCorpus({"train": "my_entities.csv"})`.

    The tags are those of the train file, in the order in which they first stand there. `skip_bad_rows` leaves out rows
    that cannot be used, instead of refusing the file; by default it is as `args` says.
    """

    files: Mapping[str, Files] = {"train": "train.txt", "val": "val.txt", "test": "test.txt"}
    tags: Sequence[str] = ()  # in the order of the labels; set once they are found, fixed where a class names them
    can_skip_rows = True

    def __init__(self, args: Any = None, skip_bad_rows: bool | None = None):
        own = args if isinstance(args, Mapping) else {}
        super().__init__(own)
        if "train" in own:  # tags of its own, and no published split is a test of them
            self.tags = ()
            self.files = {mode: path for mode, path in self.files.items() if mode in own}
        self.skip_bad_rows = bool(getattr(args, "skip_bad_rows", False)) if skip_bad_rows is None else skip_bad_rows
        self.folder = corpus_folder(args) if hasattr(args, "downstream_corpus_name") else None
        self.reported: set[Path] = set()  # a file is read several times; what is to be said of it is said once

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Return whether a file holds tagged texts in a format that is read."""
        try:
            return any(not sentence.problem for sentence in islice(find_reader(path)(path), SHOWN_ROWS))
        except CorpusFormatError:
            return False

    @property
    def identity(self) -> str:
        """Text that differs wherever the same file gives other examples."""
        return repr((type(self).__name__, self.skip_bad_rows))

    def read(self, path: Path) -> Iterator[NERExample]:
        """Yield the sentences of one file. See `read_entities`."""
        yield from read_entities(path, self.skip_bad_rows, report=path not in self.reported)
        self.reported.add(path)

    def examples(self, data_root_path: str | Path, mode: str) -> Iterator[NERExample]:
        """Yield the examples of a split, and note the folder, in which the tags will be looked for."""
        self.folder = self.folder or Path(data_root_path)
        return super().examples(data_root_path, mode)

    def iterate_examples(self, data_root_path: str | Path, mode: str) -> Iterator[NERExample]:
        """Yield the examples of a split one by one, and note the folder, in which the tags will be looked for."""
        self.folder = self.folder or Path(data_root_path)
        return super().iterate_examples(data_root_path, mode)

    def find_tags(self, data_root_path: str | Path) -> list[str]:
        """Return the tags, from the training examples unless they are known; these must hold an entity."""
        if not self.tags:
            logger.info("processing NER tag dictionary...")
            examples = self.examples(data_root_path, "train")
            self.tags = list(dict.fromkeys(entity.tag for example in examples for entity in example.entities))
            if not self.tags:
                where = self.path(data_root_path, "train") if self.is_read_from_files else type(self).__name__
                raise CorpusFormatError(f"{where} holds no entity, so there is nothing to learn from it")
        return list(self.tags)

    def get_labels(self) -> list[str]:
        """Return the labels in the order of the model's outputs: O, B- of every tag, I- of every tag."""
        if not self.tags and self.folder is None and not Path(str(self.files["train"])).is_absolute():
            raise ArgumentError(
                "the labels come from the train file, and it is not known where that is: make the corpus with "
                f"{type(self).__name__}(args), or call find_tags(folder) first"
            )
        tags = self.find_tags(self.folder or "")
        return ["O", *(f"B-{tag}" for tag in tags), *(f"I-{tag}" for tag in tags)]

    def write_record(self, folder: str | Path) -> None:
        """Write the label map into a model folder: one label on each line, in the order of the model's outputs."""
        write_whole(ModelFolder(folder).label_map, "".join(f"{label}\n" for label in self.get_labels()))


class KlueNERCorpus(NERCorpus):
    """KLUE-NER 1.1. "val" and "test" both name the published development file."""

    files = {"train": "klue-ner-v1.1_train.tsv", "val": "klue-ner-v1.1_dev.tsv", "test": "klue-ner-v1.1_dev.tsv"}
    tags = ("PS", "LC", "OG", "DT", "TI", "QT")
