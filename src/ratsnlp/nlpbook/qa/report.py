"""How good extracted answers are: exact match and character F1 with intervals, and the worst mistakes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ratsnlp.nlpbook.classification.report import LISTED, WORST
from ratsnlp.nlpbook.evaluation.report import Card, line_of
from ratsnlp.nlpbook.evaluation.statistics import bin_confidences, draw_interval, expected_calibration_error
from ratsnlp.nlpbook.qa.metrics import korquad_exact_match, korquad_f1
from ratsnlp.nlpbook.texts import excerpt

COLUMNS = (
    *("id", "question", "answers", "prediction", "prediction_without_josa_cut", "probability", "exact_match", "f1"),
    "group",
)


@dataclass(frozen=True, kw_only=True)
class AnswerCard(Card):
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
        about: Where the card comes from; None for one made by hand.
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

    metric, shown, digits = "exact_match", "EM", 2

    @property
    def predictions(self) -> Sequence[str]:
        """The answers as the predictor gives them."""
        return self.cut if self.josa_cut else self.uncut

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """Each question's scores in 0..100, `(N,)` float64, by name; those without a suffix are the predictor's own."""
        cut, uncut = score_answers(self.cut, self.answers), score_answers(self.uncut, self.answers)
        suffixed = {f"{name}_with_josa_cut": values for name, values in cut.items()}
        suffixed |= {f"{name}_without_josa_cut": values for name, values in uncut.items()}
        return (cut if self.josa_cut else uncut) | suffixed

    @property
    def row_scores(self) -> np.ndarray:
        """100 where the answer matches exactly, else 0, `(N,)`."""
        return self.scores["exact_match"]

    def measure(self) -> dict[str, Any]:
        """Return the scores, as plain values, in 0..100, as the official script reports them.

        `calibration` compares the probability of each span with whether it matches exactly.
        """
        bins = bin_confidences(np.array(self.probabilities), self.row_scores / 100)
        intervals = {
            f"{name}_interval_95": list(draw_interval(self.scores[name], self.groups)) for name in ("exact_match", "f1")
        }
        return {
            **{name: float(values.mean()) for name, values in self.scores.items()},
            **intervals,
            "examples": len(self.questions),
            "no_answer_ahead": sum(self.unanswered),
            "josa_cut": self.josa_cut,
            "calibration": {"ece": expected_calibration_error(bins), "bins": bins},
        }

    def rows(self) -> list[tuple[Any, ...]]:
        """Return one row for each question, in order: see `COLUMNS`. Groups are numbered as they come."""
        numbers = {group: i for i, group in enumerate(dict.fromkeys(self.groups))}
        return [
            (*texts, f"{probability:.4f}", int(em == 100), f"{f1 / 100:.4f}", numbers[group])
            for *texts, probability, em, f1, group in zip(
                self.ids,
                self.questions,
                (" | ".join(answers) for answers in self.answers),
                self.predictions,
                self.uncut,
                self.probabilities,
                self.scores["exact_match"],
                self.scores["f1"],
                self.groups,
                strict=True,
            )
        ]

    def worst_mistakes(self, count: int = WORST) -> list[dict[str, Any]]:
        """Return the predictions that share few characters with an answer, surest first."""
        rows = self.rows()
        wrong = [i for i, f1 in enumerate(self.scores["f1"]) if f1 < 50]
        wrong.sort(key=lambda i: -self.probabilities[i])
        return [dict(zip(COLUMNS, rows[i], strict=True)) for i in wrong[:count]]

    def __str__(self) -> str:
        """Return the score card as a table to print."""
        found = self.measured
        lines = [*self.lines_about_rows("questions"), f"{'':12}  {'EM':>6}  {'F1':>6}"]
        for name, suffix in (("with cut", "_with_josa_cut"), ("without cut", "_without_josa_cut")):
            used = " <- as answered" if (suffix == "_with_josa_cut") == self.josa_cut else ""
            lines.append(f"{name:12}  {found['exact_match' + suffix]:6.2f}  {found['f1' + suffix]:6.2f}{used}")
        bounds = [bound for name in ("exact_match", "f1") for bound in found[f"{name}_interval_95"]]
        lines.append("95 % intervals: EM {:.2f} to {:.2f}, F1 {:.2f} to {:.2f}".format(*bounds))
        lines.append(line_of("no answer", f"{found['no_answer_ahead']:,}", "times ahead of the best span"))
        lines += [*self.lines_around(), "", "surest mistakes:"]
        for row in self.worst_mistakes(5):
            asked = excerpt(row["question"])
            lines.append(f"  {row['answers']} taken for {row['prediction']} ({row['probability']}): {asked}")
        return "\n".join(lines)

    def tables(self) -> Mapping[str, Iterable[Sequence[Any]]]:
        """Return `predictions.tsv`, every answer in order, and `worst.tsv`, the surest mistakes."""
        worst = [tuple(row.values()) for row in self.worst_mistakes(LISTED)]
        return {"predictions.tsv": [COLUMNS, *self.rows()], "worst.tsv": [COLUMNS, *worst]}


def score_answers(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    """Return `exact_match` and `f1` of each prediction in 0..100, each `(N,)` float64."""
    pairs = list(zip(predictions, answers, strict=True))
    return {
        "exact_match": 100 * np.array([korquad_exact_match(prediction, right) for prediction, right in pairs]),
        "f1": 100 * np.array([korquad_f1(prediction, right) for prediction, right in pairs]),
    }
