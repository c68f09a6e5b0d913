"""File formats: from a path to plain rows, nothing else. What rows mean is said in `corpus.py` and the task folders.

Every reader normalises to NFC: files that passed through macOS hold Hangul as separate jamo (NFD), which no vocabulary
knows.
"""

import csv
import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.errors import CorpusFormatError


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file with their ends, in NFC, without a byte-order mark.

    Raises:
        CorpusFormatError: A line is not UTF-8; names the file and the line.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise CorpusFormatError(
                    f"{path}, line {number}: not UTF-8 text. Save the file as UTF-8 (Excel: 'CSV UTF-8') and try again."
                ) from None
            yield unicodedata.normalize("NFC", text)


def read_nsmc(path: Path) -> Iterator[tuple[str, str]]:
    """Yield `(review, label)` from an NSMC file: tab-separated `id document label`, one header line, label 0 or 1.

    Documents that hold a quote are quoted as in CSV by NSMC's makers, so a line is not simply split at its tabs.

    Raises:
        CorpusFormatError: A row has other columns or another label; names the file and the line on which it starts.

    Source: https://github.com/e9t/nsmc (150,000 training and 50,000 test reviews, CC0).
    """
    rows = csv.reader(read_lines(path), delimiter="\t")
    next(rows, None)  # header
    line = rows.line_num + 1
    for row in rows:
        if len(row) != 3 or row[2] not in ("0", "1"):
            raise CorpusFormatError(
                f"{path}, line {line}: expected 'id<TAB>document<TAB>0 or 1', got {shorten(row)}. "
                "A quote that opens and never closes swallows the lines after it."
            )
        yield row[1], row[2]
        line = rows.line_num + 1


Pair = tuple[str, str, str]
"""`(premise, hypothesis, label)`."""

NLI_LABELS = ("entailment", "contradiction", "neutral")
KLUE_NLI_KEYS = ("premise", "hypothesis", "gold_label")
KORNLI_HEADER = ["sentence1", "sentence2", "gold_label"]
PAIR_COLUMNS = (("premise", "sentence1"), ("hypothesis", "sentence2"), ("label", "gold_label"))
"""The column names of a table of pairs: for each part, the names it may have."""


def read_klue_nli(path: Path) -> Iterator[Pair]:
    """Yield the pairs of a KLUE-NLI file: a JSON list of objects with `premise`, `hypothesis` and `gold_label`.

    Raises:
        CorpusFormatError: The file is no JSON list, or an object lacks a key or has another label; names file and line.

    Source: https://github.com/KLUE-benchmark/KLUE (24,998 training and 3,000 development pairs, CC BY-SA 4.0).
    """
    for line, row in read_json_list(path):
        values = [row.get(key) if isinstance(row, dict) else None for key in KLUE_NLI_KEYS]
        found = [value for value in values if isinstance(value, str)]
        if len(found) != len(KLUE_NLI_KEYS):
            raise CorpusFormatError(
                f"{path}, line {line}: expected an object with the texts premise, hypothesis and gold_label, "
                f"got {shorten(row)}"
            )
        yield check_pair(path, line, found)


def read_kornli(path: Path) -> Iterator[Pair]:
    """Yield the pairs of a KorNLI file: tab-separated `sentence1 sentence2 gold_label`, one header line.

    Nothing is quoted: a quote is a character of the text, and many rows hold only one, so a CSV reader would glue rows.

    Raises:
        CorpusFormatError: A row has other columns or another label; names the file and the line.

    Source: https://github.com/kakaobrain/kor-nlu-datasets (942,854 / 2,490 / 5,010 pairs, CC BY-SA 4.0).
    """
    for line, text in enumerate(read_lines(path), start=1):
        row = text.rstrip("\r\n").split("\t")
        if line > 1 and len(row) != len(KORNLI_HEADER):
            raise CorpusFormatError(
                f"{path}, line {line}: expected 'sentence1<TAB>sentence2<TAB>gold_label', got {shorten(row)}"
            )
        if line > 1:
            yield check_pair(path, line, row)


