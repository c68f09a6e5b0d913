"""Text in, answer out. A predictor is itself an `inference_fn`: a page takes it as it takes a hand-written one."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ratsnlp.nlpbook.checkpoints import (
    read_description,
    restore_config,
    restore_model,
    restore_tokenizer,
    select_checkpoint,
)
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError
from ratsnlp.nlpbook.models import takes_token_types


class Predictor:
    """Base of all predictors: a model, its tokenizer, its labels in order, and the length it was trained at.

    Args:
        model: A fine-tuned model; switched to evaluation mode.
        tokenizer: The tokenizer it was trained with.
        labels: The labels in the order of the head's outputs.
        label_names: How to show them, as `한국어 (english)`; the labels themselves by default.
        max_seq_length: Tokens per example, special tokens included; longer texts are cut.
        task: What the model was trained for.
    """

    fields: ClassVar[tuple[str, ...]] = ("text",)
    """What one question consists of: a text, or several texts in the order in which they are given."""

    model_class: ClassVar[Callable[[], Any]]
    """Returns transformers' class that builds the model; a function, so that importing this module stays light."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str] = (),
        label_names: Sequence[str] = (),
        max_seq_length: int = 128,
        task: str = "",
    ):
        self.model, self.tokenizer = model.train(False), tokenizer
        self.labels, self.label_names = list(labels), list(label_names or labels)
        self.max_seq_length, self.task = max_seq_length, task

    @classmethod
    def load(
        cls, folder: str | Path, *, tokenizer: PreTrainedTokenizerBase | None = None, device: str = "auto"
    ) -> Self:
        """Return the predictor of a model folder's best checkpoint, or of one checkpoint file.

        Args:
            folder: A model folder, or a `.ckpt` file.
            tokenizer: Only for a checkpoint that holds none.
            device: "auto" takes a GPU where there is one.

        Raises:
            CheckpointError: There is no checkpoint to choose, or it cannot be read, or it does not describe itself.
        """
        path = Path(folder) if str(folder).endswith(".ckpt") else select_checkpoint(folder)
        described = read_description(path)
        if not described:
            raise CheckpointError(
                f"{path} does not say what it is: no task, labels or config in it. Build the model by hand."
            )
        predictor = cls(
            restore_model(cls.model_class(), path, restore_config(described)),
            tokenizer or restore_tokenizer(described),
            described["labels"],
            described["label_names"],
            described["settings"]["max_seq_length"],
            described["task"],
        )
        predictor.configure(described["settings"])
        return predictor.to(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take over what the training settings say about answering, for a task where they say more than the length."""

    @classmethod
    def read_line(cls, line: str) -> Any:
        """Return what a line of text asks: the text itself or, where a question has several texts, a tuple of them.

        Several texts stand between tabs, or in a JSON object under their names, or in a JSON list.

        Raises:
            ArgumentError: The line holds more or fewer texts than a question has.
        """
        if len(cls.fields) == 1:
            return line
        texts = read_texts(line, cls.fields)
        if len(texts) != len(cls.fields) or not all(isinstance(text, str) and text.strip() for text in texts):
            named = "<TAB>".join(cls.fields)
            as_json = json.dumps(dict.fromkeys(cls.fields, "..."))
            raise ArgumentError(f"a line must read {named}, or {as_json}; got {line[:80]!r}")
        return tuple(texts)

    @classmethod
    def read_arguments(cls, texts: Sequence[str]) -> list[Any]:
        """Return what the texts after a command ask: each one a line, or each run of as many as a question has.

        `read_arguments(["전제", "가설"])` is one pair, as is `read_arguments(["전제<TAB>가설"])` with a tab.

        Raises:
            ArgumentError: They do not make up whole questions.
        """
        size = len(cls.fields)
        if size == 1 or any(len(read_texts(text, cls.fields)) > 1 for text in texts):
            return [cls.read_line(text) for text in texts]
        if len(texts) % size:
            raise ArgumentError(
                f"{len(texts)} texts make no whole questions of {size} ({', '.join(cls.fields)}). Quote each text: "
                + " ".join(f'"{name}"' for name in cls.fields)
            )
        return [tuple(texts[i : i + size]) for i in range(0, len(texts), size)]

    def to(self, device: str) -> Self:
        """Move the model to a device and return the predictor."""
        self.model.to(device)
        return self

    def logits(self, texts: Sequence[Any], batch_size: int = 64, progress: bool = False) -> Tensor:
        """Return the model's outputs for texts or pairs, in their order, as float32 on the CPU.

        Texts of like length run together, padded to the longest of their batch, so that little work is wasted.

        Args:
            texts: Texts, or `(text, text)` pairs, N of them.
            batch_size: Texts per forward pass.
            progress: Show a bar.

        Returns:
            `(N, K)` logits.
        """
        order = sorted(range(len(texts)), key=lambda i: -len("".join(texts[i])))
        found: list[Tensor] = [torch.empty(0)] * len(texts)
        with torch.inference_mode(), tqdm(total=len(texts), unit=" texts", disable=not progress) as bar:
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                outputs = self.model(**self.encode([texts[i] for i in rows]))
                for i, row in zip(rows, outputs.logits.float().cpu(), strict=True):
                    found[i] = row
                bar.update(len(rows))
        return torch.stack(found)

    def encode(self, texts: Sequence[Any]) -> Mapping[str, Tensor]:
        """Return texts or pairs as a batch of tensors `(B, T)` on the model's device."""
        columns = zip(*texts, strict=True) if isinstance(texts[0], tuple) else [texts]
        batch = self.tokenizer(
            *map(list, columns),
            padding="longest",
            truncation=True,
            max_length=self.max_seq_length,
            return_tensors="pt",
        )
        if not takes_token_types(self.model):
            batch.pop("token_type_ids", None)
        moved: Mapping[str, Tensor] = batch.to(self.model.device)
        return moved


def read_texts(line: str, fields: Sequence[str]) -> list[Any]:
    """Return the parts of a line: a JSON object's values named in `fields`, a JSON list's items, or what tabs part."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        found = None
    if isinstance(found, dict):
        return [found.get(name) for name in fields]
    return found if isinstance(found, list) else line.split("\t")
