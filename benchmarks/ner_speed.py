"""How fast entities become features and answers, beside a bare loop of transformers without the josa split.

    python benchmarks/ner_speed.py --data CORPORA [--model builtin] [--rounds 5] [--sentences 5000]

Both ways run in one process, in turn; medians are compared. Features: 5,000 sentences of KLUE-NER's development file,
read already, to token ids with labels: the bare loop calls `tokenizer(texts, return_offsets_mapping=True)` and labels
each token by its first character. Prediction: the first 500 sentences, 32 at a time, to character spans: the bare loop
pads to the longest of a batch as it comes and takes each token's best label.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from ratsnlp.nlpbook.builtin import builtin_model
from ratsnlp.nlpbook.models import load_pretrained
from ratsnlp.nlpbook.ner import KlueNERCorpus, NERPredictor
from ratsnlp.nlpbook.ner.decoding import group_tags
from ratsnlp.nlpbook.ner.tokenization import JosaSplitter, label_texts, tokenize_entities

PREDICTED, BATCH, LENGTH = 500, 32, 128


def bare_features(tokenizer, examples, number):
    """Return ids and labels, one label for each token: that of its first character."""
    encoded = tokenizer([e.text for e in examples], return_offsets_mapping=True, truncation=True, max_length=LENGTH)
    rows = []
    for example, offsets in zip(examples, encoded["offset_mapping"], strict=True):
        tags = ["O"] * len(example.text)
        for entity in example.entities:
            tags[entity.start : entity.end] = [f"I-{entity.tag}"] * (entity.end - entity.start)
            tags[entity.start] = f"B-{entity.tag}"
        rows.append([number[tags[start]] if end > start else -100 for start, end in offsets])
    return encoded["input_ids"], rows


def our_features(tokenizer, splitter, examples, number):
    """Return tokens and labels as datasets make them."""
    texts = tokenize_entities(tokenizer, [e.text for e in examples], splitter)
    return texts, label_texts(texts, [e.entities for e in examples], number)


@torch.inference_mode()
def bare_predict(model, tokenizer, labels, texts):
    """Return character spans: batches as they come, each token's best label."""
    found = []
    for i in range(0, len(texts), BATCH):
        part = texts[i : i + BATCH]
        batch = tokenizer(
            part, return_offsets_mapping=True, truncation=True, max_length=LENGTH, padding=True, return_tensors="pt"
        )
        offsets = batch.pop("offset_mapping").tolist()
        for row, places in zip(model(**batch).logits.argmax(-1).tolist(), offsets, strict=True):
            spans = group_tags(labels[k] if end > start else "O" for k, (start, end) in zip(row, places, strict=True))
            found.append([(places[a][0], places[b - 1][1], tag) for a, b, tag in spans])
    return found


def our_predict(predictor, texts):
    """Return what the predictor finds."""
    return [reading for i in range(0, len(texts), BATCH) for reading in predictor.read(texts[i : i + BATCH])]


def main() -> None:
    """Measure both ways in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=builtin_model())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=5000)
    options = parser.parse_args()
    corpus = KlueNERCorpus()
    examples = corpus.get_examples(options.data / "klue-ner", "test")[: options.sentences]
    labels = corpus.get_labels()
    number = {label: i for i, label in enumerate(labels)}
    tokenizer = load_pretrained(AutoTokenizer.from_pretrained, options.model)
    model = load_pretrained(
        AutoModelForTokenClassification.from_pretrained, options.model, num_labels=len(labels), dtype=torch.float32
    ).eval()
    splitter, predictor = JosaSplitter(tokenizer), NERPredictor(model, tokenizer, labels, max_seq_length=LENGTH)
    texts = [example.text for example in examples[:PREDICTED]]
    ways = {
        "features, bare": lambda: bare_features(tokenizer, examples, number),
        "features, ours": lambda: our_features(tokenizer, splitter, examples, number),
        "prediction, bare": lambda: bare_predict(model, tokenizer, labels, texts),
        "prediction, ours": lambda: our_predict(predictor, texts),
    }
    seconds = {name: [] for name in ways}
    for round_ in range(options.rounds + 1):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            if round_:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    for name, value in middle.items():
        print(f"{name:18}{value:8.3f} s  ({min(seconds[name]):.3f} to {max(seconds[name]):.3f})")
    for kind in ("features", "prediction"):
        print(f"{kind}: ours runs at {middle[f'{kind}, bare'] / middle[f'{kind}, ours']:.2f} of the bare loop's speed")


if __name__ == "__main__":
    main()
