"""Scores over a whole split. Never the mean of batch means: batches differ in size."""

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
