"""What the toy task does otherwise than others: two labels by length, and its own report and answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification

from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.classification.corpus import read_nsmc
from ratsnlp.nlpbook.data.batches import Features
from ratsnlp.nlpbook.data.corpus import Corpus
from ratsnlp.nlpbook.data.dataset import FeatureDataset, RightAnswer
from ratsnlp.nlpbook.data.encoding import encode
from ratsnlp.nlpbook.data.features import Chunk
from ratsnlp.nlpbook.evaluation.blocks import Block
from ratsnlp.nlpbook.evaluation.report import Report
from ratsnlp.nlpbook.evaluation.statistics import Score
from ratsnlp.nlpbook.inference.predictor import Predictor
from ratsnlp.nlpbook.training.task import Task

LONG = 30


@dataclass
class LengthExample:
    text: str
    label: str

    @property
    def texts(self):
        return self.text


class LengthCorpus(Corpus[LengthExample]):
    files = {"train": "ratings_train.txt", "val": "ratings_test.txt", "test": "ratings_test.txt"}
    labels = ("짧다", "길다")

    def read(self, path):
        for text, _ in read_nsmc(path):
            yield LengthExample(text, self.labels[len(text) > LONG])


@dataclass(kw_only=True)
class LengthFeatures(Features):
    label: int


class LengthDataset(FeatureDataset[LengthExample, LengthFeatures]):
    example_class = LengthExample

    def convert_examples(self, examples):
        ids, _ = encode(self.tokenizer, [example.text for example in examples], self.args.max_seq_length)
        labels = np.array([self.get_labels().index(example.label) for example in examples], np.int32)
        flat = np.array([token for row in ids for token in row], np.int32)
        return Chunk(np.array(list(map(len, ids))), {"input_ids": flat}, {"label": labels})

    def read_row(self, row):
        ids = self.store.tokens_of("input_ids", row).tolist()
        label = int(self.store.rows["label"][row])
        return LengthFeatures(input_ids=ids, attention_mask=[1] * len(ids), label=label, padding=self.padding)

    def describe_example(self, example, features):
        return {"review": example.text, "label": example.label}

    def right_answer(self, features):
        return RightAnswer(self.get_labels()[features.label])


class LengthTask(Task):
    validation_metrics = ("val_loss", "val_right")

    def setup(self, stage):
        super().setup(stage)
        self.hits = []

    def collect(self, outputs, batch):
        self.hits += (outputs.logits.argmax(-1) == batch["labels"]).tolist()

    def summarize(self):
        hits, self.hits = self.hits, []
        return {"val_right": torch.tensor(sum(hits) / max(1, len(hits)))}


@dataclass(frozen=True, kw_only=True)
class LengthReport(Report):
    texts: Sequence[str]
    gold: Sequence[str]
    given: Sequence[str]
    top_scores = (Score(key="share_right", name="right", korean="맞힌 비율", numerator="right"),)

    @property
    def asked(self) -> Mapping[str, Sequence[Any]]:
        return {"review": self.texts, "length": self.gold}

    @property
    def answered(self) -> Mapping[str, Sequence[Any]]:
        return {
            "prediction": self.given,
            "right": [int(one == other) for one, other in zip(self.gold, self.given, strict=True)],
        }

    def blocks(self) -> Sequence[Block]:
        return [self.head("reviews"), self.top(), *self.context()]


class LengthPredictor(Predictor):
    fields = ("review",)
    kind = "text"
    decision = "result"
    model_class = staticmethod(lambda: AutoModelForSequenceClassification)

    def __call__(self, review):
        texts = [review] if isinstance(review, str) else list(review)
        chosen = self.logits(texts).argmax(-1).tolist()
        answers = [{"review": text, "result": self.labels[i]} for text, i in zip(texts, chosen, strict=True)]
        return answers[0] if isinstance(review, str) else answers

    def sample_questions(self):
        return [example.text for example in LengthCorpus().get_examples(builtin_corpus("nsmc"), "test")]

    def evaluate(self, examples, progress=True):
        texts = [example.text for example in examples]
        given = [answer["result"] for answer in self(texts)]
        return LengthReport(texts=texts, gold=[example.label for example in examples], given=given)
