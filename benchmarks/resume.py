"""Does a training that is killed end as one that is not? Kill -9 at random moments, then the same settings again.

    python benchmarks/resume.py [--kills 20] [--seed 0]

A small model with random weights trains three epochs on built-in reviews, first uncut. Then, for each moment, a
process trains in a folder of its own and is killed (SIGKILL, from inside, so that the moment is known): in the middle
of a step, between two steps, in validation, or while a checkpoint is half written. The same settings then run again in
that folder. Printed for each: where it was killed, what was in the folder, the step from which it resumed, and whether
every weight of `last.ckpt` and of the best checkpoint, every metric, and the files' names are those of the uncut
training. Ends with status 1 if any is not.
"""

import argparse
import contextlib
import multiprocessing
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.builtin import builtin_model
from ratsnlp.nlpbook.checkpoints import load_raw, select_checkpoint
from ratsnlp.nlpbook.classification import ClassificationTrainArguments
from ratsnlp.nlpbook.training import trainer as trainer_module

ROWS, BATCH, EPOCHS = 200, 8, 3
STEPS = ROWS // BATCH * EPOCHS
FORK = multiprocessing.get_context("fork")  # torch is imported once, not for every process


def build_model(folder: Path) -> str:
    """Make a BERT of two layers and 32 units, untrained, with the built-in model's vocabulary."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(builtin_model())
    BertModel(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Killer(pl.Callback):
    """Kills its process at the n-th time that it passes a place."""

    def __init__(self, place: str, times: int):
        self.place, self.left = place, times

    def passes(self, place: str) -> None:
        if place == self.place:
            self.left -= 1
            if self.left < 0:
                die()

    def on_before_optimizer_step(self, *args: Any) -> None:
        self.passes("in a step")

    def on_train_batch_end(self, *args: Any) -> None:
        self.passes("between steps")

    def on_validation_batch_start(self, *args: Any) -> None:
        self.passes("in validation")

    def cut_writing(self, save: Callable[..., None], share: float) -> Callable[..., None]:
        """Return `torch.save`, but that it dies with a share of the file written, at the right time."""

        def write(checkpoint: Any, path: Any) -> None:
            save(checkpoint, path)
            if not isinstance(path, Path):
                return  # a trial in memory, before the training
            if self.place == "in a checkpoint" and self.left == 0:
                os.truncate(path, int(path.stat().st_size * share))
            self.passes("in a checkpoint")

        return write


def train(model: str, folder: Path, killer: Killer | None, share: float) -> None:
    """Train in this process, quietly, and die where the killer says."""
    with (folder.parent / f"{folder.name}.log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    if killer:
        callbacks = trainer_module.more_callbacks
        trainer_module.more_callbacks = lambda *args: [*callbacks(*args), killer]
        torch.save = killer.cut_writing(torch.save, share)
    pipeline.train("classification", settings(model, folder))


def settings(model: str, folder: Path) -> ClassificationTrainArguments:
    return ClassificationTrainArguments(
        pretrained_model_name=model,
        downstream_corpus_name="builtin-nsmc",
        downstream_model_dir=str(folder),
        feature_cache_dir=str(folder.parent / "features"),
        max_seq_length=48,
        max_train_examples=ROWS,
        batch_size=BATCH,
        epochs=EPOCHS,
        save_top_k=EPOCHS,  # every epoch writes both its checkpoints, so that each moment is sure to come
        learning_rate=2e-3,
        scheduler="linear",
        precision="32",
        seed=7,
    )


def run(model: str, folder: Path, killer: Killer | None = None, share: float = 0.0) -> int | None:
    """Train in a process of its own and return its exit status, negative for a signal."""
    process = FORK.Process(target=train, args=(model, folder, killer, share))
    process.start()
    process.join()
    return process.exitcode


def outcome(folder: Path) -> dict[str, Any]:
    """Return all that a training leaves: weights, metrics, names."""
    last, best = load_raw(folder / "last.ckpt"), load_raw(select_checkpoint(folder))
    return {
        "last": {name: weight.clone() for name, weight in last["state_dict"].items()},
        "best": {name: weight.clone() for name, weight in best["state_dict"].items()},
        "metrics": best["ratsnlp"]["metrics"],
        "names": sorted(path.name for path in folder.glob("*.ckpt*")),
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    weights = (torch.equal(one[kind][name], other[kind][name]) for kind in ("last", "best") for name in one[kind])
    return all(weights) and one["metrics"] == other["metrics"] and one["names"] == other["names"]


def moments(count: int) -> list[tuple[str, int, float]]:
    """Return where to kill: a place, after how many passes, and how much of a checkpoint is written by then."""
    places = {"in a step": STEPS, "between steps": STEPS, "in validation": 3 * EPOCHS, "in a checkpoint": 2 * EPOCHS}
    chosen = [list(places.items())[i % len(places)] for i in range(count)]
    return [(place, random.randrange(times), random.random()) for place, times in chosen]


def resumed_step(folder: Path) -> int:
    with contextlib.suppress(Exception):
        return int(load_raw(folder / "last.ckpt")["global_step"])
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    torch.set_num_threads(1)
    different = 0
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        model = build_model(root / "model")
        if run(model, root / "uncut"):
            sys.exit("the uncut training failed:\n" + (root / "uncut.log").read_text())
        uncut = outcome(root / "uncut")
        print(f"| kill | where | passes before it | left in the folder | resumed at step, of {STEPS} | as uncut |")
        print("|---|---|---|---|---|---|")
        for number, (place, times, share) in enumerate(moments(options.kills), start=1):
            folder = root / f"killed-{number}"
            killed = run(model, folder, Killer(place, times), share)
            left = ", ".join(sorted(path.name for path in folder.glob("*.ckpt*"))) or "nothing"
            step = resumed_step(folder)
            again = run(model, folder)
            right = killed == -signal.SIGKILL and again == 0 and same(uncut, outcome(folder))
            different += not right
            print(f"| {number} | {place} | {times} | {left} | {step} | {'yes' if right else 'NO'} |", flush=True)
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
