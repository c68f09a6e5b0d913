"""Inference across corpora: train on KorNLI's 5,010 XNLI pairs, test on KLUE-NLI's 3,000, which other people wrote.

    python benchmarks/nli_kornli.py --data FOLDER --model FOLDER [--epochs 3] [--learning_rate 1e-4] [--seed 7] ...

`--data` holds `kornli/xnli.test.ko.tsv` and `klue-nli/klue_nli_dev.json`. Every pair of the first file trains, but for
those that `--validation_ratio` holds out; nothing is chosen by looking at the second. Printed: accuracy with its
interval, the accuracy of a classifier that reads the hypotheses alone, accuracy on the held-out pairs after each epoch,
minutes of training, and the most memory held.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from ratsnlp.cli import peak_memory
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.classification import ClassificationTrainArguments
from ratsnlp.nlpbook.figures import read_history


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning_rate", type=float, default=1e-4)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--scheduler", default="linear")
    parser.add_argument("--validation_ratio", type=float, default=0.05, help="held out, to choose the best epoch")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", help="keep the trained model here")
    return parser.parse_args()


def settings(options: argparse.Namespace, folder: str) -> ClassificationTrainArguments:
    data = Path(options.data)
    return ClassificationTrainArguments(
        pretrained_model_name=options.model,
        downstream_task_name="pair-classification",
        downstream_corpus_name="klue-nli",
        downstream_corpus_root_dir=options.data,
        downstream_model_dir=folder,
        train_file=str(data / "kornli" / "xnli.test.ko.tsv"),
        test_file=str(data / "klue-nli" / "klue_nli_dev.json"),
        max_seq_length=96,
        learning_rate=options.learning_rate,
        epochs=options.epochs,
        batch_size=options.batch_size,
        scheduler=options.scheduler,
        warmup_ratio=0.1,
        validation_ratio=options.validation_ratio,
        precision=options.precision,
        seed=options.seed,
        feature_cache_dir=str(Path(folder) / "features"),
    )


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or scratch
        start = time.perf_counter()
        pipeline.train("paircls", settings(options, folder))
        minutes = (time.perf_counter() - start) / 60
        report = pipeline.evaluate(folder, hypothesis_only=True)
        history = read_history(next(Path(folder).glob("logs/version_*/metrics.csv")))
    print(report)
    held_out = [round(value, 4) for value in history["val_acc"][1]]
    shown = {name: value for name, value in vars(options).items() if name not in ("data", "model", "folder")}
    found = report.metrics()
    scores = {name: found[name] for name in ("accuracy", "accuracy_interval_95", "macro_f1", "hypothesis_only")}
    print(
        json.dumps(shown | scores | {"held_out": held_out, "training_minutes": round(minutes, 1)}, ensure_ascii=False)
    )
    print(f"training took {minutes:.1f} minutes{peak_memory()}")


if __name__ == "__main__":
    main()
