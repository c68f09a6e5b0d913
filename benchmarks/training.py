"""Training speed on the same reviews, model and batch size: ours beside the published way and beside transformers'
`Trainer`, on a CPU or on one GPU.

    python benchmarks/training.py --model FOLDER --corpora FOLDER [--rounds 3] [--ways ours ours_bf16 ...] [--batch 32]

Needs `accelerate` (transformers' Trainer does). Ways, each in float32 unless it says otherwise:

  published       every text padded to 128, random order, through our task and trainer
  hf              transformers' Trainer, DataCollatorWithPadding, random order
  hf_grouped      the same, grouped by length
  ours            nlpbook.get_dataloaders, ClassificationTask, nlpbook.get_trainer
  NAME_bf16       any of these in bfloat16
  ours_compiled   ours in bfloat16, the model through torch.compile with dynamic shapes
  ours_unpadded   ours in bfloat16 without any padding: a batch is one long row, attention by torch's varlen_attn
                  (one GPU, torch 2.10 or newer; without dropout of attention weights, which it does not know)

In each round every way trains once over the same random rows: 50 batches, one whole group of the length-grouped
samplers, so that the batches are those of a long training. The published way, whose steps all cost the same, takes 10
batches of them. Only the steps are timed, and not the first five, which load and compile.
Printed: samples per second, median over rounds, and the ratio of ours to each, median of the rounds' ratios.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
import transformers
from torch.utils.data import DataLoader, RandomSampler
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, TrainerCallback

from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import (
    ClassificationDataset,
    ClassificationTask,
    ClassificationTrainArguments,
    NsmcCorpus,
)
from ratsnlp.nlpbook.data.batches import pad
from unpadded import UnpaddedTask, collate_unpadded

ON_GPU = torch.cuda.is_available()
LENGTH = 128
STEPS, PUBLISHED_STEPS = 50, 10
WARM_STEPS = 5


class Clock(TrainerCallback, pl.Callback):
    """Times the steps of either trainer, from the end of the warm ones on."""

    def __init__(self) -> None:
        self.steps = 0
        self.at: list[float] = []

    def note(self) -> None:
        if ON_GPU:
            torch.cuda.synchronize()
        self.at.append(time.perf_counter())

    def on_step_end(self, *args, **kwargs):
        self.steps += 1
        if self.steps == WARM_STEPS:
            self.note()

    def on_train_end(self, *args, **kwargs):
        self.note()

    on_train_batch_end = on_step_end

    def speed(self, batch: int) -> float:
        """Samples per second of steps of so many samples."""
        start, end = self.at
        return (self.steps - WARM_STEPS) * batch / (end - start)


@dataclass
class Bench:
    """What all ways share."""

    folder: str
    model: str
    tokenizer: Any
    batch: int

    def load_model(self, **options):
        pl.seed_everything(0, verbose=False)
        return AutoModelForSequenceClassification.from_pretrained(
            self.model, num_labels=2, dtype=torch.float32, **options
        )

    def run_ours(self, dataset, make_loader, precision, make_task=ClassificationTask, **options) -> float:
        args = ClassificationTrainArguments(
            downstream_model_dir=self.folder,
            epochs=1,
            batch_size=self.batch,
            precision=precision,
            max_seq_length=LENGTH,
            seed=0,
            devices=1,
        )
        trainer = nlpbook.get_trainer(args)
        clock = Clock()
        # nothing but steps: no checkpoint at the end, no bar
        trainer.callbacks = [clock]
        task = make_task(self.load_model(**options), args)
        trainer.fit(task, train_dataloaders=make_loader(args, dataset))
        return clock.speed(self.batch)

    def run_hf(self, dataset, grouped, precision) -> float:
        rows = [
            {"input_ids": row.input_ids, "attention_mask": row.attention_mask, "token_type_ids": row.token_type_ids}
            | {"labels": row.label}
            for row in (dataset[i] for i in range(len(dataset)))
        ]
        arguments = transformers.TrainingArguments(
            self.folder,
            per_device_train_batch_size=self.batch,
            num_train_epochs=1,
            use_cpu=not ON_GPU,
            bf16=precision == "bf16",
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            train_sampling_strategy="group_by_length" if grouped else "random",
            dataloader_pin_memory=ON_GPU,
        )
        clock = Clock()
        transformers.Trainer(
            self.load_model(),
            arguments,
            train_dataset=rows,
            data_collator=DataCollatorWithPadding(self.tokenizer),
            callbacks=[clock],
        ).train()
        return clock.speed(self.batch)

    def run(self, way: str, rows, few) -> float:
        """Train once in the named way on `rows` (the published way in float32: on `few`), return samples per second."""
        name, _, precision = way.partition("_bf16")
        precision = "bf16" if way.endswith("_bf16") else "32"
        ways: dict[str, Callable[[], float]] = {
            "published": lambda: self.run_ours(few, published_loader, precision),
            "hf": lambda: self.run_hf(rows, False, precision),
            "hf_grouped": lambda: self.run_hf(rows, True, precision),
            "ours": lambda: self.run_ours(rows, our_loader, precision),
            "ours_compiled": lambda: self.run_ours(rows, our_loader, "bf16", compiled_task),
            "ours_unpadded": lambda: self.run_ours(
                rows, unpadded_loader, "bf16", UnpaddedTask, attn_implementation="unpadded"
            ),
        }
        return ways[name]()


def pad_to_max(features):
    rows = {name: [getattr(f, name) for f in features] for name in ("input_ids", "attention_mask", "token_type_ids")}
    batch = {name: pad(values, LENGTH, 0) for name, values in rows.items()}
    return batch | {"labels": torch.tensor([f.label for f in features])}


def published_loader(args, dataset):
    sampler = RandomSampler(dataset)
    return DataLoader(dataset, args.batch_size, sampler=sampler, collate_fn=pad_to_max, pin_memory=ON_GPU)


def our_loader(args, dataset):
    return nlpbook.get_dataloaders(args, dataset, dataset)[0]


def unpadded_loader(args, dataset):
    sampler = RandomSampler(dataset)  # no grouping: nothing is padded
    return DataLoader(dataset, args.batch_size, sampler=sampler, collate_fn=collate_unpadded, pin_memory=ON_GPU)


def compiled_task(model, args):
    model.compile(dynamic=True)
    return ClassificationTask(model, args)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpora", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--ways", nargs="+", default=["published", "hf", "hf_grouped", "ours", "ours_bf16"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, options.model, AutoTokenizer.from_pretrained(options.model), options.batch)
        args = ClassificationTrainArguments(
            downstream_corpus_name="nsmc", downstream_corpus_root_dir=options.corpora, feature_cache_dir=folder
        )
        everything = ClassificationDataset(args=args, corpus=NsmcCorpus(), tokenizer=bench.tokenizer, mode="train")
        speeds: dict[str, list[float]] = {}
        for round_number in range(options.rounds):
            generator = torch.Generator().manual_seed(round_number)
            chosen = torch.randperm(len(everything), generator=generator)[: options.batch * STEPS].tolist()
            rows, few = everything.select(chosen), everything.select(chosen[: options.batch * PUBLISHED_STEPS])
            for way in dict.fromkeys(["ours", *options.ways]):
                speeds.setdefault(way, []).append(bench.run(way, rows, few))
                print(f"round {round_number}: {way} {speeds[way][-1]:.1f} samples/s", flush=True)
    ratios = {
        name: round(statistics.median(a / b for a, b in zip(speeds["ours"], values, strict=True)), 2)
        for name, values in speeds.items()
    }
    medians = {name: round(statistics.median(values), 1) for name, values in speeds.items()}
    print(json.dumps({"samples_per_second": medians, "ours_to": ratios}, indent=2))


if __name__ == "__main__":
    main()
