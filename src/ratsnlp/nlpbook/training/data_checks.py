"""Do the data and the settings fit the model? Each check yields what it finds."""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from ratsnlp.nlpbook.arguments import IN_COLAB
from ratsnlp.nlpbook.data.batches import data_collator
from ratsnlp.nlpbook.logs import is_first_process
from ratsnlp.nlpbook.models import class_count, head_labels, place_labels, takes_token_types
from ratsnlp.nlpbook.training.findings import Finding
from ratsnlp.nlpbook.training.subject import Subject, pick_rows

FORWARD_ROWS = 8
CUT_WARNING = 0.2
LOSS_WARNING = 3.0
"""A fresh head's loss lies near ln k, a trained one's below; more than this many times ln k is wrong."""


def check_length(subject: Subject) -> Iterator[Finding]:
    """Compare `max_seq_length` with the positions that the model knows."""
    table, wanted = subject.position_table, subject.args.max_seq_length
    if table is None:
        return
    usable = int(table.num_embeddings) - subject.position_offset
    if wanted > usable:
        why = f" ({table.num_embeddings} in its config, counted from {subject.position_offset})"
        yield Finding(
            "error",
            "length",
            f"max_seq_length is {wanted}, but {subject.model_side} has {usable} positions"
            f"{why if subject.position_offset else ''}; give max_seq_length {usable} or less",
        )


def check_token_types(subject: Subject) -> Iterator[Finding]:
    """Compare the features' token types with those that the model knows."""
    highest = max((max(row.token_type_ids or [0], default=0) for row in subject.rows), default=0)
    known = getattr(subject.model.config, "type_vocab_size", 0) or 0
    if not highest:
        return
    if not takes_token_types(subject.model):
        yield Finding(
            "note",
            "token types",
            f"the features have token types 0..{highest}, but {subject.model_side} tells no types apart "
            f"(type_vocab_size {known}); they are dropped, and the separator alone parts the two texts",
        )
    elif highest >= known:
        yield Finding(
            "error",
            "token types",
            f"the features have token types 0..{highest}, but {subject.model_side} knows {known} "
            "(type_vocab_size); load tokenizer and model under the same name",
        )


def check_labels(subject: Subject) -> Iterator[Finding]:
    """Compare the corpus's labels with the outputs of the head, in number and by name."""
    labels, outputs = subject.labels, int(getattr(subject.model.config, "num_labels", 0) or 0)
    if not labels:
        return
    if len(labels) != outputs:
        yield Finding(
            "error",
            "labels",
            f"the corpus has {len(labels)} labels ({', '.join(labels[:10])}), but the head of {subject.model_side} has "
            f"{outputs} outputs; load the model with num_labels={len(labels)}",
        )
        return
    found = head_labels(subject.model.config)
    names = getattr(getattr(subject.dataset, "corpus", None), "label_names", ())
    places = place_labels(found, labels, names)
    if places is not None and places != sorted(places):
        yield Finding(
            "warning",
            "label order",
            f"the corpus's labels are {', '.join(labels)}, the head of {subject.model_side} answers "
            f"{', '.join(found)}; trainer.fit puts its rows in the corpus's order by name, a loop of your own must too",
        )
    elif places is None and not all(name.startswith("LABEL_") for name in found):
        yield Finding(
            "note",
            "label order",
            f"the corpus's labels are {', '.join(labels)}, the head of {subject.model_side} was named for "
            f"{', '.join(found)}; it begins as another task's head",
        )


def check_labelled(subject: Subject) -> Iterator[Finding]:
    """Refuse rows whose label is missing: nothing can be learnt from them."""
    missing = sum(getattr(row, "label", 0) is None for row in subject.rows)
    if missing:
        yield Finding(
            "error",
            "missing labels",
            f"{missing} of {len(subject.rows)} rows looked at have no label, and {subject.model_side} cannot learn "
            "from them; leave them out of the training file",
        )


def check_cut(subject: Subject) -> Iterator[Finding]:
    """Measure the share of texts that are cut off. Windows over a passage are long by design and not counted."""
    length = subject.args.max_seq_length
    share = sum(len(row.input_ids) >= length for row in subject.rows) / max(1, len(subject.rows))
    if not subject.labels or not share:
        return
    yield Finding(
        "warning" if share > CUT_WARNING else "note",
        "cut off",
        f"{share:.1%} of the texts reach max_seq_length {length} and are cut off there"
        + ("; give a larger max_seq_length, as far as the model's positions go" if share > CUT_WARNING else ""),
    )


def check_folder(subject: Subject) -> Iterator[Finding]:
    """Warn of a model folder that Colab removes with the session."""
    folder = subject.args.downstream_model_dir
    if not IN_COLAB or not folder:
        return
    parts = Path(folder).expanduser().absolute().parts
    if parts[:2] != ("/", "content") or not {"drive", "gdrive"} & set(parts[2:3]):
        yield Finding(
            "warning",
            "model folder",
            f"downstream_model_dir {folder} is not on Google Drive, and Colab removes it when the runtime ends; mount "
            "Drive and name a folder in it, such as /content/gdrive/My Drive/nlpbook/checkpoint",
        )


@contextmanager
def undisturbed(model: Module) -> Iterator[None]:
    """Put the mode of every part of the model, and the random numbers, back as they were."""
    modes = {module: module.training for module in model.modules()}
    devices = [model.device] if getattr(getattr(model, "device", None), "type", "cpu") == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            model.train(False)
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def first_loss(model: Any, rows: list[Any]) -> float:
    """Return the loss of one batch, the model as it is."""
    known = inspect.signature(model.forward).parameters
    batch: dict[str, Tensor] = {
        name: values.to(model.device) for name, values in data_collator(rows).items() if name in known
    }
    if not takes_token_types(model):
        batch.pop("token_type_ids", None)
    with undisturbed(model):
        return float(model(**batch).loss)


def check_first_loss(subject: Subject) -> Iterator[Finding]:
    """Compare the loss of a first batch with that of guessing. Of several training processes, the first one does."""
    if not is_first_process():
        return
    loss, classes = first_loss(subject.model, pick_rows(subject.dataset, FORWARD_ROWS)), class_count(subject.model)
    if not math.isfinite(loss):
        yield Finding(
            "error",
            "first loss",
            f"the loss of {subject.model_side} on a first batch of the data is {loss}; its weights hold numbers that "
            "are not finite: load them anew, in float32",
        )
    elif classes and loss > LOSS_WARNING * math.log(classes):
        yield Finding(
            "warning",
            "first loss",
            f"the loss of {subject.model_side} on a first batch of the data is {loss:.2f}, and guessing gives "
            f"ln {classes} = {math.log(classes):.2f}; look at the labels, their order, and the head",
        )


DATA_CHECKS = (
    check_length,
    check_token_types,
    check_labels,
    check_labelled,
    check_cut,
    check_folder,
)