def read_pair_table(path: Path) -> Iterator[Pair]:
    """Yield the pairs of an own table: CSV or TSV, quoted as spreadsheets do, with a header that names its columns.

    The columns are `premise`, `hypothesis` and `label` (or KorNLI's names), in any order; others are ignored.

    Raises:
        CorpusFormatError: A column is missing, a row has other columns or another label; names the file and the line.
    """
    header = next(read_lines(path), "")
    rows = csv.reader(read_lines(path), delimiter="\t" if "\t" in header else ",")
    try:
        names = [name.strip().lower() for name in next(rows, [])]
        places = [find_column(path, names, known) for known in PAIR_COLUMNS]
        line = rows.line_num + 1
        for row in rows:
            if row and len(row) != len(names):
                raise CorpusFormatError(
                    f"{path}, line {line}: expected {len(names)} columns ({', '.join(names)}), got {len(row)}: "
                    f"{shorten(row)}. A quote that opens and never closes swallows the lines after it."
                )
            if row:  # a blank line, as spreadsheets leave at the end, is no row
                yield check_pair(path, line, [row[place] for place in places])
            line = rows.line_num + 1
    except csv.Error as error:
        raise CorpusFormatError(f"{path}, line {rows.line_num}: {error}; a quote may never close") from None


def read_pairs(path: Path) -> Iterator[Pair]:
    """Yield the pairs of a file in any of the three formats, told apart by what the file begins with.

    Raises:
        CorpusFormatError: The file breaks its format; names the file and the line.
    """
    first = next((line for line in read_lines(path) if line.strip()), "")
    read: Callable[[Path], Iterator[Pair]] = read_pair_table
    if first.lstrip()[:1] in ("[", "{"):
        read = read_klue_nli
    elif first.rstrip("\r\n").split("\t") == KORNLI_HEADER:
        read = read_kornli
    return read(path)


def check_pair(path: Path, line: int, parts: Sequence[str]) -> Pair:
    """Return `(premise, hypothesis, label)` without spaces around the label.

    Raises:
        CorpusFormatError: The label is not one of `NLI_LABELS`.
    """
    premise, hypothesis, label = parts
    if label.strip() not in NLI_LABELS:
        raise CorpusFormatError(f"{path}, line {line}: label {label!r} is not one of {', '.join(NLI_LABELS)}")
    return premise, hypothesis, label.strip()


def find_column(path: Path, names: Sequence[str], known: Sequence[str]) -> int:
    """Return the place of the column that has one of the `known` names.

    Raises:
        CorpusFormatError: There is none.
    """
    for name in known:
        if name in names:
            return names.index(name)
    raise CorpusFormatError(
        f"{path}, line 1: no column {' or '.join(known)} in the header {', '.join(names) or '(empty)'}. "
        "The first line must name the columns, for example premise,hypothesis,label"
    )


def read_json_list(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield `(line, item)` of a file that holds one JSON list; `line` is where the item begins.

    Raises:
        CorpusFormatError: The file holds something else, or breaks off; names the file and the line.
    """
    text, decode = "".join(read_lines(path)), json.JSONDecoder().raw_decode
    place, line, counted = skip_between(text, 0), 1, 0
    if not text.startswith("[", place):
        raise CorpusFormatError(f"{path}: expected a JSON list, the file begins with {text[place : place + 20]!r}")
    place = skip_between(text, place + 1)
    while not text.startswith("]", place):
        line, counted = line + text.count("\n", counted, place), place
        try:
            item, place = decode(text, place)
        except json.JSONDecodeError as error:
            raise CorpusFormatError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
        yield line, item
        place = skip_between(text, place)


def skip_between(text: str, place: int) -> int:
    """Return the first place at or after `place` that holds neither white space nor a comma."""
    while place < len(text) and (text[place].isspace() or text[place] == ","):
        place += 1
    return place


def shorten(row: Any, width: int = 80) -> str:
    """Return a row as text, cut to about `width` characters."""
    text = repr(row)
    return text if len(text) <= width else text[:width] + "..."
