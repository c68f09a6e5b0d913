"""Entities on KLUE-NER: what the josa split and legal decoding are worth, beside a dictionary.

    python benchmarks/ner_klue.py --data CORPORA --model MODEL [--epochs 3]

Trains on the first 4,000 sentences of KLUE-NER's development file and scores on its last 1,000, once with pieces split
before their josa and once without; each model is read with legal decoding and by each token's best label. CORPORA holds
`klue-ner/klue-ner-v1.1_dev.tsv`. Each row shows strict F1 over character spans (micro with its 95 % interval over
sentences, macro) and KLUE's own two.
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path

import numpy as np

from ratsnlp.cli import peak_memory
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.logs import show_messages
from ratsnlp.nlpbook.ner import KlueNERCorpus, NERPredictor, NERTrainArguments
from ratsnlp.nlpbook.ner.baseline import EntityDictionary
from ratsnlp.nlpbook.ner.metrics import entity_counts, entity_scores, klue_character_f1, klue_entity_f1
from ratsnlp.nlpbook.ner.tokenization import JosaSplitter, reachable, tokenize_entities

TRAIN, TEST = 4000, 1000
NAME = "klue-ner-v1.1_{}.tsv"


def split_corpus(data: Path, root: Path) -> None:
    """Write the first sentences of the development file as a train file, the last ones as a test file."""
    text = (data / "klue-ner" / NAME.format("dev")).read_text(encoding="utf-8")
    head, *sentences = text.replace("\n## klue", "\n\0## klue").split("\0")
    folder = root / "klue-ner"
    folder.mkdir(parents=True)
    for mode, part in (("train", sentences[:TRAIN]), ("dev", sentences[-TEST:])):
        (folder / NAME.format(mode)).write_text(head + "".join(part), encoding="utf-8")


def measure(name: str, examples: list, predicted: list) -> None:
    """Print one row of the table."""
    texts, gold = [e.text for e in examples], [e.entities for e in examples]
    counts = entity_counts(gold, predicted, KlueNERCorpus.tags)
    scores = entity_scores(counts.sum(0))
    draws = np.random.default_rng(0).integers(len(counts), size=(2000, len(counts)))
    low, high = np.percentile(entity_scores(np.stack([counts[d].sum(0) for d in draws]))["micro_f1"], [2.5, 97.5])
    klue = klue_entity_f1(texts, gold, predicted), klue_character_f1(texts, gold, predicted, KlueNERCorpus.tags)
    micro, macro = scores["micro_f1"], scores["macro_f1"]
    print(f"| {name} | {micro:.2f} ({low:.2f}-{high:.2f}) | {macro:.2f} | {klue[0]:.2f} | {klue[1]:.2f} |", flush=True)


def main() -> None:
    """Train, score, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning_rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--dropout", type=float, help="of everything; default: the model's")
    options = parser.parse_args()
    show_messages()
    logging.getLogger("ratsnlp").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        split_corpus(options.data, root / "corpora")
        corpus = KlueNERCorpus()
        train, test = (corpus.get_examples(root / "corpora" / "klue-ner", mode) for mode in ("train", "test"))
        print(f"{len(train):,} training and {len(test):,} test sentences, {options.model}, {options.epochs} epochs")
        print("| way | strict micro F1 | macro | KLUE entity | KLUE character |\n|---|---|---|---|---|", flush=True)
        known = EntityDictionary(train)
        measure("dictionary of the training entities", test, [known.find(e.text) for e in test])
        for split in (True, False):
            args = NERTrainArguments(
                pretrained_model_name=options.model,
                downstream_corpus_name="klue-ner",
                downstream_corpus_root_dir=str(root / "corpora"),
                downstream_model_dir=str(root / f"model-{split}"),
                feature_cache_dir=str(root / "features"),
                max_seq_length=128,
                epochs=options.epochs,
                learning_rate=options.learning_rate,
                scheduler="linear",
                warmup_ratio=0.1,
                batch_size=32,
                seed=options.seed,
                hidden_dropout=options.dropout,
                attention_dropout=options.dropout,
                monitor="max epoch",
                validation_ratio=0.01,
                josa_split=split,
            )
            start = time.perf_counter()
            pipeline.train("ner", args)
            seconds = time.perf_counter() - start
            predictor: NERPredictor = pipeline.load_predictor(args.downstream_model_dir)
            kind = "josa split" if split else "whole pieces"
            tokenizer = predictor.tokenizer
            texts = tokenize_entities(tokenizer, [e.text for e in test], JosaSplitter(tokenizer) if split else None)
            measure(f"{kind}: ceiling of the labels", test, reachable(texts, [e.entities for e in test]))
            for legal in (True, False):
                predictor.legal_decoding = legal
                found = [reading.entities for reading in predictor.read([e.text for e in test])]
                measure(f"{kind}, {'legal decoding' if legal else 'best label of each token'}", test, found)
            print(f"{kind}: trained in {seconds / 60:.1f} minutes{peak_memory()}", flush=True)


if __name__ == "__main__":
    main()
