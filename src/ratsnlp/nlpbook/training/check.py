"""Before a training: does this tokenizer belong to this model, and do the data and the settings fit both?"""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.data.dataset import data_collator
from ratsnlp.nlpbook.environment import in_colab, is_first_process, on_drive
from ratsnlp.nlpbook.models import class_count, head_labels, place_labels, takes_token_types
from ratsnlp.nlpbook.training.findings import ORDER, Finding, Report, Subject, pick_rows

JAMO = "\u1112\u1161\u11ab"
"""The letters of 한, as canonical decomposition leaves them."""


def _tears_hangul(tokenizer: Any) -> bool:
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    if normalizer is not None:
        return JAMO in str(normalizer.normalize_str("한"))
    return not getattr(tokenizer, "is_fast", False) and bool(getattr(tokenizer, "do_lower_case", False))


def _knows_jamo(tokenizer: Any) -> bool:
    vocabulary = tokenizer.get_vocab()
    return all(any(sign + letter in vocabulary for sign in ("", "##", "\u2581")) for letter in JAMO[:2])


SPARE_ROWS = 1024
"""Embeddings are padded to a multiple of 8, 64 or 128, or leave room for new tokens; so many rows may go unused."""
SPARE_SHARE = 1 / 40
"""... or, of a large vocabulary, this share of the rows."""
PADDED_TO = (8, 64, 128)
"""Multiples to which embeddings are padded, for speed on a GPU."""
UNKNOWN_ERROR, UNKNOWN_WARNING = 0.5, 0.05


def _check_vocabulary(subject: Subject) -> Iterator[Finding]:
    size, rows = len(subject.tokenizer), subject.embedding_rows
    highest = max(size - 1, int(subject.ids.max()) if len(subject.ids) else 0)
    sides = f"{subject.tokenizer_side} and {subject.model_side}"
    if highest >= rows:
        yield Finding(
            "error",
            "vocabulary",
            f"{sides} do not belong together: ids reach {highest:,}, the embeddings end at {rows - 1:,}; load both "
            f"under the same name or, if you added tokens, call model.resize_token_embeddings({highest + 1})",
        )
    elif rows - size > max(SPARE_ROWS, rows * SPARE_SHARE):
        yield Finding(
            "error" if size < rows / 2 else "warning",
            "vocabulary",
            f"{sides} plainly belong to different models: {rows - size:,} rows would never be used, and an id means "
            "another word on each side; load both under the same name",
        )


def _check_names(subject: Subject) -> Iterator[Finding]:
    names = subject.tokenizer.name_or_path, subject.model.name_or_path
    if all(names) and names[0] != names[1]:
        yield Finding(
            "note",
            "names",
            f"the tokenizer was loaded from {names[0]}, the model from {names[1]}; make sure that both use the same "
            "vocabulary, in the same order",
        )


def _check_padding(subject: Subject) -> Iterator[Finding]:
    own, expected = subject.tokenizer.pad_token_id, getattr(subject.model.config, "pad_token_id", None)
    used = subject.rows[0].padding.token_id if subject.rows else own
    if own is not None and used != own:
        yield Finding(
            "error",
            "padding",
            f"the features are padded with id {used}, but {subject.tokenizer_side} has [PAD] = {own}: they were made "
            "with another tokenizer; make the dataset anew with this one",
        )
    if own is None or not isinstance(expected, int) or expected < 0 or own == expected:
        return
    # a config that forgot its [PAD] does no harm where the vocabulary is the model's own and positions just count
    harmless = _sizes_agree(len(subject.tokenizer), subject.embedding_rows) and not subject.position_offset
    yield Finding(
        "warning" if harmless else "error",
        "padding",
        f"{subject.tokenizer_side} pads with id {own}, but {subject.model_side} expects {expected}, which means "
        f"{subject.tokenizer.convert_ids_to_tokens(expected)} to the tokenizer; load both under the same name"
        + (", or set model.config.pad_token_id if the config is what is wrong" if harmless else ""),
    )


