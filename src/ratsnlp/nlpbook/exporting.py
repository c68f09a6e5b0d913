"""A trained model as a folder in Hugging Face form: transformers loads it, and so do the verbs of this library."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratsnlp import __version__
from ratsnlp.nlpbook.checkpoints import held_in
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError
from ratsnlp.nlpbook.evaluation.model_card import write_model_card
from ratsnlp.nlpbook.fine_tuned import NOTE, find_fine_tuned, is_exported
from ratsnlp.nlpbook.inference.golden import choose_golden, find_change
from ratsnlp.nlpbook.models import name_head, shown_labels
from ratsnlp.nlpbook.pipeline import describe_folder

logger = logging.getLogger("ratsnlp")

OWN_FILES = ("config", "tokenizer")
"""What a checkpoint says about itself that the folder holds as files of their own."""


def export(folder: str | Path, out: str | Path, overwrite: bool = False) -> Path:
    """Write the best checkpoint of a model folder as a folder in Hugging Face form, and return that folder.

    It is written beside its place, loaded again, asked whether it answers as the checkpoint does, and renamed.

    Args:
        folder: The model folder.
        out: The folder to write.
        overwrite: Whether an earlier export there is replaced, all of it.

    Raises:
        ArgumentError: There is something at `out` already.
        CheckpointError: There is no checkpoint to choose, or what was written does not answer as it does.
    """
    out = Path(out).expanduser()
    refuse_occupied(out, overwrite)
    recipe, described = describe_folder(folder)
    predictor = recipe.load("predictor").restore(find_fine_tuned(folder))
    note = {name: value for name, value in described.items() if name not in OWN_FILES}
    note |= {"ratsnlp": __version__, "golden": choose_golden(predictor)}
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_model(partial, predictor)
    (partial / NOTE).write_text(json.dumps(note, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    write_model_card(partial / "README.md", recipe, note, read_scores(Path(folder)))
    if change := find_change(type(predictor).restore(partial), note):
        raise CheckpointError(f"{partial} does not answer as the checkpoint does: {change}")
    put_in_place(partial, out)
    return out


def refuse_occupied(out: Path, overwrite: bool) -> None:
    """Do nothing where there is nothing yet, or an earlier export that may go.

    Raises:
        ArgumentError: There is something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not is_exported(out):
        held = held_in(out) if out.is_dir() else "it is a file"
        raise ArgumentError(f"{out} is in the way, and no export wrote it ({held}); name another folder")
    if not overwrite:
        raise ArgumentError(f"{out} holds an exported model; name another folder, or replace it with --overwrite")


def write_model(folder: Path, predictor: Any) -> None:
    """Write weights, config and tokenizer. The config names the labels as people read them."""
    labels = shown_labels(predictor.label_names)
    if labels:
        name_head(predictor.model, labels)
    predictor.model.save_pretrained(folder)
    predictor.tokenizer.save_pretrained(folder)


def read_scores(folder: Path) -> Mapping[str, Any]:
    """Return what `evaluate` measured of a model folder's best checkpoint; empty where it did not, or before it."""
    path, model = folder / "evaluation" / "metrics.json", find_fine_tuned(folder)
    if not path.is_file():
        logger.info("%s is not scored yet, so the model card has no test scores: ratsnlp evaluate %s", folder, folder)
        return {}
    if path.stat().st_mtime < model.stat().st_mtime and not model.is_dir():
        logger.warning("%s is older than %s, so the model card leaves it out; score it anew first", path, model)
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8")))


def put_in_place(partial: Path, out: Path) -> None:
    """Give a finished folder its name; what was there is removed once it stands."""
    before = out.with_name(f"{out.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    if out.exists():
        out.rename(before)
    partial.rename(out)
    shutil.rmtree(before, ignore_errors=True)
