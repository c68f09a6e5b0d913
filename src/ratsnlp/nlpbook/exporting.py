"""A trained model as a folder in Hugging Face form: transformers loads it, and so do the verbs of this library."""

import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ratsnlp import __version__
from ratsnlp.nlpbook.builtin import BUILTIN, BUILTIN_MODEL
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError
from ratsnlp.nlpbook.inference.golden_answers import choose_golden, find_change
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.model_folder import ModelFolder, held_in, read_json, write_json
from ratsnlp.nlpbook.models import name_head, shown_labels
from ratsnlp.nlpbook.pipeline import find_model
from ratsnlp.nlpbook.settings import names_where
from ratsnlp.nlpbook.tasks import TaskSpec

OWN_FILES = ("config", "tokenizer")  # what a checkpoint says of itself and an exported folder holds as files
# settings that stand in the first table of a model card, not among the others
OWN_ROWS = ("pretrained_model_name", "downstream_task_name", "downstream_corpus_name")


def export(folder: str | Path, out: str | Path, overwrite: bool = False) -> Path:
    """Write the best checkpoint of the model folder `folder` as the folder `out` in Hugging Face form; return that.

    It is written next to its place, loaded again, asked whether it answers as the checkpoint does, and renamed. With
    `overwrite`, all of an earlier export there is replaced.

    Raises:
        ArgumentError: There is something at `out` already.
        CheckpointError: There is no checkpoint to choose, or what was written does not answer as it does.
    """
    out = Path(out).expanduser()
    _refuse_occupied(out, overwrite)
    spec, checkpoint, described = find_model(folder)
    predictor = spec.load("predictor").restore(checkpoint)
    note = {name: value for name, value in described.items() if name not in OWN_FILES}
    note |= {"ratsnlp": __version__, "golden": choose_golden(predictor)}

    written, before = (out.with_name(f"{out.name}.{state}") for state in ("partial", "before"))
    for left in (written, before):
        shutil.rmtree(left, ignore_errors=True)
    written.mkdir(parents=True)
    if labels := shown_labels(predictor.label_names):
        name_head(predictor.model, labels)  # as people read them
    predictor.model.save_pretrained(written)
    predictor.tokenizer.save_pretrained(written)
    write_json(ModelFolder(written).note, note)
    _write_model_card(written / "README.md", spec, note, _read_scores(ModelFolder(folder), checkpoint))
    if change := find_change(type(predictor).restore(written), note):
        raise CheckpointError(f"{written} does not answer as the checkpoint does: {change}")
    if out.exists():
        out.rename(before)
    written.rename(out)
    shutil.rmtree(before, ignore_errors=True)
    return out


def _refuse_occupied(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not ModelFolder(out).is_exported:
        held = held_in(out) if out.is_dir() else "it is a file"
        raise ArgumentError(
            f"{out} already exists and was not created by `ratsnlp export` ({held}); name another folder"
        )
    if not overwrite:
        raise ArgumentError(f"{out} holds an exported model; name another folder, or replace it with --overwrite")


def _read_scores(folder: ModelFolder, checkpoint: Path) -> dict[str, Any]:
    path = folder.evaluation / "metrics.json"
    if not path.is_file():
        named = folder.path
        logger.info("%s is not scored yet, so the model card has no test scores: ratsnlp evaluate %s", named, named)
        return {}
    if path.stat().st_mtime < checkpoint.stat().st_mtime and not checkpoint.is_dir():
        logger.warning("%s is older than %s, so the model card leaves it out; score it again first", path, checkpoint)
        return {}
    return read_json(path)


def _write_model_card(path: Path, spec: TaskSpec, note: Mapping[str, Any], scores: Mapping[str, Any]) -> None:
    environment = Environment(
        loader=PackageLoader("ratsnlp.nlpbook.evaluation", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": _as_cell, "literal": partial(json.dumps, ensure_ascii=False)}
    settings, arguments = note["settings"], spec.load("arguments")
    base, corpus = settings["pretrained_model_name"], settings["downstream_corpus_name"] or "own data"
    on_hub = base != BUILTIN_MODEL and not Path(base).exists()
    base_name = "the model that comes with ratsnlp" if base == BUILTIN_MODEL else Path(base).name
    left_out = {*OWN_ROWS, *names_where(arguments, local=True)}
    shown = {name: value for name, value in settings.items() if name not in left_out and value is not None}
    shown |= {name: Path(shown[name]).name for name in names_where(arguments, file=True) if name in shown}
    question = note["golden"][0]["question"] if note["golden"] else ""
    card = environment.get_template("model_card.md").render(
        spec=spec,
        note=note,
        base=base if on_hub else base_name,
        on_hub=on_hub,
        corpus=corpus,
        sample=corpus.startswith(BUILTIN),
        labels=shown_labels(note["label_names"]),
        settings=shown,
        validation={name: value for name, value in note["metrics"].items() if name.startswith("val_")},
        scores=scores,
        # as transformers takes a pair
        question=question if isinstance(question, str) else dict(zip(("text", "text_pair"), question, strict=True)),
    )
    path.write_text(card, encoding="utf-8")


def _as_cell(value: Any) -> str:
    return (f"{value:.4g}" if isinstance(value, float) else str(value)).replace("|", "\\|")
