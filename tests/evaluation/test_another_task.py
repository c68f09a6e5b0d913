"""A report of a task that the library does not know: all it takes is a class of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from ratsnlp.nlpbook.evaluation.blocks import Block, Line, Table
from ratsnlp.nlpbook.evaluation.comparison import compare
from ratsnlp.nlpbook.evaluation.report import Provenance, Report
from ratsnlp.nlpbook.evaluation.statistics import Score


@dataclass(frozen=True)
class SpacingReport(Report):
    """How well spaces were put back into sentences: F1 over spaces, whose counts differ from row to row."""

    gold: Sequence[str]
    given: Sequence[str]
    documents: Sequence[str]

    top_scores = (
        Score(
            key="space_f1",
            name="space F1",
            korean="띄어쓰기 F1 (space F1)",
            percent=True,
            numerator="found",
            denominator=("spaces", "guesses"),
            weight=2,
        ),
    )
    group = "document"

    @property
    def asked(self) -> Mapping[str, Sequence[object]]:
        return {"gold": self.gold}

    @property
    def answered(self) -> Mapping[str, Sequence[object]]:
        spaces, guesses = ([places(text) for text in texts] for texts in (self.gold, self.given))
        return {
            "prediction": self.given,
            "right": [int(gold == given) for gold, given in zip(self.gold, self.given, strict=True)],
            "found": [len(a & b) for a, b in zip(spaces, guesses, strict=True)],
            "spaces": [len(found) for found in spaces],
            "guesses": [len(found) for found in guesses],
            "document": self.documents,
        }

    @property
    def lengths(self) -> Sequence[int]:
        return [len(text) for text in self.gold]

    def blocks(self) -> Sequence[Block]:
        unspaced = sum(" " not in text for text in self.given)
        line = Line(
            "unspaced", f"{unspaced}", "sentences got no space", f"한 칸도 띄지 않은 문장 (unspaced): {unspaced}개"
        )
        table = Table({"sentence": "문장 (sentence)", "spaces": "칸"}, [(text, text.count(" ")) for text in self.given])
        listed = Block(
            title="each sentence", korean="문장별 (each sentence)", table=table, metrics={"unspaced": unspaced}
        )
        return [self.head("sentences"), self.top(), *self.context(line), self.by_length(), listed]


def places(text: str) -> set[int]:
    """Return after how many letters there is a space."""
    words = text.split()
    return {len("".join(words[:i])) for i in range(1, len(words))}


GOLD = ["나는 집에 간다", "비가 온다", "좋다", "책을 한 권 샀다"]
GIVEN = ["나는집에 간다", "비가 온다", "좋다", "책을 한권 샀 다"]


@pytest.fixture
def report():
    where = Provenance(corpus="sentences", mode="test", model="tiny", precision="32")
    return SpacingReport(GOLD, GIVEN, ["가", "가", "나", "나"], provenance=where)


def test_a_score_is_twice_what_was_found_over_what_there_is_and_was_guessed(report):
    found = report.metrics()
    assert found["space_f1"] == pytest.approx(100 * 2 * (1 + 1 + 0 + 2) / (2 + 1 + 0 + 3 + 1 + 1 + 0 + 3))
    low, high = found["space_f1_interval_95"]
    assert low <= found["space_f1"] <= high
    assert (found["examples"], found["unspaced"], found["corpus"]) == (4, 1, "sentences")
    assert [row["examples"] for row in found["by_length"]] == [1, 1, 1, 1]


def test_a_sentence_without_spaces_scores_0_and_not_nothing(report):
    assert replace(report, gold=["좋다"], given=["좋다"], documents=["가"]).metrics()["space_f1"] == 0


def test_what_is_printed_stands_on_the_page_too(report, tmp_path):
    report.save(tmp_path)
    printed, page = str(report), (tmp_path / "report.html").read_text(encoding="utf-8")
    for part in ("sentences  4   sentences, test, float32", "space F1   72.73   95 % interval", "unspaced   1   sent"):
        assert part in printed
    assert printed.splitlines()[-5:] == [
        "sentence         spaces",
        "나는집에 간다         1",
        "비가 온다             1",
        "좋다                  0",
        "책을 한권 샀 다       3",
    ]
    for part in (
        "띄어쓰기 F1 (space F1)",
        "72.73",
        "한 칸도 띄지 않은 문장 (unspaced): 1개",
        "문장 (sentence)",
        "샀 다",
    ):
        assert part in page
    assert {path.name for path in tmp_path.iterdir()} == {
        "metrics.json",
        "predictions.tsv",
        "lengths.png",
        "report.html",
    }


def test_two_such_models_are_compared_on_their_own_score(report, tmp_path):
    better = replace(report, given=[*GIVEN[:3], GOLD[3]])
    for name, one in (("first", report), ("second", better)):
        one.save(tmp_path / name / "evaluation")
    comparison = compare(tmp_path / "first", tmp_path / "second")
    scores = comparison.metrics()["scores"]["space_f1"]
    assert (scores["first"], scores["second"]) == (report.values["space_f1"], better.values["space_f1"])
    assert scores["interval_95"][0] == 0 < scores["difference"] < scores["interval_95"][1]
    assert comparison.metrics()["right"] == {"both": 2, "only_first": 0, "only_second": 1, "neither": 1}
    assert "space F1   72.73 -> 90.91   +18.18   95 % interval +0.00 to " in str(comparison)
    assert json.loads((tmp_path / "second/evaluation/metrics.json").read_text(encoding="utf-8")) == better.metrics()


def test_a_baseline_of_the_task_is_shown_by_the_first_score(report):
    shown = replace(report, baselines={"no spaces": replace(report, given=[text.replace(" ", "") for text in GOLD])})
    assert "no spaces  0.00   95 % interval 0.00 to 0.00" in str(shown)
    assert shown.metrics()["no_spaces"] == {"space_f1": 0, "space_f1_interval_95": [0, 0]}
