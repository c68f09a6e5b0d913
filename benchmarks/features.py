"""Features of a corpus beside bare tokenisation of the same texts, in one run.

    python benchmarks/features.py --model FOLDER --corpora FOLDER [--max_seq_length 128]

`--corpora` holds `nsmc/ratings_train.txt`. Printed: seconds of each (interleaved, median), their ratio, growth of
memory, size of the file, and seconds to load it again. Memory is measured in a process of its own that only makes the
features.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path

from transformers import AutoTokenizer

from ratsnlp.nlpbook.classification import ClassificationDataset, ClassificationTrainArguments, NsmcCorpus

MEBIBYTE = 2**20


def settings(options: argparse.Namespace, cache: str) -> ClassificationTrainArguments:
    return ClassificationTrainArguments(
        downstream_corpus_name="nsmc",
        downstream_corpus_root_dir=options.corpora,
        feature_cache_dir=cache,
        max_seq_length=options.max_seq_length,
    )


def make_features(options: argparse.Namespace, cache: str) -> ClassificationDataset:
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    return ClassificationDataset(args=settings(options, cache), corpus=NsmcCorpus(), tokenizer=tokenizer, mode="train")


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_memory(options: argparse.Namespace, queue) -> None:
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    with tempfile.TemporaryDirectory() as cache:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ClassificationDataset(args=settings(options, cache), corpus=NsmcCorpus(), tokenizer=tokenizer, mode="train")
        queue.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpora", required=True)
    parser.add_argument("--max_seq_length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    worker = context.Process(target=measure_memory, args=(options, queue))
    worker.start()
    growth = queue.get()
    worker.join()

    texts = [example.text_a for example in NsmcCorpus().get_examples(Path(options.corpora) / "nsmc", "train")]
    backend = AutoTokenizer.from_pretrained(options.model).backend_tokenizer
    ours, bare, reload = [], [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as cache:
            ours.append(timed(lambda: make_features(options, cache)))
            reload.append(timed(lambda: make_features(options, cache)))
            size = next(Path(cache).glob("*.safetensors")).stat().st_size
        backend.enable_truncation(options.max_seq_length)
        bare.append(timed(lambda: backend.encode_batch(texts)))
    start = timed(lambda: AutoTokenizer.from_pretrained(options.model))
    result = {
        "rows": len(texts),
        "features_seconds": round(statistics.median(ours), 3),
        "bare_encode_batch_seconds": round(statistics.median(bare), 3),
        "ratio_median_of_rounds": round(statistics.median(a / b for a, b in zip(ours, bare, strict=True)), 3),
        "memory_growth_MiB": round(growth / MEBIBYTE, 1),
        "file_MB": round(size / 1e6, 2),
        "reload_seconds_with_tokenizer": round(statistics.median(reload), 3),
        "tokenizer_alone_seconds": round(start, 3),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
