"""What a report says beside its scores: intervals, calibration, lengths, overlap, published figures, the page."""

import csv
import json
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from conftest import REVIEWS, write_nsmc
from ratsnlp import nlpbook
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.classification.corpus import ClassificationExample
from ratsnlp.nlpbook.classification.report import ClassificationReport
from ratsnlp.nlpbook.evaluation import report as report_module
from ratsnlp.nlpbook.evaluation.overlap import find_overlap, fold
from ratsnlp.nlpbook.evaluation.published import HUB_NAMES, SPLITS, figures_for, nearest_figure
from ratsnlp.nlpbook.evaluation.report import Provenance, choose_precision
from ratsnlp.nlpbook.evaluation.statistics import (
    FEW_KINDS,
    bin_confidences,
    draw_counts,
    draw_interval,
    measure_calibration,
    score_by_length,
)
from ratsnlp.nlpbook.qa import QAExample
from ratsnlp.nlpbook.qa.report import QAReport

ROOT = Path(__file__).parents[2]
NAMES = ["부정 (negative)", "긍정 (positive)"]


def make_report(probabilities, labels, texts=None, **more):
    found = torch.tensor(probabilities)
    shown = texts or [f"글 {i}" for i in range(len(labels))]
    return ClassificationReport(shown, torch.tensor(labels), found, ["0", "1"], NAMES, **more)


# intervals


@pytest.mark.parametrize("kinds", [3, FEW_KINDS + 1])
def test_resampled_counts_have_the_mean_and_spread_of_drawn_rows(kinds):
    counts = 1 + np.arange(kinds) % 4
    draws = np.concatenate(list(draw_counts(counts, resamples=300)))
    total, shares = counts.sum(), counts / counts.sum()
    assert draws.shape == (300, kinds)
    assert (draws.sum(axis=1) == total).all()
    deviation = np.sqrt(total * shares * (1 - shares))
    assert np.abs(draws.mean(axis=0) - counts).max() < 6 * deviation.max() / np.sqrt(300)
    assert draws.std(axis=0).mean() == pytest.approx(deviation.mean(), rel=0.1)


def test_counts_are_drawn_in_chunks_of_bounded_size():
    sizes = [len(chunk) * chunk.shape[1] for chunk in draw_counts(np.ones(50_000, dtype=int), resamples=100)]
    assert max(sizes) <= 4_000_000
    assert sum(sizes) == 100 * 50_000


def test_an_interval_is_that_of_resampled_rows_and_has_a_seed():
    scores = np.random.default_rng(0).choice([0.0, 30.0, 100.0], 400)
    rows = np.random.default_rng(1).integers(0, 400, (4000, 400))
    expected = np.quantile(scores[rows].mean(axis=1), [0.025, 0.975])
    assert draw_interval(scores) == pytest.approx(expected, abs=1.0)
    assert draw_interval(scores) == draw_interval(scores)
    assert draw_interval(scores, seed=1) != draw_interval(scores)


