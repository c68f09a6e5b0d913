"""Scores over a whole split, on tensors. Never the mean of batch means: batches differ in size."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.utilities import dim_zero_cat

from ratsnlp.nlpbook.evaluation import statistics


def accuracy(preds: Tensor, labels: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return the share of `preds` that equal `labels`, in 0..1, as a float32 scalar.

    Both are ids, of any shape: `(B,)` for one label a text, `(B, T)` for one a token. Positions labelled `ignore_index`
    are left out of the count.

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
    """Return, as tensors, what `statistics.class_scores` does of a confusion matrix, `(..., K, K)`."""
    return _in_numpy(statistics.class_scores, confusion)


def overall_scores(confusion: Tensor) -> dict[str, Tensor]:
    """Return, as tensors, what `statistics.overall_scores` does of a confusion matrix, `(..., K, K)`."""
    return _in_numpy(statistics.overall_scores, confusion)


def _in_numpy(score: Callable[[np.ndarray], dict[str, np.ndarray]], confusion: Tensor) -> dict[str, Tensor]:
    with np.errstate(invalid="ignore"):  # of no rows at all, scores are NaN
        found = score(confusion.double().cpu().numpy())
    return {name: torch.as_tensor(values).to(confusion.device) for name, values in found.items()}


def macro_f1(preds: Tensor, labels: Tensor, num_labels: int) -> Tensor:
    """Return the mean of the classes' F1 scores, in 0..1, so that a rare class weighs as much as a common one."""
    return overall_scores(confusion_matrix(preds, labels, num_labels))["macro_f1"]


class Gathered(Metric):
    """What validation batches gave under some names, `(B,)` each, collected over all processes."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names
        for name in names:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, *values: Tensor) -> None:
        """Add the values of a batch, in the order of the names."""
        for name, some in zip(self.names, values, strict=True):
            getattr(self, name).append(some)

    def compute(self) -> list[list[Any]]:
        """Return all values of each name as a list. What was added twice is there twice."""
        states = [getattr(self, name) for name in self.names]  # tensors already, where processes were joined
        return [dim_zero_cat(state).tolist() if len(state) else [] for state in states]
