"""What a pre-flight check looks at."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import Embedding

from ratsnlp.nlpbook.arguments import TrainArguments

SAMPLED_ROWS = 2000


@dataclass(frozen=True)
class Subject:
    """What is checked, and the rows looked at."""

    args: TrainArguments
    model: Any
    tokenizer: Any
    dataset: Any

    @cached_property
    def rows(self) -> list[Any]:
        """Rows spread evenly over the dataset, at most `SAMPLED_ROWS`."""
        return pick_rows(self.dataset, SAMPLED_ROWS)

    @cached_property
    def ids(self) -> Tensor:
        """All token ids of the rows, one after another, `(N,)`."""
        return torch.tensor([token for row in self.rows for token in row.input_ids], dtype=torch.int64)

    @cached_property
    def embedding_rows(self) -> int:
        """How many token ids the model has embeddings for."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    @cached_property
    def position_table(self) -> Any:
        """The model's table of absolute positions; None where it has none, or counts them in another way."""
        found = [
            module
            for name, module in self.model.named_modules()
            if name.endswith(("position_embeddings", "wpe")) and isinstance(module, Embedding)
        ]
        return found[0] if found else None

    @property
    def position_offset(self) -> int:
        """The first position of a text: RoBERTa counts on from the padding id, others from 0."""
        padding = getattr(self.position_table, "padding_idx", None)
        return 0 if padding is None else int(padding) + 1

    @property
    def labels(self) -> list[str]:
        """The corpus's labels in order; empty where it has none."""
        return list(self.dataset.get_labels()) if hasattr(self.dataset, "get_labels") else []

    @property
    def tokenizer_side(self) -> str:
        """The tokenizer in words."""
        kind = f"{type(self.tokenizer).__name__}, {len(self.tokenizer):,} tokens"
        return f"the tokenizer {self.tokenizer.name_or_path or ''}".strip() + f" ({kind})"

    @property
    def model_side(self) -> str:
        """The model in words."""
        kind = f"{type(self.model).__name__}, {self.embedding_rows:,} embedding rows"
        return f"the model {self.model.name_or_path or ''}".strip() + f" ({kind})"


def pick_rows(dataset: Any, count: int) -> list[Any]:
    """Return at most `count` rows, spread evenly."""
    step = max(1.0, len(dataset) / count)
    return [dataset[int(i * step)] for i in range(min(count, len(dataset)))]
