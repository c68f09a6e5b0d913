"""One training task: the step, the optimizer, the schedule. A subclass says what to measure."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.checkpoints import KEY, describe_model, refuse_unstorable
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.model_folder import ModelFolder
from ratsnlp.nlpbook.models import labels_of, order_head, set_dropout, takes_token_types

DECAY_PER_EPOCH = 0.9
"""The published schedule: the rate falls by a tenth after every epoch."""

UNDECAYED = ("bias", "norm")


class Task(pl.LightningModule):
    """Base of all tasks.

    Args:
        model: The model to train; its outputs carry `loss` when a batch carries `labels`. Half-precision weights are
            cast to float32: AdamW in float16 turns to not-a-number within steps.
        args: The training settings.
    """

    validation_metrics: tuple[str, ...] = ("val_loss",)
    """What validation logs: the names that `monitor` may take."""

    def __init__(self, model: PreTrainedModel, args: TrainArguments):
        super().__init__()
        if model.dtype in (torch.float16, torch.bfloat16):
            logger.info("the model's weights are %s; training casts them to float32", model.dtype)
            model = model.float()  # type: ignore[no-untyped-call]
        self.model = model
        self.args = args
        self.typed = takes_token_types(model)
        set_dropout(model, hidden=args.hidden_dropout, attention=args.attention_dropout)
        # A model's buffers are constants (position numbers). Without this, DDP sends them in every forward pass, and
        # waits for ever when one process has a validation batch more than another.
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    def forward(self, **batch: Tensor) -> Any:
        """Run the model on a batch."""
        batch.pop("window", None)  # numbers of stored rows, by which validation finds its examples
        if not self.typed:  # klue/roberta knows no token types, whatever its tokenizer gives
            batch.pop("token_type_ids", None)
        return self.model(**batch)

    def setup(self, stage: str) -> None:
        """Turn training mode on."""
        if stage == "fit":
            self.model.train()  # models are loaded in evaluation mode, and Lightning leaves them so: no dropout at all

    def on_train_start(self) -> None:
        """Let the corpus write into the model folder what scoring needs later, where it has something to say."""
        if self.trainer.is_global_zero and self.args.downstream_model_dir:
            folder = ModelFolder(self.args.downstream_model_dir)
            corpus: Any = getattr(self._training_dataset(), "corpus", None)
            folder.forget_table()
            if hasattr(corpus, "write_record"):
                corpus.write_record(folder.path)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Tie dropout to seed, process and step, so that a resumed training goes on exactly as an uncut one would."""
        if self.args.seed is not None:
            step = int(self.trainer.fit_loop.total_batch_idx)
            torch.manual_seed(hash((self.args.seed, self.global_rank, step)) % 2**63)

    def prepare(self, train_dataloader: Any) -> None:
        """Put a head that was trained for the corpus's labels in their order; refuse what no checkpoint could hold."""
        dataset = getattr(train_dataloader, "dataset", None)
        labels, names = labels_of(dataset)
        if labels:
            order_head(self.model, labels, names)
        refuse_unstorable(describe_model(self.args.to_dict(), self.model, dataset, {}))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch, a scalar; log it and what `measure` gives."""
        outputs, rows = self(**batch), len(batch["input_ids"])
        for name, value in {"loss": outputs.loss.detach(), **self.measure(outputs, batch)}.items():
            self.log(name, value, prog_bar=True, logger=True, on_step=True, on_epoch=False, batch_size=rows)
        loss: Tensor = outputs.loss
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Add a batch to the metrics of the whole split."""
        outputs, rows = self(**batch), len(batch["input_ids"])
        self.log("val_loss", outputs.loss, prog_bar=True, on_epoch=True, batch_size=rows, sync_dist=True)
        self.collect(outputs, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole split."""
        for name, value in self.summarize().items():
            self.log(name, value, prog_bar=True, sync_dist=True)  # the same in all processes; Lightning cannot know

    def measure(self, outputs: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what to show of a training batch, by name."""
        return {}

    def collect(self, outputs: Any, batch: dict[str, Tensor]) -> None:
        """Remember what the metrics of the whole split need of a validation batch."""

    def summarize(self) -> dict[str, Tensor]:
        """Return the metrics of the whole split, of all processes, as `validation_metrics` names them; reset them."""
        return {}

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW with weight decay on matrices only, and the schedule, stepped after every optimizer step."""
        trained = [(name.lower(), weight) for name, weight in self.model.named_parameters() if weight.requires_grad]
        plain = [weight for name, weight in trained if any(part in name for part in UNDECAYED)]
        decayed = [weight for name, weight in trained if not any(part in name for part in UNDECAYED)]
        groups = [{"params": decayed, "weight_decay": self.args.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        # one kernel for all weights, where there is one; with float16 it would undo loss scaling after the clipping
        fused = self.device.type in ("cpu", "cuda") and self.trainer.precision != "16-mixed"
        optimizer = AdamW(groups, lr=self.args.learning_rate, fused=fused)
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        epochs = self.trainer.max_epochs or self.args.epochs
        schedule = LambdaLR(optimizer, lambda step: self.rate_at(step, steps, epochs))
        # the key must read `lr_scheduler`: under any other name Lightning drops the schedule
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Cut the gradient to its longest allowed length."""
        if gradient_clip_val:  # Lightning's own way refuses fused optimizers under bfloat16
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), gradient_clip_val)

    def rate_at(self, step: int, steps: int, epochs: int) -> float:
        """Return the share of the learning rate, in 0..1, after `step` of all optimizer `steps` of all `epochs`."""
        warmup = round(steps * self.args.warmup_ratio)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        done = (step - warmup) / max(1, steps - warmup)
        if self.args.scheduler == "linear":
            return max(0.0, 1 - done)
        if self.args.scheduler == "cosine":
            return max(0.0, 0.5 * (1 + math.cos(math.pi * min(1.0, done))))
        if self.args.scheduler == "exponential":
            return float(DECAY_PER_EPOCH ** (step * epochs // steps))
        return 1.0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make the checkpoint self-contained: see `checkpoints.describe_model`."""
        metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        checkpoint[KEY] = describe_model(self.args.to_dict(), self.model, self._training_dataset(), metrics)

    def _training_dataset(self) -> Any:
        loader = self.trainer.train_dataloader
        return loader.dataset if isinstance(loader, DataLoader) else None

    def validation_dataset(self) -> Any:
        """Return the dataset behind the first validation loader."""
        loader: Any = self.trainer.val_dataloaders
        return (loader[0] if isinstance(loader, list | tuple) else loader).dataset
