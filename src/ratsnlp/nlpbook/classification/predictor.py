"""Answers of a document classifier, in the published form."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, Self

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

EOJEOL = re.compile(r"\S+")


class Classifier(Protocol):
    """What `explain` needs of a predictor."""

    tokenizer: PreTrainedTokenizerBase
    max_seq_length: int
    label_names: list[str]

    @property
    def answer_fields(self) -> tuple[str, ...]:
        """The names of a question's texts."""

    def probabilities(self, texts: Sequence[Any]) -> Tensor:
        """Return the probability of each label for each text or pair, `(N, K)`."""


@dataclass(frozen=True)
class Word:
    """An eojeol and what it did.

    Attributes:
        field: The text that it stands in, by name.
        text: The eojeol.
        start: Its first character in that text.
        end: One past its last.
        weight: By how much the probability of the decision falls where the eojeol is left out; below 0, it rises.
    """

    field: str
    text: str
    start: int
    end: int
    weight: float


def explain(predictor: Classifier, *texts: str) -> dict[str, Any]:
    """Return how much each eojeol of a text, or of a pair of texts, moved the decision.

    The model reads the texts once as they are and once without each eojeol, all together. What lies beyond
    `max_seq_length` is not read, so it weighs 0.

    Args:
        predictor: A classifier of texts or pairs.
        texts: The texts of one question.

    Returns:
        The texts (in NFC, which places count in) under their names; `prediction` and its `probability`; and `words`,
        the eojeols in order, as dicts with the fields of `Word`.

    Raises:
        TypeError: There are more or fewer texts than a question has.
    """
    fields = predictor.answer_fields
    if len(texts) != len(fields):
        raise TypeError(f"{len(texts)} texts given; needed: {', '.join(fields)}")
    texts = tuple(unicodedata.normalize("NFC", text) for text in texts)
    lengths = _measure_read(predictor.tokenizer, texts, predictor.max_seq_length)
    read = tuple(text[:length] for text, length in zip(texts, lengths, strict=True))
    found = [(side, match) for side, text in enumerate(texts) for match in EOJEOL.finditer(text)]
    seen = [(side, match.span()) for side, match in found if match.start() < lengths[side]]
    rows = predictor.probabilities([_as_question(read), *(_as_question(_leave_out(read, *place)) for place in seen)])
    decision = int(rows[0].argmax())
    falls = dict(zip(seen, (rows[0, decision] - rows[1:, decision]).tolist(), strict=True))
    words = [
        Word(fields[side], match[0], *match.span(), round(falls.get((side, match.span()), 0.0), 4))
        for side, match in found
    ]
    return dict(zip(fields, texts, strict=True)) | {
        "prediction": predictor.label_names[decision],
        "probability": round(float(rows[0, decision]), 4),
        "words": [asdict(word) for word in words],
    }


def _as_question(texts: tuple[str, ...]) -> str | tuple[str, ...]:
    return texts if len(texts) > 1 else texts[0]


def _leave_out(texts: tuple[str, ...], side: int, place: tuple[int, int]) -> tuple[str, ...]:
    start, end = place
    shorter = texts[side][:start] + texts[side][end:].lstrip()
    return (*texts[:side], shorter, *texts[side + 1 :])


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
    """Return the published fields of one answer.

    Args:
        probabilities: One probability for each label, `(K,)`.
        labels: The labels in order.
        names: How to show them, in the same order.

    Returns:
        `prediction`; for each label `KEY_data` (such as "긍정 0.97") and `KEY_width` (the length of its bar); and two
        lists for any number of labels: `labels`, the most probable first under the name shown, and `probabilities`,
        which keeps the labels' order.
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
    ranked = sorted(zip(names, values, strict=True), key=lambda pair: -pair[1])
    best_first = [{"label": name, "probability": value} for name, value in ranked]
    return answer | {"labels": best_first, "probabilities": listed}


def normalize(text: Any) -> Any:
    """Return a text, or a pair of texts, in NFC: what comes from macOS may hold Hangul as separate jamo."""
    if isinstance(text, str):
        return unicodedata.normalize("NFC", text)
    return tuple(map(normalize, text))


class ClassificationPredictor(Predictor):
    """Classify texts. `predictor("재미있어요")` answers one text, `predictor([...])` many in few forward passes."""

    answer_fields: ClassVar[tuple[str, ...]] = ("sentence",)
    """Under which names an answer repeats the texts that were asked about, as published."""

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
            device: "auto" takes a GPU where there is one.
            engine: How the model is run; see `use_engine`.

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

    def golden_answers(self, questions: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the probability of each label for each text or pair, by the label."""
        return [dict(zip(self.labels, row.tolist(), strict=True)) for row in self.probabilities(questions)]

    def explain(self, *texts: str) -> dict[str, Any]:
        """Return how much each eojeol of a text, or of a pair, moved the decision. See `inference.explain`."""
        return explain(self, *texts)

    def sample_questions(self) -> list[Any]:
        """Return built-in reviews."""
        examples = NsmcCorpus().get_examples(builtin_corpus("nsmc"), "test")
        return [example.text_a for example in examples[:SAMPLES]]

    def evaluate(self, examples: Sequence[ClassificationExample], progress: bool = True) -> ClassificationReport:
        """Return the report on labelled texts or pairs."""
        texts: list[Any] = [example.texts for example in examples]
        labels = torch.tensor([self.labels.index(str(example.label)) for example in examples])
        found = self.probabilities(texts, progress=progress)
        return ClassificationReport(texts, labels, found, self.labels, self.label_names, self.fields)
