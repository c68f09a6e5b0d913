"""Two models on the same rows: McNemar's test, paired intervals, and what cannot be compared."""

import csv
import json
import sys

import numpy as np
import pytest
import torch

from ratsnlp import cli
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.classification.report import ClassificationReport
from ratsnlp.nlpbook.errors import EvaluationError
from ratsnlp.nlpbook.evaluation.comparison import compare
from ratsnlp.nlpbook.evaluation.report import Provenance, write_tsv
from ratsnlp.nlpbook.evaluation.statistics import mcnemar
from ratsnlp.nlpbook.qa.report import QAReport

ANSWERS = ("세종", "1446년", "훈민정음", "집현전")


def score_labels(folder, right, texts=None, precision="32"):
    """Leave the evaluation of a model that is right where `right` says so; all labels are 1."""
    hits = torch.tensor(right, dtype=torch.float32)
    probabilities = torch.stack([0.9 - 0.8 * hits, 0.1 + 0.8 * hits], dim=1)
    shown = texts or [f"글 {i}" for i in range(len(right))]
    about = Provenance(corpus="reviews", mode="test", model="tiny", precision=precision)
    labels = torch.ones(len(right), dtype=torch.long)
    return leave(
        ClassificationReport(shown, labels, probabilities, ["0", "1"], ["부정", "긍정"], provenance=about), folder
    )


def score_answers(folder, predictions):
    """Leave the evaluation of a model that answered the four questions so."""
    report = QAReport(
        ids=[str(i) for i in range(4)],
        questions=[f"질문 {i}?" for i in range(4)],
        groups=["글", "글", "다른 글", "다른 글"],
        answers=[[answer] for answer in ANSWERS],
        uncut=predictions,
        cut=predictions,
        probabilities=[0.5] * 4,
        unanswered=[False] * 4,
        josa_cut=True,
    )
    return leave(report, folder)


def leave(report, folder):
    """Write what a comparison reads of a saved report; drawing its pictures takes a second each time."""
    (folder / "evaluation").mkdir(parents=True)
    write_tsv(folder / "evaluation" / "predictions.tsv", report.tables()["predictions.tsv"])
    (folder / "evaluation" / "metrics.json").write_text(json.dumps(report.metrics()), encoding="utf-8")
    return folder


# the test


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [(0, 0, 1), (5, 5, 1), (0, 1, 1), (0, 6, 2 / 64), (1, 9, 2 * (1 + 10) / 1024), (9, 1, 2 * (1 + 10) / 1024)],
)
def test_few_differences_are_tested_exactly(only_first, only_second, p_value):
    assert mcnemar(only_first, only_second) == (pytest.approx(p_value), "exact binomial")


def test_many_differences_are_tested_by_the_corrected_chi_square():
    found = mcnemar(59, 6)  # (|59 - 6| - 1)^2 / 65 = 41.6
    assert found.method == "chi-square, continuity-corrected"
    assert found.p_value == pytest.approx(
        float(torch.special.gammaincc(torch.tensor(0.5).double(), torch.tensor(20.8).double()))
    )
    assert mcnemar(13, 13).p_value == 1
    assert mcnemar(12, 13).p_value == 1


def test_both_methods_agree_where_they_meet():
    exact = 2 * sum(
        float(torch.distributions.Binomial(40, 0.5).log_prob(torch.tensor(float(k))).exp()) for k in range(13)
    )
    assert mcnemar(12, 28).p_value == pytest.approx(exact, rel=0.15)


# two folders


@pytest.fixture
def folders(tmp_path):
    generator = np.random.default_rng(0)
    first = generator.random(300) < 0.7
    second = first | (generator.random(300) < 0.4)
    second[:4] = ~first[:4]
    return score_labels(tmp_path / "kcbert", first.tolist()), score_labels(tmp_path / "mine", second.tolist())


def test_a_comparison_counts_tests_and_bounds_the_difference(folders):
    found = compare(*folders).metrics()
    right = found["right"]
    assert sum(right.values()) == found["examples"] == 300
    accuracy = found["scores"]["accuracy"]
    assert accuracy["difference"] == pytest.approx((right["only_second"] - right["only_first"]) / 300)
    assert accuracy["second"] == pytest.approx((right["both"] + right["only_second"]) / 300)
    low, high = accuracy["interval_95"]
    assert 0 < low < accuracy["difference"] < high
    assert found["mcnemar"]["p_value"] == mcnemar(right["only_first"], right["only_second"]).p_value < 0.05


def test_a_paired_interval_is_that_of_resampled_rows(folders):
    first, second = (np.array(read_hits(folder)) for folder in folders)
    rows = np.random.default_rng(1).integers(0, 300, (4000, 300))
    expected = np.quantile((second - first)[rows].mean(axis=1), [0.025, 0.975])
    assert compare(*folders).metrics()["scores"]["accuracy"]["interval_95"] == pytest.approx(expected, abs=0.01)


def read_hits(folder):
    with (folder / "evaluation" / "predictions.tsv").open(encoding="utf-8", newline="") as file:
        return [float(row["label"] == row["prediction"]) for row in csv.DictReader(file, delimiter="\t")]


