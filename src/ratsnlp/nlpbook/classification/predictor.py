"""Answers of a document classifier, in the published form."""

import unicodedata
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ratsnlp.nlpbook.classification.corpus import ClassificationExample
from ratsnlp.nlpbook.errors import ModelLoadError
from ratsnlp.nlpbook.evaluation.scorecard import ScoreCard
from ratsnlp.nlpbook.inference.predictor import Predictor
from ratsnlp.nlpbook.models import load_pretrained, name_head, order_head


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


def normalize(text: Any) -> Any:
    """Return a text, or a pair of texts, in NFC: what comes from macOS may hold Hangul as separate jamo."""
    if isinstance(text, str):
        return unicodedata.normalize("NFC", text)
    return tuple(map(normalize, text))


class ClassificationPredictor(Predictor):
    """Classify texts. `predictor("재미있어요")` answers one text, `predictor([...])` many in few forward passes."""

    model_class = staticmethod(lambda: AutoModelForSequenceClassification)

    @classmethod
    def from_pretrained(
        cls,
        name: str,
        labels: Sequence[str] = (),
        label_names: Sequence[str] = (),
        *,
        head_labels: Sequence[str] = (),
        max_seq_length: int = 128,
        device: str = "auto",
    ) -> Self:
        """Return the predictor of a classifier in Hugging Face form, its outputs put in the order of `labels` by name.

        Args:
            name: Hugging Face model name, or a local folder.
            labels: The labels in the order wanted; by default as the model's config has them.
            label_names: How to show them, in the same order.
            head_labels: The labels in the order of the head's outputs, for a model whose config does not name them.
            max_seq_length: Tokens per example; longer texts are cut.
            device: "auto" takes a GPU where there is one.

        Raises:
            ModelLoadError: The model cannot be had, or its labels are not `labels`.
        """
        model = load_pretrained(cls.model_class().from_pretrained, name, dtype=torch.float32)
        tokenizer = load_pretrained(AutoTokenizer.from_pretrained, name)
        found = list(head_labels or model.config.id2label.values())
        if len(found) == model.config.num_labels:
            name_head(model, found)
        wanted = list(labels or found)
        if not order_head(model, wanted):
            raise ModelLoadError(
                f"the head of {name} answers {', '.join(found)}; needed: {', '.join(wanted)}. Labels are matched by "
                "name. If you know what its outputs mean, name them in their order with head_labels=[...]."
            )
        predictor = cls(model, tokenizer, wanted, label_names, max_seq_length)
        return predictor.to(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)

    def __call__(self, sentence: str | Sequence[str]) -> Any:
        """Return the answer to a text as a dict in the published form, or to a list of texts as a list of dicts.

        Texts are normalised to NFC: what is typed or pasted on macOS may hold Hangul as separate jamo.
        """
        texts = [sentence] if isinstance(sentence, str) else list(sentence)
        answers = [{"sentence": text} | found for text, found in zip(texts, self.answer(texts), strict=True)]
        return answers[0] if isinstance(sentence, str) else answers

    def answer(self, texts: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the published fields of the answer to each text or pair."""
        return [describe_probabilities(row, self.labels, self.label_names) for row in self.probabilities(texts)]

    def probabilities(self, texts: Sequence[Any], batch_size: int = 64, progress: bool = False) -> Tensor:
        """Return the probability of each label for each text or pair of texts, `(N, K)` float32."""
        if not texts:
            return Tensor(0, len(self.labels))
        return self.logits([normalize(text) for text in texts], batch_size, progress).softmax(dim=-1)

    def evaluate(self, examples: Sequence[ClassificationExample], progress: bool = True) -> ScoreCard:
        """Return the score card over labelled texts or pairs."""
        texts: list[Any] = [example.texts for example in examples]
        labels = torch.tensor([self.labels.index(str(example.label)) for example in examples])
        found = self.probabilities(texts, progress=progress)
        return ScoreCard(texts, labels, found, self.labels, self.label_names, self.fields)
