"""KorQuAD's scores of an answer: exact match and character F1."""

import string
from collections import Counter
from collections.abc import Sequence

QUOTES = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
DROPPED = str.maketrans("", "", string.punctuation)


def korquad_exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Return 1.0 if the prediction (empty for none) equals one of the answers, else 0.0, as KorQuAD 1.0 scores it.

    Raises `ValueError` if `answers` is no list of at least one text.

    Source: the rules of https://korquad.github.io (evaluate-v1.0): josa are not removed.
    """
    given = _normalize(prediction)
    return max(float(given == _normalize(answer)) for answer in _required(answers))


def korquad_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the character F1, in 0..1, of the prediction with the answer nearest to it, as KorQuAD 1.0 scores it.

    Characters count without spaces and without their order; no answer, as in SQuAD 2.0. See `korquad_exact_match`.
    """
    if not any(_required(answers)):
        return korquad_exact_match(prediction, answers)
    given = Counter(_normalize(prediction).replace(" ", ""))
    return max(_overlap(given, Counter(_normalize(answer).replace(" ", ""))) for answer in _required(answers))


def _normalize(text: str) -> str:
    return " ".join(text.translate(QUOTES).lower().translate(DROPPED).split())


def _required(answers: Sequence[str]) -> Sequence[str]:
    if isinstance(answers, str) or not answers:
        raise ValueError(f"answers must be a list of at least one text, got {answers!r}")
    return answers


def _overlap(given: Counter[str], wanted: Counter[str]) -> float:
    return 2 * (given & wanted).total() / max(1, given.total() + wanted.total())
