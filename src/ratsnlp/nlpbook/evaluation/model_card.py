"""The model card of an exported folder: what the model is, what it learnt from, how good it is, how to use it."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ratsnlp.nlpbook.builtin import BUILTIN, BUILTIN_MODEL
from ratsnlp.nlpbook.models import shown_labels
from ratsnlp.nlpbook.recipes import Recipe

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

FILES = ("train_file", "validation_file", "test_file")


@cache
def load_template() -> Template:
    """Return the card's template. It is Markdown: nothing is escaped."""
    loader = PackageLoader("ratsnlp.nlpbook.evaluation", "templates")
    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    return Environment(loader=loader, undefined=StrictUndefined, **options).get_template("model_card.md")


def write_model_card(path: Path, recipe: Recipe, note: Mapping[str, Any], scores: Mapping[str, Any]) -> None:
    """Write the card.

    Args:
        path: Where to.
        recipe: The model's task.
        note: What the exported folder says about itself.
        scores: What `evaluate` measured; empty where it did not.
    """
    settings, model_class = note["settings"], recipe.model.partition(":")[2]
    base, corpus = settings["pretrained_model_name"], settings["downstream_corpus_name"] or "own data"
    published = base != BUILTIN_MODEL and not Path(base).exists()
    card = load_template().render(
        task=recipe.task_name,
        model_class=model_class,
        pipeline=PIPELINES.get(model_class, ""),
        base=base if published else None,
        base_json=code(base),
        base_told="the model that comes with ratsnlp" if base == BUILTIN_MODEL else Path(base).name,
        corpus=corpus,
        sample=corpus.startswith(BUILTIN),
        labels=shown_labels(note["label_names"]),
        settings=tell_settings(settings),
        validation={name: tell(value) for name, value in note["metrics"].items() if name.startswith("val_")},
        about=scores,
        scores=tell_scores(scores),
        question=ask(note["golden"][0]["question"]) if note["golden"] else '""',
        length=settings["max_seq_length"],
        version=note["ratsnlp"],
    )
    path.write_text(card, encoding="utf-8")


def code(text: str) -> str:
    """Return a text as a literal of Python or YAML."""
    return json.dumps(text, ensure_ascii=False)


def ask(question: str | list[str]) -> str:
    """Return what a text-classification pipeline is called with: a text, or a pair of texts."""
    if isinstance(question, str):
        return code(question)
    return f'{{"text": {code(question[0])}, "text_pair": {code(question[1])}}}'


def tell_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that shaped the model, as words; of own files the names, of folders nothing."""
    told = {name: value for name, value in settings.items() if name not in LOCAL | TOLD_ELSEWHERE and value is not None}
    return {name: tell(Path(value).name if name in FILES else value) for name, value in told.items()}


def tell_scores(scores: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, value and 95 % interval of each score that has one."""
    intervals = {name: scores.get(f"{name}_interval_95") for name in scores}
    return [
        (name, tell(scores[name]), f"{tell(bounds[0])} to {tell(bounds[1])}")
        for name, bounds in intervals.items()
        if bounds
    ]


def tell(value: Any) -> str:
    """Return a value as a cell of a table."""
    return (f"{value:.4g}" if isinstance(value, float) else str(value)).replace("|", "\\|")
