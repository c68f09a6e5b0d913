"""Before a training: does this tokenizer belong to this model, and do the data and the settings fit both?"""

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Embedding

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.data.batches import data_collator
from ratsnlp.nlpbook.environment import in_colab, is_first_process, on_drive
from ratsnlp.nlpbook.errors import CheckError
from ratsnlp.nlpbook.models import class_count, head_labels, labels_of, place_labels, takes_token_types

Level = Literal["error", "warning", "note"]
ORDER: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that a check found."""

    level: Level  # "error" refuses the training, "warning" is said, "note" is worth knowing
    message: str  # one sentence: both sides, what was found, what to do
    name: str = ""  # what was checked; stable, to search for

    def __str__(self) -> str:
        return f"{self.level:<8}{self.name:<16}{self.message}"


@dataclass(frozen=True)
class Report:
    """The findings of one check, errors first; `pair` is the tokenizer and the model, in words."""

    pair: str
    findings: tuple[Finding, ...]

    def of(self, level: Level) -> tuple[Finding, ...]:
        """Return the findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refuse the training."""
        return self.of("error")

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        if self.errors:
            return "do not train this"
        return "ready, but read the warnings" if self.of("warning") else "ready"

    def __str__(self) -> str:
        return "\n".join([f"checked: {self.pair}", *map(str, self.findings), f"verdict: {self.verdict}"])

    def raise_for_errors(self) -> None:
        """Raise a `CheckError` that lists all errors, where there are any."""
        if self.errors:
            lines = (f"- {error.name}: {error.message}" for error in self.errors)
            raise CheckError("\n".join(["this cannot be trained as it is:", *lines]))


SAMPLED_ROWS = 2000


@dataclass(frozen=True)
class CheckInput:
    """What is checked, and the rows looked at."""

    args: TrainArguments
    model: Any
    tokenizer: Any
    dataset: Any

    def pick_rows(self, count: int) -> list[Any]:
        """Return at most `count` rows of the dataset, spread evenly."""
        step = max(1.0, len(self.dataset) / count)
        return [self.dataset[int(i * step)] for i in range(min(count, len(self.dataset)))]

    @cached_property
    def rows(self) -> list[Any]:
        """The rows that statistics are of, at most `SAMPLED_ROWS`."""
        return self.pick_rows(SAMPLED_ROWS)

    @cached_property
    def ids(self) -> Tensor:
        """All token ids of the rows, one after another, `(N,)`."""
        return torch.tensor([token for row in self.rows for token in row.input_ids], dtype=torch.int64)

    @cached_property
    def embedding_rows(self) -> int:
        """How many token ids the model has embeddings for."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    @cached_property
    def position_table(self) -> Embedding | None:
        """The model's table of absolute positions; None where it has none, or counts them in another way."""
        for name, module in self.model.named_modules():
            if name.endswith(("position_embeddings", "wpe")) and isinstance(module, Embedding):
                return module
        return None

    @property
    def position_offset(self) -> int:
        """The first position of a text: RoBERTa counts on from the padding id, others from 0."""
        padding = getattr(self.position_table, "padding_idx", None)
        return 0 if padding is None else int(padding) + 1

    @property
    def tokenizer_side(self) -> str:
        """The tokenizer in words."""
        kind = f"{type(self.tokenizer).__name__}, {len(self.tokenizer):,} tokens"
        return f"the tokenizer {self.tokenizer.name_or_path or ''}".strip() + f" ({kind})"

    @property
    def model_side(self) -> str:
        """The model in words."""
        kind = f"{type(self.model).__name__}, {self.embedding_rows:,} embedding rows"
        return f"the model {self.model.name_or_path or ''}".strip() + f" ({kind})"


error, warning, note = (partial(Finding, level) for level in ORDER)

SPARE_ROWS = 1024
"""Embeddings are padded to a multiple of 8, 64 or 128, or leave room for new tokens; so many rows may go unused."""
SPARE_SHARE = 1 / 40
"""... or, of a large vocabulary, this share of the rows."""


