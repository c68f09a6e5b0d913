"""Ragged features on disk: flat token arrays and row offsets in one safetensors file, memory-mapped when read.

A file is written once, under a lock, next to its final name, and renamed when complete. Its name holds a hash of
everything that decides its content, so a file of that name is always right.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from filelock import FileLock
from safetensors import safe_open
from torch import Tensor

from ratsnlp.nlpbook import environment
from ratsnlp.nlpbook.builtin import CORPORA
from ratsnlp.nlpbook.data.batches import as_mapping
from ratsnlp.nlpbook.model_folder import write_whole

FEATURES_VERSION = 2  # raise it whenever the same inputs would give other features
SAFETENSORS_TYPES = {np.dtype(np.int32): "I32", np.dtype(np.int64): "I64"}


@dataclass(frozen=True)
class Chunk:
    """The features of some consecutive rows."""

    lengths: np.ndarray  # tokens in each row, `(N,)`
    tokens: dict[str, np.ndarray]  # values of every token, row after row, each `(sum(lengths), ...)` int32
    rows: dict[str, np.ndarray] = field(default_factory=dict)  # values of every row, each `(N, ...)` int32


class FeatureStore:
    """Features read from a file. Arrays stay on disk until touched; processes that read one file share its memory."""

    given: Sequence[Any] | None = None
    """Rows as somebody's own function made them, where they come from none of our files."""

    def __init__(self, path: Path):
        self.path = path
        with safe_open(path, framework="pt") as file:
            arrays: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
        self.offsets = arrays.pop("offsets")  # (N+1,)
        self.tokens = {name[7:]: array for name, array in arrays.items() if name.startswith("tokens.")}
        self.rows = {name[5:]: array for name, array in arrays.items() if name.startswith("rows.")}
        self.number_examples()

    def number_examples(self) -> None:
        """Let each row be an example of its own, unless rows say which `example` they are of."""
        self.rows.setdefault("example", torch.arange(len(self), dtype=torch.int32))

    def __reduce__(self) -> tuple[Any, ...]:
        return FeatureStore, (self.path,)  # a loader process gets the path, not the arrays

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def tokens_of(self, name: str, row: int) -> Tensor:
        """Return the token values of one row, `(T, ...)`."""
        start, end = int(self.offsets[row]), int(self.offsets[row + 1])
        return self.tokens[name][start:end]

    @property
    def lengths(self) -> Tensor:
        """Tokens in each row, `(N,)`."""
        return self.offsets.diff()


class GivenStore(FeatureStore):
    """Lengths and numbers of features that somebody's own function made: rows that are in memory."""

    def __init__(self, features: Sequence[Any]):
        self.given = features
        rows = list(map(as_mapping, features))
        ids = [torch.as_tensor(row["input_ids"]) for row in rows]
        self.offsets = torch.tensor([0, *map(len, ids)]).cumsum(0)  # (N+1,)
        self.tokens = {"input_ids": torch.cat(ids)}
        numbers = [name for name, value in rows[0].items() if isinstance(value, int)]
        self.rows = {name: torch.tensor([row[name] for row in rows], dtype=torch.int32) for name in numbers}
        self.number_examples()

    def __reduce__(self) -> tuple[Any, ...]:
        return GivenStore, (self.given,)


def write_features(chunks: Iterable[Chunk], path: Path) -> None:
    """Write chunks to `path` one by one: `safetensors` itself wants every array whole in memory.

    Each array is collected in a file of its own, and all are joined behind the header at the end.

    Source of the format: https://huggingface.co/docs/safetensors (8 bytes header length, JSON header, raw arrays).
    """
    with ExitStack() as open_files:
        parts: dict[str, IO[bytes]] = {}
        header: dict[str, dict[str, Any]] = {}
        for name, array in _named_arrays(chunks):
            if name not in parts:
                parts[name] = open_files.enter_context(tempfile.TemporaryFile(dir=path.parent))
                header[name] = {"dtype": SAFETENSORS_TYPES[array.dtype], "shape": [0, *array.shape[1:]]}
            header[name]["shape"][0] += len(array)
            parts[name].write(np.ascontiguousarray(array).data)
        end = 0
        for name, part in parts.items():
            header[name]["data_offsets"] = [end, end := end + part.tell()]
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)  # arrays begin aligned

        def join(partial: Path) -> None:
            with partial.open("wb") as file:
                file.write(len(text).to_bytes(8, "little") + text)
                for part in parts.values():
                    part.seek(0)
                    shutil.copyfileobj(part, file)

        write_whole(path, join)


def _named_arrays(chunks: Iterable[Chunk]) -> Iterator[tuple[str, np.ndarray]]:
    end = 0
    yield "offsets", np.zeros(1, np.int64)
    for chunk in chunks:
        offsets = end + np.cumsum(chunk.lengths, dtype=np.int64)
        end = int(offsets[-1]) if len(offsets) else end
        yield "offsets", offsets
        yield from ((f"tokens.{name}", array) for name, array in chunk.tokens.items())
        yield from ((f"rows.{name}", array) for name, array in chunk.rows.items())


def fingerprint(*parts: str | bytes) -> str:
    """Return 16 hexadecimal digits that change when any part, or the way features are made, changes."""
    digest = hashlib.sha256(f"features {FEATURES_VERSION}".encode())
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:16]


def tokenizer_identity(tokenizer: Any) -> str:
    """Return text that differs between any two tokenizers which could give different ids."""
    if tokenizer.is_fast:
        # truncation and padding are switched per call and would otherwise be part of the text
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        made_of: str = tokenizer.backend_tokenizer.to_str()
    else:
        settings = sorted(map(str, tokenizer.init_kwargs.items()))
        made_of = f"{json.dumps(sorted(tokenizer.get_vocab().items()))}{settings!r}"
    return f"{type(tokenizer).__name__} {tokenizer.all_special_ids} {tokenizer.model_input_names} {made_of}"


def cache_folder(chosen: str | None, corpus_folder: Path) -> Path:
    """Return where feature files go: the chosen folder, else the corpus's if writable, else the user's cache."""
    folder = Path(chosen).expanduser() if chosen else corpus_folder
    if not chosen and (not os.access(corpus_folder, os.W_OK) or corpus_folder.is_relative_to(CORPORA)):
        folder = environment.cache_folder("features", corpus_folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_once(path: Path, write: Callable[[], None], overwrite: bool) -> bool:
    """Call `write` unless the file is there, and return whether it ran; one process writes, others wait."""
    if path.exists() and not overwrite:
        return False
    seen = path.stat().st_mtime_ns if path.exists() else None
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists() and (not overwrite or path.stat().st_mtime_ns != seen):
            return False  # another process wrote it meanwhile
        write()
    return True
