"""A trained model as a folder in Hugging Face form: transformers loads it, and so do the verbs of this library."""

import json
import logging
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ratsnlp import __version__
from ratsnlp.nlpbook.builtin import BUILTIN, BUILTIN_MODEL
from ratsnlp.nlpbook.checkpoints import find_fine_tuned
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError
from ratsnlp.nlpbook.inference.golden_answers import choose_golden, find_change
from ratsnlp.nlpbook.model_folder import ModelFolder, held_in, write_json
from ratsnlp.nlpbook.models import name_head, shown_labels
from ratsnlp.nlpbook.pipeline import describe_folder
from ratsnlp.nlpbook.tasks import TaskSpec

PIPELINES = {
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForCausalLM": "text-generation",
}
"""What the hub, and transformers' `pipeline`, call the task of a class of models."""
TOLD_ELSEWHERE = {"pretrained_model_name", "downstream_task_name", "downstream_corpus_name"}
LOCAL = {
    "downstream_model_dir",
    "downstream_corpus_root_dir",
    "feature_cache_dir",
    "overwrite_cache",
    "force_download",
    "cpu_workers",
    "tpu_cores",
}
"""Settings that tell of one machine, and not of the model."""
OWN_FILE_SETTINGS = ("train_file", "validation_file", "test_file")


@cache
def _load_card_template() -> Template:
    loader = PackageLoader("ratsnlp.nlpbook.evaluation", "templates")
    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    return Environment(loader=loader, undefined=StrictUndefined, **options).get_template("model_card.md")


def _write_model_card(path: Path, spec: TaskSpec, note: Mapping[str, Any], scores: Mapping[str, Any]) -> None:
    """Write the card.

    Args:
        path: Where to.
        spec: The model's task.
        note: What the exported folder says about itself.
        scores: What `evaluate` measured; empty where it did not.
    """
    settings, model_class = note["settings"], spec.model.partition(":")[2]
    base, corpus = settings["pretrained_model_name"], settings["downstream_corpus_name"] or "own data"
    published = base != BUILTIN_MODEL and not Path(base).exists()
    card = _load_card_template().render(
        task=spec.task_name,
        model_class=model_class,
        pipeline=PIPELINES.get(model_class, ""),
        base=base if published else None,
        base_json=_as_literal(base),
        base_told="the model that comes with ratsnlp" if base == BUILTIN_MODEL else Path(base).name,
        corpus=corpus,
        sample=corpus.startswith(BUILTIN),
        labels=shown_labels(note["label_names"]),
        settings=_tell_settings(settings),
        validation={name: tell(value) for name, value in note["metrics"].items() if name.startswith("val_")},
        about=scores,
        scores=_tell_scores(scores),
        question=_ask_in_card(note["golden"][0]["question"]) if note["golden"] else '""',
        length=settings["max_seq_length"],
        version=note["ratsnlp"],
    )
    path.write_text(card, encoding="utf-8")


def _as_literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _ask_in_card(question: str | list[str]) -> str:
    if isinstance(question, str):
        return _as_literal(question)
    return f'{{"text": {_as_literal(question[0])}, "text_pair": {_as_literal(question[1])}}}'


def _tell_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    told = {name: value for name, value in settings.items() if name not in LOCAL | TOLD_ELSEWHERE and value is not None}
    return {name: tell(Path(value).name if name in OWN_FILE_SETTINGS else value) for name, value in told.items()}


def _tell_scores(scores: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    intervals = {name: scores.get(f"{name}_interval_95") for name in scores}
    return [
        (name, tell(scores[name]), f"{tell(bounds[0])} to {tell(bounds[1])}")
        for name, bounds in intervals.items()
        if bounds
    ]


def tell(value: Any) -> str:
    """Return a value as a cell of a table."""
    return (f"{value:.4g}" if isinstance(value, float) else str(value)).replace("|", "\\|")


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
    _refuse_occupied(out, overwrite)
    spec, described = describe_folder(folder)
    predictor = spec.load("predictor").restore(find_fine_tuned(folder))
    note = {name: value for name, value in described.items() if name not in OWN_FILES}
    note |= {"ratsnlp": __version__, "golden": choose_golden(predictor)}
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_model(partial, predictor)
    write_json(ModelFolder(partial).note, note)
    _write_model_card(partial / "README.md", spec, note, _read_scores(Path(folder)))
    if change := find_change(type(predictor).restore(partial), note):
        raise CheckpointError(f"{partial} does not answer as the checkpoint does: {change}")
    put_in_place(partial, out)
    return out


def _refuse_occupied(out: Path, overwrite: bool) -> None:
    """Do nothing where there is nothing yet, or an earlier export that may go.

    Raises:
        ArgumentError: There is something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not ModelFolder(out).is_exported:
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


def _read_scores(folder: Path) -> Mapping[str, Any]:
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
