"""What the built-in model learns from, as numbers: texts, and examples of the tasks that it is prepared for.

Texts: NSMC's training reviews, KorNLI's XNLI pairs, KorQuAD's first articles with two questions of each passage, the
first sentences of KLUE-NER, and what was written for this model alone (`data/`). Examples: the same, with their labels
and answers. Kept out is all that the model is judged by: NSMC's test reviews, KLUE-NLI, KorQuAD's last articles,
KLUE-NER's last sentences; and the built-in corpora, whole: who trains on them sees sentences that the model never saw.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from transformers import BertTokenizer

from ratsnlp.nlpbook.classification import (
    ClassificationDataset,
    ClassificationTrainArguments,
    NsmcCorpus,
)
from ratsnlp.nlpbook.ner import KlueNERCorpus, NERDataset, NERTrainArguments
from ratsnlp.nlpbook.paircls import KlueNLICorpus, KorNLICorpus
from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QADataset, QATrainArguments

ARTICLES = 110  # of KorQuAD's 140; the last 30 judge
SENTENCES = 4000  # of KLUE-NER's 5,000; the last 1,000 judge
QUESTIONS = 2  # of each passage, read as text
OWN = Path(__file__).parent / "data"  # in the published forms; none of it is in the built-in corpora
LABELS = ["entailment", "contradiction", "neutral"]

Text = tuple[str, str | None]


class Given:
    """A corpus of examples at hand, in place of files."""

    def __init__(self, examples: list[Any], labels: list[str]):
        self.examples, self.labels = examples, labels

    def get_examples(self, folder: Any, mode: str) -> list[Any]:
        return self.examples

    def get_labels(self) -> list[str]:
        return self.labels


def read_examples(corpora: Path) -> dict[str, list[Any]]:
    """Return the examples of each task, those written for this model last."""
    squad, klue = corpora / "korquad-v1" / "KorQuAD_v1.0_dev.json", corpora / "klue-ner"
    articles = {a["title"] for a in json.loads(squad.read_text(encoding="utf-8"))["data"][:ARTICLES]}
    questions = [e for e in KorQuADV1Corpus({"train": squad}).get_examples("", "train") if e.article in articles]
    return {
        "feeling": NsmcCorpus().get_examples(corpora / "nsmc", "train") + NsmcCorpus().get_examples(OWN, "train"),
        "entailment": KorNLICorpus({"train": corpora / "kornli" / "xnli.test.ko.tsv"}).get_examples("", "train")
        + KlueNLICorpus().get_examples(OWN, "train"),
        "span": questions + KorQuADV1Corpus().get_examples(OWN, "train"),
        "tags": KlueNERCorpus().get_examples(klue, "test")[:SENTENCES] + KlueNERCorpus().get_examples(OWN, "train"),
    }


def read_texts(examples: dict[str, list[Any]]) -> tuple[list[Text], list[Text]]:
    """Return the short texts, and `(question, passage)` pairs whose passages may need several windows."""
    short: list[Text] = [(e.text_a, None) for e in examples["feeling"]] + [(e.text, None) for e in examples["tags"]]
    short += [(e.text_a, e.text_b) for e in examples["entailment"]]
    asked: dict[str, list[str]] = {}
    for e in examples["span"]:
        asked.setdefault(e.context_text, []).append(e.question_text)
    long: list[Text] = [(question, passage) for passage, all_ in asked.items() for question in all_[:QUESTIONS]]
    return [text for text in short if text[0].strip()], long


def read_sentences(examples: dict[str, list[Any]]) -> list[str]:
    """Return single sentences, each once, between which likeness is learnt."""
    texts = [e.text_a for e in examples["feeling"]] + [e.text for e in examples["tags"]]
    texts += [t for e in examples["entailment"] for t in (e.text_a, e.text_b)]
    for e in examples["span"]:
        texts += [e.question_text, *re.split(r"(?<=[.?!])\s+", e.context_text)]
    return [text for text in dict.fromkeys(t.strip() for t in texts) if len(text) >= 4]


def encode_pairs(tokenizer: Any, texts: list[Text], length: int, stride: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield rows of ids; with a stride, overlapping windows over long second texts."""
    for start in range(0, len(texts), 1000):
        part = texts[start : start + 1000]
        for group in ([t for t in part if t[1] is None], [t for t in part if t[1] is not None]):
            if group:
                windows = {"stride": stride, "return_overflowing_tokens": True} if stride else {}
                found = tokenizer(
                    [t[0] for t in group],
                    [t[1] for t in group] if group[0][1] is not None else None,
                    truncation="only_second" if stride else True,
                    max_length=length,
                    **windows,
                )
                for ids, types in zip(found["input_ids"], found["token_type_ids"], strict=True):
                    yield {"ids": ids, "second": types.index(1) if 1 in types else len(ids)}


def read_rows(dataset: Any, **fields: str) -> Iterator[dict[str, Any]]:
    """Yield a dataset's features as rows: ids, where the second text begins, and the fields asked for."""
    for i in range(len(dataset)):
        row = dataset[i]
        types = row.token_type_ids
        second = types.index(1) if types and 1 in types else len(row.input_ids)
        yield {"ids": row.input_ids, "second": second} | {name: getattr(row, field) for name, field in fields.items()}


def pack(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return rows as flat arrays: `ids` (all tokens) and `length` (rows); labels of tokens are flat as ids are."""
    packed = {"length": np.array([len(row["ids"]) for row in rows], np.int32)}
    for name in rows[0]:
        values = [row[name] for row in rows]
        flat = np.concatenate(values) if isinstance(values[0], list) else np.array(values)
        packed[name] = flat.astype(np.uint16 if name == "ids" else np.int16)
    return packed


def write_rows(corpora: Path, vocabulary: Path, work: Path) -> dict[str, int]:
    """Write all rows into `rows.npz`; return how many there are of each kind."""
    tokenizer = BertTokenizer.from_pretrained(vocabulary, do_lower_case=False)
    examples = read_examples(corpora)
    common = {"feature_cache_dir": str(work / "features"), "downstream_corpus_root_dir": str(work)}
    (work / "none").mkdir(parents=True, exist_ok=True)
    common |= {"downstream_corpus_name": "none", "seed": 7}

    def given(task: str, labels: list[str], dataset: Any, args: Any, **fields: str) -> list[dict[str, Any]]:
        return list(read_rows(dataset(args, tokenizer, Given(examples[task], labels), "train"), **fields))

    def labelled(task: str, labels: list[str]) -> list[dict[str, Any]]:
        args = ClassificationTrainArguments(max_seq_length=96, **common)
        return given(task, labels, ClassificationDataset, args, label="label")

    short, long = read_texts(examples)
    rows = {
        "text": [*encode_pairs(tokenizer, short, 128), *encode_pairs(tokenizer, long, 256, 64)],
        "sentence": list(encode_pairs(tokenizer, [(text, None) for text in read_sentences(examples)], 64)),
        "feeling": labelled("feeling", ["0", "1"]),
        "entailment": labelled("entailment", LABELS),
        "span": given(
            "span",
            [],
            QADataset,
            QATrainArguments(max_seq_length=256, doc_stride=96, negative_window_ratio=0.3, **common),
            start="start_positions",
            end="end_positions",
        ),
        "tags": given(
            "tags",
            KlueNERCorpus().get_labels(),
            NERDataset,
            NERTrainArguments(max_seq_length=128, **common),
            tags="label_ids",
        ),
    }
    np.savez_compressed(work / "rows.npz", **{f"{k}.{n}": a for k, r in rows.items() for n, a in pack(r).items()})
    return {kind: len(found) for kind, found in rows.items()}
