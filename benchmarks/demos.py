"""What the demos reach, over several seeds: the built-in model on the built-in corpora, with each demo's own settings.

    python benchmarks/demos.py [--task qa ...] [--seed 1 ...] [--corpora FOLDER] [--set epochs=2 ...]

Printed for each task and seed: seconds (training, scoring, answers), the scores on the built-in test split, and what
the demo answers. With `--corpora`, which holds `nsmc/ratings_test.txt`, the reviews' model is scored on its 50,000 rows
too. `--set` tries other settings than the demo's. What a demo promises is what its worst seed reaches.
"""

import argparse
import dataclasses
import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.classification import NsmcCorpus
from ratsnlp.nlpbook.demo import demo_arguments
from ratsnlp.nlpbook.logs import show_messages
from ratsnlp.nlpbook.tasks import TASKS


def run(task: str, seed: int, changed: dict[str, Any], corpora: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        start = time.perf_counter()
        args = dataclasses.replace(demo_arguments(task, Path(temporary) / "model"), seed=seed, **changed)
        pipeline.train(task, args)
        trained = time.perf_counter()
        found = pipeline.evaluate(args.downstream_model_dir).headline()
        predictor = pipeline.load_predictor(args.downstream_model_dir)
        shown = TASKS[task].demo.shown[-1]
        answers = [answer[shown] for answer in predictor(list(TASKS[task].demo.inputs))]
        seconds = {"seconds": round(time.perf_counter() - start), "training_seconds": round(trained - start)}
        if corpora and task == "classification":
            report = predictor.evaluate(NsmcCorpus().get_examples(corpora / "nsmc", "test"))
            found["nsmc_accuracy"] = report.headline()["accuracy"]
    return {"task": task, "seed": seed} | changed | seconds | found | {"answers": answers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--seed", nargs="+", type=int, default=[1, 2, 3, 4, 7])
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    changed = {name: yaml.safe_load(value) for name, _, value in (text.partition("=") for text in options.set)}
    show_messages()
    logging.getLogger("ratsnlp").setLevel(logging.ERROR)
    for task in options.task:
        for seed in options.seed:
            print(json.dumps(run(task, seed, changed, options.corpora), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
