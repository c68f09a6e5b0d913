"""Answers of an entity recogniser: spans of the text as it was given, and the published table of word pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForTokenClassification

from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.data.encoding import TokenizedText
from ratsnlp.nlpbook.inference.predictor import Predictor
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.ner.arguments import NERTrainArguments
from ratsnlp.nlpbook.ner.corpus import KlueNERCorpus, NERExample, tag_name
from ratsnlp.nlpbook.ner.dataset import SentenceLayout
from ratsnlp.nlpbook.ner.decoding import LegalDecoder
from ratsnlp.nlpbook.ner.formats import Entity, tagged
from ratsnlp.nlpbook.ner.report import NERReport, report_on
from ratsnlp.nlpbook.ner.tokenization import JosaSplitter, cut_windows, merge_windows, tokenize_entities
from ratsnlp.nlpbook.settings import names_where
from ratsnlp.nlpbook.texts import compose


@dataclass(frozen=True)
class Reading:
    """What a model says of one text, in NFC."""

    tokens: TokenizedText  # T of them, without special ones
    log_probabilities: np.ndarray  # (T, K) float32: of each label for each token
    labels: np.ndarray  # (T,)
    entities: list[Entity]  # by position
    probabilities: list[float]  # of an entity: the geometric mean over its tokens of their labels', in 0..1


class NERPredictor(Predictor):
    """Find entities in texts of any length. `predictor("...")` answers one text, `predictor([...])` many.

    It takes the arguments of `Predictor`, and by name the training settings that shape answers.
    """

    fields = ("sentence",)
    kind = "tokens"
    model_class = staticmethod(lambda: AutoModelForTokenClassification)
    answer_settings = names_where(NERTrainArguments, answering=True)

    def __init__(self, *args: Any, josa_split: bool = True, legal_decoding: bool = True, **more: Any):
        super().__init__(*args, **more)
        self.josa_split, self.legal_decoding = josa_split, legal_decoding
        self.layout = SentenceLayout.of(self.tokenizer, self.max_seq_length)
        self.splitter = JosaSplitter(self.tokenizer)
        self.decoder = LegalDecoder(self.labels)
        self.tags = self.decoder.tags

    def __call__(self, sentence: str | Sequence[str]) -> Any:
        """Return the answer to a text as a dict, or to a list of texts as a list of dicts.

        Returns:
            `sentence` as given; `entities`, each with `text`, which is `sentence[start:end]`, `start`, `end`, `tag`,
            its Korean `name` and its `probability`; `tagged`, the text with its entities marked as `<서울:LC>`; `tags`,
            those that the model knows; and `result`, the published table: for each word piece `token`,
            `predicted_tag` and `top_prob`.
        """
        texts = [sentence] if isinstance(sentence, str) else list(sentence)
        composed = [compose(str(text)) for text in texts]
        readings = self.read([text for text, _ in composed])
        tags = [{"tag": tag, "name": tag_name(tag)} for tag in self.tags]
        answers = []
        for given, (_, places), reading in zip(texts, composed, readings, strict=True):
            spans = [Entity(places[entity.start], places[entity.end], entity.tag) for entity in reading.entities]
            entities = []
            for e, probability in zip(spans, reading.probabilities, strict=True):
                known = {"text": given[e.start : e.end], **vars(e), "name": tag_name(e.tag)}
                entities.append({**known, "probability": round(probability, 4)})
            answer = {"sentence": given, "result": self._table(reading), "entities": entities}
            answers.append(answer | {"tagged": tagged(given, spans), "tags": tags})
        return answers[0] if isinstance(sentence, str) else answers

    def _table(self, reading: Reading) -> list[dict[str, str]]:
        tokens = self.tokenizer.convert_ids_to_tokens(reading.tokens.ids.tolist())
        table = []
        for token, label, row in zip(tokens, reading.labels.tolist(), reading.log_probabilities, strict=True):
            tag = tag_name(self.labels[label].partition("-")[2] or self.labels[label])
            table.append({"token": token, "predicted_tag": tag, "top_prob": f"{np.exp(row[label]):.4f}"})
        return table

    def read(self, texts: Sequence[str], batch_size: int = 64, progress: bool = False) -> list[Reading]:
        """Return what the model says of texts in NFC, at most `batch_size` windows of similar length at once."""
        tokens = tokenize_entities(self.tokenizer, texts, self.splitter if self.josa_split else None)
        windows = cut_windows(list(map(len, tokens)), self.layout.room, self.layout.stride)
        ids = [self.layout.wrap(tokens[i].ids[start:end]).tolist() for i, start, end in windows]
        head = len(self.layout.before)
        found: list[np.ndarray] = [np.empty(0)] * len(windows)
        for rows in self.passes(list(map(len, ids)), batch_size, "windows", progress):
            batch = [ids[row] for row in rows]
            logits = self.run(self.stack(batch, [[0] * len(row) for row in batch])).logits.float().cpu().numpy()
            for row, values in zip(rows, logits, strict=True):
                found[row] = values[head : head + windows[row][2] - windows[row][1]]
        merged = [torch.from_numpy(values).log_softmax(-1).numpy() for values in merge_windows(windows, found)]
        decoded = self.decoder.decode(merged, legal=self.legal_decoding)
        readings = []
        for text, scores, labels in zip(tokens, merged, decoded, strict=True):
            spans = self.decoder.spans_of(labels, text.characters, scores)
            entities, probabilities = [Entity(*span[:3]) for span in spans], [span[3] for span in spans]
            readings.append(Reading(text, scores, labels, entities, probabilities))
        return readings

    def decide(self, questions: Sequence[Any]) -> list[Any]:
        """Return the label of every token of all texts."""
        return [label for reading in self.read(questions) for label in reading.labels.tolist()]

    def golden_answers(self, questions: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the entities of each text with their places and probabilities."""
        return [
            {"entities": [[e.start, e.end, e.tag, p] for e, p in zip(found.entities, found.probabilities, strict=True)]}
            for found in self.read(questions)
        ]

    def sample_questions(self) -> list[str]:
        """Return built-in sentences."""
        return [example.text for example in KlueNERCorpus().get_examples(builtin_corpus("klue-ner"), "test")]

    def evaluate(self, examples: Sequence[NERExample], progress: bool = True) -> NERReport:
        """Return the report over sentences with known entities; those of tags that the model lacks are missed."""
        readings = self.read([example.text for example in examples], progress=progress)
        predicted = [reading.entities for reading in readings]
        report = report_on(examples, predicted, [reading.probabilities for reading in readings], self.tags)
        if unknown := report.tags[len(self.tags) :]:
            logger.warning("the model does not know the tags %s: their entities count as missed", ", ".join(unknown))
        return report