def test_questions_that_hang_together_make_a_wider_interval():
    groups = [str(i // 20) for i in range(400)]
    scores = np.array([float(i // 20 % 2) for i in range(400)])
    alone, together = draw_interval(scores), draw_interval(scores, groups)
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])


# calibration


@pytest.fixture
def guesses():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([1, 1, 1], 500)
    return probabilities, generator.integers(0, 3, 500)


def test_calibration_errors_are_those_of_torchmetrics(guesses):
    probabilities, labels = guesses
    found = measure_calibration(probabilities, labels)
    logged, truth = torch.from_numpy(probabilities), torch.from_numpy(labels)
    assert found["ece"] == pytest.approx(float(multiclass_calibration_error(logged, truth, 3, n_bins=15)), abs=1e-6)
    columns = [(logged[:, k].contiguous(), (truth == k).int()) for k in range(3)]
    each = [float(binary_calibration_error(column, right, n_bins=15)) for column, right in columns]
    assert found["ece_macro"] == pytest.approx(np.mean(each), abs=1e-6)
    assert found["nll"] == pytest.approx(float(torch.nn.functional.nll_loss(logged.log(), truth)))
    assert found["brier"] == pytest.approx(float((logged - torch.eye(3)[truth]).square().sum(-1).mean()))


def test_a_model_that_keeps_its_promises_has_no_calibration_error():
    found = bin_confidences(np.array([0.75, 0.75, 0.75, 0.75]), np.array([1, 1, 1, 0]))
    assert found == [{"low": 11 / 15, "high": 12 / 15, "examples": 4, "confidence": 0.75, "right": 0.75}]
    assert measure_calibration(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]))["ece"] == 0


def test_certainty_that_is_wrong_stays_finite():
    found = measure_calibration(np.array([[1.0, 0.0]]), np.array([1]))
    assert (found["ece"], found["ece_macro"], found["brier"]) == (1, 1, 2)
    assert 20 < found["nll"] < 30


# lengths


def test_buckets_hold_like_lengths_and_every_row_once():
    lengths = [1, 1, 1, 1, 1, 1, 2, 3, 4, 5]
    rows = score_by_length(lengths, np.array([1, 0, 1, 0, 1, 0, 1, 1, 1, 0]), buckets=3)
    assert [(row["shortest"], row["longest"], row["examples"]) for row in rows] == [(1, 1, 6), (2, 2, 1), (3, 5, 3)]
    assert [row["score"] for row in rows] == pytest.approx([0.5, 1, 2 / 3])
    assert all(row["interval_95"][0] <= row["score"] <= row["interval_95"][1] for row in rows)


def test_texts_of_one_length_are_one_bucket():
    assert [row["examples"] for row in score_by_length([7, 7, 7], np.ones(3))] == [3]


# overlap


def rows_of(*pairs):
    return [ClassificationExample(text_a=text, label=label) for text, label in pairs]


def test_duplicates_are_found_whatever_their_unicode_form_and_spaces():
    train = rows_of(("정말 좋다", "1"), ("최악", "0"), ("그저 그렇다", "0"))
    test = rows_of((unicodedata.normalize("NFD", "정말\t좋다 "), "1"), ("최악", "1"), ("처음 보는 글", "0"))
    found = find_overlap(train, test)
    assert found.seen.tolist() == [True, True, False]
    assert found.contradicted.tolist() == [False, True, False]
    assert found.metrics() == {
        "train_examples": 3,
        "repeated_in_train": 0,
        "label_conflicts_in_train": 0,
        "test_in_train": 2,
        "test_in_train_with_another_label": 1,
    }


def test_texts_with_several_labels_in_train_are_conflicts():
    found = find_overlap(rows_of(("좋다", "1"), ("좋다", "0"), ("좋다", "1"), ("최악", "0"), ("최악", "0")), [])
    assert (found.metrics()["repeated_in_train"], found.metrics()["label_conflicts_in_train"]) == (3, 1)
    assert list(found.rows()) == [("several labels in train", "좋다", "", "0, 1")]


def test_a_pair_is_a_duplicate_only_as_a_whole():
    def pair(first, second):
        return ClassificationExample(text_a=first, text_b=second, label="neutral")

    found = find_overlap(
        [pair("전제", "가설")], [pair("전제", "다른 가설"), pair("가설", "전제"), pair("전제", "가설")]
    )
    assert found.seen.tolist() == [False, False, True]


def test_questions_are_compared_with_their_passages():
    asked = [QAExample("누가?", "세종이 만들었다.", "세종", 0), QAExample("누가?", "문종이 썼다.", "문종", 0)]
    assert find_overlap(asked[:1], asked).seen.tolist() == [True, False]
    assert fold(asked[0].texts) == ("누가?", "세종이 만들었다.")


def test_the_report_says_what_train_gives_away(tmp_path):
    test = rows_of(("좋다", "1"), ("최악", "1"), ("새 글", "0"), ("또 새 글", "0"))
    overlap = find_overlap(rows_of(("좋다", "1"), ("최악", "0"), ("뭐", "1"), ("뭐", "0")), test)
    about = Provenance(corpus="reviews", mode="test", model="tiny", precision="32", overlap=overlap)
    probabilities = [[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]
    report = make_report(probabilities, [1, 1, 0, 0], [e.text_a for e in test], provenance=about)
    assert report.metrics()["accuracy_outside_train"] == 0.5
    assert "in train   2   of 4 rows; 1 with another label there; accuracy of the others 0.5000" in str(report)
    assert "1 texts of train have several labels" in str(report)
    report.save(tmp_path)
    with (tmp_path / "overlap.tsv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["kind"], row["text"]) for row in listed] == [
        ("in train too", "좋다"),
        ("in train with another label", "최악"),
        ("several labels in train", "뭐"),
    ]


# published figures


def about(**changes):
    return Provenance(**{"corpus": "nsmc", "mode": "test", "model": "beomi/kcbert-base", "precision": "32"} | changes)


def test_the_same_models_figure_by_its_makers_comes_first():
    found = about().find_published({"accuracy": 0.97}, 50_000)
    assert (found["model"], found["scores"], found["same_model"]) == ("KcBERT-base", {"accuracy": 0.8962}, True)
    assert found["source"] == "https://github.com/Beomi/KcBERT"
    assert found["unlike"] == {}


def test_an_unknown_model_is_shown_the_nearest_figure():
    found = about(model="my-model").find_published({"accuracy": 0.853}, 50_000)
    assert (found["model"], found["same_model"]) == ("FastText", False)
    qa = about(corpus="korquad-v1", model="my-model").find_published({"exact_match": 99.0}, 5774)
    assert (qa["model"], qa["scores"]) == ("KoELECTRA-base-v3", {"exact_match": 84.83, "f1": 93.45})


def test_what_keeps_figures_from_being_comparable_is_said():
    report = make_report([[0.9, 0.1], [0.2, 0.8]], [0, 0], provenance=about(trained_on=10_000, own_training=True))
    assert report.metrics()["published"]["unlike"] == {"trained_on": 10_000, "own_training": True, "rows": 50_000}
    shown = str(report)
    assert "published  0.8962   KcBERT-base; yours is 0.3962 lower (https://github.com/Beomi/KcBERT)" in shown
    assert "not alike: yours is trained on the first 10,000 rows" in shown
    assert "not alike: yours is trained on an own file" in shown
    assert "not alike: the published split has 50,000 rows" in shown


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"corpus": "builtin-nsmc"},
            "none: this sample is for learning the steps; no published figure compares with it",
        ),
        ({"own_file": True}, "none: scored on an own file"),
        ({"mode": "train"}, "none: scored on the rows it was trained on"),
    ],
)
def test_a_score_that_compares_with_nothing_says_why(changes, reason):
    assert reason in str(make_report([[0.9, 0.1], [0.2, 0.8]], [0, 0], provenance=about(**changes)))