def _sizes_agree(tokens: int, rows: int) -> bool:
    return rows in {tokens, *(-(-tokens // multiple) * multiple for multiple in PADDED_TO)}


SPECIALS = {
    "cls_token_id": ("cls_token_id",),
    "sep_token_id": ("sep_token_id",),
    "bos_token_id": ("bos_token_id", "cls_token_id"),
    "eos_token_id": ("eos_token_id", "sep_token_id"),
}
"""Ids that a config may name, and where a tokenizer may hold each."""


def _check_specials(subject: Subject) -> Iterator[Finding]:
    for name, places in SPECIALS.items():
        expected = getattr(subject.model.config, name, None)
        known: set[Any] = {getattr(subject.tokenizer, place, None) for place in places} - {None}
        if isinstance(expected, int) and known and expected not in known:
            yield Finding(
                "warning",
                "special tokens",
                f"{subject.model_side} names {name} = {expected}, but in {subject.tokenizer_side} it is "
                f"{' or '.join(map(str, sorted(known)))}; load both under the same name",
            )


def _check_dataset_tokenizer(subject: Subject) -> Iterator[Finding]:
    made_with = getattr(subject.dataset, "tokenizer", subject.tokenizer)
    if made_with is not subject.tokenizer and made_with.get_vocab() != subject.tokenizer.get_vocab():
        yield Finding(
            "error",
            "features",
            f"the features were made with {made_with.name_or_path or type(made_with).__name__} ({len(made_with):,} "
            f"tokens), not with {subject.tokenizer_side}; make the dataset anew with this tokenizer",
        )


def _check_unknown(subject: Subject) -> Iterator[Finding]:
    unknown, special = subject.tokenizer.unk_token_id, set(subject.tokenizer.all_special_ids)
    torn, jamo = _tears_hangul(subject.tokenizer), _knows_jamo(subject.tokenizer)
    if torn and jamo:
        yield Finding(
            "note",
            "jamo",
            f"{subject.tokenizer_side} lower-cases, which tears Hangul into jamo; its vocabulary holds jamo, so that "
            "works, but texts become two to three times as many tokens",
        )
    used_otherwise = [getattr(subject.tokenizer, f"{name}_token_id", None) for name in ("pad", "bos", "eos")]
    if unknown is None or unknown in used_otherwise:
        return
    words = ~torch.isin(subject.ids, torch.tensor(sorted(special - {unknown}), dtype=torch.int64))
    share = float((subject.ids == unknown).sum()) / max(1, int(words.sum()))
    if share > UNKNOWN_WARNING:
        cause = (
            "it lower-cases, which tears Hangul into jamo that its vocabulary does not hold: load it with "
            "do_lower_case=False"
            if torn
            else "choose a model whose vocabulary was made for such texts"
        )
        yield Finding(
            "error" if share > UNKNOWN_ERROR else "warning",
            "unknown words",
            f"{share:.0%} of the data's tokens are {subject.tokenizer.unk_token} to {subject.tokenizer_side}; {cause}",
        )


PAIR_CHECKS = (
    _check_vocabulary,
    _check_names,
    _check_padding,
    _check_specials,
    _check_dataset_tokenizer,
    _check_unknown,
)
FORWARD_ROWS = 8
CUT_WARNING = 0.2
LOSS_WARNING = 3.0
"""A fresh head's loss lies near ln k, a trained one's below; more than this many times ln k is wrong."""


def _check_length(subject: Subject) -> Iterator[Finding]:
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


def _check_token_types(subject: Subject) -> Iterator[Finding]:
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


def _check_labels(subject: Subject) -> Iterator[Finding]:
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


def _check_labelled(subject: Subject) -> Iterator[Finding]:
    missing = sum(getattr(row, "label", 0) is None for row in subject.rows)
    if missing:
        yield Finding(
            "error",
            "missing labels",
            f"{missing} of {len(subject.rows)} rows looked at have no label, and {subject.model_side} cannot learn "
            "from them; leave them out of the training file",
        )


def _check_cut(subject: Subject) -> Iterator[Finding]:
    length = subject.args.max_seq_length
    share = sum(len(row.input_ids) >= length for row in subject.rows) / max(1, len(subject.rows))
    if not getattr(subject.dataset, "cuts_texts", True) or not share:
        return
    yield Finding(
        "warning" if share > CUT_WARNING else "note",
        "cut off",
        f"{share:.1%} of the texts reach max_seq_length {length} and are cut off there"
        + ("; give a larger max_seq_length, as far as the model's positions go" if share > CUT_WARNING else ""),
    )


def _check_folder(subject: Subject) -> Iterator[Finding]:
    folder = subject.args.downstream_model_dir
    if folder and in_colab() and not on_drive(folder):
        yield Finding(
            "warning",
            "model folder",
            f"downstream_model_dir {folder} is not on Google Drive, and Colab removes it when the runtime ends; mount "
            "Drive and name a folder in it, such as /content/gdrive/My Drive/nlpbook/checkpoint",
        )


@contextmanager
def _undisturbed(model: Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    devices = [model.device] if getattr(getattr(model, "device", None), "type", "cpu") == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            model.train(False)
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _first_loss(model: Any, rows: list[Any]) -> float:
    known = inspect.signature(model.forward).parameters
    batch: dict[str, Tensor] = {
        name: values.to(model.device) for name, values in data_collator(rows).items() if name in known
    }
    if not takes_token_types(model):
        batch.pop("token_type_ids", None)
    with _undisturbed(model):
        return float(model(**batch).loss)


def _check_first_loss(subject: Subject) -> Iterator[Finding]:
    if not is_first_process():
        return
    loss, classes = _first_loss(subject.model, pick_rows(subject.dataset, FORWARD_ROWS)), class_count(subject.model)
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
    _check_length,
    _check_token_types,
    _check_labels,
    _check_labelled,
    _check_cut,
    _check_folder,
)


def check(args: TrainArguments, model: Any, tokenizer: Any, dataset: Any) -> Report:
    """Look at a model, a tokenizer, features and settings together, before time is spent on training them.

    Nothing is changed: not the model's mode, not the random numbers to come.

    It takes seconds: statistics are of at most 2,000 rows, and the model sees one batch of 8, where nothing else is
    wrong yet.

    Args:
        args: The training settings.
        model: The model to train.
        tokenizer: The tokenizer that made the features.
        dataset: The features to train on.

    Returns:
        The report; print it, or call its `raise_for_errors()`.
    """
    subject = Subject(args, model, tokenizer, dataset)
    found = [finding for look in (*PAIR_CHECKS, *DATA_CHECKS) for finding in look(subject)]
    if subject.rows and not any(finding.level == "error" for finding in found):
        found += _check_first_loss(subject)
    pair = f"{subject.tokenizer_side} with {subject.model_side}"
    return Report(pair, tuple(sorted(found, key=lambda finding: ORDER.index(finding.level))))
