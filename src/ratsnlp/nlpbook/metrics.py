"""Scores over a whole split. Never the mean of batch means: batches differ in size."""

import string
from collections import Counter
from collections.abc import Sequence

from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix


def accuracy(preds: Tensor, labels: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return the share of `preds` that equal `labels`, in 0..1, as a float32 scalar.

    Args:
        preds: Predicted ids, of any shape: `(B,)` for one label a text, `(B, T)` for one a token.
        labels: True ids, of the same shape.
        ignore_index: Positions with this label are left out of the count.

    Raises:
        ValueError: The shapes differ, or no position is left to count.
    """
    if preds.shape != labels.shape:
        raise ValueError(f"preds {tuple(preds.shape)} and labels {tuple(labels.shape)} must have the same shape")
    counted = labels == labels if ignore_index is None else labels != ignore_index
    if not counted.any():
        raise ValueError(f"no position to count: all {labels.numel()} labels are {ignore_index}")
    return (preds[counted] == labels[counted]).float().mean()


def confusion_matrix(preds: Tensor, labels: Tensor, num_labels: int) -> Tensor:
    """Return how often each true label (row) was predicted as each label (column): `(K, K)` int64."""
    counts: Tensor = multiclass_confusion_matrix(preds, labels, num_classes=num_labels)
    return counts


def class_scores(confusion: Tensor) -> dict[str, Tensor]:
    """Return precision, recall and F1 of each class, in 0..1, from confusion matrices.

    Args:
        confusion: Counts `(..., K, K)`, true label by row; leading dimensions are separate matrices.

    Returns:
        `precision`, `recall`, `f1`, each `(..., K)` float64. A score with nothing to count is 0.
    """
    counts = confusion.double()
    hits = counts.diagonal(dim1=-2, dim2=-1)
    predicted, present = counts.sum(-2), counts.sum(-1)
    # an empty class has no hits either: 0 / 1
    return {
        "precision": hits / predicted.clamp(min=1),
        "recall": hits / present.clamp(min=1),
        "f1": 2 * hits / (predicted + present).clamp(min=1),
    }


def overall_scores(confusion: Tensor) -> dict[str, Tensor]:
    """Return accuracy and macro F1, in 0..1, from confusion matrices `(..., K, K)`: each `(...)` float64.

    A class that is neither present nor predicted does not count towards macro F1.
    """
    counts = confusion.double()
    total = counts.sum((-2, -1))
    seen = (counts.sum(-1) + counts.sum(-2)) > 0
    return {
        "accuracy": counts.diagonal(dim1=-2, dim2=-1).sum(-1) / total,
        "macro_f1": class_scores(confusion)["f1"].sum(-1) / seen.sum(-1),
    }


def macro_f1(preds: Tensor, labels: Tensor, num_labels: int) -> Tensor:
    """Return the mean of the classes' F1 scores, in 0..1, so that a rare class weighs as much as a common one."""
    return overall_scores(confusion_matrix(preds, labels, num_labels))["macro_f1"]


QUOTES = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
DROPPED = str.maketrans("", "", string.punctuation)


def korquad_normalize(text: str) -> str:
    """Return a text as KorQuAD's scorer compares it, without quotes, brackets, ASCII punctuation and case."""
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
    given = korquad_normalize(prediction)
    return max(float(given == korquad_normalize(answer)) for answer in required(answers))


def korquad_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the character F1, in 0..1, of the prediction with the answer nearest to it, as KorQuAD 1.0 scores it.

    Characters count without spaces and without their order; see `korquad_exact_match` for the arguments and errors.
    """
    given = Counter(korquad_normalize(prediction).replace(" ", ""))
    return max(overlap(given, Counter(korquad_normalize(answer).replace(" ", ""))) for answer in required(answers))


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
