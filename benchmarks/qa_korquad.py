"""Train and score question answering on KorQuAD's development file, split by article.

    python benchmarks/qa_korquad.py --model FOLDER --corpora FOLDER [--out FOLDER] [--epochs 2 ...]

`--corpora` holds `korquad-v1/KorQuAD_v1.0_dev.json`. Its first 110 articles are trained on and its last 30 scored; both
files are written to a temporary folder, or into `--out`, which must lie outside every repository. The epoch is chosen
on articles held out of the 110. The same command again resumes a training that was cut, if `--out` is given. Printed:
EM and F1 with and without the josa cut, minutes, peak memory.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.qa import QATrainArguments

TRAINED_ARTICLES, SCORED_ARTICLES = 110, 30
CORPUS = "korquad-v1"


def split_by_article(source: Path, root: Path) -> None:
    """Write the first and the last articles of a file as a corpus's training and development file."""
    corpus = json.loads(source.read_text(encoding="utf-8"))
    folder = root / CORPUS
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": corpus["data"][:TRAINED_ARTICLES], "dev": corpus["data"][-SCORED_ARTICLES:]}
    for name, articles in parts.items():
        content = json.dumps({"version": corpus["version"], "data": articles}, ensure_ascii=False)
        (folder / f"KorQuAD_v1.0_{name}.json").write_text(content, encoding="utf-8")


def settings(options: argparse.Namespace, root: Path, out: Path) -> QATrainArguments:
    return QATrainArguments(
        pretrained_model_name=options.model,
        downstream_corpus_root_dir=str(root),
        downstream_model_dir=str(out),
        max_seq_length=options.max_seq_length,
        doc_stride=options.doc_stride,
        negative_window_ratio=options.negative_window_ratio,
        max_train_examples=options.max_train_examples,
        validation_ratio=options.validation_ratio,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        scheduler="linear",
        warmup_ratio=0.1,
        monitor="max val_f1",
        precision=options.precision,
        attention_dropout=options.attention_dropout,
        seed=options.seed,
    )


def run(options: argparse.Namespace, root: Path, out: Path) -> None:
    split_by_article(options.corpora / CORPUS / "KorQuAD_v1.0_dev.json", root)
    start = time.perf_counter()
    best = pipeline.train("qa", settings(options, root, out))
    trained = time.perf_counter()
    report = pipeline.evaluate(out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(report)
    figures = report.metrics() | {
        "checkpoint": best.name,
        "minutes_training": round((trained - start) / 60, 1),
        "minutes_scoring": round((time.perf_counter() - trained) / 60, 1),
        "peak_memory_gib": round(peak / 2**30, 2),
    }
    print(json.dumps(figures, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpora", required=True, type=Path)
    parser.add_argument("--out", type=Path, help="model folder  [default: a temporary one]")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--max_seq_length", type=int, default=256)
    parser.add_argument("--doc_stride", type=int, default=160, help="tokens by which the window slides")
    parser.add_argument("--negative_window_ratio", type=float, default=0.5)
    parser.add_argument("--max_train_examples", type=int, help="train on the first questions only")
    parser.add_argument("--validation_ratio", type=float, default=0.02)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--learning_rate", type=float, default=1.5e-4)
    parser.add_argument("--attention_dropout", type=float, default=0.0, help="0 is twice as fast at this length")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # a folder of its own for each model folder, so that a training which is resumed finds its corpus again
        root = options.out / "corpora" if options.out else Path(folder) / "corpora"
        run(options, root, options.out or Path(folder) / "model")


if __name__ == "__main__":
    main()
