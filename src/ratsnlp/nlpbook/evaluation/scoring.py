"""Scoring a predictor on a split: in float32, or in bfloat16 where that is faster."""

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.evaluation.about import About
from ratsnlp.nlpbook.evaluation.card import Card
from ratsnlp.nlpbook.evaluation.overlap import read_overlap
from ratsnlp.nlpbook.training.hardware import bf16_is_faster

Precision = Literal["auto", "32", "bf16"]


def choose_precision(wanted: Precision, device: str) -> Literal["32", "bf16"]:
    """Return the precision to score in: `auto` takes bfloat16 where the hardware multiplies it faster.

    Args:
        wanted: What is asked for.
        device: Where the model is: "cpu" or "cuda".
    """
    if wanted == "auto":
        return "bf16" if bf16_is_faster("gpu" if device == "cuda" else device) else "32"
    return wanted


def computing_in(precision: Literal["32", "bf16"], device: str) -> AbstractContextManager[None]:
    """Let the models inside the block compute in a precision. Weights, sums and softmax stay float32."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16")


def score(
    predictor: Any, examples: Sequence[Any], corpus: Any, args: TrainArguments, mode: str, precision: Precision
) -> Any:
    """Return a predictor's score card on a split, which knows where it comes from and what train gives away.

    Args:
        predictor: A predictor of any task.
        examples: The examples of the split.
        corpus: The corpus they are from.
        args: The settings of the training.
        mode: The split.
        precision: What to compute in.
    """
    device = predictor.model.device.type
    used = choose_precision(precision, device)
    with computing_in(used, device):
        card = predictor.evaluate(examples)
    if not isinstance(card, Card):
        return card
    return dataclasses.replace(card, about=About.of(args, mode, used, read_overlap(corpus, args, mode, examples)))
