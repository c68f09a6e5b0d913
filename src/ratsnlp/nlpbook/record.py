"""What a model folder says of the training in it: its settings, and whether it is finished."""

import json
import platform
import shutil
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ratsnlp import __version__
from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.data.table_record import forget_table
from ratsnlp.nlpbook.errors import ArgumentError

RECORD = "training.json"
WITHOUT_EFFECT = {"overwrite_cache", "force_download", "cpu_workers", "feature_cache_dir"}
"""Settings that may differ when a training is resumed: they change how it runs, not what comes out."""


def clear(folder: Path) -> None:
    """Remove what an earlier training left in a model folder, and nothing else."""
    for path in [*folder.glob("*.ckpt"), folder / RECORD, folder / "curves.png"]:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / "logs", ignore_errors=True)
    forget_table(folder)


def read_record(folder: Path) -> dict[str, Any]:
    """Return what the folder says of the training in it; empty where there was none."""
    path = folder / RECORD
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return record


def write_record(folder: Path, args: TrainArguments, *, finished: bool) -> None:
    """Write down the settings, the versions, and whether the training is finished."""
    packages = ("torch", "transformers", "pytorch-lightning")
    record = {
        "settings": args.to_dict(),
        "finished": finished,
        "versions": {"python": platform.python_version(), "ratsnlp": __version__}
        | {package: version(package) for package in packages},
    }
    partial = folder / f"{RECORD}.partial"
    partial.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / RECORD)


def refuse_other_settings(before: dict[str, Any], args: TrainArguments, folder: Path) -> None:
    """Refuse to go on with a training under other settings.

    Raises:
        ArgumentError: Some settings differ; the message names each with both values.
    """
    after = args.to_dict()
    defaults = {field.name: field.default for field in fields(args)}  # of settings that are newer than the record
    changed = [
        f"{name} was {before.get(name, defaults[name])!r}, is {after[name]!r}"
        for name in after
        if name not in WITHOUT_EFFECT and before.get(name, defaults[name]) != after[name]
    ]
    if changed:
        raise ArgumentError(
            f"{folder} holds a training with other settings: {'; '.join(changed)}. "
            "Name another downstream_model_dir, give the settings as they were, or start anew with --restart."
        )
