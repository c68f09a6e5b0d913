"""Files of texts with tagged entities: from a path to plain sentences. What a file is, is seen from its contents."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.data.corpus import parse_json_list
from ratsnlp.nlpbook.errors import CorpusFormatError
from ratsnlp.nlpbook.ner.decoding import group_tags
from ratsnlp.nlpbook.tables.columns import TEXT_NAMES
from ratsnlp.nlpbook.tables.reading import ZIP, Table, find_encoding, find_workbook_fault, read_workbook
from ratsnlp.nlpbook.texts import shorten

SEPARATOR = "\u241e"  # stands between a text and its tagged form in the book's files
LOOKED_AT = 1000  # lines by which the format is recognised
# names of columns and keys, in the order in which they are looked for
TAGGED = ("tagged", "tagged_text", "태깅", "개체명")
SPANS = ("entities", "spans", "개체")

INLINE = re.compile(r"<((?:[^<>]|<[^<>:]*>)+):([A-Z][A-Z0-9_]*)>")
LABEL = re.compile(r"O|[BIESLU]-\S+")
SUFFIXED = re.compile(r"(\S+)_([BI])")
JSON = re.compile(r'\s*(\[\s*[{\]]|\{\s*["}])')
FORMATS = (
    f"lines 'text{SEPARATOR}tagged' with entities as <김환희:PER>; KLUE-NER's lines 'character<TAB>label'; CoNLL "
    "columns 'token ... label'; JSON of doccano or Label Studio; or a table (CSV, TSV, XLSX) with a column tagged, or "
    "with columns text and entities, which holds [[start, end, tag], ...]"
)


@dataclass(frozen=True)
class Entity:
    """An entity: where it starts and ends in the characters of its text in NFC, half-open, and its tag."""

    start: int
    end: int
    tag: str


@dataclass(frozen=True)
class Sentence:
    """A text with its entities as a file holds them: not in NFC and not checked yet."""

    line: int  # where it begins
    text: str = ""
    entities: Sequence[Entity] = ()
    id: str = ""
    problem: str = ""  # why it cannot be used; empty for a good one


def parse_tagged(label: str) -> tuple[str, tuple[Entity, ...]]:
    """Return the text and the entities of a tagged form, `<김환희:PER>가 왔다`.

    Tags are written in capitals. A `<` that begins no entity is text, and so are pairs of `<` and `>` without a colon
    in an entity.
    """
    text, *rest = INLINE.split(label)  # each entity gives its surface, its tag, and what is between it and the next
    entities: list[Entity] = []
    for surface, tag, after in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        entities.append(Entity(len(text), len(text) + len(surface), tag))
        text += surface + after
    return text, tuple(entities)


def tagged(text: str, entities: Iterable[Entity]) -> str:
    """Return the tagged form, `<김환희:PER>가 왔다`, of a text and its entities, which stand in order.

    `parse_tagged` gives both back unless a `<` in the text could begin an entity, or one in an entity is not closed.
    """
    parts: list[str] = []
    place = 0
    for entity in entities:
        parts += text[place : entity.start], f"<{text[entity.start : entity.end]}:{entity.tag}>"
        place = entity.end
    return "".join((*parts, text[place:]))


def describe_difference(text: str, plain: str) -> str:
    """Return where a text and what its tagged form says without tags part; empty where they are the same in NFC."""
    text, plain = unicodedata.normalize("NFC", text), unicodedata.normalize("NFC", plain)
    if text == plain:
        return ""
    shared = next((i for i, (a, b) in enumerate(zip(text, plain, strict=False)) if a != b), min(len(text), len(plain)))
    return (
        f"the tagged form without its tags is not the text; from character {shared} on the text has "
        f"{text[shared : shared + 20]!r}, the tagged form {plain[shared : shared + 20]!r}"
    )


def find_reader(path: Path) -> Callable[[Path], Iterator[Sentence]]:
    """Return the function that reads a file, chosen by its first lines; `CorpusFormatError` if there are none."""
    with path.open("rb") as file:
        opening = file.read(8)
    if opening.startswith(ZIP) or find_workbook_fault(path, opening):
        return _read_entity_table
    lines = list(islice((line for _, line in _lines(path) if line.strip()), LOOKED_AT))
    if not lines:
        raise CorpusFormatError(f"{path} is empty. Expected {FORMATS}.")
    if any(SEPARATOR in line for line in lines):
        return _read_tagged_lines
    if JSON.match("\n".join(lines[:3])):
        return _read_entity_json
    rows = [line for line in lines if not line.startswith("##")]
    characters = [line.rpartition("\t") for line in rows]
    single = sum(len(unicodedata.normalize("NFC", cell)) == 1 for cell, _, tag in characters if LABEL.fullmatch(tag))
    if rows and single > 0.9 * len(rows):
        return _read_klue_ner
    labelled = sum(len(cells) > 1 and bool(_label(cells[-1])) for cells in map(_cells, rows))
    return _read_conll if 2 * labelled > len(rows) else _read_entity_table


def _read_klue_ner(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of a KLUE-NER file: `character<TAB>label` lines, spaces too; a blank line between sentences.

    Lines that begin with `##` are comments; the last one before a sentence names it. An I- without a B- before it
    begins an entity.

    Source: https://github.com/KLUE-benchmark/KLUE (21,008 training and 5,000 development sentences, CC BY-SA 4.0).
    """
    for block in _blocks(path):
        rows = [(number, *line.rpartition("\t")[::2]) for number, line in block if not line.startswith("##")]
        notes = [line for _, line in block if line.startswith("##")]
        name = notes[-1].strip("# ").split("\t")[0] if notes else ""
        if rows:
            yield _join(rows, "", "a character, a tab, and a label like B-PS", name)


