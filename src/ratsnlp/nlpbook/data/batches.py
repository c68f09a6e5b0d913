"""Features -> batches: rows of numbers, padded to the longest of their batch. One collator for all tasks."""

import dataclasses
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

IGNORE_INDEX = -100
"""The label that the loss skips, wherever a batch is padded."""


@dataclass(frozen=True)
class Padding:
    """How rows of one dataset are padded to a batch.

    Attributes:
        token_id: The tokenizer's padding id; RoBERTa-like models derive positions from it, so 0 would not do for all.
        max_length: No batch is longer, even when rounded up.
        fixed: Pad to 16, 32, 64, ... instead of to the longest row: XLA compiles anew for every new length.
        multiple: Round the longest row up to a multiple of this: 8 fills a GPU's matrix units, see `fitting_multiple`.
    """

    token_id: int
    max_length: int
    fixed: bool = False
    multiple: int = 8

    def length(self, longest: int) -> int:
        """Return the length of a batch whose longest row has `longest` tokens: a multiple, or a power of two."""
        if self.fixed:
            wanted: int = max(16, 2 ** math.ceil(math.log2(longest)))
        else:
            wanted = math.ceil(longest / self.multiple) * self.multiple
        return max(longest, min(wanted, self.max_length))


@dataclass(kw_only=True)
class Features:
    """The numbers of one example, not padded. A task adds its labels; a field that is None is left out of batches."""

    input_ids: list[int]
    attention_mask: list[int]
    token_type_ids: list[int] | None = None
    padding: Padding = field(repr=False, compare=False, default=Padding(0, 2**31))


BATCH_NAMES = {"label": "labels", "label_ids": "labels"}


def data_collator(features: Sequence[Features]) -> dict[str, Tensor]:
    """Return one batch of tensors, padded to its longest row, on a GPU rounded up to a multiple of 8.

    Args:
        features: Rows of one dataset, B of them.

    Returns:
        `input_ids`, `attention_mask` and, where the model takes them, `token_type_ids`, each `(B, T)` int64; a number
        per row, such as `label`, becomes `(B,)` under the name that models expect, `labels`.

    Raises:
        ValueError: There are no rows.
    """
    if not features:
        raise ValueError("a batch needs at least one row; the dataset or the selection is empty")
    padding = features[0].padding
    length = padding.length(max(len(row.input_ids) for row in features))
    batch = {}
    for name in (declared.name for declared in dataclasses.fields(features[0]) if declared.name != "padding"):
        values = [getattr(row, name) for row in features]
        if values[0] is None:
            continue
        if isinstance(values[0], list):
            fill = padding.token_id if name == "input_ids" else IGNORE_INDEX if name.startswith("label") else 0
            batch[BATCH_NAMES.get(name, name)] = pad(values, length, fill)
        else:
            batch[BATCH_NAMES.get(name, name)] = torch.tensor(values)
    return batch


def pad(rows: Sequence[Sequence[int]], length: int, fill: int) -> Tensor:
    """Return the rows as `(B, length)` int64, filled up at the right."""
    padded = np.full((len(rows), length), fill, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return torch.from_numpy(padded)


def fitting_multiple() -> int:
    """Return the multiple that suits the hardware: 8 where there is a GPU; on a CPU every padded column costs time."""
    return 8 if torch.cuda.is_available() else 1


def xla_in_use() -> bool:
    """Tell whether torch_xla is loaded (transformers does so where it is installed): batches want few fixed shapes."""
    return "torch_xla" in sys.modules
