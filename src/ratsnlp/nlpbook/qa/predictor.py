"""Answers of a question answering model: the best spans of all windows of a passage, as slices of the passage."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from tqdm.auto import tqdm
from transformers import AutoModelForQuestionAnswering, PreTrainedModel, PreTrainedTokenizerBase

from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.data.batches import pad
from ratsnlp.nlpbook.data.encoding import tokenize
from ratsnlp.nlpbook.inference.predictor import Predictor
from ratsnlp.nlpbook.qa.arguments import QATrainArguments
from ratsnlp.nlpbook.qa.corpus import KorQuADV1Corpus, QAExample
from ratsnlp.nlpbook.qa.josa import cut_josa
from ratsnlp.nlpbook.qa.report import QAReport
from ratsnlp.nlpbook.qa.windows import OUTSIDE, PairLayout, Window, WindowCutter, search_spans
from ratsnlp.nlpbook.settings import names_where
from ratsnlp.nlpbook.texts import compose

SPANS_PER_WINDOW = 20
SHOWN_ANSWERS = 5
NOTHING: dict[str, Any] = {"answer": "", "start": None, "end": None, "score": None}


@dataclass(frozen=True)
class Span:
    """A possible answer.

    Attributes:
        start: Its first character in the passage.
        end: One past its last.
        score: log P(start) + log P(end) among the tokens of its window.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Reading:
    """What a model found in a passage.

    Attributes:
        spans: Possible answers as the model's tokens end, josa included, best first; a span occurs once.
        nothing_ahead: Log odds by which [CLS], "no answer here", beats the best span; of all windows, the least.
    """

    spans: list[Span]
    nothing_ahead: float


