"""Features -> batches: rows of similar length together, padded to the longest of their batch. For all tasks."""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from ratsnlp.nlpbook.arguments import TrainArguments

if TYPE_CHECKING:
    from ratsnlp.nlpbook.data.dataset import FeatureDataset

IGNORE_INDEX = -100
"""The label that the loss skips, wherever a batch is padded."""


@dataclass(frozen=True)
class Padding:
    """How rows of one dataset are padded to a batch."""

    token_id: int  # the tokenizer's; RoBERTa-like models derive positions from it, so 0 would not do for all
    max_length: int  # no batch is longer, even when rounded up
    fixed: bool = False  # pad to 16, 32, 64, ..., not to the longest row: XLA compiles again for every new length
    multiple: int = 8  # what the longest row is rounded up to: 8 fills a GPU's matrix units, see `fitting_multiple`

    def length(self, longest: int) -> int:
        """Return the length of a batch whose longest row has `longest` tokens: a multiple, or a power of two."""
        if self.fixed:
            wanted: int = max(16, 2 ** math.ceil(math.log2(longest)))
        else:
            wanted = math.ceil(longest / self.multiple) * self.multiple
        return max(longest, min(wanted, self.max_length))


@dataclass
class Features:
    """The numbers of one example, not padded. A task adds its labels; a field that is None is left out of batches."""

    input_ids: list[int]
    attention_mask: list[int]
    token_type_ids: list[int] | None = None
    padding: Padding = field(repr=False, compare=False, default=Padding(0, 2**31), kw_only=True)


BATCH_NAMES = {"label": "labels", "label_ids": "labels"}


def data_collator(features: Sequence[Any]) -> dict[str, Any]:
    """Return one batch of tensors, padded to its longest row, on a GPU rounded up to a multiple of 8.

    Args:
        features: Rows of a dataset, B of them: our features, or dicts, dataclasses or other objects of your own, with
            numbers, lists, arrays or tensors under the names that a model takes, padded or not.

    Returns:
        `input_ids`, `attention_mask` and what else has a value for each token, each `(B, T)` int64, filled up with the
        tokenizer's padding id, -100 (labels) or 0; a number for each row, such as `label`, becomes `(B,)` under the
        name that models expect, `labels`. Texts stay a list. Without any rows, it is a `ValueError`.
    """
    if not len(features):
        raise ValueError("a batch needs at least one row; the dataset or the selection is empty")
    rows = list(map(as_mapping, features))
    padding = rows[0].get("padding") or Padding(0, 2**31, multiple=1)
    batch: dict[str, Any] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name == "padding" or values[0] is None:
            continue
        key: str = BATCH_NAMES.get(name, name)
        if isinstance(values[0], str):
            batch[key] = values
        elif isinstance(values[0], list) or np.ndim(values[0]) == 1:
            fill = padding.token_id if name == "input_ids" else IGNORE_INDEX if name.startswith("label") else 0
            batch[key] = pad(values, padding.length(max(map(len, values))), fill)
        elif isinstance(values[0], int | float):
            batch[key] = torch.tensor(values)
        else:
            batch[key] = torch.stack([torch.as_tensor(value) for value in values])
    return batch


def as_mapping(row: Any) -> Mapping[str, Any]:
    """Return the values of one row by name, whether it is a dict or an object."""
    return row if isinstance(row, Mapping) else vars(row)


def pad(rows: Sequence[Any], length: int, fill: int) -> Tensor:
    """Return rows of numbers as `(B, length)`, filled up at the right: int64, or float32 where the first row is."""
    whole = isinstance(rows[0], list) or np.asarray(rows[0]).dtype.kind in "iub"
    padded = np.full((len(rows), length), fill, dtype=np.int64 if whole else np.float32)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return torch.from_numpy(padded)


def fitting_multiple() -> int:
    """Return the multiple that suits the hardware: 8 where there is a GPU; on a CPU every padded column costs time."""
    return 8 if torch.cuda.is_available() else 1


def xla_in_use() -> bool:
    """Return whether torch_xla is loaded, which transformers does where it is installed: it wants few fixed shapes."""
    return "torch_xla" in sys.modules


GROUPED_BATCHES = 50
"""Batches sorted by length together: enough for little padding, few enough that every epoch has other batches."""


def process_rank() -> tuple[int, int]:
    """Return this training process's number and how many there are: `(0, 1)` outside distributed training."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


class LengthGroupedSampler(DistributedSampler[int]):
    """Row numbers in an order whose runs of `batch_size` have similar lengths.

    It is a `DistributedSampler`, so Lightning keeps it under DDP and sets its epoch; the process's rank is asked when
    rows are drawn, since loaders are made before training processes are.

    Args:
        lengths: Tokens in each row, `(N,)`.
        batch_size: Rows per batch and process.
        shuffle: Training order: random groups, random batch order, some rows repeated so that all processes get equally
            many. Else longest first, each row exactly once over all processes, so that metrics count it once.
        seed: Same seed and epoch, same order, in every process.
    """

    def __init__(self, lengths: Tensor, batch_size: int, *, shuffle: bool, seed: int = 0):
        self.lengths, self.batch_size, self.shuffle, self.seed, self.epoch = lengths, batch_size, shuffle, seed, 0

    def __len__(self) -> int:
        rank, processes = process_rank()
        rows = len(self.lengths)
        return -(-rows // processes) if self.shuffle else len(range(rank, rows, processes))

    def __iter__(self) -> Iterator[int]:
        rank, processes = process_rank()
        order = self.training_order(processes) if self.shuffle else self.lengths.argsort(descending=True, stable=True)
        return iter(order[rank::processes].tolist())

    def training_order(self, processes: int) -> Tensor:
        """Return all rows so that runs of `batch_size * processes` have similar lengths; one not full comes last."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator)
        order = torch.cat([order, order[: -len(order) % processes]])
        step = self.batch_size * processes
        groups = torch.split(order, step * GROUPED_BATCHES)
        batches = torch.split(
            torch.cat([group[self.lengths[group].argsort(descending=True)] for group in groups]), step
        )
        full, rest = [b for b in batches if len(b) == step], [b for b in batches if len(b) < step]
        return torch.cat([*(full[i] for i in torch.randperm(len(full), generator=generator)), *rest])


def get_dataloaders(
    args: TrainArguments, train_dataset: "FeatureDataset[Any, Any]", val_dataset: "FeatureDataset[Any, Any]"
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Return the training and the validation loader, both grouped by length. A plain `DataLoader` works too, slower."""

    def build(dataset: "FeatureDataset[Any, Any]", train: bool) -> DataLoader[Any]:
        return DataLoader(
            dataset,
            batch_size=args.batch_size,
            sampler=LengthGroupedSampler(dataset.lengths, args.batch_size, shuffle=train, seed=args.seed or 0),
            collate_fn=data_collator,
            num_workers=args.cpu_workers,
            drop_last=train and xla_in_use(),  # XLA compiles again for the shape of a batch that is not full
            pin_memory=torch.cuda.is_available(),
            persistent_workers=args.cpu_workers > 0,
        )

    return build(train_dataset, True), build(val_dataset, False)
