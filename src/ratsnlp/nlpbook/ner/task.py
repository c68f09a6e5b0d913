"""Training named entity recognition: what to measure. Scores are of entities, in characters, never of tokens."""

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat
from transformers import PreTrainedModel

from ratsnlp.nlpbook.data.batches import IGNORE_INDEX
from ratsnlp.nlpbook.metrics import accuracy
from ratsnlp.nlpbook.models import head_labels
from ratsnlp.nlpbook.ner.arguments import NERTrainArguments
from ratsnlp.nlpbook.ner.corpus import Entity
from ratsnlp.nlpbook.ner.dataset import NERDataset
from ratsnlp.nlpbook.ner.decoding import LegalDecoder
from ratsnlp.nlpbook.ner.metrics import entity_counts, entity_scores
from ratsnlp.nlpbook.ner.tokenization import merge_windows
from ratsnlp.nlpbook.training.task import Task


class DecodedWindows(Metric):
    """The labels of all windows seen, collected over all processes."""

    windows: list[Tensor]
    lengths: list[Tensor]
    labels: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("windows", "lengths", "labels"):  # each (B,), (B,) and (sum of lengths,) int64
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, windows: Tensor, decoded: list[np.ndarray]) -> None:
        """Add the labels of a batch of windows, `(T_i,)` each, special tokens left out."""
        self.windows.append(windows)
        self.lengths.append(torch.tensor(list(map(len, decoded)), device=windows.device))
        self.labels.append(torch.from_numpy(np.concatenate(decoded)).long().to(windows.device))

    def compute(self) -> dict[int, np.ndarray]:
        """Return the labels of each window by its number."""
        if not len(self.windows):
            return {}
        windows, lengths, labels = (dim_zero_cat(state).tolist() for state in (self.windows, self.lengths, self.labels))
        parts = np.split(np.array(labels), np.cumsum(lengths)[:-1])
        return dict(zip(windows, parts, strict=True))


class NERTask(Task):
    """Train a token classifier; logs the strict F1 of entities over the whole validation split, in 0..100.

    An entity is right where its first and last character and its tag are. `val_f1` counts all entities alike (micro),
    `val_macro_f1` all tags. `acc` and `val_acc` are shares of tokens, in 0..1; most tokens are outside of entities.
    """

    validation_metrics = ("val_loss", "val_f1", "val_macro_f1", "val_acc")
    args: NERTrainArguments

    def __init__(self, model: PreTrainedModel, args: NERTrainArguments):
        super().__init__(model, args)
        self.decoded = DecodedWindows()

    def measure(self, outputs: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the share of the batch's tokens whose label is right."""
        return {"acc": accuracy(outputs.logits.argmax(dim=-1), batch["labels"], IGNORE_INDEX)}  # logits (B, T, K)

    def collect(self, outputs: Any, batch: dict[str, Tensor]) -> None:
        """Decode each window."""
        if "window" not in batch:
            return
        dataset: NERDataset = self.validation_dataset()
        lengths = batch["attention_mask"].sum(-1).tolist()
        head, tail = len(dataset.layout.before), len(dataset.layout.after)
        logits = outputs.logits.float().cpu().numpy()
        rows = [row[head : length - tail] for row, length in zip(logits, lengths, strict=True)]
        decoder = LegalDecoder(dataset.get_labels() or head_labels(self.model.config))
        legal = getattr(self.args, "legal_decoding", True)
        self.decoded.update(batch["window"], decoder.decode(rows, legal=legal))

    def summarize(self) -> dict[str, Tensor]:
        """Return the scores over all sentences of which windows were seen, of all processes."""
        found: dict[int, np.ndarray] = self.decoded.compute()
        self.decoded.reset()
        if not found:
            return {}
        dataset: NERDataset = self.validation_dataset()
        labels = dataset.get_labels()
        decoder, right, tokens = LegalDecoder(labels), 0, 0
        gold: list[tuple[Entity, ...]] = []
        predicted: list[list[tuple[int, int, str, float]]] = []
        for number, windows in _windows_by_example(dataset, found).items():
            numbers = _merge(dataset, windows, [found[window] for window in windows])
            true = _merge(dataset, windows, [_inside(dataset, "label_ids", window) for window in windows])
            characters = _merge(dataset, windows, [_inside(dataset, "characters", window) for window in windows])
            right, tokens = right + int((numbers == true).sum()), tokens + len(true)
            predicted.append(decoder.spans_of(numbers[:, 0], characters))
            gold.append(dataset.example(number).entities)
        tags = list(dict.fromkeys(label[2:] for label in labels if label[:2] in ("B-", "I-")))
        scores = entity_scores(entity_counts(gold, predicted, tags).sum(0))
        values = [float(scores["micro_f1"]), float(scores["macro_f1"]), right / max(1, tokens)]
        found_scores = torch.tensor(values, device=self.device)
        return dict(zip(self.validation_metrics[1:], found_scores, strict=True))


def _windows_by_example(dataset: NERDataset, windows: dict[int, np.ndarray]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for window in sorted(windows):
        found[dataset.example_of(window)].append(window)
    return found


def _inside(dataset: NERDataset, name: str, window: int) -> np.ndarray:
    """Return what is stored of a window's tokens, without special ones, `(T, ...)`."""
    values = dataset.store.tokens_of(name, window).numpy()
    inside: np.ndarray = values[len(dataset.layout.before) : len(values) - len(dataset.layout.after)]
    return inside


def _merge(dataset: NERDataset, windows: list[int], values: list[np.ndarray]) -> np.ndarray:
    """Return the values of a sentence's tokens, `(T, C)`, from those of its windows."""
    columns = [value.reshape(len(value), -1) for value in values]
    starts = [int(dataset.store.rows["first_token"][window]) for window in windows]
    places = [(0, start, start + len(value)) for start, value in zip(starts, columns, strict=True)]
    return merge_windows(places, columns)[0]