def _check_vocabulary(given: CheckInput) -> Iterator[Finding]:
    size, rows = len(given.tokenizer), given.embedding_rows
    highest = max(size - 1, int(given.ids.max()) if len(given.ids) else 0)
    sides = f"{given.tokenizer_side} and {given.model_side}"
    if highest >= rows:
        yield error(
            f"{sides} do not belong together: ids reach {highest:,}, the embeddings end at {rows - 1:,}; load both "
            f"under the same name or, if you added tokens, call model.resize_token_embeddings({highest + 1})"
        )
    elif rows - size > max(SPARE_ROWS, rows * SPARE_SHARE):
        say = error if size < rows / 2 else warning
        yield say(
            f"{sides} plainly belong to different models: {rows - size:,} rows would never be used, and an id means "
            "another word on each side; load both under the same name"
        )


def _check_names(given: CheckInput) -> Iterator[Finding]:
    names = given.tokenizer.name_or_path, given.model.name_or_path
    if all(names) and names[0] != names[1]:
        yield note(
            f"the tokenizer was loaded from {names[0]}, the model from {names[1]}; make sure that both use the same "
            "vocabulary, in the same order"
        )


PADDED_TO = (8, 64, 128)
"""Multiples to which embeddings are padded, for speed on a GPU."""