def test_the_comparison_is_printed_and_written(folders):
    comparison = compare(*folders)
    shown = str(comparison)
    for part in (
        "accuracy   0.",
        " -> 0.",
        "95 % interval +0.",
        "only second ",
        "McNemar    p < 0.0001",
        "a real difference",
    ):
        assert part in shown
    written = folders[1] / "evaluation" / "against-kcbert"
    assert json.loads((written / "comparison.json").read_text(encoding="utf-8")) == comparison.metrics()
    with (written / "differences.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    right = comparison.metrics()["right"]
    assert rows[0] == ["right", "text", "label", "first", "second"]
    assert len(rows) == 1 + right["only_first"] + right["only_second"]
    assert {(row[0], row[3], row[4]) for row in rows[1:]} == {("first", "1", "0"), ("second", "0", "1")}


def test_a_model_against_itself_may_be_luck(tmp_path):
    folder = score_labels(tmp_path / "model", [True, False, True])
    assert "p = 1.0000 (exact binomial): may be luck" in str(compare(folder, folder))


def test_answers_are_compared_on_exact_match_and_f1(tmp_path):
    first = score_answers(tmp_path / "first", ["세종", "모른다", "훈민정", "집현전"])
    second = score_answers(tmp_path / "second", ["세종", "1446년", "훈민정음", "모른다"])
    comparison = compare(first, second, tmp_path / "out")
    found = comparison.metrics()
    assert (found["scores"]["exact_match"]["first"], found["scores"]["exact_match"]["second"]) == (50, 75)
    assert found["scores"]["f1"]["difference"] == pytest.approx((100 + 100 - 100 * 6 / 7 - 100) / 4, abs=0.01)
    assert found["right"] == {"both": 1, "only_first": 1, "only_second": 2, "neither": 0}
    assert "rows of one group are not independent" in str(comparison)
    with (tmp_path / "out" / "differences.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["right"], row["id"], row["first"], row["second"]) for row in rows] == [
        ("second", "1", "모른다", "1446년"),
        ("second", "2", "훈민정", "훈민정음"),
        ("first", "3", "집현전", "모른다"),
    ]


def test_scores_in_different_precisions_are_noted(tmp_path):
    first = score_labels(tmp_path / "first", [True, False])
    second = score_labels(tmp_path / "second", [True, True], precision="bf16")
    assert "note: the scores differ in precision 32 and bf16" in str(compare(first, second))


def test_a_text_with_tabs_and_line_breaks_stays_one_row(tmp_path):
    texts = ['탭\t과 "따옴표"', "줄\n바꿈"]
    first = score_labels(tmp_path / "first", [True, False], texts)
    assert compare(first, first).metrics()["examples"] == 2


def test_what_evaluate_leaves_is_what_is_compared(trained, tmp_path):
    pipeline.evaluate(trained)
    found = compare(trained, trained, tmp_path).metrics()
    assert (found["examples"], found["right"]["only_first"], found["mcnemar"]["p_value"]) == (40, 0, 1)


# what cannot be compared


def test_a_folder_that_is_not_scored_yet_is_named(tmp_path):
    folder = score_labels(tmp_path / "scored", [True])
    with pytest.raises(EvaluationError, match=r"unscored is not scored yet .* Run first: ratsnlp evaluate .*unscored"):
        compare(folder, tmp_path / "unscored")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            ["글 0", "다른 글"],
            r"2 rows reviews test 32 and 2 rows reviews test 32; first difference in row 2: '글 1 \| 1'",
        ),
        (["글 0", "글 1", "글 2"], r"2 rows .* and 3 rows .*; first difference in row 3: 'nothing' and '글 2 \| 1'"),
        (["글 1", "글 0"], "first difference in row 1"),
    ],
)
def test_other_rows_are_refused_with_the_first_difference(tmp_path, texts, message):
    first = score_labels(tmp_path / "first", [True, True])
    second = score_labels(tmp_path / "second", [True] * len(texts), texts)
    with pytest.raises(
        EvaluationError, match=f"were scored on different rows, so they cannot be compared: .*{message}"
    ):
        compare(first, second)


def test_another_task_is_refused(tmp_path):
    first = score_labels(tmp_path / "first", [True] * 4)
    second = score_answers(tmp_path / "second", list(ANSWERS))
    with pytest.raises(EvaluationError, match="were scored on different rows"):
        compare(first, second)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lacks text, label, prediction, right; found nothing. Run again: ratsnlp evaluate"),
        ("text\tlabel\tprediction\tright\n", "has no rows; found text, label, prediction, right"),
        ("text\tlabel\tprediction\n글\t1\t1\n", "lacks right; found text, label, prediction"),
    ],
)
def test_other_tables_are_refused(tmp_path, content, message):
    folder = score_labels(tmp_path / "model", [True])
    (folder / "evaluation" / "predictions.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(EvaluationError, match=message):
        compare(folder, folder)


def test_scores_of_an_earlier_version_are_refused(tmp_path):
    folder = score_labels(tmp_path / "model", [True])
    (folder / "evaluation" / "metrics.json").write_text('{"accuracy": 1.0, "examples": 1}', encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"by an earlier version, .*\. Run again: ratsnlp evaluate .*model"):
        compare(folder, folder)


# the command


def test_the_command_compares_two_folders(folders, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ratsnlp", "compare", *map(str, folders)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    shown = capsys.readouterr().out
    assert not end.value.code
    assert "McNemar    p < 0.0001 (chi-square, continuity-corrected): a real difference at the 5% level" in shown
    assert f"written: {folders[1]}/evaluation/against-kcbert: comparison.json, differences.tsv" in shown


def test_a_mistake_of_the_command_is_one_message(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ratsnlp", "compare", str(tmp_path), str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "is not scored yet" in capsys.readouterr().err
