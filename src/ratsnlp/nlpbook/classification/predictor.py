"""Answers of a document classifier, in the published form."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.classification.corpus import ClassificationExample, NsmcCorpus
from ratsnlp.nlpbook.classification.report import ClassificationReport
from ratsnlp.nlpbook.errors import ModelLoadError
from ratsnlp.nlpbook.inference.engines import check_engine_name
from ratsnlp.nlpbook.inference.predictor import Predictor
from ratsnlp.nlpbook.models import load_pretrained, name_head, order_head, split_name
from ratsnlp.nlpbook.texts import plain_label

EOJEOL = re.compile(r"\S+")


def explain(predictor: "ClassificationPredictor", *texts: str) -> dict[str, Any]:
    """Return how much each eojeol (a word between spaces) of a text, or of a pair of texts, moved the decision.

    The model reads the texts once as they are and once without each eojeol, all together. What lies beyond
    `max_seq_length` is not read, so it weighs 0. Of a predictor nothing more is used than `answer_fields`, `tokenizer`,
    `max_seq_length`, `label_names` and `probabilities`. Raises `TypeError` for more or fewer texts than a question has.

    Returns:
        The texts (in NFC, which places count in) under their names; `prediction` and its `probability`; and `words`,
        the eojeols in order, as dicts: the `field` that one stands in, its `text`, its characters `start` and `end`
        (half-open), and its `weight`, by how much the probability falls without it; below 0, it rises.
    """
    fields = predictor.answer_fields
    if len(texts) != len(fields):
        raise TypeError(f"{len(texts)} texts given; needed: {', '.join(fields)}")
    texts = _compose(texts)
    lengths = _measure_read(predictor.tokenizer, texts, predictor.max_seq_length)
    read = tuple(text[:length] for text, length in zip(texts, lengths, strict=True))
    found = [(side, match) for side, text in enumerate(texts) for match in EOJEOL.finditer(text)]
    seen = [(side, match.span()) for side, match in found if match.start() < lengths[side]]
    asked = [read]
    for side, (start, end) in seen:
        shorter = read[side][:start] + read[side][end:].lstrip()
        asked.append((*read[:side], shorter, *read[side + 1 :]))
    rows = predictor.probabilities([each if len(each) > 1 else each[0] for each in asked])
    decision = int(rows[0].argmax())
    falls = dict(zip(seen, (rows[0, decision] - rows[1:, decision]).tolist(), strict=True))
    words = []
    for side, match in found:
        weight = round(falls.get((side, match.span()), 0.0), 4)
        place = {"field": fields[side], "text": match[0], "start": match.start(), "end": match.end()}
        words.append({**place, "weight": weight})
    return dict(zip(fields, texts, strict=True)) | {
        "prediction": predictor.label_names[decision],
        "probability": round(float(rows[0, decision]), 4),
        "words": words,
    }


def _measure_read(tokenizer: PreTrainedTokenizerBase, texts: tuple[str, ...], max_seq_length: int) -> list[int]:
    if not tokenizer.is_fast:
        return list(map(len, texts))
    encoded = tokenizer(*texts, truncation=True, max_length=max_seq_length, return_offsets_mapping=True)
    ends = [0] * len(texts)
    for side, (_, end) in zip(encoded.sequence_ids(), encoded["offset_mapping"], strict=True):
        if side is not None:
            ends[side] = max(ends[side], end)
    return ends


SAMPLES = 200  # texts on which an engine is compared with PyTorch: a few seconds for a large model


def describe_probabilities(probabilities: Tensor, labels: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """Return the published fields of one answer, given the probability of each label, `(K,)`, and names to show.

    These are `prediction`; for each label `KEY_data` (such as "긍정 0.97") and `KEY_width` (the length of its bar); and
    two lists for any number of labels: `labels`, the most probable first under the name shown, and `probabilities`,
    which keeps the labels' order.
    """
    values = [round(float(value), 4) for value in probabilities]
    answer: dict[str, Any] = {"prediction": names[int(probabilities.argmax())]}
    for name, value in zip(names, values, strict=True):
        shown, key = split_name(name)
        answer |= {f"{key}_data": f"{shown} {value}", f"{key}_width": f"{value * 100:.2f}%"}
    triples = list(zip(labels, names, values, strict=True))
    ranked = sorted(triples, key=lambda triple: -triple[2])
    best_first = [{"label": name, "probability": value} for _, name, value in ranked]
    listed = [{"label": label, "name": name, "probability": value} for label, name, value in triples]
    return answer | {"labels": best_first, "probabilities": listed}


def _compose(text: Any) -> Any:
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else tuple(map(_compose, text))


class ClassificationPredictor(Predictor):
    """Classify texts. `predictor("재미있어요")` answers one text, `predictor([...])` many in few forward passes."""

    answer_fields: ClassVar[tuple[str, ...]] = ("sentence",)  # how an answer names the texts asked about, as published
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
        engine: str = "torch",
    ) -> Self:
        """Return the predictor of a classifier in Hugging Face form, its outputs put in the order of `labels` by name.

        Args:
            name: Hugging Face model name, or a local folder.
            labels: The labels in the order wanted; by default as the model's config has them.
            label_names: How to show them, in the same order.
            head_labels: The labels in the order of the head's outputs, for a model whose config does not name them.
            max_seq_length: Tokens per example; longer texts are cut.
            device, engine: What the model runs on ("auto" takes a GPU where there is one), and how; see `use_engine`.

        Raises:
            ArgumentError: There is no such engine, or its packages are not installed.
            ModelLoadError: The model cannot be had, or its labels are not `labels`.
        """
        check_engine_name(engine)
        model = load_pretrained(cls.model_class().from_pretrained, name, dtype=torch.float32)
        tokenizer = load_pretrained(AutoTokenizer.from_pretrained, name)
        found = list(head_labels or model.config.id2label.values())
        if len(found) == model.config.num_labels:
            name_head(model, found)
        wanted = list(labels or found)
        if not order_head(model, wanted, label_names):
            raise ModelLoadError(
                f"the head of {name} answers {', '.join(found)}; needed: {', '.join(wanted)}. Labels are matched by "
                "name. If you know what its outputs mean, name them in their order with head_labels=[...]."
            )
        predictor = cls(model, tokenizer, wanted, label_names, max_seq_length)
        return predictor._settle(device, engine)

    def __call__(self, sentence: str | Sequence[str]) -> Any:
        """Return the answer to a text as a dict in the published form, or to a list of texts as a list of dicts.

        Texts are normalised to NFC: what is typed or pasted on macOS may hold Hangul as separate jamo.
        """
        texts = [sentence] if isinstance(sentence, str) else list(sentence)
        answers = self._answer([(text,) for text in texts], self.probabilities(texts))
        return answers[0] if isinstance(sentence, str) else answers

    def _answer(self, asked: Sequence[tuple[Any, ...]], probabilities: Tensor) -> list[dict[str, Any]]:
        described = (describe_probabilities(row, self.labels, self.label_names) for row in probabilities)
        named = (dict(zip(self.answer_fields, texts, strict=True)) for texts in asked)
        return [texts | answer for texts, answer in zip(named, described, strict=True)]

    def probabilities(self, texts: Sequence[Any], batch_size: int = 64, progress: bool = False) -> Tensor:
        """Return the probability of each label for each text or pair of texts, `(N, K)` float32."""
        if not texts:
            return Tensor(0, len(self.labels))
        return self.logits([_compose(text) for text in texts], batch_size, progress).softmax(dim=-1)

    def golden_answers(self, questions: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the probability of each label for each text or pair, by the label."""
        return [dict(zip(self.labels, row.tolist(), strict=True)) for row in self.probabilities(questions)]

    def explain(self, *texts: str) -> dict[str, Any]:
        """Return how much each eojeol of a text, or of a pair, moved the decision: see `nlpbook.explain`."""
        return explain(self, *texts)

    def sample_questions(self) -> list[Any]:
        """Return built-in reviews."""
        examples = NsmcCorpus().get_examples(builtin_corpus("nsmc"), "test")
        return [example.text_a for example in examples[:SAMPLES]]

    def evaluate(self, examples: Sequence[ClassificationExample], progress: bool = True) -> ClassificationReport:
        """Return the report on labelled texts or pairs."""
        texts: list[Any] = [example.texts for example in examples]
        labels = torch.tensor([self.labels.index(str(plain_label(example.label))) for example in examples])
        found = self.probabilities(texts, progress=progress)
        return ClassificationReport(texts, labels, found, self.labels, self.label_names, self.fields)
