"""What a model folder says of the own table that was learnt from: columns, labels, and the rows held out of it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.errors import ArgumentError

RECORD = "table.json"
HELD_OUT = "held_out.jsonl"


def remember_table(corpus: Any, folder: str | Path) -> None:
    """Write down in a model folder the own table that a corpus reads; of any other corpus nothing stays there."""
    path = Path(folder).expanduser()
    if hasattr(corpus, "write_record"):
        corpus.write_record(path)
    else:
        forget_table(path)


def write_table_record(folder: Path, record: Mapping[str, Any], held_out: Iterable[Mapping[str, str]]) -> None:
    """Write down how a table was read, and the rows that were held out of it, so that they can be scored anywhere."""
    forget_table(folder)
    with (folder / HELD_OUT).open("w", encoding="utf-8") as file:
        for row in held_out:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    partial = folder / f"{RECORD}.partial"
    partial.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / RECORD)


def read_table_record(folder: str | Path | None) -> dict[str, Any]:
    """Return what a model folder says of its table; empty where it learnt from another corpus."""
    path = Path(folder or "").expanduser() / RECORD
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if folder and path.exists() else {}
    return record


def forget_table(folder: Path) -> None:
    """Remove what a model folder says of a table."""
    for name in (RECORD, HELD_OUT):
        (folder / name).unlink(missing_ok=True)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_changed_table(record: Mapping[str, Any], path: Path, folder: str | Path | None) -> None:
    """Refuse to go on with a training whose file has changed: its held-out rows would be others.

    Raises:
        ArgumentError: The file is not as it was.
    """
    if record and path.is_file() and digest(path) != record["sha256"]:
        raise ArgumentError(
            f"{path} is not as it was when the training in {folder} began, so other rows would be held out. Put the "
            "file back, name another downstream_model_dir, or start anew with --restart."
        )
