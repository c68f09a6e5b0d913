"""Says in time that a classifier does not learn: a loss that stays at ln k is that of guessing."""

import logging
import math
from collections import deque
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from ratsnlp.nlpbook.models import class_count

logger = logging.getLogger("ratsnlp")

NOT_MOVED = 0.97
"""A mean loss above this share of ln k has not moved."""


class StuckLoss(pl.Callback):
    """Warn once, after some steps, where a classifier's loss has stayed at ln k. Tasks of other kinds pass.

    Args:
        steps: Optimizer steps to wait.
        window: How many of the last steps the mean is of.
    """

    def __init__(self, steps: int = 200, window: int = 100):
        self.steps, self.window = steps, window
        self.losses: deque[Tensor] = deque()
        self.done = False

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin anew."""
        self.losses = deque(maxlen=self.window * trainer.accumulate_grad_batches)
        self.done = class_count(getattr(pl_module, "model", None)) is None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss, and look at the mean when it is time."""
        if self.done:
            return
        self.losses.append(outputs["loss"].detach() * trainer.accumulate_grad_batches)  # still on the device
        if trainer.global_step < self.steps or len(self.losses) < (self.losses.maxlen or 0):
            return
        self.done = True
        self.compare(class_count(pl_module.model) or 0, trainer)
        self.losses.clear()

    def compare(self, classes: int, trainer: pl.Trainer) -> None:
        """Compare the mean loss with that of guessing, and say so where they are alike."""
        mean, guessing = float(torch.stack(list(self.losses)).float().mean()), math.log(classes)
        if trainer.is_global_zero and not mean <= NOT_MOVED * guessing:  # not-a-number has not moved either
            logger.warning(
                "after %d steps the loss is %.3f, and guessing among %d labels gives ln %d = %.3f: the model does not "
                "learn. Look at the tokenizer and the model (are they of the same name? see ratsnlp check), the "
                "learning rate (%g; try 2e-5 to 5e-5), and the labels (do they fit the texts?)",
                *(trainer.global_step, mean, classes, classes, guessing, trainer.optimizers[0].param_groups[0]["lr"]),
            )
