"""Answers of a question answering model: the best spans of all windows of a passage, as slices of the passage."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import AutoModelForQuestionAnswering

from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.data.batches import pad
from ratsnlp.nlpbook.data.encoding import tokenize
from ratsnlp.nlpbook.inference.predictor import Predictor
from ratsnlp.nlpbook.qa.arguments import QATrainArguments
from ratsnlp.nlpbook.qa.corpus import KorQuADV1Corpus, QAExample
from ratsnlp.nlpbook.qa.josa import cut_josa
from ratsnlp.nlpbook.qa.report import QAReport
from ratsnlp.nlpbook.qa.windows import OUTSIDE, PairLayout, Spans, Window, WindowCutter, search_spans
from ratsnlp.nlpbook.settings import names_where
from ratsnlp.nlpbook.texts import compose

SPANS_PER_WINDOW = 20
SHOWN_ANSWERS = 5
NOTHING: dict[str, Any] = {"answer": "", "start": None, "end": None, "score": None}


@dataclass(frozen=True)
class Span:
    """A possible answer, by its characters in the passage, half-open."""

    start: int
    end: int
    score: float  # log P(start) + log P(end) among the tokens of its window


@dataclass(frozen=True)
class Reading:
    """What a model found in a passage."""

    spans: list[Span]  # as the model's tokens end, josa included, best first; a span occurs once
    nothing_ahead: float  # log odds by which [CLS], "no answer here", beats the best span; of all windows, the least

    def best(self, threshold: float) -> Span:
        """Return the best span; an empty one, as likely as [CLS], where that is ahead by more than `threshold`."""
        best = self.spans[0] if self.spans else Span(0, 0, -math.inf)
        return Span(0, 0, best.score + self.nothing_ahead) if threshold < self.nothing_ahead < math.inf else best


class QAPredictor(Predictor):
    """Answer questions about passages of any length.

    `predictor("누가 만들었나?", "...")` answers one question, `predictor([(question, passage), ...])` many.
    It takes the arguments of `Predictor`, and by name the training settings that shape answers.
    """

    fields = ("question", "context")
    kind = "spans"
    decision = "answer"
    model_class = staticmethod(lambda: AutoModelForQuestionAnswering)
    answer_settings = names_where(QATrainArguments, answering=True)

    def __init__(
        self,
        *args: Any,
        doc_stride: int = 64,
        max_query_length: int = 32,
        max_answer_length: int = 30,
        no_answer_threshold: float = 0.0,
        josa_cut: bool = True,
        **more: Any,
    ):
        super().__init__(*args, **more)
        self.layout = PairLayout.of(self.tokenizer)
        self.doc_stride, self.max_query_length, self.max_answer_length = doc_stride, max_query_length, max_answer_length
        self.no_answer_threshold, self.josa_cut = no_answer_threshold, josa_cut

    @property
    def cutter(self) -> WindowCutter:
        """What cuts passages into windows of the model's size."""
        return WindowCutter(self.layout, self.max_seq_length, self.doc_stride, self.max_query_length)

    def __call__(self, question: str | Sequence[tuple[str, str]], context: str | None = None) -> Any:
        """Return the answer to a question about a passage, or the answers to a list of `(question, passage)` pairs.

        Returns:
            A dict with `question` and `context` as given; `answer`, which is `context[start:end]`; `score`, its
            probability in 0..1; and `answers`, the best ones with the same fields. Where the model finds no answer,
            `answer` is empty, and `start`, `end` and `score` are None.
        """
        asked = [(question, context or "")] if isinstance(question, str) else question
        pairs = [(str(text), str(passage)) for text, passage in asked]
        composed = [(unicodedata.normalize("NFC", text), *compose(passage)) for text, passage in pairs]
        readings = self.read([(text, passage) for text, passage, _ in composed])
        answers = []
        for (given, source), (text, passage, places), reading in zip(pairs, composed, readings, strict=True):
            different: dict[str, tuple[int, int, float]] = {}  # of those with the same text, the best
            for span in reading.spans:
                end = cut_josa(passage, span.start, span.end, text) if self.josa_cut else span.end
                different.setdefault(passage[span.start : end], (places[span.start], places[end], span.score))
            best: list[dict[str, Any]] = [
                {"answer": source[start:end], "start": start, "end": end, "score": round(math.exp(score), 4)}
                for start, end, score in list(different.values())[:SHOWN_ANSWERS]
            ]
            found = bool(best) and reading.nothing_ahead <= self.no_answer_threshold
            answers.append({"question": given, "context": source} | (best[0] if found else NOTHING) | {"answers": best})
        return answers[0] if isinstance(question, str) else answers

    def sample_questions(self) -> list[tuple[str, str]]:
        """Return the built-in questions with their passages."""
        corpus, folder = KorQuADV1Corpus(), builtin_corpus("korquad-v1")
        return [example.texts for mode in ("val", "train") for example in corpus.get_examples(folder, mode)]

    def read(
        self,
        pairs: Sequence[tuple[str, str]],
        batch_size: int = 64,
        count: int = SPANS_PER_WINDOW,
        progress: bool = False,
    ) -> list[Reading]:
        """Return what the model finds for `(question, passage)` pairs, both in NFC; `count` spans of each window.

        At most `batch_size` windows, of similar length, run in one forward pass. `progress` shows a bar.
        """
        cutter, texts = self.cutter, tokenize(self.tokenizer, (text for pair in pairs for text in pair))
        windows = [(i, window) for i, (q, c) in enumerate(pairs) for window in cutter.cut(texts[q], texts[c])]
        scores: list[dict[tuple[int, int], float]] = [{} for _ in pairs]  # of spans, the best of all windows
        ahead = [math.inf for _ in pairs]
        for rows in self.passes([len(window.ids) for _, window in windows], batch_size, "windows", progress):
            batch = [windows[row] for row in rows]
            found = self._search([window for _, window in batch], count)
            values = (tensor.tolist() for tensor in (found.scores, found.starts, found.ends, found.nothing))
            for (i, window), row_scores, starts, ends, nothing in zip(batch, *values, strict=True):
                for score, start, end in zip(row_scores, starts, ends, strict=True):
                    if score > -math.inf:
                        span = int(window.characters[start, 0]), int(window.characters[end, 1])
                        scores[i][span] = max(score, scores[i].get(span, score))
                        ahead[i] = min(ahead[i], nothing - row_scores[0])
        readings = []
        for each, least in zip(scores, ahead, strict=True):
            ordered = sorted(each.items(), key=lambda item: (-item[1], item[0]))
            readings.append(Reading([Span(*span, score) for span, score in ordered], least))
        return readings

    def _search(self, windows: Sequence[Window], count: int) -> Spans:
        types = [[0] * w.passage_start + [1] * (len(w.ids) - w.passage_start) for w in windows]
        inputs = self.stack([window.ids.tolist() for window in windows], types)
        mask = inputs["attention_mask"]  # (B, T)
        passage = pad([(window.characters[:, 0] != OUTSIDE).tolist() for window in windows], mask.shape[1], 0)
        outputs, inside = self.run(inputs), passage.bool().to(self.model.device)
        return search_spans(outputs.start_logits, outputs.end_logits, mask, inside, self.max_answer_length, count)

    def evaluate(self, examples: Sequence[QAExample], progress: bool = True) -> QAReport:
        """Return the report. The best span counts even where "no answer" beats it, unless some have no answer."""
        readings = self.read([(e.question_text, e.context_text) for e in examples], count=1, progress=progress)
        threshold = math.inf if all(e.answer_text for e in examples) else self.no_answer_threshold
        best = [reading.best(threshold) for reading in readings]
        pairs = list(zip(examples, best, strict=True))
        ends = [cut_josa(e.context_text, span.start, span.end, e.question_text) for e, span in pairs]
        return QAReport(
            ids=[e.id for e in examples],
            questions=[e.question_text for e in examples],
            groups=[e.article or e.context_text for e in examples],
            answers=[e.answers for e in examples],
            uncut=[e.context_text[span.start : span.end] for e, span in pairs],
            cut=[e.context_text[span.start : end] for (e, span), end in zip(pairs, ends, strict=True)],
            probabilities=[math.exp(span.score) for span in best],
            unanswered=[r.nothing_ahead > self.no_answer_threshold for r in readings],
            josa_cut=self.josa_cut,
            lengths=[len(e.context_text) for e in examples],
        )
