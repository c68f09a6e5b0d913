"""One training on XLA's CPU device, run by an interpreter that has torch_xla. Prints what `test_devices` asserts on.

PJRT_DEVICE=CPU python tests/xla_fit.py SETTINGS.json
"""

import json
import sys
from pathlib import Path

import lightning_fabric
import pytorch_lightning as pl
import torch
import torch_xla.debug.metrics as xla_metrics
from pytorch_lightning.accelerators import XLAAccelerator
from transformers import AutoTokenizer, BertForSequenceClassification

from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import (
    ClassificationDataset,
    ClassificationTask,
    ClassificationTrainArguments,
    NsmcCorpus,
)


class Watch(pl.Callback):
    """Notes the shapes of batches, the losses, and how often XLA had compiled at the end of each epoch."""

    def __init__(self):
        self.devices, self.shapes, self.losses, self.compilations = set(), set(), [], []

    def on_train_batch_end(self, trainer, task, outputs, batch, batch_idx):
        self.devices.add(batch["input_ids"].device.type)
        self.shapes.add(tuple(batch["input_ids"].shape))
        self.losses.append(outputs["loss"].item())

    def on_train_epoch_end(self, trainer, task):
        found = xla_metrics.metric_data("CompileTime")
        self.compilations.append(found[0] if found else 0)


def main(path):
    args = ClassificationTrainArguments(**json.loads(Path(path).read_text(encoding="utf-8")))
    # Lightning counts TPU chips only; the CPU device stands for one
    for accelerator in (XLAAccelerator, lightning_fabric.accelerators.XLAAccelerator):
        accelerator.is_available = staticmethod(lambda: True)
        accelerator.auto_device_count = staticmethod(lambda: 1)
    nlpbook.set_seed(args)
    tokenizer = AutoTokenizer.from_pretrained(args.pretrained_model_name)
    datasets = [ClassificationDataset(args, tokenizer, NsmcCorpus(), mode) for mode in ("train", "test")]
    model = BertForSequenceClassification.from_pretrained(args.pretrained_model_name, num_labels=2)
    trainer, watch = nlpbook.get_trainer(args), Watch()
    trainer.callbacks.append(watch)
    trainer.fit(ClassificationTask(model, args), *nlpbook.get_dataloaders(args, *datasets))
    seen = {"strategy": type(trainer.strategy).__name__, "devices": sorted(watch.devices), "torch": torch.__version__}
    seen |= {"shapes": sorted(watch.shapes), "losses": watch.losses, "compilations": watch.compilations}
    print("SEEN", json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
