"""What a tokenizer does to Hangul."""

from typing import Any

JAMO = "\u1112\u1161\u11ab"
"""The letters of 한, as canonical decomposition leaves them."""


def tears_hangul(tokenizer: Any) -> bool:
    """Tell whether the tokenizer takes syllables apart, as lower-casing with accents stripped does."""
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    if normalizer is not None:
        return JAMO in str(normalizer.normalize_str("한"))
    return not getattr(tokenizer, "is_fast", False) and bool(getattr(tokenizer, "do_lower_case", False))


def knows_jamo(tokenizer: Any) -> bool:
    """Tell whether the vocabulary holds letters of Hangul, in whatever notation of word pieces."""
    vocabulary = tokenizer.get_vocab()
    return all(any(sign + letter in vocabulary for sign in ("", "##", "\u2581")) for letter in JAMO[:2])
