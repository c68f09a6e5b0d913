"""Training speed on the same reviews, model and batch size: ours beside the published way and beside transformers'
`Trainer`.

    python benchmarks/training.py --model FOLDER --corpora FOLDER [--rounds 3]

Needs `accelerate` (transformers' Trainer does). Ways, each in float32 unless it says otherwise:

  published    every text padded to 128, random order, through our task and trainer
  hf           transformers' Trainer, DataCollatorWithPadding, random order
  hf_grouped   the same, grouped by length
  ours         nlpbook.get_dataloaders, ClassificationTask, nlpbook.get_trainer
  ours_bf16    the same with precision="bf16"

In each round every way trains once over the same random rows: 50 batches, one whole group of the length-grouped
samplers, so that the batches are those of a long training. The published way, whose steps all cost the same, takes 10
batches of them. Only the steps are timed. Printed: samples per second, median over rounds, and the ratio of ours to
each, median of the rounds' ratios.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
import warnings

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

BATCH, STEPS, PUBLISHED_STEPS, LENGTH = 32, 50, 10, 128


class Clock(TrainerCallback, pl.Callback):
    """Times the steps of either trainer."""

    def on_train_begin(self, *args, **kwargs):
        self.start = time.perf_counter()

    def on_train_end(self, *args, **kwargs):
        self.seconds = time.perf_counter() - self.start

    on_train_start = on_train_begin


def load_model(folder):
    pl.seed_everything(0, verbose=False)
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32)


def pad_to_max(features):
    rows = {name: [getattr(f, name) for f in features] for name in ("input_ids", "attention_mask", "token_type_ids")}
    batch = {name: pad(values, LENGTH, 0) for name, values in rows.items()}
    return batch | {"labels": torch.tensor([f.label for f in features])}


def run_ours(options, dataset, make_loader, precision, folder) -> float:
    args = ClassificationTrainArguments(
        downstream_model_dir=folder, epochs=1, batch_size=BATCH, precision=precision, max_seq_length=LENGTH, seed=0
    )
    trainer = nlpbook.get_trainer(args)
    clock = Clock()
    # nothing but steps: no checkpoint at the end, no bar
    trainer.callbacks = [clock]
    task = ClassificationTask(load_model(options.model), args)
    trainer.fit(task, train_dataloaders=make_loader(args, dataset))
    return len(dataset) / clock.seconds


def run_hf(options, dataset, tokenizer, grouped, folder) -> float:
    rows = [
        {"input_ids": row.input_ids, "attention_mask": row.attention_mask, "token_type_ids": row.token_type_ids}
        | {"labels": row.label}
        for row in (dataset[i] for i in range(len(dataset)))
    ]
    arguments = transformers.TrainingArguments(
        folder,
        per_device_train_batch_size=BATCH,
        num_train_epochs=1,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        train_sampling_strategy="group_by_length" if grouped else "random",
        dataloader_pin_memory=False,
    )
    clock = Clock()
    transformers.Trainer(
        load_model(options.model),
        arguments,
        train_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer),
        callbacks=[clock],
    ).train()
    return len(rows) / clock.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpora", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    with tempfile.TemporaryDirectory() as folder:
        args = ClassificationTrainArguments(
            downstream_corpus_name="nsmc", downstream_corpus_root_dir=options.corpora, feature_cache_dir=folder
        )
        everything = ClassificationDataset(args=args, corpus=NsmcCorpus(), tokenizer=tokenizer, mode="train")

        def published_loader(args, dataset):
            return DataLoader(dataset, BATCH, sampler=RandomSampler(dataset), collate_fn=pad_to_max)

        def our_loader(args, dataset):
            return nlpbook.get_dataloaders(args, dataset, dataset)[0]

        speeds: dict[str, list[float]] = {}
        for round_number in range(options.rounds):
            generator = torch.Generator().manual_seed(round_number)
            chosen = torch.randperm(len(everything), generator=generator)[: BATCH * STEPS].tolist()
            rows, few = everything.select(chosen), everything.select(chosen[: BATCH * PUBLISHED_STEPS])
            ways = {
                "published": lambda few=few: run_ours(options, few, published_loader, "32", folder),
                "hf": lambda rows=rows: run_hf(options, rows, tokenizer, False, folder),
                "hf_grouped": lambda rows=rows: run_hf(options, rows, tokenizer, True, folder),
                "ours": lambda rows=rows: run_ours(options, rows, our_loader, "32", folder),
                "ours_bf16": lambda rows=rows: run_ours(options, rows, our_loader, "bf16", folder),
            }
            for name, run in ways.items():
                speeds.setdefault(name, []).append(run())
                print(f"round {round_number}: {name} {speeds[name][-1]:.1f} samples/s", flush=True)
        ratios = {
            name: round(statistics.median(a / b for a, b in zip(speeds["ours"], values, strict=True)), 2)
            for name, values in speeds.items()
        }
        medians = {name: round(statistics.median(values), 1) for name, values in speeds.items()}
        print(json.dumps({"samples_per_second": medians, "ours_to": ratios}, indent=2))


if __name__ == "__main__":
    main()
