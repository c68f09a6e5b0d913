"""What a check before a training looks at, and what it finds: findings, and the report that lists them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Embedding

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.errors import CheckError

Level = Literal["error", "warning", "note"]
ORDER: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        level: "error" refuses the training, "warning" is said, "note" is worth knowing.
        message: One sentence: both sides, what was found, what to do.
        name: What was checked; stable, to search for.
    """

    level: Level
    message: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.level:<8}{self.name:<16}{self.message}"


@dataclass(frozen=True)
class Report:
    """The findings of one check, errors first.

    Attributes:
        pair: The tokenizer and the model, in words.
        findings: What was found.
    """

    pair: str
    findings: tuple[Finding, ...]

    def of(self, level: Level) -> tuple[Finding, ...]:
        """Return the findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refuse the training."""
        return self.of("error")

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        if self.errors:
            return "do not train this"
        return "ready, but read the warnings" if self.of("warning") else "ready"

    def __str__(self) -> str:
        return "\n".join([f"checked: {self.pair}", *map(str, self.findings), f"verdict: {self.verdict}"])

    def raise_for_errors(self) -> None:
        """Do nothing where there is no error.

        Raises:
            CheckError: There are errors; the message lists all of them.
        """
        if self.errors:
            lines = (f"- {error.name}: {error.message}" for error in self.errors)
            raise CheckError("\n".join(["this cannot be trained as it is:", *lines]))


SAMPLED_ROWS = 2000


@dataclass(frozen=True)
class CheckInput:
    """What is checked, and the rows looked at."""

    args: TrainArguments
    model: Any
    tokenizer: Any
    dataset: Any

    def pick_rows(self, count: int) -> list[Any]:
        """Return at most `count` rows of the dataset, spread evenly."""
        step = max(1.0, len(self.dataset) / count)
        return [self.dataset[int(i * step)] for i in range(min(count, len(self.dataset)))]

    @cached_property
    def rows(self) -> list[Any]:
        """The rows that statistics are of, at most `SAMPLED_ROWS`."""
        return self.pick_rows(SAMPLED_ROWS)

    @cached_property
    def ids(self) -> Tensor:
        """All token ids of the rows, one after another, `(N,)`."""
        return torch.tensor([token for row in self.rows for token in row.input_ids], dtype=torch.int64)

    @cached_property
    def embedding_rows(self) -> int:
        """How many token ids the model has embeddings for."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    @cached_property
    def position_table(self) -> Embedding | None:
        """The model's table of absolute positions; None where it has none, or counts them in another way."""
        tables = (
            module
            for name, module in self.model.named_modules()
            if name.endswith(("position_embeddings", "wpe")) and isinstance(module, Embedding)
        )
        return next(tables, None)

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