class QAPredictor(Predictor):
    """Answer questions about passages of any length.

    `predictor("누가 만들었나?", "...")` answers one question, `predictor([(question, passage), ...])` many.

    Args:
        model: A fine-tuned model; switched to evaluation mode.
        tokenizer: The tokenizer it was trained with; a fast one.
        labels: None: an answer is a place in the passage.
        label_names: None either.
        max_seq_length: Tokens of a window, special tokens included.
        task: What the model was trained for.
        doc_stride: Tokens by which the window slides over the passage.
        max_query_length: Tokens of the question; the rest is left out.
        max_answer_length: Tokens of an answer.
        no_answer_threshold: Log odds by which "no answer" must beat the best span to be given.
        josa_cut: Whether the josa is cut off the end of an answer.
    """

    fields = ("question", "context")
    kind = "spans"
    decision = "answer"
    model_class = staticmethod(lambda: AutoModelForQuestionAnswering)

    answer_settings = names_where(QATrainArguments, answering=True)

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        labels: Sequence[str] = (),
        label_names: Sequence[str] = (),
        max_seq_length: int = 128,
        task: str = "",
        *,
        doc_stride: int = 64,
        max_query_length: int = 32,
        max_answer_length: int = 30,
        no_answer_threshold: float = 0.0,
        josa_cut: bool = True,
    ):
        super().__init__(model, tokenizer, labels, label_names, max_seq_length, task)
        self.layout = PairLayout.of(tokenizer)
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
        if isinstance(question, str):
            return self.answer([(question, str(context or ""))])[0]
        return self.answer([(str(asked), str(passage)) for asked, passage in question])

    def answer(self, pairs: Sequence[tuple[str, str]], count: int = SHOWN_ANSWERS) -> list[dict[str, Any]]:
        """Return the published fields of each answer, and the best `count` spans with it."""
        composed = [(unicodedata.normalize("NFC", question), *compose(passage)) for question, passage in pairs]
        readings = self.read([(question, passage) for question, passage, _ in composed])
        answers = []
        for (asked, given), (question, passage, places), reading in zip(pairs, composed, readings, strict=True):
            spans = self.finish(reading.spans, question, passage)[:count]
            best = [_describe_span(given, places[span.start], places[span.end], span.score) for span in spans]
            found = bool(best) and reading.nothing_ahead <= self.no_answer_threshold
            answers.append({"question": asked, "context": given} | (best[0] if found else NOTHING) | {"answers": best})
        return answers

    def sample_questions(self) -> list[tuple[str, str]]:
        """Return the built-in questions with their passages."""
        corpus, folder = KorQuADV1Corpus(), builtin_corpus("korquad-v1")
        examples = corpus.get_examples(folder, "val") + corpus.get_examples(folder, "train")
        return [(example.question_text, example.context_text) for example in examples]

    def finish(self, spans: Sequence[Span], question: str, passage: str) -> list[Span]:
        """Return the spans with different texts, best first, without josa where `josa_cut` is set."""
        different: dict[str, Span] = {}
        for span in spans:
            end = cut_josa(passage, span.start, span.end, question) if self.josa_cut else span.end
            different.setdefault(passage[span.start : end], Span(span.start, end, span.score))
        return list(different.values())

    def read(
        self,
        pairs: Sequence[tuple[str, str]],
        batch_size: int = 64,
        count: int = SPANS_PER_WINDOW,
        progress: bool = False,
    ) -> list[Reading]:
        """Return what the model finds for `(question, passage)` pairs, both in NFC.

        Args:
            pairs: Questions with their passages, N of them.
            batch_size: Windows per forward pass; those of like length run together.
            count: Spans to keep of each window.
            progress: Show a bar.
        """
        cutter, texts = self.cutter, tokenize(self.tokenizer, (text for pair in pairs for text in pair))
        windows = [(i, window) for i, (q, c) in enumerate(pairs) for window in cutter.cut(texts[q], texts[c])]
        parts: list[list[Reading]] = [[] for _ in pairs]
        with tqdm(total=len(windows), unit=" windows", disable=not progress) as bar:
            for rows in self.split_into_passes([len(window.ids) for _, window in windows], batch_size):
                batch = [windows[row] for row in rows]
                for (i, _), part in zip(batch, self.read_windows([window for _, window in batch], count), strict=True):
                    parts[i].append(part)
                bar.update(len(batch))
        return [_join_readings(found) for found in parts]

    def read_windows(self, windows: Sequence[Window], count: int) -> list[Reading]:
        """Return what the model finds in each window by itself, in one forward pass."""
        inputs = self.stack_windows(windows)
        length = inputs["input_ids"].shape[1]
        passage = pad([(window.characters[:, 0] != OUTSIDE).tolist() for window in windows], length, 0).bool()  # (B, T)
        outputs = self.run(inputs)
        found = search_spans(
            outputs.start_logits,
            outputs.end_logits,
            inputs["attention_mask"],
            passage.to(self.model.device),
            self.max_answer_length,
            count,
        )
        rows = (values.tolist() for values in (found.scores, found.starts, found.ends, found.nothing))
        return [_read_spans(*row) for row in zip(windows, *rows, strict=True)]

    def stack_windows(self, windows: Sequence[Window]) -> dict[str, Tensor]:
        """Return windows as a batch of tensors `(B, T)` on the model's device."""
        types = [[0] * w.passage_start + [1] * (len(w.ids) - w.passage_start) for w in windows]
        return self.stack([window.ids.tolist() for window in windows], types)

    def evaluate(self, examples: Sequence[QAExample], progress: bool = True) -> QAReport:
        """Return the report on answered questions. The best span counts, even where "no answer" beats it."""
        readings = self.read([(e.question_text, e.context_text) for e in examples], count=1, progress=progress)
        uncut, cut = [], []
        for example, reading in zip(examples, readings, strict=True):
            span = reading.spans[0] if reading.spans else Span(0, 0, -math.inf)
            end = cut_josa(example.context_text, span.start, span.end, example.question_text)
            uncut.append(example.context_text[span.start : span.end])
            cut.append(example.context_text[span.start : end])
        return QAReport(
            ids=[e.id for e in examples],
            questions=[e.question_text for e in examples],
            groups=[e.article or e.context_text for e in examples],
            answers=[e.answers for e in examples],
            uncut=uncut,
            cut=cut,
            probabilities=[math.exp(r.spans[0].score) if r.spans else 0.0 for r in readings],
            unanswered=[r.nothing_ahead > self.no_answer_threshold for r in readings],
            josa_cut=self.josa_cut,
            lengths=[len(e.context_text) for e in examples],
        )


def _describe_span(passage: str, start: int, end: int, score: float) -> dict[str, Any]:
    return {"answer": passage[start:end], "start": start, "end": end, "score": round(math.exp(score), 4)}


def _read_spans(
    window: Window, scores: Sequence[float], starts: Sequence[int], ends: Sequence[int], nothing: float
) -> Reading:
    spans = [
        Span(int(window.characters[start, 0]), int(window.characters[end, 1]), score)
        for score, start, end in zip(scores, starts, ends, strict=True)
        if score > -math.inf
    ]
    return Reading(spans, nothing - spans[0].score if spans else math.inf)


def _join_readings(parts: Sequence[Reading]) -> Reading:
    best: dict[tuple[int, int], Span] = {}
    spans = (span for part in parts for span in part.spans)
    for span in sorted(spans, key=lambda span: (-span.score, span.start, span.end)):
        best.setdefault((span.start, span.end), span)
    return Reading(list(best.values()), min(part.nothing_ahead for part in parts))
