"""A model folder: what lies in it, whose it is, and what may be removed.

| file | what it is | who writes it |
|---|---|---|
| `epoch=N-METRIC=X.ckpt` | the best checkpoints, each self-contained | the trainer |
| `last.ckpt` | the last epoch with its optimizer, to resume from | the trainer |
| `training.json` | the settings, the digests of own files, whether the training is finished | `train` |
| `table.json`, `held_out.jsonl` | how an own table was read, the rows held out of it | the task, as training starts |
| `label_map.txt` | of a token classifier: its labels, one on each line | the task, as training starts |
| `curves.png`, `logs/` | how the training went | the trainer |
| `evaluation/` | scores, predictions, pictures, `report.html` | `evaluate` |
| `ratsnlp.json` | in an exported folder: what its checkpoint said about itself, and golden answers | `export` |
"""

import contextlib
import hashlib
import json
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ratsnlp import __version__
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError, EvaluationError
from ratsnlp.nlpbook.settings import Arguments, names_where, settings_of

LAST = "last.ckpt"
PARTIAL = ".partial"
PACKAGES = ("torch", "transformers", "pytorch-lightning")


class ModelFolder:
    """What a training, its evaluation or an export left in one folder, which need not exist yet."""

    def __init__(self, path: str | Path):
        self.path = Path(path).expanduser()
        self.last = self.path / LAST
        self.training = self.path / "training.json"
        self.table = self.path / "table.json"
        self.held_out = self.path / "held_out.jsonl"
        self.label_map = self.path / "label_map.txt"
        self.curves = self.path / "curves.png"
        self.logs = self.path / "logs"
        self.evaluation = self.path / "evaluation"
        self.note = self.path / "ratsnlp.json"

    @property
    def checkpoints(self) -> list[Path]:
        """The checkpoints that a model can be made of, by name; `last.ckpt` is for resuming and not among them."""
        return [path for path in sorted(self.path.glob("*.ckpt")) if not path.name.startswith("last")]

    @property
    def is_exported(self) -> bool:
        """Whether this is an exported model. Where a training has left checkpoints, they are what it holds."""
        return self.note.is_file() and not any(self.path.glob("*.ckpt"))

    @property
    def _left_by_training(self) -> list[Path]:
        return [*self.path.glob("*.ckpt"), self.training, self.curves, self.table, self.held_out, self.label_map]

    def clear(self) -> None:
        """Remove what an earlier training left, and nothing else."""
        for path in self._left_by_training:
            path.unlink(missing_ok=True)
        shutil.rmtree(self.logs, ignore_errors=True)

    # the training

    def read_training(self) -> dict[str, Any]:
        """Return the record of the training: `settings`, `files`, `finished`, `versions`; empty where there is none."""
        return read_json(self.training) if self.training.exists() else {}

    def write_training(self, args: Arguments, *, finished: bool, data: str = "") -> None:
        """Write down the settings, the digests of own files, the versions, and whether all epochs are done.

        `data` is a name that differs between any two sets of features; empty where there is none.
        """
        versions = {"python": platform.python_version(), "ratsnlp": __version__}
        versions |= {package: version(package) for package in PACKAGES}
        record = {
            "settings": args.to_dict(),
            "files": _file_digests(args),
            "finished": finished,
            "data": data,
            "versions": versions,
        }
        write_json(self.training, record)

    def refuse_other_training(self, args: Arguments) -> None:
        """Do nothing where the folder holds no training, or the one that these settings describe.

        Settings without effect may differ; a file or a folder may have another name and be the same.

        Raises:
            ArgumentError: Some settings differ, each named with both values; or an own file has changed since.
        """
        record = self.read_training()
        if not record:
            return
        before, after = record["settings"], args.to_dict()
        known, digests = record.get("files", {}), _file_digests(args)
        changed = []
        for name, setting in settings_of(type(args)).items():
            # a setting that is newer than the record was at its default then
            old, new = before.get(name, setting.field.default), after[name]
            if name in known and name in digests:
                self._refuse_changed(new, digests[name], known[name])
            elif setting.trait("effect") and old != new and not _same_place(old, new):
                changed.append(f"{name} was {old!r}, is {new!r}")
        if changed:
            raise ArgumentError(
                f"{self.path} holds a training with other settings: {'; '.join(changed)}. Name another "
                "downstream_model_dir, give the settings as they were, or start again with --restart."
            )

    def set_aside(self) -> Path:
        """Move what another training left, with its scores, to `earlier-N` in this folder, and return that folder."""
        number = 1 + len(list(self.path.glob("earlier-*")))
        place = self.path / f"earlier-{number}"
        place.mkdir()
        for path in [*self._left_by_training, self.logs, self.evaluation]:
            if path.exists():
                path.rename(place / path.name)
        return place

    # the own table that was learned from

    def read_table(self) -> dict[str, Any]:
        """Return how an own table was read; empty where the model learned from another corpus."""
        return read_json(self.table) if self.table.exists() else {}

    def columns_of(self, path: Path) -> dict[str, str]:
        """Return how the training here read the columns of an own table, empty where it read another file.

        An ArgumentError says that the file has changed since.
        """
        record = self.read_table()
        if not record or not path.is_file():
            return {}
        digest = file_digest(path)
        if record["files"]["train"] == str(path):
            self._refuse_changed(path, digest, record["sha256"])
        return dict(record["columns"]) if digest == record["sha256"] else {}

    def _refuse_changed(self, path: Any, digest: str, before: str) -> None:
        if digest != before:
            raise ArgumentError(
                f"{path} is not as it was when the training in {self.path} began, so other rows would be held out. Put "
                "the file back, name another downstream_model_dir, or start again with --restart."
            )

    def write_table(self, record: Mapping[str, Any], held_out: Iterable[Mapping[str, str]]) -> None:
        """Write down how an own table was read, and the rows held out of it, so that they can be scored anywhere."""
        self.forget_table()
        write_whole(self.held_out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in held_out))
        write_json(self.table, record)

    def forget_table(self) -> None:
        """Remove what the folder says of an own table."""
        self.table.unlink(missing_ok=True)
        self.held_out.unlink(missing_ok=True)

    # the exported form and the scores

    def read_note(self) -> dict[str, Any]:
        """Return what an exported folder says about itself; a CheckpointError where it is damaged, or too new."""
        try:
            note = read_json(self.note)
            known = note["format"] == 1
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self.note} is damaged ({type(error).__name__}: {error}); export the model again"
            ) from None
        if not known:
            raise CheckpointError(
                f"{self.note} has format {note['format']}, this version reads 1; install a newer ratsnlp"
            )
        return note

    def read_metrics(self) -> dict[str, Any]:
        """Return what `evaluate` measured; an EvaluationError says that it left nothing here."""
        path = self.evaluation / "metrics.json"
        if not path.is_file():
            raise EvaluationError(
                f"{self.path} is not scored yet ({held_in(self.evaluation)}). Run first: ratsnlp evaluate {self.path}"
            )
        return read_json(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file of ours."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write an object as JSON, whole or not at all."""
    write_whole(path, json.dumps(values, ensure_ascii=False, indent=2) + "\n")


def write_whole(path: Path, write: str | Callable[[Path], Any]) -> Path:
    """Write a text, or what a function writes to the path it is given, to a file: whole or not at all.

    It is written under another name in the same folder, then renamed, so what stands there stays until then.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        if callable(write):
            write(partial)
        else:
            partial.write_text(write, encoding="utf-8")
        return partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # a Drive that vanished takes its files along
            partial.unlink(missing_ok=True)
        raise


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def held_in(folder: Path, called: str = "") -> str:
    """Return what a folder holds, in words for an error message that calls it by its path, or as it is `called`."""
    if not folder.is_dir():
        return f"{called or f'the folder {folder}'} does not exist"
    return f"in {called or folder}: {', '.join(sorted(path.name for path in folder.iterdir())[:10]) or 'nothing'}"


def _file_digests(args: Arguments) -> dict[str, str]:
    paths = {name: Path(getattr(args, name) or "").expanduser() for name in names_where(type(args), file=True)}
    return {name: file_digest(path) for name, path in paths.items() if path.is_file()}


def _same_place(one: Any, other: Any) -> bool:
    """Return whether two settings name the same file or folder: a pretrained model may lie in one."""
    with contextlib.suppress(OSError, TypeError, ValueError):  # not there, no text, no path
        return Path(one).expanduser().samefile(Path(other).expanduser())
    return False
