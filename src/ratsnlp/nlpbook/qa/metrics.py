"""Scores over a whole split. Never the mean of batch means: batches differ in size."""

import string
from collections import Counter
from collections.abc import Sequence

QUOTES = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
DROPPED = str.maketrans("", "", string.punctuation)


def _korquad_normalize(text: str) -> str:
    return " ".join(text.translate(QUOTES).lower().translate(DROPPED).split())


def korquad_exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Return 1.0 if the prediction equals one of the answers, else 0.0, as KorQuAD 1.0 scores it.

    Args:
        prediction: The answer given; empty for none.
        answers: The answers that count as right, at least one.

    Raises:
        ValueError: There are no answers to compare with.

    Source: the rules of https://korquad.github.io (evaluate-v1.0): josa are not removed.
    """
    given = _korquad_normalize(prediction)
    return max(float(given == _korquad_normalize(answer)) for answer in required(answers))


def korquad_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the character F1, in 0..1, of the prediction with the answer nearest to it, as KorQuAD 1.0 scores it.

    Characters count without spaces and without their order; see `korquad_exact_match` for the arguments and errors.
    """
    given = Counter(_korquad_normalize(prediction).replace(" ", ""))
    return max(overlap(given, Counter(_korquad_normalize(answer).replace(" ", ""))) for answer in required(answers))


def required(answers: Sequence[str]) -> Sequence[str]:
    """Return the answers.

    Raises:
        ValueError: There are none, or they are one bare string.
    """
    if isinstance(answers, str) or not answers:
        raise ValueError(f"answers must be a list of at least one text, got {answers!r}")
    return answers


def overlap(given: Counter[str], wanted: Counter[str]) -> float:
    """Return the F1, in 0..1, of two bags of characters."""
    same = (given & wanted).total()
    if not same:
        return 0.0
    precision, recall = same / given.total(), same / wanted.total()
    return 2 * precision * recall / (precision + recall)