def test_an_unknown_corpus_has_no_published_line():
    assert "published" not in str(make_report([[0.9, 0.1]], [0], provenance=about(corpus="my-reviews")))


def test_every_published_figure_has_an_address_and_stands_in_the_docs():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for corpus, split in SPLITS.items():
        found = list(figures_for(corpus))
        assert len(found) >= 5
        for result in found:
            assert result.source.startswith("https://")
            assert tuple(result.scores) == split.metrics
            shown = [f"{v * (100 if m == 'accuracy' else 1):.2f}" for m, v in result.scores.items()]
            assert f"| {result.model} | {' | '.join(shown)} | {result.split or 'not named'} | {result.source} |" in text
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / "docs" / target).exists()


def test_every_name_to_load_by_leads_to_a_published_model():
    models = {result.model for corpus in SPLITS for result in figures_for(corpus)}
    assert set(HUB_NAMES.values()) <= models
    assert all(name == name.lower() for name in HUB_NAMES)
    assert nearest_figure("nsmc", 0.9, "google-bert/bert-base-multilingual-cased")[0].model == "mBERT (cased)"


# the report


def test_a_model_that_always_says_the_same_is_named_so():
    assert "warning: the model answers 부정 (negative) to every text" in str(make_report([[0.9, 0.1]] * 3, [0, 1, 0]))
    assert "warning" not in str(make_report([[0.9, 0.1], [0.1, 0.9]], [0, 1]))


def test_the_report_shows_calibration_and_lengths():
    report = make_report([[0.9, 0.1], [0.2, 0.8]], [0, 0], ["짧다", "이것은 긴 글"])
    found = report.metrics()
    assert "ECE        0.4500   calibration error, macro over labels 0.4500; 0 is best" in str(report)
    assert "characters 2-2: 1.0000   7-7: 0.0000" in str(report)
    assert [row["score"] for row in found["by_length"]] == [1, 0]


def test_answers_have_intervals_calibration_and_lengths_too(tmp_path):
    report = QAReport(
        ids=["1", "2"],
        questions=["누가?", "언제?"],
        groups=["글", "다른 글"],
        answers=[["세종"], ["1446년"]],
        uncut=["세종이", "모른다"],
        cut=["세종", "모른다"],
        probabilities=[0.9, 0.7],
        unanswered=[False, True],
        josa_cut=True,
        lengths=[10, 500],
        provenance=about(corpus="builtin-korquad-v1"),
    )
    shown = str(report)
    assert "questions  2   builtin-korquad-v1, test, float32" in shown
    assert "EM         50.00   95 % interval 0.00 to 100.00" in shown
    assert "josa cut   EM 50.00, F1 50.00   <- as answered" in shown
    assert "ECE        0.4000   calibration error; 0 is best" in shown
    assert "characters 10-10: 100.00   500-500: 0.00" in shown
    report.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("metrics.json", "predictions.tsv", "worst.tsv", "calibration.png", "lengths.png", "report.html")
    }
    rows = (tmp_path / "predictions.tsv").read_text(encoding="utf-8").splitlines()
    assert [row.split("\t")[-1] for row in rows] == ["group", "0", "1"]


