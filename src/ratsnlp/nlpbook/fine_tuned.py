"""A fine-tuned model on disk: a checkpoint of a training, or a folder in Hugging Face form that was exported."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ratsnlp.nlpbook.checkpoints import (
    read_description,
    restore_config,
    restore_model,
    restore_tokenizer,
    select_checkpoint,
)
from ratsnlp.nlpbook.errors import CheckpointError
from ratsnlp.nlpbook.models import load_pretrained, order_head

NOTE = "ratsnlp.json"
"""The file in an exported folder that holds what a checkpoint says about itself, and the golden answers."""


def is_exported(folder: str | Path) -> bool:
    """Tell whether a folder is an exported model. Where a training has left checkpoints, they are what it holds."""
    return (Path(folder) / NOTE).is_file() and not any(Path(folder).glob("*.ckpt"))


def find_fine_tuned(place: str | Path) -> Path:
    """Return a checkpoint file or an exported folder as it is given, and of a model folder the best checkpoint.

    Raises:
        CheckpointError: There is no checkpoint to choose.
    """
    given = str(place).endswith(".ckpt") or is_exported(place)
    return Path(place) if given else select_checkpoint(place)


def describe_fine_tuned(path: Path) -> dict[str, Any]:
    """Return what a checkpoint file, or an exported folder, says about itself.

    Raises:
        CheckpointError: It cannot be read, or says nothing.
    """
    described = read_note(path) if path.is_dir() else read_description(path)
    if not described:
        raise CheckpointError(
            f"{path} does not say what it is: no task, labels or config in it. Build the model by hand."
        )
    return described


def read_note(folder: Path) -> dict[str, Any]:
    """Return what an exported folder says about itself.

    Raises:
        CheckpointError: The file is damaged, or was written by a later version.
    """
    path = folder / NOTE
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        known = note["format"] == 1
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({type(error).__name__}: {error}); export the model again") from None
    if not known:
        raise CheckpointError(f"{path} has format {note['format']}, this version reads 1; install a newer ratsnlp")
    return dict(note)


def restore(
    path: Path, described: Mapping[str, Any], model_class: Any, tokenizer: PreTrainedTokenizerBase | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a fine-tuned model, in evaluation mode and float32, and its tokenizer.

    Args:
        path: A checkpoint file, or an exported folder.
        described: What it says about itself.
        model_class: transformers' class that builds the model.
        tokenizer: Only for a checkpoint that holds none.

    Raises:
        CheckpointError: Weights and config do not fit each other, or there is no tokenizer.
        ModelLoadError: An exported folder lacks a file, or one is damaged.
    """
    if not path.is_dir():
        model = restore_model(model_class, path, restore_config(described))
        return model, tokenizer or restore_tokenizer(described)
    try:
        model = load_pretrained(model_class.from_pretrained, str(path), dtype=torch.float32)
    except RuntimeError as error:
        raise CheckpointError(f"the weights in {path} do not fit its config.json: {error}") from None
    order_head(model, described["labels"], described["label_names"])
    return model.train(False), tokenizer or load_pretrained(AutoTokenizer.from_pretrained, str(path))