def _read_tagged_lines(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of the book's form: a text, U+241E, and the same text with entities as `<김환희:PER>`.

    Source: https://ratsgo.github.io/nlpbook (its corpus is made from https://github.com/kmounlp/NER).
    """
    for number, line in _lines(path):
        text, *forms = line.split(SEPARATOR)
        if len(forms) == 1:
            yield _inline(number, forms[0].strip(), text.strip())
        elif line.strip():
            wrong = f"expected 'text{SEPARATOR}tagged', found {len(forms)} signs U+241E in {shorten(line)}"
            yield Sentence(number, problem=wrong)


def _read_conll(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of columns: the token first, its label last; a blank line or -DOCSTART- between sentences.

    Columns are separated by tabs, or by spaces where there is no tab. Labels are IOB1, IOB2, BIOES, BILOU, or `PS_B`
    and `-` as in Naver's challenge, whose first column counts tokens. An I- without a B- before it begins an entity.
    **Tokens are joined by one space**: where the text had none between them, write KLUE's form or JSON instead.
    """
    for block in _blocks(path):
        rows = [(number, cells, _label(cells[-1])) for number, line in block for cells in [_cells(line)]]
        rows = [(number, cells, label) for number, cells, label in rows if label or not cells[0].startswith("#")]
        counted = all(len(cells) > 2 and cells[0] == str(i) for i, (_, cells, _) in enumerate(rows, start=1))
        tokens = [(number, cells[counted] if len(cells) > 1 else "", label) for number, cells, label in rows]
        if tokens:
            yield _join(tokens, " ", "a token and, in the last column, a label like B-PS")


def _read_entity_json(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of a JSON list, or of one JSON object a line. Positions count characters as in the file.

    doccano: `text`, and `label` or `labels` as `[[start, end, tag], ...]`, or `entities` with `start_offset`,
    `end_offset`, `label`. Label Studio: `data` and `annotations` or `completions`, of which the first that was not
    cancelled counts. Hub rows: `tokens` and `ner_tags` as names. Or the keys that columns of tables have.
    """
    text = "\n".join(line for _, line in _lines(path))
    if text.lstrip().startswith("["):
        for number, item in parse_json_list(path, text):
            yield _from_object(number, item)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                item = json.loads(line)
            except json.JSONDecodeError as error:
                yield Sentence(number, problem=f"not JSON: {error.msg}: {shorten(line)}")
            else:
                yield _from_object(number, item)


def _read_entity_table(path: Path) -> Iterator[Sentence]:
    """Yield the rows of a table with a column of tagged texts, or with a text (in NFC) and its spans as JSON."""
    table = Table(path)
    names = [name.casefold() for name in table.names]
    form, text, spans = (
        next((names.index(name) for name in known if name in names), -1) for known in (TAGGED, TEXT_NAMES, SPANS)
    )
    if form < 0 and min(text, spans) < 0:
        raise CorpusFormatError(
            f"{path}: no tagged texts found: {table.layout}, its first line is {shorten(', '.join(table.names))}. "
            f"Expected {FORMATS}."
        )
    if form < 0:
        if table.layout.kind == "workbook":
            pieces: Iterable[str] = (str(cell) for _, values in read_workbook(path) for cell in values)
        else:
            pieces = [path.read_text(table.layout.encoding)]
        if not all(unicodedata.is_normalized("NFC", piece) for piece in pieces):
            raise CorpusFormatError(
                f"{path} holds Hangul in separate jamo (NFD, as files from macOS do), so it is not certain what column "
                f"{table.names[spans]} counts. Save the text in NFC, or tag it inline in a column 'tagged'."
            )
    for row in table.rows():
        if row.problem:
            yield Sentence(row.line, problem=row.problem)
        elif form >= 0:
            yield _inline(row.line, row.cells[form], row.cells[text] if text >= 0 else None)
        else:
            yield _with_spans(row.line, row.cells[text], row.cells[spans] or "[]")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding=find_encoding(path), newline="\n") as file:
        for number, line in enumerate(file, start=1):
            yield number, line.rstrip("\r\n")


def _blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    for between, rows in groupby(_lines(path), lambda row: not row[1].strip() or row[1].startswith("-DOCSTART-")):
        if not between:
            yield list(rows)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.rstrip().split("\t")] if "\t" in line else line.split()


def _label(cell: str) -> str:
    if found := SUFFIXED.fullmatch(cell):
        return f"{found[2]}-{found[1]}"
    return "O" if cell == "-" else cell if LABEL.fullmatch(cell) else ""


def _join(rows: Sequence[tuple[int, str, str]], gap: str, expected: str, name: str = "") -> Sentence:
    places: list[tuple[int, int]] = []
    place = 0
    for line, token, label in rows:
        if not token or not LABEL.fullmatch(label):
            return Sentence(line, problem=f"expected {expected}, got {shorten(f'{token} {label}'.strip())}")
        places.append((place, place + len(token)))
        place += len(token) + len(gap)
    grouped = group_tags(row[2] for row in rows)
    entities = [Entity(places[first][0], places[end - 1][1], tag) for first, end, tag in grouped]
    return Sentence(rows[0][0], gap.join(row[1] for row in rows), entities, name)


def _inline(line: int, label: str, text: Any = None) -> Sentence:
    if not isinstance(text, str | None):
        return Sentence(line, problem=f"expected a text beside its tagged form, got {shorten(text)}")
    plain, entities = parse_tagged(label)
    return Sentence(line, plain, entities, problem="" if text is None else describe_difference(text, plain))


def _from_object(line: int, item: Any) -> Sentence:
    if not isinstance(item, Mapping):
        return Sentence(line, problem=f"expected a JSON object, got {shorten(item)}")
    named = {str(key).casefold(): value for key, value in item.items()}
    name = str(named.get("id") or named.get("guid") or "")
    tokens, labels, data = (named.get(key) for key in ("tokens", "ner_tags", "data"))
    if isinstance(tokens, list) and isinstance(labels, list):
        if len(tokens) != len(labels) or not all(isinstance(label, str) for label in labels):
            wrong = f"expected one label for each of {len(tokens)} tokens, as names like B-PS, got {shorten(labels)}"
            return Sentence(line, problem=wrong)
        gap = "" if all(len(str(token)) == 1 for token in tokens) else " "
        rows = [(line, str(token), label) for token, label in zip(tokens, labels, strict=True)]
        return _join(rows, gap, "a token and a label like B-PS", name) if rows else Sentence(line, id=name)
    if isinstance(data, Mapping):
        done = _mappings(named.get("annotations") or named.get("completions"))
        done = [annotation for annotation in done if not annotation.get("was_cancelled")]
        if not done:
            return Sentence(line, problem="no annotation yet, so its entities are not known")
        values = _mappings([result.get("value") for result in _mappings(done[0].get("result"))])
        texts = [value for value in data.values() if isinstance(value, str)]
        text = data.get("text", texts[0] if len(texts) == 1 else None)
        return _with_spans(line, text, [value for value in values if "labels" in value], name)
    text = next((named[key] for key in TEXT_NAMES if key in named), None)
    form = next((named[key] for key in TAGGED if isinstance(named.get(key), str)), None)
    if form is not None:
        return _inline(line, form, text)
    spans = next((named[key] for key in (*SPANS, "labels", "label") if key in named), None)
    return _with_spans(line, text, spans, name)


def _mappings(items: Any) -> list[Mapping[str, Any]]:
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def _with_spans(line: int, text: Any, spans: Any, name: str = "") -> Sentence:
    if isinstance(spans, str):
        try:
            spans = json.loads(spans)
        except json.JSONDecodeError:
            return Sentence(line, problem=f"expected spans as JSON, [[start, end, tag], ...], got {shorten(spans)}")
    if not isinstance(text, str) or not isinstance(spans, list):
        return Sentence(line, problem=f"expected a text and a list of spans, got {shorten(text)} and {shorten(spans)}")
    return Sentence(line, text, [_as_entity(span) for span in spans], name)


def _as_entity(span: Any) -> Entity:
    parts: Any = span if isinstance(span, list) and len(span) == 3 else (None, None, span)
    if isinstance(span, Mapping):
        tag = next((span[key] for key in ("labels", "label", "tag", "type") if key in span), None)
        tag = tag[0] if isinstance(tag, list) and len(tag) == 1 else tag
        parts = (*(span.get(key, span.get(f"{key}_offset")) for key in ("start", "end")), tag)
    return Entity(*parts)
