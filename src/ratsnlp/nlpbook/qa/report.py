"""How good extracted answers are: exact match and character F1 with intervals, and the surest mistakes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ratsnlp.nlpbook.evaluation.blocks import Block, Line
from ratsnlp.nlpbook.evaluation.report import IN_FILE, Report, calibration_block, mistakes_block, surest
from ratsnlp.nlpbook.evaluation.statistics import Score, bin_confidences, expected_calibration_error
from ratsnlp.nlpbook.qa.metrics import korquad_exact_match, korquad_f1


@dataclass(frozen=True, kw_only=True)
class QAReport(Report):
    """The scores of answers on one split, as KorQuAD's scorer gives them. Sequences have one entry for each question.

    Args:
        ids: The corpus's names of the questions.
        questions: The questions.
        groups: What each question is about; questions of one group are not independent, so intervals draw whole groups.
        answers: The answers that count as right.
        uncut: The predicted answers as the model's tokens end.
        cut: The same without the josa at their ends.
        probabilities: The model's probability of each prediction.
        unanswered: Whether "no answer" was ahead of the prediction, which is scored all the same: there is an answer.
        josa_cut: Whether the predictor's answers are the cut ones.
        lengths: How many characters each question's passage has; empty where that is not known.
    """

    ids: Sequence[str]
    questions: Sequence[str]
    groups: Sequence[str]
    answers: Sequence[Sequence[str]]
    uncut: Sequence[str]
    cut: Sequence[str]
    probabilities: Sequence[float]
    unanswered: Sequence[bool]
    josa_cut: bool
    lengths: Sequence[int] = ()

    top_scores = (
        Score(key="exact_match", name="EM", korean="EM (정확히 일치)", percent=True, numerator="exact_match"),
        Score(key="f1", name="F1", korean="F1 (글자 겹침)", percent=True, numerator="f1"),
    )
    right, group = "exact_match", "group"

    @property
    def predictions(self) -> Sequence[str]:
        """The answers as the predictor gives them."""
        return self.cut if self.josa_cut else self.uncut

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """Each question's scores in 0..100, `(N,)` float64, by name; those without a suffix are the predictor's own."""
        cut, uncut = _score(self.cut, self.answers), _score(self.uncut, self.answers)
        suffixed = {f"{name}_with_josa_cut": values for name, values in cut.items()}
        suffixed |= {f"{name}_without_josa_cut": values for name, values in uncut.items()}
        return {name: 100 * values for name, values in ((cut if self.josa_cut else uncut) | suffixed).items()}

    @property
    def asked(self) -> Mapping[str, Sequence[Any]]:
        """The questions, and the answers that count as right."""
        return {"id": self.ids, "question": self.questions, "answers": [" | ".join(found) for found in self.answers]}

    @cached_property
    def answered(self) -> Mapping[str, Sequence[Any]]:
        """The answers given and their scores, in 0..1. Groups are numbered as they come."""
        scores = _score(self.predictions, self.answers)
        numbers = {group: i for i, group in enumerate(dict.fromkeys(self.groups))}
        return {
            "prediction": self.predictions,
            "prediction_without_josa_cut": self.uncut,
            "probability": self.probabilities,
            "exact_match": scores["exact_match"].astype(int).tolist(),
            "f1": scores["f1"].tolist(),
            "group": [numbers[group] for group in self.groups],
        }

    def blocks(self) -> Sequence[Block]:
        """Return the parts of the report. Calibration compares the probability of each span with its exact match."""
        bins = bin_confidences(np.array(self.probabilities), np.array(self.answered["exact_match"]))
        ahead = sum(self.unanswered)
        korean = f'"답 없음"이 앞선 질문 (no answer ahead): {ahead:,}개'
        nothing = Line("no answer", f"{ahead:,}", "times ahead of the best span", korean)
        means = {name: float(values.mean()) for name, values in self.scores.items()}
        return [
            self.head("questions"),
            self.top(),
            *self.context(
                *self._describe_cut(means),
                nothing,
                metrics=means | {"no_answer_ahead": ahead, "josa_cut": self.josa_cut},
            ),
            calibration_block({"ece": expected_calibration_error(bins), "bins": bins}),
            self.by_length(),
            mistakes_block(self.worst_mistakes(IN_FILE), "answers", ["question"]),
        ]

    def _describe_cut(self, means: Mapping[str, float]) -> list[Line]:
        lines = []
        for cut, name, korean in (
            (True, "josa cut", "조사를 떼고 (with josa cut)"),
            (False, "josa kept", "조사를 떼지 않고 (without josa cut)"),
        ):
            suffix = "with_josa_cut" if cut else "without_josa_cut"
            shown = f"EM {means[f'exact_match_{suffix}']:.2f}, F1 {means[f'f1_{suffix}']:.2f}"
            lines.append(Line(name, shown, "<- as answered" if cut == self.josa_cut else "", f"{korean}: {shown}"))
        return lines

    def worst_mistakes(self, count: int = 10) -> list[dict[str, Any]]:
        """Return the predictions that share few characters with an answer, surest first."""
        worst = surest(self.scores["f1"] < 50, self.probabilities, count)
        return [
            {
                name: round(values[i], 4) if isinstance(values[i], float) else values[i]
                for name, values in self.columns.items()
            }
            for i in worst
        ]


def _score(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    pairs = list(zip(predictions, answers, strict=True))
    return {
        "exact_match": np.array([korquad_exact_match(prediction, right) for prediction, right in pairs]),
        "f1": np.array([korquad_f1(prediction, right) for prediction, right in pairs]),
    }
