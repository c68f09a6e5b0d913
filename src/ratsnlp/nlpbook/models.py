"""Pretrained models as they come: loading with plain errors, the inputs they take, the labels their heads answer.

A trained head is a matrix with one row for each label. Which row is which label stands in the model's config, and
nowhere else: two models for the same labels may hold them in different orders. So rows are always matched by the
labels' names, never by position.
"""

import inspect
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch.nn import Dropout, Linear, Module
from transformers import PretrainedConfig

from ratsnlp.nlpbook.errors import ModelLoadError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.texts import plain_labels


def load_pretrained(load: Callable[..., Any], name: str, **options: Any) -> Any:
    """Call `from_pretrained`; where it fails, a ModelLoadError says in plain words what is wrong."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity(logging.ERROR)  # its table of new head weights alarms: a new head is wanted
    try:
        return load(name, **options)
    except (OSError, ValueError, SafetensorError) as error:
        where = "it is not a folder here, and " if not Path(name).is_dir() else "the folder is there, but "
        raise ModelLoadError(
            f"pretrained_model_name {name!r} cannot be loaded: {where}{str(error).splitlines()[0]} Check the name, the "
            "connection to the hub, or give a local folder that holds config.json, weights and tokenizer."
        ) from None
    finally:
        transformers.logging.set_verbosity(level)


def takes_token_types(model: Any) -> bool:
    """Return whether a model tells a pair's texts apart by token types."""
    # tokenizers are no guide: klue/roberta's gives types 0 and 1 to a model that knows type 0 only, and fails on 1
    known = getattr(model.config, "type_vocab_size", 0) or 0
    return known > 1 and "token_type_ids" in inspect.signature(model.forward).parameters


def set_dropout(model: Module, *, hidden: float | None, attention: float | None) -> None:
    """Set the shares dropped in training, where None leaves them as they are; warn of dropouts the model has not.

    `attention` is for attention weights, `hidden` for all else. Any `attention` but 0 keeps PyTorch from its fused
    attention on a CPU: it then writes out all `(B, heads, T, T)` weights.
    """
    layers = [module for module in model.modules() if "SelfAttention" in type(module).__name__]
    inner = {id(getattr(layer, "dropout", None)) for layer in layers}
    dropouts = [module for module in model.modules() if isinstance(module, Dropout)]
    for name, share, inside in (("hidden_dropout", hidden, False), ("attention_dropout", attention, True)):
        chosen = [dropout for dropout in dropouts if (id(dropout) in inner) is inside]
        if share is not None and not chosen:
            logger.warning("%s=%s has no effect on a %s", name, share, type(model).__name__)
        for dropout in chosen:
            dropout.p = dropout.p if share is None else share


def split_name(name: str) -> tuple[str, str]:
    """Return how a label is shown and its key: `긍정 (positive)` gives both parts, `드라마` gives itself twice."""
    shown, _, key = name.partition(" (")
    return shown, key.removesuffix(")") or shown


def shown_labels(names: Sequence[str]) -> list[str]:
    """Return how labels are shown, without their keys; in full where they would not differ without."""
    shown = [split_name(name)[0] for name in names]
    return shown if len(set(shown)) == len(names) else list(names)


def head_labels(config: PretrainedConfig) -> list[str]:
    """Return the labels that a config gives the head's outputs, in their order."""
    names: dict[Any, str] = dict(config.id2label or {})
    return [names[i] for i in sorted(names, key=int)]


def labels_of(dataset: Any) -> tuple[list[str], list[str]]:
    """Return the labels of a dataset's corpus and how to show them; empty where it is not one of ours."""
    corpus: Any = getattr(dataset, "corpus", None)
    owner = next((each for each in (dataset, corpus) if hasattr(each, "get_labels")), None)
    labels = plain_labels(owner.get_labels()) if owner else []
    names = [str(name) for name in getattr(corpus, "label_names", ())]
    return labels, names if len(names) == len(labels) else labels


def match_labels(found: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """Return for each wanted label its place among those found, ignoring case; None where the names differ."""
    places = {label.casefold(): place for place, label in enumerate(found)}
    if not len(places) == len(found) == len(wanted) or places.keys() != {label.casefold() for label in wanted}:
        return None
    return [places[label.casefold()] for label in wanted]


def place_labels(found: Sequence[str], labels: Sequence[str], names: Sequence[str] = ()) -> list[int] | None:
    """Return for each of a corpus's labels its place among those found in a head; None where not all are found.

    They are found by themselves, by their `names`, such as `긍정 (positive)`, or by the first or second part of these.
    """
    ways = [labels, names, shown_labels(names), [split_name(name)[1] for name in names]]
    return next((places for way in ways if way and (places := match_labels(found, way)) is not None), None)


def find_head(model: Any) -> Linear:
    """Return the last linear layer that has an output for each label; a ModelLoadError says that there is none."""
    inside, count = set(model.base_model.modules()), model.config.num_labels
    outside = [module for module in model.modules() if module not in inside]
    fitting = [module for module in outside if isinstance(module, Linear) and module.out_features == count]
    if not fitting:
        raise ModelLoadError(f"{type(model).__name__} has no linear layer of {count} outputs")
    return fitting[-1]


def name_head(model: Any, labels: Sequence[str]) -> None:
    """Write the labels into the model's config, in the order of the head's outputs."""
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {label: i for i, label in enumerate(labels)}


def order_head(model: Any, labels: Sequence[str], names: Sequence[str] = ()) -> bool:
    """Put the rows of a trained head into the order of a corpus's labels, and log it where that moves any.

    They are matched by name, see `place_labels`. Returns whether all were; otherwise nothing was touched.
    """
    found = head_labels(model.config)
    places = place_labels(found, labels, names)
    if places is None:
        return False
    if places != sorted(places):
        logger.info("the head answers %s; its rows are put in the order %s", ", ".join(found), ", ".join(labels))
        head = find_head(model)
        with torch.no_grad():
            for weight in head.parameters():  # (K, H) and (K,)
                weight.copy_(weight[places])
    name_head(model, labels)
    return True


def adopt_labels(model: Any, labels: Sequence[str], names: Sequence[str] = ()) -> None:
    """Make the head of a model just loaded, which has `len(labels)` outputs, fit a corpus's labels.

    One that was trained for them is kept, its rows matched by name; any other starts again from random weights.
    """
    trained = type(model).__name__ in (model.config.architectures or ())
    if trained and order_head(model, labels, names):
        return
    if trained:
        logger.info("the model's head was trained for other labels; a new one is made for %s", ", ".join(labels))
        head = find_head(model)
        torch.nn.init.normal_(head.weight, std=getattr(model.config, "initializer_range", 0.02))
        if head.bias is not None:
            torch.nn.init.zeros_(head.bias)
    name_head(model, labels)


def class_count(model: Any) -> int | None:
    """Return among how many labels a model chooses, for a text or for each token; None where it does neither."""
    classifies = type(model).__name__.endswith(("ForSequenceClassification", "ForTokenClassification"))
    return int(model.config.num_labels) if classifies and model.config.num_labels > 1 else None
