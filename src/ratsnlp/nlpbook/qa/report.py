"""How good extracted answers are: exact match and character F1 with intervals, and the surest mistakes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ratsnlp.nlpbook.evaluation.blocks import Block, Line
from ratsnlp.nlpbook.evaluation.report import IN_FILE, Report, calibration_block, mistakes_block, surest
from ratsnlp.nlpbook.evaluation.statistics import Score, bin_confidences, expected_calibration_error
from ratsnlp.nlpbook.qa.corpus import SHOWN_NONE
from ratsnlp.nlpbook.qa.metrics import korquad_exact_match, korquad_f1


@dataclass(frozen=True, kw_only=True)
class QAReport(Report):
    """The scores of answers on one split, as KorQuAD's scorer gives them. One entry for each question."""

    ids: Sequence[str]  # the corpus's names of the questions
    questions: Sequence[str]
    groups: Sequence[str]  # what each is about; those of one group are not independent: intervals draw whole groups
    answers: Sequence[Sequence[str]]  # those that count as right; the empty one alone where there is none
    uncut: Sequence[str]  # the predicted answers as the model's tokens end
    cut: Sequence[str]  # the same without the josa at their ends
    probabilities: Sequence[float]
    unanswered: Sequence[bool]  # whether "no answer" was ahead; predictions are empty there if some have no answer
    josa_cut: bool  # whether the predictor's answers are the cut ones
    lengths: Sequence[int] = ()  # characters of each question's passage; empty where that is not known

    top_scores = (
        Score(key="exact_match", name="EM", korean="EM (정확히 일치)", percent=True, numerator="exact_match"),
        Score(key="f1", name="F1", korean="F1 (글자 겹침)", percent=True, numerator="f1"),
    )
    right, group = "exact_match", "group"

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """Each question's scores in 0..100, `(N,)` float64, by name; those without a suffix are the predictor's own."""
        cut, uncut = _score(self.cut, self.answers), _score(self.uncut, self.answers)
        named = {"": cut if self.josa_cut else uncut, "_with_josa_cut": cut, "_without_josa_cut": uncut}
        return {f"{name}{suffix}": 100 * found for suffix, each in named.items() for name, found in each.items()}

    @property
    def asked(self) -> Mapping[str, Sequence[Any]]:
        """The questions, and the answers that count as right."""
        return {"id": self.ids, "question": self.questions, "answers": [" | ".join(found) for found in self.answers]}

    @cached_property
    def answered(self) -> Mapping[str, Sequence[Any]]:
        """The answers given and their scores, in 0..1. Groups are numbered as they come."""
        predictions = self.cut if self.josa_cut else self.uncut
        scores = _score(predictions, self.answers)
        numbers = {group: i for i, group in enumerate(dict.fromkeys(self.groups))}
        return {
            "prediction": predictions,
            "prediction_without_josa_cut": self.uncut,
            "probability": self.probabilities,
            "exact_match": scores["exact_match"].astype(int).tolist(),
            "f1": scores["f1"].tolist(),
            "group": [numbers[group] for group in self.groups],
        }

    def blocks(self) -> Sequence[Block]:
        """Return the parts of the report. Calibration compares the probability of each span with its exact match."""
        bins = bin_confidences(np.array(self.probabilities), np.array(self.answered["exact_match"]))
        means = {name: float(values.mean()) for name, values in self.scores.items()}
        lines = []
        for cut, how, name, korean in (
            (True, "with", "josa cut", "조사를 떼고 (with josa cut)"),
            (False, "without", "josa kept", "조사를 떼지 않고 (without josa cut)"),
        ):
            shown = f"EM {means[f'exact_match_{how}_josa_cut']:.2f}, F1 {means[f'f1_{how}_josa_cut']:.2f}"
            lines.append(Line(name, shown, "<- as answered" if cut == self.josa_cut else "", f"{korean}: {shown}"))
        line, found = self._no_answer()
        given = ("answers", "prediction", "prediction_without_josa_cut")
        mistakes = [row | {name: row[name] or SHOWN_NONE for name in given} for row in self.worst_mistakes(IN_FILE)]
        return [
            self.head("questions"),
            self.top(),
            *self.context(*lines, line, metrics=means | found | {"josa_cut": self.josa_cut}),
            calibration_block({"ece": expected_calibration_error(bins), "bins": bins}),
            self.by_length(),
            mistakes_block(mistakes, "answers", ["question"]),
        ]

    def _no_answer(self) -> tuple[Line, dict[str, Any]]:
        """Return how often "no answer" was ahead or, where some questions have none, how rightly; also as values."""
        ahead = sum(self.unanswered)
        found: dict[str, Any] = {"no_answer_ahead": ahead}
        if all(map(any, self.answers)):
            korean = f'"답 없음"이 앞선 질문 (no answer ahead): {ahead:,}개'
            return Line("no answer", f"{ahead:,}", "times ahead of the best span", korean), found
        none, empty = (np.array([not any(texts) for texts in column]) for column in (self.answers, self.uncut))
        count, seen, others, left = (int(rows.sum()) for rows in (none, none & empty, ~none, ~none & empty))
        f1 = float(self.scores["f1"][~none].sum() / max(1, others))
        found |= {"unanswerable": count, "unanswerable_recognized": seen, "answerable_unanswered": left}
        more = f"{left:,} of {others:,} others left unanswered; F1 of the others {f1:.2f}"
        korean = f"답이 없는 질문 (no answer) {count:,}개 가운데 알아본 것 {seen:,}개 · "
        korean += f"답이 있는 질문 {others:,}개 가운데 답하지 않은 것 {left:,}개, 그 질문들만의 F1 {f1:.2f}"
        return Line("no answer", f"{seen:,} of {count:,} recognized", more, korean), found | {"f1_answerable": f1}

    def worst_mistakes(self, count: int = 10) -> list[dict[str, Any]]:
        """Return the predictions that share few characters with an answer, surest first."""
        shown = {**self.columns, **{name: np.round(self.columns[name], 4).tolist() for name in ("probability", "f1")}}
        rows = surest(self.scores["f1"] < 50, self.probabilities, count)
        return [{name: values[i] for name, values in shown.items()} for i in rows]


def _score(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    pairs = list(zip(predictions, answers, strict=True))
    scorers = {"exact_match": korquad_exact_match, "f1": korquad_f1}
    return {name: np.array([score(*pair) for pair in pairs]) for name, score in scorers.items()}
