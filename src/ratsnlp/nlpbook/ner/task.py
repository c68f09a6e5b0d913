"""Training named entity recognition: what to measure. Scores are of entities, in characters, never of tokens."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from ratsnlp.nlpbook.data.batches import IGNORE_INDEX
from ratsnlp.nlpbook.metrics import Gathered, accuracy
from ratsnlp.nlpbook.models import head_labels
from ratsnlp.nlpbook.ner.arguments import NERTrainArguments
from ratsnlp.nlpbook.ner.dataset import NERDataset
from ratsnlp.nlpbook.ner.decoding import LegalDecoder
from ratsnlp.nlpbook.ner.metrics import entity_counts, entity_scores
from ratsnlp.nlpbook.ner.tokenization import merge_windows
from ratsnlp.nlpbook.training.task import Task


class NERTask(Task):
    """Train a token classifier; logs the strict F1 of entities over the whole validation split, in 0..100.

    An entity is right where its first and last character and its tag are. `val_f1` counts all entities alike (micro),
    `val_macro_f1` all tags. `acc` and `val_acc` are shares of tokens, in 0..1; most tokens are outside of entities.
    """

    validation_metrics = ("val_loss", "val_f1", "val_macro_f1", "val_acc")
    args: NERTrainArguments

    def __init__(self, model: PreTrainedModel, args: NERTrainArguments):
        super().__init__(model, args)
        self.decoded = Gathered("window", "length", "label")  # the labels are those of all windows, one after another

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
        decoded = decoder.decode(rows, legal=legal)
        parts = list(map(len, decoded)), np.concatenate(decoded)
        self.decoded.update(batch["window"], *(torch.as_tensor(part).to(batch["window"]) for part in parts))

    def summarize(self) -> dict[str, Tensor]:
        """Return the scores over all sentences of which windows were seen, in all processes."""
        numbers, lengths, decoded = self.decoded.compute()
        self.decoded.reset()
        if not numbers:
            return {}
        found = dict(zip(numbers, np.split(np.array(decoded), np.cumsum(lengths)[:-1]), strict=True))
        dataset: NERDataset = self.validation_dataset()
        decoder, head, windows = LegalDecoder(dataset.get_labels()), len(dataset.layout.before), sorted(found)
        examples = [dataset.example_of(window) for window in windows]
        starts = [int(dataset.store.rows["first_token"][window]) for window in windows]
        ends = [start + len(found[window]) for start, window in zip(starts, windows, strict=True)]
        places = list(zip(examples, starts, ends, strict=True))

        def stored(name: str) -> list[np.ndarray]:  # of each sentence's tokens, special ones left out
            values = [dataset.store.tokens_of(name, w).numpy()[head : head + len(found[w])] for w in windows]
            return merge_windows(places, values)

        labels, true = merge_windows(places, [found[window] for window in windows]), stored("label_ids")
        right = sum(int((said == wanted).sum()) for said, wanted in zip(labels, true, strict=True))
        gold = [dataset.example(number).entities for number in dict.fromkeys(examples)]
        predicted = [decoder.spans_of(*each) for each in zip(labels, stored("characters"), strict=True)]
        scores = entity_scores(entity_counts(gold, predicted, decoder.tags).sum(0))
        values = [float(scores["micro_f1"]), float(scores["macro_f1"]), right / max(1, sum(map(len, true)))]
        return dict(zip(self.validation_metrics[1:], torch.tensor(values, device=self.device), strict=True))
