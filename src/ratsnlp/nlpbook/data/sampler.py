"""Batches of texts of similar length: little padding. Seeded, shuffled again each epoch, right under DDP."""

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.data.dataset import FeatureDataset, data_collator, xla_in_use

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
        """Return how many rows this process draws."""
        rank, processes = process_rank()
        rows = len(self.lengths)
        return -(-rows // processes) if self.shuffle else len(range(rank, rows, processes))

    def __iter__(self) -> Iterator[int]:
        """Yield this process's row numbers in order."""
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
    args: TrainArguments, train_dataset: FeatureDataset[Any, Any], val_dataset: FeatureDataset[Any, Any]
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Return the training and the validation loader, both grouped by length. A plain `DataLoader` works too, slower."""

    def build(dataset: FeatureDataset[Any, Any], train: bool) -> DataLoader[Any]:
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