def _check_padding(given: CheckInput) -> Iterator[Finding]:
    own, expected = given.tokenizer.pad_token_id, getattr(given.model.config, "pad_token_id", None)
    used = given.rows[0].padding.token_id if given.rows else own
    if own is not None and used != own:
        yield error(
            f"the features are padded with id {used}, but {given.tokenizer_side} has [PAD] = {own}: they were made "
            "with another tokenizer; make the dataset again with this one"
        )
    if own is None or not isinstance(expected, int) or expected < 0 or own == expected:
        return
    # a config that forgot its [PAD] does no harm where the vocabulary is the model's own and positions just count
    size, rows = len(given.tokenizer), given.embedding_rows
    own_vocabulary = rows == size or any(rows == -(-size // multiple) * multiple for multiple in PADDED_TO)
    harmless = own_vocabulary and not given.position_offset
    say = warning if harmless else error
    yield say(
        f"{given.tokenizer_side} pads with id {own}, but {given.model_side} expects {expected}, which means "
        f"{given.tokenizer.convert_ids_to_tokens(expected)} to the tokenizer; load both under the same name"
        + (", or set model.config.pad_token_id if the config is what is wrong" if harmless else "")
    )


SPECIALS = {"cls": ("cls",), "sep": ("sep",), "bos": ("bos", "cls"), "eos": ("eos", "sep")}
"""Tokens whose ids a config may name, and under which names a tokenizer may hold each."""


def _check_specials(given: CheckInput) -> Iterator[Finding]:
    for token, names in SPECIALS.items():
        expected = getattr(given.model.config, f"{token}_token_id", None)
        known: set[Any] = {getattr(given.tokenizer, f"{name}_token_id", None) for name in names} - {None}
        if isinstance(expected, int) and known and expected not in known:
            yield warning(
                f"{given.model_side} names {token}_token_id = {expected}, but in {given.tokenizer_side} it is "
                f"{' or '.join(map(str, sorted(known)))}; load both under the same name"
            )


def _check_dataset_tokenizer(given: CheckInput) -> Iterator[Finding]:
    made_with = getattr(given.dataset, "tokenizer", given.tokenizer)
    if made_with is not given.tokenizer and made_with.get_vocab() != given.tokenizer.get_vocab():
        yield error(
            f"the features were made with {made_with.name_or_path or type(made_with).__name__} ({len(made_with):,} "
            f"tokens), not with {given.tokenizer_side}; make the dataset again with this tokenizer"
        )


JAMO = "\u1112\u1161\u11ab"
"""The letters of 한, as canonical decomposition leaves them."""


def _tears_hangul(tokenizer: Any) -> bool:
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    if normalizer is not None:
        return JAMO in str(normalizer.normalize_str("한"))
    return not getattr(tokenizer, "is_fast", False) and bool(getattr(tokenizer, "do_lower_case", False))


def _check_jamo(given: CheckInput) -> Iterator[Finding]:
    known = given.tokenizer.get_vocab()
    # "##" and "\u2581" mark word pieces and sentence pieces
    knows_jamo = all(any(mark + letter in known for mark in ("", "##", "\u2581")) for letter in JAMO[:2])
    if knows_jamo and _tears_hangul(given.tokenizer):
        yield note(
            f"{given.tokenizer_side} lower-cases, which tears Hangul into jamo; its vocabulary holds jamo, so that "
            "works, but texts become two to three times as many tokens"
        )


UNKNOWN_ERROR, UNKNOWN_WARNING = 0.5, 0.05


def _check_unknown(given: CheckInput) -> Iterator[Finding]:
    unknown, special = given.tokenizer.unk_token_id, set(given.tokenizer.all_special_ids)
    used_otherwise = [getattr(given.tokenizer, f"{name}_token_id", None) for name in ("pad", "bos", "eos")]
    if unknown is None or unknown in used_otherwise:
        return
    words = ~torch.isin(given.ids, torch.tensor(sorted(special - {unknown}), dtype=torch.int64))
    share = float((given.ids == unknown).sum()) / max(1, int(words.sum()))
    if share > UNKNOWN_WARNING:
        say = error if share > UNKNOWN_ERROR else warning
        advice = "choose a model whose vocabulary was made for such texts"
        if _tears_hangul(given.tokenizer):
            advice = (
                "it lower-cases, which tears Hangul into jamo that its vocabulary does not hold: load it with "
                "do_lower_case=False"
            )
        yield say(
            f"{share:.0%} of the data's tokens are {given.tokenizer.unk_token} to {given.tokenizer_side}; {advice}"
        )


def _check_length(given: CheckInput) -> Iterator[Finding]:
    table, offset, wanted = given.position_table, given.position_offset, given.args.max_seq_length
    if table is not None and wanted > table.num_embeddings - offset:
        usable = table.num_embeddings - offset
        why = f" ({table.num_embeddings} in its config, counted from {offset})" if offset else ""
        yield error(
            f"max_seq_length is {wanted}, but {given.model_side} has {usable} positions{why}; give max_seq_length "
            f"{usable} or less"
        )


def _check_token_types(given: CheckInput) -> Iterator[Finding]:
    highest = max((max(row.token_type_ids or [0], default=0) for row in given.rows), default=0)
    known = getattr(given.model.config, "type_vocab_size", 0) or 0
    if highest and not takes_token_types(given.model):
        yield note(
            f"the features have token types 0..{highest}, but {given.model_side} does not use them "
            f"(type_vocab_size {known}); they are dropped, and only the separator token divides the two texts"
        )
    elif highest and highest >= known:
        yield error(
            f"the features have token types 0..{highest}, but {given.model_side} knows {known} "
            "(type_vocab_size); load tokenizer and model under the same name"
        )


def _check_labels(given: CheckInput) -> Iterator[Finding]:
    labels, _ = labels_of(given.dataset)
    outputs = int(getattr(given.model.config, "num_labels", 0) or 0)
    if labels and len(labels) != outputs:
        yield error(
            f"the corpus has {len(labels)} labels ({', '.join(labels[:10])}), but the head of {given.model_side} has "
            f"{outputs} outputs; load the model with num_labels={len(labels)}"
        )


def _check_label_order(given: CheckInput) -> Iterator[Finding]:
    (labels, names), found = labels_of(given.dataset), head_labels(given.model.config)
    if not labels or len(labels) != len(found):
        return
    places = place_labels(found, labels, names)
    if places is not None and places != sorted(places):
        yield warning(
            f"the corpus's labels are {', '.join(labels)}, the head of {given.model_side} answers "
            f"{', '.join(found)}; trainer.fit puts its rows in the corpus's order by name, a loop of your own must too"
        )
    elif places is None and not all(name.startswith("LABEL_") for name in found):
        yield note(
            f"the corpus's labels are {', '.join(labels)}, the head of {given.model_side} was named for "
            f"{', '.join(found)}; the head keeps weights from another task"
        )


def _check_labelled(given: CheckInput) -> Iterator[Finding]:
    missing = sum(getattr(row, "label", 0) is None for row in given.rows)
    if missing:
        yield error(
            f"{missing} of {len(given.rows)} rows looked at have no label, and {given.model_side} cannot learn "
            "from them; leave them out of the training file"
        )


CUT_WARNING = 0.2


def _check_cut(given: CheckInput) -> Iterator[Finding]:
    length = given.args.max_seq_length
    share = sum(len(row.input_ids) >= length for row in given.rows) / max(1, len(given.rows))
    if share and getattr(given.dataset, "cuts_texts", True):
        cut = f"{share:.1%} of the texts reach max_seq_length {length} and are cut off there"
        more = "; give a larger max_seq_length, as far as the model's positions go"
        yield warning(cut + more) if share > CUT_WARNING else note(cut)


def _check_folder(given: CheckInput) -> Iterator[Finding]:
    folder = given.args.downstream_model_dir
    if folder and in_colab() and not on_drive(folder):
        yield warning(
            f"downstream_model_dir {folder} is not on Google Drive, and Colab removes it when the runtime ends; mount "
            "Drive and name a folder in it, such as /content/gdrive/My Drive/nlpbook/checkpoint"
        )


FORWARD_ROWS = 8
LOSS_WARNING = 3.0
"""A fresh head's loss lies near ln k, a trained one's below; more than this many times ln k is wrong."""


def _check_first_loss(given: CheckInput) -> Iterator[Finding]:
    if not is_first_process():
        return
    model, classes = given.model, class_count(given.model)
    known = set(inspect.signature(model.forward).parameters)
    if not takes_token_types(model):
        known.discard("token_type_ids")
    batch = data_collator(given.pick_rows(FORWARD_ROWS))
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []), torch.no_grad():
            model.train(False)
            loss = float(model(**{name: batch[name].to(model.device) for name in batch.keys() & known}).loss)
    finally:  # the check leaves the model as it was
        for module, mode in modes.items():
            module.training = mode
    if not math.isfinite(loss):
        yield error(
            f"the loss of {given.model_side} on a first batch of the data is {loss}; its weights hold numbers that "
            "are not finite: load them again, in float32"
        )
    elif classes and loss > LOSS_WARNING * math.log(classes):
        yield warning(
            f"the loss of {given.model_side} on a first batch of the data is {loss:.2f}, and guessing gives "
            f"ln {classes} = {math.log(classes):.2f}; look at the labels, their order, and the head"
        )


CHECKS: dict[str, Callable[[CheckInput], Iterator[Finding]]] = {
    "vocabulary": _check_vocabulary,
    "names": _check_names,
    "padding": _check_padding,
    "special tokens": _check_specials,
    "features": _check_dataset_tokenizer,
    "jamo": _check_jamo,
    "unknown words": _check_unknown,
    "length": _check_length,
    "token types": _check_token_types,
    "labels": _check_labels,
    "label order": _check_label_order,
    "missing labels": _check_labelled,
    "cut off": _check_cut,
    "model folder": _check_folder,
}


def check(args: TrainArguments, model: Any, tokenizer: Any, dataset: Any) -> Report:
    """Look at settings, a model, a tokenizer and the features it made, before time is spent on training with them.

    It takes seconds, and changes nothing: not the model's mode, not the random numbers to come. Statistics are of at
    most 2,000 rows; where no error is found, the model also sees one batch of 8. Print the report that is returned, or
    call its `raise_for_errors()`.
    """
    given = CheckInput(args, model, tokenizer, dataset)
    found = [replace(finding, name=name) for name, look in CHECKS.items() for finding in look(given)]
    if given.rows and not any(finding.level == "error" for finding in found):
        found += [replace(finding, name="first loss") for finding in _check_first_loss(given)]
    found.sort(key=lambda finding: ORDER.index(finding.level))
    return Report(f"{given.tokenizer_side} with {given.model_side}", tuple(found))
