"""How good extracted answers are: exact match and character F1 with intervals, and the worst mistakes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ratsnlp.nlpbook.evaluation.scorecard import RESAMPLES, SHOWN_CHARACTERS, WORST, write_tsv
from ratsnlp.nlpbook.metrics import korquad_exact_match, korquad_f1

COLUMNS = ("id", "question", "answers", "prediction", "prediction_without_josa_cut", "probability", "exact_match", "f1")


@dataclass(frozen=True, kw_only=True)
class AnswerCard:
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

    def metrics(self) -> dict[str, Any]:
        """Return everything measured, as plain values; scores are in 0..100, as the official script reports them."""
        intervals = {
            f"{name}_interval_95": draw_interval(self.scores[name], self.groups) for name in ("exact_match", "f1")
        }
        return {
            **{name: float(values.mean()) for name, values in self.scores.items()},
            **intervals,
            "examples": len(self.questions),
            "no_answer_ahead": sum(self.unanswered),
            "josa_cut": self.josa_cut,
        }

    def rows(self) -> list[tuple[Any, ...]]:
        """Return one row for each question, in order: see `COLUMNS`."""
        return [
            (*texts, f"{probability:.4f}", int(em == 100), f"{f1 / 100:.4f}")
            for *texts, probability, em, f1 in zip(
                self.ids,
                self.questions,
                (" | ".join(answers) for answers in self.answers),
                self.predictions,
                self.uncut,
                self.probabilities,
                self.scores["exact_match"],
                self.scores["f1"],
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
        found = self.metrics()
        lines = [f"questions     {found['examples']:,}", f"{'':12}  {'EM':>6}  {'F1':>6}"]
        for name, suffix in (("with cut", "_with_josa_cut"), ("without cut", "_without_josa_cut")):
            used = " <- as answered" if (suffix == "_with_josa_cut") == self.josa_cut else ""
            lines.append(f"{name:12}  {found['exact_match' + suffix]:6.2f}  {found['f1' + suffix]:6.2f}{used}")
        for name, shown in (("exact_match", "EM"), ("f1", "F1")):
            low, high = found[f"{name}_interval_95"]
            lines.append(f"95 % interval of {shown}: {low:.2f} to {high:.2f}")
        lines += [f"'no answer' ahead of the best span: {found['no_answer_ahead']:,}", "", "surest mistakes:"]
        for row in self.worst_mistakes(5):
            asked = row["question"][:SHOWN_CHARACTERS]
            lines.append(f"  {row['answers']} taken for {row['prediction']} ({row['probability']}): {asked}")
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """Write `metrics.json`, `predictions.tsv` and `mistakes.tsv` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        metrics = json.dumps(self.metrics(), ensure_ascii=False, indent=2)
        (folder / "metrics.json").write_text(metrics + "\n", encoding="utf-8")
        write_tsv(folder / "predictions.tsv", [COLUMNS, *self.rows()])
        write_tsv(folder / "mistakes.tsv", [COLUMNS, *(tuple(row.values()) for row in self.worst_mistakes(100))])


def score_answers(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    """Return `exact_match` and `f1` of each prediction in 0..100, each `(N,)` float64."""
    pairs = list(zip(predictions, answers, strict=True))
    return {
        "exact_match": 100 * np.array([korquad_exact_match(prediction, right) for prediction, right in pairs]),
        "f1": 100 * np.array([korquad_f1(prediction, right) for prediction, right in pairs]),
    }


def draw_interval(
    scores: np.ndarray, groups: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of `scores`.

    Whole groups are drawn with replacement: questions about one article stand and fall together, and an interval that
    took them for independent would be too narrow.

    Args:
        scores: One score for each question, `(N,)`.
        groups: What each question is about.
        resamples: How many test sets to draw.
        seed: Same seed, same interval.
    """
    place = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    numbers = np.array([place[group] for group in groups])
    sums, counts = np.bincount(numbers, weights=scores), np.bincount(numbers)
    drawn = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=resamples)
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), [0.025, 0.975])
    return float(low), float(high)
