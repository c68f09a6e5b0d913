"""Model folders: what a checkpoint says about itself, choosing the best one, reading it back.

A checkpoint is self-contained: weights, task, settings, labels in order, tokenizer, model config, metrics. It holds
plain values only, so `torch.load(path, map_location="cpu")` reads it under today's weights-only default, and no class
of ours is needed.
"""

import hashlib
import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ratsnlp.nlpbook import old_names
from ratsnlp.nlpbook.environment import cache_folder
from ratsnlp.nlpbook.errors import CheckpointError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.model_folder import ModelFolder, held_in, write_whole
from ratsnlp.nlpbook.models import labels_of, load_pretrained, order_head
from ratsnlp.nlpbook.tasks import TASKS
from ratsnlp.nlpbook.texts import plain

old_names.add_encode_plus()  # whoever deploys a model as the published cells do has loaded this module

KEY = "ratsnlp"
PREFIX = "model."
UNSTORED = ("_name_or_path", "problem_type")
OLD_BUFFERS = re.compile(r"embeddings\.position_ids$|\.h\.\d+\.attn\.(masked_)?bias$")
"""Constants, by name, that earlier versions of transformers stored among the weights of BERT's and GPT-2's kind."""


class OldObject:
    """Stands for an object of an earlier version: has its values as attributes, and none of its code."""