# the page


class Page(HTMLParser):
    """Collects tags, addresses and text."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.addresses, self.texts = [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_is_one_file_without_script_and_runs_no_text(tmp_path):
    nasty = "<script>alert(1)</script> <img src=x onerror=alert(2)> & ㅋㅋ"
    report = make_report([[0.99, 0.01], [0.2, 0.8]], [1, 1], [nasty, "좋다"], provenance=about())
    report.save(tmp_path)
    page = Page(tmp_path / "report.html")
    assert "script" not in page.tags
    assert page.tags.count("img") == len(page.addresses) == 3
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert any(nasty in text for text in page.texts)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for part in ('lang="ko"', "color-scheme: light dark", "@media print", "default-src 'none'", "정확도 (accuracy)"):
        assert part in text


def test_the_page_shows_what_the_report_measured(tmp_path):
    test = rows_of(("좋다", "1"), ("최악", "0"))
    overlap = find_overlap(rows_of(("좋다", "1"), ("뭐", "0"), ("뭐", "1")), test)
    simple = make_report([[0.9, 0.1], [0.9, 0.1]], [1, 0])
    report = make_report(
        [[0.1, 0.9], [0.4, 0.6]],
        [1, 0],
        ["좋다", "최악"],
        baselines={"runs": simple},
        provenance=about(overlap=overlap),
    )
    report.save(tmp_path)
    text = " ".join("".join(Page(tmp_path / "report.html").texts).split())
    for part in (
        "nsmc 말뭉치의 test · beomi/kcbert-base · float32 · 2개",
        "runs: 0.5000",
        "발표된 수치 (published): KcBERT-base 0.8962",
        "조건이 다릅니다 (not alike): 발표된 평가 문장은 50,000개입니다",
        "학습 문장에도 있는 것 (in train too): 1개, 그중 라벨이 다른 것 0개; 이들을 뺀 점수 0.0000",
        "라벨이 엇갈리는 문장 (label conflicts) 1개",
    ):
        assert part in text


# through the pipeline


def test_precision_is_asked_of_the_hardware_only_by_auto(monkeypatch):
    asked = []
    monkeypatch.setattr(report_module, "bf16_is_faster", lambda accelerator: asked.append(accelerator) or True)
    assert (choose_precision("32", "cpu"), choose_precision("bf16", "cpu"), asked) == ("32", "bf16", [])
    assert (choose_precision("auto", "cpu"), choose_precision("auto", "cuda")) == ("bf16", "bf16")
    assert asked == ["cpu", "gpu"]


def test_evaluation_in_bfloat16_is_recorded_and_agrees(trained):
    full, half = pipeline.evaluate(trained), pipeline.evaluate(trained, precision="bf16")
    written = json.loads((trained / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert (written["precision"], written["corpus"], written["split"]) == ("bf16", "nsmc", "test")
    assert full.metrics()["precision"] == "32"
    assert torch.allclose(full.probabilities, half.probabilities, atol=0.02)
    assert not torch.equal(full.probabilities, half.probabilities)


def test_evaluation_finds_the_rows_that_train_holds_too(trained):
    found = pipeline.evaluate(trained).metrics()
    assert found["overlap"]["train_examples"] == 40
    assert found["overlap"]["test_in_train"] == found["examples"] == 40
    assert "accuracy_outside_train" not in found, "nothing is left outside"
    assert found["published"]["unlike"] == {"rows": 50_000}


def test_evaluation_goes_on_where_train_is_missing(trained, tmp_path, caplog):
    caplog.set_level("INFO", logger="ratsnlp")
    args = type("Args", (), {"max_train_examples": None, "downstream_corpus_name": "nsmc"})
    args.downstream_corpus_root_dir = str(tmp_path)
    write_nsmc(tmp_path / "nsmc" / "ratings_test.txt", [(REVIEWS[0], "1")])
    found = report_module.read_overlap(nlpbook.classification.NsmcCorpus(), args, "test", [])
    assert found is None
    assert re.search(r"not looked for: texts of train in test: .*ratings_train\.txt is missing", caplog.text)
