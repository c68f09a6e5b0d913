"""The unlabelled Korean text that the built-in model learns from.

NSMC's training reviews, KorNLI's XNLI pairs, and the passages and questions of KorQuAD's first articles, all without
their labels and answers. What the model is judged by is kept out: NSMC's test reviews, KLUE-NLI, the last articles.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from ratsnlp.nlpbook.classification import NsmcCorpus
from ratsnlp.nlpbook.paircls import KorNLICorpus

ARTICLES = 110  # of 140; the last 30 judge
QUESTIONS = 2  # of each passage

Text = tuple[str, str | None]


def korquad(corpora: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the passages and their questions."""
    path = corpora / "korquad-v1" / "KorQuAD_v1.0_dev.json"
    for article in json.loads(path.read_text(encoding="utf-8"))["data"][:ARTICLES]:
        for passage in article["paragraphs"]:
            yield passage["context"], [row["question"] for row in passage["qas"]]


def read_texts(corpora: Path) -> tuple[list[Text], list[Text]]:
    """Return the short texts, and `(question, passage)` pairs whose passages may need several windows."""
    short: list[Text] = [(e.text_a, None) for e in NsmcCorpus().get_examples(corpora / "nsmc", "train")]
    short += [
        (e.text_a, e.text_b)
        for e in KorNLICorpus({"train": corpora / "kornli" / "xnli.test.ko.tsv"}).get_examples("", "train")
    ]
    long: list[Text] = [(question, passage) for passage, asked in korquad(corpora) for question in asked[:QUESTIONS]]
    return [text for text in short if text[0].strip()], long
