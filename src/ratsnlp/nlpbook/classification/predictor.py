"""Answers of a document classifier, in the published form."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from ratsnlp.nlpbook.classification.corpus import ClassificationExample
from ratsnlp.nlpbook.evaluation.scorecard import ScoreCard
from ratsnlp.nlpbook.inference.predictor import Predictor


def split_name(name: str) -> tuple[str, str]:
    """Return how a label is shown and its key: `긍정 (positive)` gives both parts, `드라마` gives itself twice."""
    shown, _, key = name.partition(" (")
    return shown, key.removesuffix(")") or shown


def describe_probabilities(probabilities: Tensor, labels: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """Return the published fields of one answer.

    Args:
        probabilities: One probability for each label, `(K,)`.
        labels: The labels in order.
        names: How to show them, in the same order.

    Returns:
        `prediction`; for each label `KEY_data` (such as "긍정 0.97") and `KEY_width` (the length of its bar); and
        `probabilities`, a list that keeps the labels' order and serves any number of labels.
    """
    values = [round(float(value), 4) for value in probabilities]
    answer: dict[str, Any] = {"prediction": names[int(probabilities.argmax())]}
    for name, value in zip(names, values, strict=True):
        shown, key = split_name(name)
        answer |= {f"{key}_data": f"{shown} {value}", f"{key}_width": f"{value * 100:.2f}%"}
    listed = [
        {"label": label, "name": name, "probability": value}
        for label, name, value in zip(labels, names, values, strict=True)
    ]
    return answer | {"probabilities": listed}


class ClassificationPredictor(Predictor):
    """Classify texts. `predictor("재미있어요")` answers one text, `predictor([...])` many in few forward passes."""

    model_class = staticmethod(lambda: AutoModelForSequenceClassification)

    def __call__(self, sentence: str | Sequence[str]) -> Any:
        """Return the answer to a text as a dict in the published form, or to a list of texts as a list of dicts.

        Texts are normalised to NFC: what is typed or pasted on macOS may hold Hangul as separate jamo.
        """
        texts = [sentence] if isinstance(sentence, str) else list(sentence)
        answers = [
            {"sentence": text} | describe_probabilities(row, self.labels, self.label_names)
            for text, row in zip(texts, self.probabilities(texts), strict=True)
        ]
        return answers[0] if isinstance(sentence, str) else answers

    def probabilities(self, texts: Sequence[str], batch_size: int = 64, progress: bool = False) -> Tensor:
        """Return the probability of each label for each text, `(N, K)` float32."""
        if not texts:
            return Tensor(0, len(self.labels))
        normalised = [unicodedata.normalize("NFC", text) for text in texts]
        return self.logits(normalised, batch_size, progress).softmax(dim=-1)

    def evaluate(self, examples: Sequence[ClassificationExample], progress: bool = True) -> ScoreCard:
        """Return the score card over labelled examples."""
        texts = [example.text_a for example in examples]
        labels = torch.tensor([self.labels.index(str(example.label)) for example in examples])
        return ScoreCard(texts, labels, self.probabilities(texts, progress=progress), self.labels, self.label_names)
