"""Does this tokenizer belong to this model? Each check yields what it finds."""

from collections.abc import Iterator
from typing import Any

import torch

from ratsnlp.nlpbook.training.findings import Finding
from ratsnlp.nlpbook.training.hangul import knows_jamo, tears_hangul
from ratsnlp.nlpbook.training.subject import Subject

SPARE_ROWS = 1024
"""Embeddings are padded to a multiple of 8, 64 or 128, or leave room for new tokens; so many rows may go unused."""
SPARE_SHARE = 1 / 40
"""... or, of a large vocabulary, this share of the rows."""
PADDED_TO = (8, 64, 128)
"""Multiples to which embeddings are padded, for speed on a GPU."""

UNKNOWN_ERROR, UNKNOWN_WARNING = 0.5, 0.05


def check_vocabulary(subject: Subject) -> Iterator[Finding]:
    """Compare the tokenizer's vocabulary with the model's embeddings."""
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


def check_names(subject: Subject) -> Iterator[Finding]:
    """Say where tokenizer and model were loaded under different names: equal sizes prove nothing."""
    names = subject.tokenizer.name_or_path, subject.model.name_or_path
    if all(names) and names[0] != names[1]:
        yield Finding(
            "note",
            "names",
            f"the tokenizer was loaded from {names[0]}, the model from {names[1]}; make sure that both use the same "
            "vocabulary, in the same order",
        )


def check_padding(subject: Subject) -> Iterator[Finding]:
    """Compare the padding ids of tokenizer, model and features."""
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
    harmless = sizes_agree(len(subject.tokenizer), subject.embedding_rows) and not subject.position_offset
    yield Finding(
        "warning" if harmless else "error",
        "padding",
        f"{subject.tokenizer_side} pads with id {own}, but {subject.model_side} expects {expected}, which means "
        f"{subject.tokenizer.convert_ids_to_tokens(expected)} to the tokenizer; load both under the same name"
        + (", or set model.config.pad_token_id if the config is what is wrong" if harmless else ""),
    )


def sizes_agree(tokens: int, rows: int) -> bool:
    """Tell whether embeddings have a row for each token, and no more than padding explains."""
    return rows in {tokens, *(-(-tokens // multiple) * multiple for multiple in PADDED_TO)}


SPECIALS = {
    "cls_token_id": ("cls_token_id",),
    "sep_token_id": ("sep_token_id",),
    "bos_token_id": ("bos_token_id", "cls_token_id"),
    "eos_token_id": ("eos_token_id", "sep_token_id"),
}
"""Ids that a config may name, and where a tokenizer may hold each."""


def check_specials(subject: Subject) -> Iterator[Finding]:
    """Compare the ids of [CLS] and [SEP], or of the first and last token, where the config names them."""
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


def check_dataset_tokenizer(subject: Subject) -> Iterator[Finding]:
    """Refuse features that were made with another vocabulary than the tokenizer's."""
    made_with = getattr(subject.dataset, "tokenizer", subject.tokenizer)
    if made_with is not subject.tokenizer and made_with.get_vocab() != subject.tokenizer.get_vocab():
        yield Finding(
            "error",
            "features",
            f"the features were made with {made_with.name_or_path or type(made_with).__name__} ({len(made_with):,} "
            f"tokens), not with {subject.tokenizer_side}; make the dataset anew with this tokenizer",
        )


def check_unknown(subject: Subject) -> Iterator[Finding]:
    """Measure the share of words that the vocabulary does not hold."""
    unknown, special = subject.tokenizer.unk_token_id, set(subject.tokenizer.all_special_ids)
    torn, jamo = tears_hangul(subject.tokenizer), knows_jamo(subject.tokenizer)
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
    check_vocabulary,
    check_names,
    check_padding,
    check_specials,
    check_dataset_tokenizer,
    check_unknown,
)
