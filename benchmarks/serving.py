"""Load on a page: ours, with each engine, beside the published way, with 1, 8 and 32 clients on this machine.

    python benchmarks/serving.py [--corpora FOLDER] [--shapes kcbert narrow] [--seconds 20] [--rounds 3]
    python benchmarks/serving.py --soak 600 [--engines torch]

`--corpora` holds `nsmc/ratings_test.txt`; without it the built-in reviews are asked. A shape is a model of random
weights, or the folder of a trained classifier. Ways:

  published    Flask's development server; every text padded to 128 tokens and run by itself
  torch ...    ours: `get_web_service_app(predictor).run()`, with that engine

All servers run at once, each in a process of its own; in each round every way is asked for `--seconds` by each number
of clients, one way at a time. Printed for each: requests per second and the 95th percentile of latency (medians of the
rounds), their ratios to the published way (medians of the rounds' ratios), errors, and how the answers to 200 texts,
asked by 32 clients, compare with those of the model by itself: the share of equal labels, and the largest difference
of a probability.

`--soak` asks one engine with 16 clients, one request in 20 a bad one, for that many seconds; then restarts the server
under load. Printed: unexpected answers, memory and threads in the first and the last fifth, and what the restart lost.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import torch
from flask import Flask, jsonify, request
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import ClassificationPredictor, NsmcCorpus, get_web_service_app
from serving_load import Client, drive, summarize

LENGTH, SAMPLES, LABELS = 128, 200, ("0", "1")
SHAPES = {"kcbert": (768, 30000), "narrow": (384, 9766)}  # units of each of 12 layers, and words
ENGINES = ["torch", "torch-int8", "onnx", "onnx-int8"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BAD = [(b'{"sentence": ', 400), (b"{}", 400), (b'" "', 400), (b'"' + b"a" * 10_001 + b'"', 413), (b"[1]", 400)]


# --- models and servers -----------------------------------------------------------------------------------------------


def read_sentences(corpora: str | None) -> list[str]:
    folder = f"{corpora}/nsmc" if corpora else nlpbook.builtin_corpus("nsmc")
    sentences = [example.text_a for example in NsmcCorpus().get_examples(folder, "test") if example.text_a.strip()]
    random.Random(7).shuffle(sentences)
    return sentences


def make_model(shape: str, sentences: list[str], folder: Path) -> None:
    """Write a BERT of random weights with a WordPiece vocabulary of the sentences."""
    units, words = SHAPES[shape]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(sentences, trainers.WordPieceTrainer(vocab_size=words, special_tokens=SPECIAL))
    folder.mkdir()
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in vocabulary), encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 300}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=words,
        hidden_size=units,
        num_hidden_layers=12,
        num_attention_heads=units // 64,
        intermediate_size=4 * units,
        max_position_embeddings=300,
    )
    BertForSequenceClassification(config).save_pretrained(folder)


def load_predictor(folder: str) -> ClassificationPredictor:
    if list(Path(folder).glob("*.ckpt")):
        return ClassificationPredictor.load(folder, device="cpu")
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    return ClassificationPredictor(model, AutoTokenizer.from_pretrained(folder), LABELS, max_seq_length=LENGTH)


def build_published_app(predictor: ClassificationPredictor) -> Flask:
    """Answer as the published notebook does: one text at a time, padded to the full length."""
    app, model, tokenizer = Flask(__name__), predictor.model, predictor.tokenizer

    @app.post("/api")
    def answer():
        sentence = request.get_json(force=True)
        inputs = tokenizer([sentence], max_length=LENGTH, padding="max_length", truncation=True, return_tensors="pt")
        with torch.no_grad():
            probabilities = model(**inputs).logits.softmax(dim=1)[0].tolist()
        rows = [{"label": label, "probability": p} for label, p in zip(predictor.labels, probabilities, strict=True)]
        return jsonify({"sentence": sentence, "probabilities": rows})

    return app


def show(way: str, folder: str, port: int) -> None:
    """Serve a model until the process is ended."""
    predictor = load_predictor(folder)
    if way == "published":
        build_published_app(predictor).run(port=port)
    else:
        # agreement is measured from outside, and random weights decide nothing
        predictor.use_engine(way, min_agreement=0)
        if predictor.engine_name != way:
            raise SystemExit(f"engine {way} is not to be had here")
        get_web_service_app(predictor).run(port=port, block=True, expose="none")


class Child:
    """A server in a process of its own."""

    def __init__(self, way: str, folder: str, port: int) -> None:
        self.way, self.folder, self.port = way, folder, port
        self.start()

    def start(self) -> None:
        command = [sys.executable, __file__, "--show", self.way, self.folder, str(self.port)]
        environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)

    def wait(self) -> None:
        """Return when the server answers."""
        client = Client(self.port)
        while client.ask(b'"warm"')[0] != 200:
            if self.process.poll() is not None:
                raise SystemExit(f"the server of {self.way} ended with status {self.process.returncode}")
            time.sleep(0.2)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


# --- measurements -----------------------------------------------------------------------------------------------------


def compare(port: int, sentences: list[str], expected: torch.Tensor) -> dict[str, float]:
    """Return how the page's answers, asked by many at a time, agree with those of the model by itself."""
    local = threading.local()

    def ask(sentence: str) -> list[float]:
        local.client = getattr(local, "client", None) or Client(port)
        status, body = local.client.ask(json.dumps(sentence).encode())
        assert status == 200, (status, body)
        return [row["probability"] for row in json.loads(body)["probabilities"]]

    with ThreadPoolExecutor(32) as pool:
        found = torch.tensor(list(pool.map(ask, sentences)))
    same = (found.argmax(-1) == expected.argmax(-1)).float().mean()
    return {"same_label": round(float(same), 4), "largest_difference": round(float((found - expected).abs().max()), 6)}


