"""Text in, answer out. A predictor is itself an `inference_fn`: a page takes it as it takes a hand-written one."""

import json
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ratsnlp.nlpbook.checkpoints import describe_fine_tuned, find_fine_tuned, restore
from ratsnlp.nlpbook.data.batches import pad
from ratsnlp.nlpbook.data.encoding import encode
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.inference.engines import Engine, build_engine, check_engine_name
from ratsnlp.nlpbook.inference.golden_answers import warn_of_change
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.models import takes_token_types
from ratsnlp.nlpbook.tasks import tasks_of

PASS_TOKENS = 32
"""What a forward pass costs on a CPU besides its tokens, in tokens: 20 for a 12x768 BERT, 27 for 12x384, measured."""
MIN_AGREEMENT = 0.99  # the share of sample questions on which an engine must decide as PyTorch does


def split_into_passes(lengths: Sequence[int], most: int, pass_tokens: int = PASS_TOKENS) -> list[list[int]]:
    """Return row numbers by forward pass, longest rows first, at most `most` in each, from the tokens in each row.

    A new pass begins where the padding of the last one would cost more than another pass does.
    """
    passes: list[list[int]] = []
    padding = 0
    for row in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        padding += lengths[passes[-1][0]] - lengths[row] if passes else 0
        if not passes or len(passes[-1]) == most or padding > pass_tokens:
            passes.append([])
            padding = 0
        passes[-1].append(row)
    return passes


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

    fields: ClassVar[tuple[str, ...]] = ("text",)  # the texts of a question, in the order in which they are given
    model_class: ClassVar[Callable[[], Any]]  # returns transformers' class, so that importing this module stays light
    kind: ClassVar[str] = "labels"  # what answers are, so that a page knows how to draw them: labels, spans or tokens
    answer_settings: ClassVar[tuple[str, ...]] = ()  # training settings that shape answers, and attributes here
    decision: ClassVar[str] = "prediction"  # under which name an answer holds what was decided

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
        self.engine: Engine = self.model
        self.engine_name = "torch"
        self.labels, self.label_names = list(labels), list(label_names or labels)
        self.max_seq_length, self.task = max_seq_length, task

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        device: str = "auto",
        engine: str = "torch",
    ) -> Self:
        """Return the predictor of a model folder's best checkpoint, of one checkpoint file, or of an exported folder.

        An exported folder is asked its golden questions again; where it answers otherwise, a warning says so. "auto"
        takes a GPU where there is one; a tokenizer is given only for a checkpoint that holds none; engines are those of
        `use_engine`.

        Raises:
            ArgumentError: There is no such engine, or its packages are not installed.
            CheckpointError: There is no checkpoint to choose, or it cannot be read, or it does not describe itself.
        """
        check_engine_name(engine)
        path = find_fine_tuned(folder, tasks_of("predictor", cls))
        predictor = cls.restore(path, tokenizer)
        warn_of_change(predictor, path)
        return predictor._settle(device, engine)

    @classmethod
    def restore(cls, path: Path, tokenizer: PreTrainedTokenizerBase | None = None) -> Self:
        """Return the predictor of a checkpoint file, or of an exported folder, on the CPU; raises what `load` does."""
        described = describe_fine_tuned(path)
        model, tokenizer = restore(path, described, cls.model_class(), tokenizer)
        labels, names, settings = described["labels"], described["label_names"], described["settings"]
        predictor = cls(model, tokenizer, labels, names, settings["max_seq_length"], described["task"])
        for name in cls.answer_settings:  # a checkpoint of an earlier version may lack some
            setattr(predictor, name, settings.get(name, getattr(predictor, name)))
        return predictor

    def _settle(self, device: str, engine: str) -> Self:
        gpu = engine == "torch" and torch.cuda.is_available()  # other engines know the CPU only
        return self.to(("cuda" if gpu else "cpu") if device == "auto" else device).use_engine(engine)

    @classmethod
    def read_line(cls, line: str) -> Any:
        """Return what a line of text asks: the text itself or, where a question has several texts, a tuple of them.

        Several texts are separated by tabs, or in a JSON object under their names, or in a JSON list. Raises
        `ArgumentError` if the line holds more or fewer texts than a question has.
        """
        if len(cls.fields) == 1:
            return line
        texts = _read_texts(line, cls.fields)
        if len(texts) != len(cls.fields) or not all(isinstance(text, str) and text.strip() for text in texts):
            named = "<TAB>".join(cls.fields)
            as_json = json.dumps(dict.fromkeys(cls.fields, "..."))
            raise ArgumentError(f"a line must read {named}, or {as_json}; got {line[:80]!r}")
        return tuple(texts)

    @classmethod
    def read_arguments(cls, texts: Sequence[str]) -> list[Any]:
        """Return what the texts after a command ask: each one a line, or each run of as many as a question has.

        `read_arguments(["전제", "가설"])` is one pair, as is `read_arguments(["전제<TAB>가설"])` with a tab. Raises
        `ArgumentError` if they do not make up whole questions.
        """
        size = len(cls.fields)
        if size == 1 or any(len(_read_texts(text, cls.fields)) > 1 for text in texts):
            return [cls.read_line(text) for text in texts]
        if len(texts) % size:
            raise ArgumentError(
                f"{len(texts)} texts make no whole questions of {size} ({', '.join(cls.fields)}). Quote each text: "
                + " ".join(f'"{name}"' for name in cls.fields)
            )
        return [tuple(texts[i : i + size]) for i in range(0, len(texts), size)]

    def to(self, device: str) -> Self:
        """Move the model to a device and return the predictor; `ArgumentError` if its engine knows the CPU only."""
        if self.engine is not self.model and torch.device(device).type != "cpu":
            raise ArgumentError(f"engine {self.engine_name!r} runs on a CPU only, not on {device!r}; use 'torch' there")
        self.model.to(device)
        return self

    def use_engine(self, name: str, samples: Sequence[Any] = (), min_agreement: float = MIN_AGREEMENT) -> Self:
        """Run the model by "torch", "torch-int8", "onnx" or "onnx-int8", and return the predictor.

        It is left on "torch", with a warning, where the engine cannot be made, or decides as "torch" does on less than
        `min_agreement` of the samples, which are built-in questions by default. An ArgumentError says that there is no
        such engine, or what it needs: packages, or samples.
        """
        check_engine_name(name)
        self.engine, self.engine_name = self.model, "torch"
        if name == "torch":
            return self
        samples = samples or self.sample_questions()
        if not samples:
            raise ArgumentError(f"engine {name!r} is compared with 'torch' before it is used: give sample questions")
        device = str(self.model.device)
        expected = self.to("cpu").decide(samples)
        try:
            self.engine = build_engine(name, self.model)
            agreement = sum(map(operator.eq, expected, self.decide(samples))) / max(1, len(expected))
            reason = f"decides {agreement:.1%} of {len(samples)} sample questions as 'torch' does"
        except Exception as error:  # a conversion can fail in many ways, none of which may keep the model from serving
            agreement, reason = 0.0, f"cannot run this model ({type(error).__name__}: {error})"
        if agreement >= min_agreement:
            self.engine_name = name
            logger.info("engine %s: %s", name, reason)
        else:
            self.engine = self.model
            self.to(device)
            logger.warning("engine %s is not used: it %s; needed: %.0f%%", name, reason, 100 * min_agreement)
        return self

    def sample_questions(self) -> list[Any]:
        """Return questions of the kind that the predictor answers, from the built-in corpora."""
        return []

    def answer_many(self, questions: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
        """Return the answers to questions, each a tuple of texts. A page calls it with what many users ask at once."""
        asked = [question[0] if len(self.fields) == 1 else question for question in questions]
        answers: list[dict[str, Any]] = cast(Any, self)(asked)
        return [{**answer, "kind": self.kind} for answer in answers]

    def golden_answers(self, questions: Sequence[Any]) -> list[dict[str, Any]]:
        """Return of each answer what an export stores, and compares when it is loaded."""
        answers: list[dict[str, Any]] = cast(Any, self)(questions)
        return [{name: answer[name] for name in (self.decision, "score") if name in answer} for answer in answers]

    def decide(self, questions: Sequence[Any]) -> list[Any]:
        """Return the decisions: one for each question or, where tokens are labelled, one for each token."""
        return [answer[self.decision] for answer in cast(Any, self)(questions)]

    def logits(self, texts: Sequence[Any], batch_size: int = 64, progress: bool = False) -> Tensor:
        """Return the logits of N texts or pairs, in their order: `(N, K)` float32 on the CPU.

        At most `batch_size` texts, of similar length, run in one forward pass. `progress` shows a bar.
        """
        ids, types = encode(self.tokenizer, texts, self.max_seq_length)
        found: list[Tensor] = [torch.empty(0)] * len(texts)
        for rows in self.passes(list(map(len, ids)), batch_size, "texts", progress):
            outputs = self.run(self.stack([ids[i] for i in rows], [types[i] for i in rows]))
            for i, row in zip(rows, outputs.logits.float().cpu(), strict=True):
                found[i] = row
        return torch.stack(found)

    def passes(self, lengths: Sequence[int], most: int, unit: str, progress: bool) -> Iterator[list[int]]:
        """Yield which rows share a forward pass, under a bar: see `split_into_passes`."""
        on_cpu = self.model.device.type == "cpu"  # on a GPU, passes are expensive and padding is cheap
        with tqdm(total=len(lengths), unit=f" {unit}", disable=not progress) as bar:
            for rows in split_into_passes(lengths, most, PASS_TOKENS if on_cpu else sys.maxsize):
                yield rows
                bar.update(len(rows))

    def run(self, inputs: Mapping[str, Tensor]) -> Any:
        """Return the model's named outputs for a batch."""
        with torch.inference_mode():
            return self.engine(**inputs)

    def encode(self, texts: Sequence[Any]) -> dict[str, Tensor]:
        """Return texts or pairs as a batch of tensors `(B, T)` on the model's device."""
        return self.stack(*encode(self.tokenizer, texts, self.max_seq_length))

    def stack(self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Return rows of token ids and token types as a batch of tensors `(B, T)` on the model's device."""
        length = max(map(len, ids))
        batch = {
            "input_ids": pad(ids, length, self.tokenizer.pad_token_id or 0),
            "attention_mask": pad([[1] * len(row) for row in ids], length, 0),
        }
        if takes_token_types(self.model):
            batch["token_type_ids"] = pad(types, length, 0)
        return {name: values.to(self.model.device) for name, values in batch.items()}


def _read_texts(line: str, fields: Sequence[str]) -> list[Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        found = None
    if isinstance(found, dict):
        return [found.get(name) for name in fields]
    return found if isinstance(found, list) else line.split("\t")