OLD_TASKS = {"classification": "Classification", "qa": "QA", "ner": "NER", "generation": "Generation"}
OLD_CLASSES: list[Any] = [
    *((OldObject, f"ratsnlp.nlpbook.{task}.arguments.{name}TrainArguments") for task, name in OLD_TASKS.items()),
    *((OldObject, f"ratsnlp.nlpbook.{task}.arguments.{name}DeployArguments") for task, name in OLD_TASKS.items()),
    (OldObject, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"),
    (OldObject, "pytorch_lightning.callbacks.early_stopping.EarlyStopping"),
]
"""The classes that a checkpoint of 1.x may name, as `torch.serialization.safe_globals` takes them."""


def describe_model(
    settings: Mapping[str, Any], model: PreTrainedModel, dataset: Any, metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Return what a checkpoint says about itself, in plain values. It is stored under `KEY`.

    `settings` are those of the training, `metrics` those of validation. `dataset`, the features trained on, has the
    tokenizer and the corpus's labels; one that is not ours may have none of them.
    """
    tokenizer, (labels, names) = getattr(dataset, "tokenizer", None), labels_of(dataset)
    described: dict[str, Any] = {
        "format": 1,
        "task": settings["downstream_task_name"],
        "settings": dict(settings),
        "labels": labels,
        "label_names": names,
        # without the folder it was loaded from, which the settings name, and the kind of loss, which the task knows
        "config": {name: value for name, value in model.config.to_dict().items() if name not in UNSTORED},
        "tokenizer": _pack_tokenizer(tokenizer) if tokenizer is not None else {},
        "metrics": dict(metrics),
    }
    return {name: plain(value) for name, value in described.items()}


def refuse_unstorable(described: Mapping[str, Any]) -> None:
    """Refuse what a checkpoint could not hold, before a training and not after an epoch; a CheckpointError names it."""
    for name, value in described.items():
        for part, each in value.items() if isinstance(value, Mapping) else [("", value)]:
            try:
                written = io.BytesIO()
                torch.save(each, written)
                written.seek(0)
                torch.load(written, weights_only=True)
            except Exception as error:  # whatever pickling refuses
                raise CheckpointError(
                    f"the checkpoints of this training could not be read again: {name} {part} is {each!r}, "
                    f"a {type(each).__name__} ({str(error).splitlines()[0]}). Give text, numbers or lists of them."
                ) from None


def _pack_tokenizer(tokenizer: PreTrainedTokenizerBase) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        files = sorted(Path(folder).iterdir())
        return {path.name: torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8) for path in files}


def load_raw(path: Path) -> dict[str, Any]:
    """Return what `torch.load` finds in a checkpoint, its tensors still on disk; or a CheckpointError says why not."""
    try:
        with safe_globals(OLD_CLASSES):
            found: Any = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"the checkpoint {path} does not exist; {held_in(path.parent)}") from None
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise CheckpointError(
            f"the checkpoint {path} cannot be read ({type(error).__name__}: {str(error).splitlines()[0]}). "
            "It may have been cut short while it was written or copied; choose another one, or train again."
        ) from None
    if not isinstance(found, dict) or "state_dict" not in found:
        raise CheckpointError(f"{path} holds no 'state_dict', so it is not a checkpoint of a training run")
    return found


def read_description(path: str | Path) -> dict[str, Any]:
    """Return what a checkpoint, or an exported folder, says about itself; empty where this library did not write it.

    A CheckpointError says that it cannot be read.
    """
    path = Path(path)
    return ModelFolder(path).read_note() if path.is_dir() else dict(load_raw(path).get(KEY, {}))


def make_readable(path: Path) -> Path:
    """Return a checkpoint that a notebook's own `torch.load` and `load_state_dict` take: the file itself, or a copy.

    Files of ratsnlp 1.x hold objects that today's `torch.load` refuses, and constants that today's models do not know.
    Of such a file only the weights are copied, into the user's cache; the file is left as it is. A CheckpointError says
    that it cannot be read.
    """
    raw = load_raw(path)
    weights = {name: tensor for name, tensor in raw["state_dict"].items() if not OLD_BUFFERS.search(name)}
    if len(weights) == len(raw["state_dict"]) and not get_unsafe_globals_in_checkpoint(path):
        return path
    about = path.stat()
    key = hashlib.sha256(f"{path.absolute()} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = cache_folder("old-checkpoints", key, path.name)
    if not copy.exists():
        logger.info("%s is of an earlier version; a copy that today's torch.load reads: %s", path, copy)
        copy.parent.mkdir(parents=True, exist_ok=True)
        kept: dict[str, Any] = {name: raw[name] for name in ("epoch", "global_step") if name in raw}
        write_whole(copy, lambda partial: torch.save(kept | {"state_dict": weights}, partial))
    return copy


def select_checkpoint(folder: str | Path, tasks: Sequence[str] = ()) -> Path:
    """Return the best checkpoint of a model folder by the metric that its training monitored.

    `last.ckpt` is for resuming, and chosen only where nothing else is there; files that cannot be read are skipped with
    a warning. A checkpoint that does not say its metric (an old `epoch=0.ckpt`) is taken only where none does. Where
    `tasks` are given, as checkpoints name them, those of other tasks of ours are passed over. A CheckpointError says
    that there is none to choose.
    """
    home, ranked, others = ModelFolder(folder), [], []
    folder = home.path
    for path in home.checkpoints:
        try:
            raw = load_raw(path)
        except CheckpointError as error:
            logger.warning("skipped: %s", error)
            continue
        if other := _other_task(raw.get(KEY, {}), tasks):
            others.append(f"{path.name} ({other})")
        else:
            ranked.append((_rank(path, raw), path))
    if others and not ranked:
        raise CheckpointError(f"{folder} holds no model for {' or '.join(tasks)}, but for others: {', '.join(others)}")
    if not ranked and home.last.exists():
        logger.warning("%s holds no checkpoint but %s, the last epoch, which is taken", folder, home.last.name)
        return home.last
    if not ranked:
        exported = (folder / "config.json").exists()
        raise CheckpointError(
            f"no checkpoint to choose for a model: {held_in(folder)}. Run the training notebook first (on Colab: with "
            "this folder on Drive), or pass downstream_model_checkpoint_fpath."
            + (" What `ratsnlp export` wrote is loaded with nlpbook.load_predictor." if exported else "")
        )
    return min(ranked)[1]


def _rank(path: Path, raw: Mapping[str, Any]) -> tuple[float, float]:
    """Return a key by which the better checkpoint sorts first: the monitored value, then the later epoch."""
    described = raw.get(KEY, {})
    way, _, metric = described.get("settings", {}).get("monitor", "min val_loss").partition(" ")
    epoch = float(raw.get("epoch", 0))
    named = re.search(rf"{re.escape(metric)}=(-?[0-9.]+[0-9])", path.name)
    known = described.get("metrics", {}) | {"epoch": epoch}
    value = known.get(metric, float(named[1]) if named else None)
    if value is None:
        return float("inf"), -epoch
    return (value if way == "min" else -value), -epoch


def _restore_tokenizer(description: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    if not description.get("tokenizer"):
        raise CheckpointError("the checkpoint holds no tokenizer; load it by name and pass it with tokenizer=")
    with tempfile.TemporaryDirectory() as folder:
        for name, content in description["tokenizer"].items():
            (Path(folder) / name).write_bytes(content.numpy().tobytes())
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        return tokenizer


def find_fine_tuned(place: str | Path, tasks: Sequence[str] = ()) -> Path:
    """Return the best checkpoint of a model folder; a checkpoint file, or an exported folder, as it is given.

    A CheckpointError says that there is none, or that it was trained for none of `tasks`: see `select_checkpoint`.
    """
    path = Path(place).expanduser()
    if not (path.suffix == ".ckpt" or path.is_file() or ModelFolder(path).is_exported):
        return select_checkpoint(path, tasks)
    if other := _other_task(read_description(path), tasks):
        raise CheckpointError(f"{path} was trained for {other}, and this is for {' or '.join(tasks)}")
    return path


def _other_task(described: Mapping[str, Any], tasks: Sequence[str]) -> str:
    """Return the task of ours that a checkpoint was trained for, unless it is one of `tasks`, or there are none."""
    task = str(described.get("task", ""))
    ours = {spec.task_name for spec in TASKS.values()} if tasks else set()
    return task if task in ours.difference(tasks) else ""


def describe_fine_tuned(path: Path) -> dict[str, Any]:
    """Return what a checkpoint, or an exported folder, says about itself; a CheckpointError where that is nothing."""
    described = read_description(path)
    if not described:
        raise CheckpointError(
            f"{path} does not say what it is: no task, labels or config in it. Build the model by hand."
        )
    return described


def restore(
    path: Path, described: Mapping[str, Any], model_class: Any, tokenizer: PreTrainedTokenizerBase | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model, in evaluation mode and float32, and the tokenizer of a checkpoint file or an exported folder.

    `described` is what it says about itself, `tokenizer` one for a checkpoint that holds none.

    Raises:
        CheckpointError: Weights and config do not fit each other, or there are no weights or no tokenizer.
        ModelLoadError: An exported folder lacks a file, or one is damaged.
    """
    if path.is_dir():
        try:
            model = load_pretrained(model_class.from_pretrained, str(path), dtype=torch.float32)
        except RuntimeError as error:
            raise CheckpointError(f"the weights in {path} do not fit its config.json: {error}") from None
        order_head(model, described["labels"], described["label_names"])
        return model.train(False), tokenizer or load_pretrained(AutoTokenizer.from_pretrained, str(path))
    weights = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in load_raw(path)["state_dict"].items()
        if name.startswith(PREFIX) and not OLD_BUFFERS.search(name)
    }
    if not weights:
        raise CheckpointError(f"{path} holds no weights whose names begin with '{PREFIX}'")
    model = model_class.from_config(AutoConfig.for_model(**described["config"]), dtype=torch.float32)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"the weights in {path} do not fit a {type(model).__name__}: {error}") from None
    return model.train(False), tokenizer or _restore_tokenizer(described)