def measure(folder: str, sentences: list[str], options: argparse.Namespace) -> dict[str, object]:
    """Return the figures of one model."""
    predictor = load_predictor(folder)
    alone = torch.cat([predictor.probabilities([sentence]) for sentence in sentences[:SAMPLES]])
    ways = ["published", *options.engines]
    children = {way: Child(way, folder, options.port + number) for number, way in enumerate(ways)}
    bodies = [(json.dumps(sentence, ensure_ascii=False).encode(), 200) for sentence in sentences]
    runs: dict[tuple[str, int], list[dict[str, float]]] = {}
    try:
        for child in children.values():
            child.wait()
        agreement = {way: compare(child.port, sentences[:SAMPLES], alone) for way, child in children.items()}
        for number in range(options.rounds):
            for clients in options.clients:
                for way, child in children.items():
                    start = time.perf_counter()
                    rows = drive(child.port, bodies, clients, options.seconds)
                    run = summarize(rows, time.perf_counter() - start)
                    runs.setdefault((way, clients), []).append(run)
                    print(f"{folder}, round {number}, {clients} clients, {way}: {run}", file=sys.stderr, flush=True)
    finally:
        for child in children.values():
            child.stop()
    return {way: agreement[way] | {f"{n} clients": tabulate(runs, way, n) for n in options.clients} for way in ways}


def tabulate(runs: dict[tuple[str, int], list[dict[str, float]]], way: str, clients: int) -> dict[str, float]:
    ours, published = runs[way, clients], runs["published", clients]

    def ratio(name: str) -> float:
        return round(statistics.median(a[name] / b[name] for a, b in zip(ours, published, strict=True)), 3)

    medians = {name: round(statistics.median(run[name] for run in ours), 1) for name in ("per_second", "p95_ms")}
    errors = sum(int(run["errors"]) for run in ours)
    return medians | {"errors": errors, "speed_ratio": ratio("per_second"), "p95_ratio": ratio("p95_ms")}


def soak(folder: str, sentences: list[str], options: argparse.Namespace) -> dict[str, object]:
    """Return what long use and a restart do to a server."""
    child = Child(options.engines[0], folder, options.port)
    bodies = [(json.dumps(sentence, ensure_ascii=False).encode(), 200) for sentence in sentences]
    bodies = [BAD[i // 20 % len(BAD)] if i % 20 == 0 else bodies[i % len(bodies)] for i in range(2000)]
    try:
        child.wait()
        process, samples = psutil.Process(child.process.pid), []
        with ThreadPoolExecutor(1) as pool:
            load = pool.submit(drive, child.port, bodies, 16, options.soak)
            while not load.done():
                samples.append((process.memory_info().rss / 2**20, process.num_threads()))
                time.sleep(max(0.2, options.soak / 500))
            rows = load.result()
            load = pool.submit(drive, child.port, bodies, 16, min(60.0, options.soak))
            time.sleep(min(10.0, options.soak / 4))
            child.stop()
            child.start()
            child.wait()
            restarted = Counter(str(status) for _, status, expected in load.result() if status != expected)
    finally:
        child.stop()
    fifth = max(1, len(samples) // 5)
    first, last = samples[fifth : 2 * fifth], samples[-fifth:]  # the very first fifth still warms up
    memory = [statistics.median(rss for rss, _ in part) for part in (first, last)]
    return {
        "answers": dict(Counter(str(status) for _, status, _ in rows)),
        "unexpected": sum(status != expected for _, status, expected in rows),
        "memory_MiB": [round(value, 1) for value in memory],
        "memory_growth": round(memory[1] / memory[0] - 1, 4),
        "threads": [max(count for _, count in part) for part in (first, last)],
        "restart": {"lost": restarted["lost"], "refused while it was down": restarted["refused"]},
        "restart_other": {status: n for status, n in restarted.items() if status not in ("lost", "refused")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora")
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), metavar="SHAPE")
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=float, help="seconds")
    parser.add_argument("--port", type=int, default=5100, help="the first of those that are used")
    parser.add_argument("--show", nargs=3, metavar=("WAY", "FOLDER", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.show:
        show(options.show[0], options.show[1], int(options.show[2]))
        return
    sentences = read_sentences(options.corpora)
    with tempfile.TemporaryDirectory() as made:
        for shape in options.shapes[:1] if options.soak else options.shapes:
            folder = Path(made) / shape if shape in SHAPES else Path(shape)
            if shape in SHAPES:
                make_model(shape, sentences, folder)
            result = (soak if options.soak else measure)(str(folder), sentences, options)
            print(json.dumps({shape: result}, indent=2, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
