"""Metrics, report, checkpoints, predictor, pictures: what comes out of a training."""

import csv
import json
import unicodedata

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from ratsnlp import nlpbook
from ratsnlp.nlpbook import checkpoints, figures, metrics, pipeline
from ratsnlp.nlpbook.checkpoints import select_checkpoint
from ratsnlp.nlpbook.classification import ClassificationPredictor
from ratsnlp.nlpbook.classification.predictor import describe_probabilities
from ratsnlp.nlpbook.classification.report import ClassificationReport
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError
from ratsnlp.nlpbook.evaluation import statistics

# metrics


def test_accuracy_counts_every_position_once():
    assert nlpbook.metrics.accuracy(torch.tensor([1, 0, 1]), torch.tensor([1, 1, 1])) == pytest.approx(2 / 3)


def test_accuracy_leaves_ignored_positions_out():
    preds, labels = torch.tensor([[1, 0], [1, 1]]), torch.tensor([[1, -100], [0, -100]])
    assert metrics.accuracy(preds, labels, ignore_index=-100) == 0.5


def test_accuracy_refuses_other_shapes_and_nothing_to_count():
    with pytest.raises(ValueError, match=r"preds \(2,\) and labels \(3,\) must have the same shape"):
        metrics.accuracy(torch.zeros(2), torch.zeros(3))
    with pytest.raises(ValueError, match="no position to count: all 2 labels are -100"):
        metrics.accuracy(torch.zeros(2), torch.full((2,), -100), ignore_index=-100)


def test_macro_f1_weighs_a_rare_class_as_a_common_one():
    labels = torch.tensor([0] * 9 + [1])
    assert metrics.macro_f1(torch.zeros(10, dtype=torch.long), labels, 2) == pytest.approx((18 / 19) / 2)


def test_a_class_neither_present_nor_predicted_does_not_count():
    labels = torch.tensor([0, 1, 1])
    assert metrics.macro_f1(labels, labels, 3) == 1.0


def test_class_scores_are_those_of_the_definition():
    confusion = torch.tensor([[8, 2], [1, 9]])
    scores = metrics.class_scores(confusion)
    assert scores["precision"].tolist() == pytest.approx([8 / 9, 9 / 11])
    assert scores["recall"].tolist() == pytest.approx([0.8, 0.9])
    assert scores["f1"].tolist() == pytest.approx([16 / 19, 18 / 21])
    drawn = statistics.class_scores(confusion.numpy())
    assert {name: values.tolist() for name, values in drawn.items()} == {n: v.tolist() for n, v in scores.items()}


def test_scores_of_many_matrices_in_numpy_are_those_in_torch():
    confusion = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (50, 6, 6)) * (np.arange(6) < 4))
    expected, found = metrics.overall_scores(confusion), statistics.overall_scores(confusion.numpy())
    assert {name: values.tolist() for name, values in found.items()} == {
        name: pytest.approx(values.tolist()) for name, values in expected.items()
    }


# report


@pytest.fixture
def report():
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.99, 0.01], [0.4, 0.6]])
    return ClassificationReport(
        ["가", "나", "다", "라"], torch.tensor([0, 1, 1, 0]), probabilities, ["0", "1"], ["부정", "긍정"]
    )


def test_the_report_measures_the_whole_split(report):
    found = report.metrics()
    assert (found["accuracy"], found["macro_f1"], found["examples"], found["majority_baseline"]) == (0.5, 0.5, 4, 0.5)
    assert found["confusion"] == [[1, 1], [1, 1]]
    assert [row["label"] for row in found["classes"]] == ["부정", "긍정"]


def test_the_surest_mistake_comes_first(report):
    assert report.worst_mistakes() == [
        {"text": "다", "label": "긍정", "prediction": "부정", "probability": 0.99},
        {"text": "라", "label": "부정", "prediction": "긍정", "probability": 0.6},
    ]


def test_the_report_prints_what_a_reader_looks_for(report):
    shown = str(report)
    for words in (
        "accuracy   0.5000   95 % interval",
        "macro F1",
        "always the most frequent label: 0.5000",
        "긍정 taken for",
    ):
        assert words in shown


def test_the_report_is_written_whole(report, tmp_path):
    report.save(tmp_path)
    written = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert {"accuracy", "macro_f1", "examples"} <= set(written)
    with (tmp_path / "predictions.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert rows[2] == {"text": "다", "label": "1", "prediction": "0", "probability": "0.9900", "right": "0"}
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "worst.tsv").read_text(encoding="utf-8").splitlines()) == 3


def test_drawn_intervals_agree_with_resampled_texts():
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2, 400)
    preds = np.where(generator.random(400) < 0.8, labels, 1 - labels)
    confusion = metrics.confusion_matrix(torch.from_numpy(preds), torch.from_numpy(labels), 2)
    rows = generator.integers(0, 400, (2000, 400))
    resampled = (preds[rows] == labels[rows]).mean(axis=1)
    expected = np.quantile(resampled, [0.025, 0.975])
    assert statistics.bootstrap_intervals(confusion.numpy())["accuracy"] == pytest.approx(expected, abs=0.01)


# checkpoints


def test_a_checkpoint_is_self_contained_and_loads_with_plain_torch(trained, tokenizer):
    raw = torch.load(select_checkpoint(trained), map_location="cpu")
    about = raw["ratsnlp"]
    assert all(name.startswith("model.") for name in raw["state_dict"])
    assert "optimizer_states" not in raw
    assert (about["task"], about["labels"]) == ("document-classification", ["0", "1"])
    assert about["label_names"] == ["부정 (negative)", "긍정 (positive)"]
    assert (about["settings"]["epochs"], about["config"]["hidden_size"]) == (2, 16)
    assert {"val_loss", "val_acc", "val_macro_f1"} <= set(about["metrics"])
    _, restored = checkpoints.restore(select_checkpoint(trained), about, AutoModelForSequenceClassification)
    assert restored("정말 재미있는 영화")["input_ids"] == tokenizer("정말 재미있는 영화")["input_ids"]


def test_the_last_checkpoint_can_resume(trained):
    raw = torch.load(trained / "last.ckpt", map_location="cpu")
    assert raw["optimizer_states"]
    assert raw["lr_schedulers"]


def write_checkpoint(folder, name, monitor="min val_loss", epoch=0, **found):
    about = {"settings": {"monitor": monitor}, "metrics": found}
    torch.save({"state_dict": {"model.w": torch.zeros(1)}, "epoch": epoch, "ratsnlp": about}, folder / name)


@pytest.mark.parametrize(("monitor", "best"), [("min val_loss", "a.ckpt"), ("max val_acc", "b.ckpt")])
def test_the_best_checkpoint_is_chosen_by_the_monitored_metric(tmp_path, monitor, best):
    write_checkpoint(tmp_path, "a.ckpt", monitor, val_loss=0.301, val_acc=0.80)
    write_checkpoint(tmp_path, "b.ckpt", monitor, val_loss=0.304, val_acc=0.81)  # the same at two decimals
    assert select_checkpoint(tmp_path).name == best


def test_last_and_nameless_checkpoints_do_not_break_the_choice(tmp_path):
    write_checkpoint(tmp_path, "last.ckpt", val_loss=0.0)
    write_checkpoint(tmp_path, "epoch=1-val_loss=0.27.ckpt", val_loss=0.27)
    torch.save({"state_dict": {"model.w": torch.zeros(1)}}, tmp_path / "epoch=0.ckpt")
    assert select_checkpoint(tmp_path).name == "epoch=1-val_loss=0.27.ckpt"


def test_an_old_checkpoint_is_judged_by_its_name(tmp_path):
    for name in ("epoch=0-val_loss=0.41.ckpt", "epoch=1-val_loss=0.29.ckpt", "epoch=2-val_loss=0.33-v1.ckpt"):
        torch.save({"state_dict": {"model.w": torch.zeros(1)}}, tmp_path / name)
    assert select_checkpoint(tmp_path).name == "epoch=1-val_loss=0.29.ckpt"


@pytest.mark.parametrize("name", ["tmp", "template", "temp [1]", "한글 폴더"])
def test_any_folder_name_is_a_model_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    write_checkpoint(folder, "epoch=0-val_loss=0.5.ckpt", val_loss=0.5)
    assert select_checkpoint(folder).parent == folder


def test_a_checkpoint_cut_short_is_skipped_and_said(tmp_path, caplog):
    write_checkpoint(tmp_path, "epoch=0-val_loss=0.50.ckpt", val_loss=0.5)
    whole = (tmp_path / "epoch=0-val_loss=0.50.ckpt").read_bytes()
    (tmp_path / "epoch=1-val_loss=0.10.ckpt").write_bytes(whole[: len(whole) // 2])
    assert select_checkpoint(tmp_path).name == "epoch=0-val_loss=0.50.ckpt"
    assert "skipped: the checkpoint" in caplog.text
    assert "It may have been cut short" in caplog.text


def test_no_checkpoint_to_choose_says_what_was_found(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        CheckpointError, match=r"no checkpoint to choose for a model: in .*: notes\.txt\. Run the training"
    ):
        select_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match=r"the folder .*none does not exist"):
        select_checkpoint(tmp_path / "none")


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"the checkpoint .*none\.ckpt does not exist"):
        checkpoints.read_description(tmp_path / "none.ckpt")
    torch.save([1], tmp_path / "list.ckpt")
    with pytest.raises(CheckpointError, match=r"list\.ckpt holds no 'state_dict'"):
        checkpoints.read_description(tmp_path / "list.ckpt")


def test_weights_of_another_size_are_refused(trained):
    path = select_checkpoint(trained)
    described = checkpoints.read_description(path)
    described["config"]["hidden_size"] = 32
    with pytest.raises(CheckpointError, match=r"the weights in .* do not fit a BertForSequenceClassification"):
        checkpoints.restore(path, described, AutoModelForSequenceClassification)


def test_a_checkpoint_that_does_not_describe_itself_cannot_be_a_predictor(tmp_path):
    torch.save({"state_dict": {"model.w": torch.zeros(1)}}, tmp_path / "epoch=0.ckpt")
    with pytest.raises(CheckpointError, match=r"epoch=0\.ckpt does not say what it is"):
        ClassificationPredictor.load(tmp_path)


# predictor


def test_the_predictor_answers_in_the_published_form(trained):
    answer = ClassificationPredictor.load(trained)("정말 재미있는 영화")
    assert list(answer)[:6] == [
        "sentence",
        "prediction",
        "negative_data",
        "negative_width",
        "positive_data",
        "positive_width",
    ]
    assert answer["prediction"] in ("부정 (negative)", "긍정 (positive)")
    assert answer["positive_data"].startswith("긍정 ")
    assert answer["positive_width"].endswith("%")
    assert sum(row["probability"] for row in answer["probabilities"]) == pytest.approx(1, abs=1e-3)


def test_many_texts_answer_as_one_by_one(trained):
    predictor = ClassificationPredictor.load(trained)
    texts = ["정말 재미있는 영화", "최악", "배우 연기가 좋다 " * 5, ""]
    together, alone = predictor(texts), [predictor(text) for text in texts]
    for many, one in zip(together, alone, strict=True):
        for a, b in zip(many["probabilities"], one["probabilities"], strict=True):
            assert a["probability"] == pytest.approx(b["probability"], abs=2e-4)
    assert predictor([]) == []


def test_decomposed_hangul_answers_as_composed(trained):
    predictor = ClassificationPredictor.load(trained)
    composed = predictor("정말 재미있는 영화")
    assert predictor(unicodedata.normalize("NFD", "정말 재미있는 영화"))["probabilities"] == composed["probabilities"]


def test_any_number_of_labels_is_described():
    answer = describe_probabilities(torch.tensor([0.2, 0.5, 0.3]), ["a", "b", "c"], ["드라마", "공포", "코미디"])
    assert answer["prediction"] == "공포"
    assert answer["공포_data"] == "공포 0.5"
    assert answer["코미디_width"] == "30.00%"
    assert [row["label"] for row in answer["probabilities"]] == ["a", "b", "c"]


def test_a_model_with_one_token_type_gets_none(trained):
    predictor = ClassificationPredictor.load(trained)
    predictor.model.config.type_vocab_size = 1
    assert "token_type_ids" not in predictor.encode(["좋다"])


def test_evaluation_through_the_pipeline_matches_the_predictor(trained):
    report = pipeline.evaluate(trained)
    assert report.metrics()["examples"] == 40
    assert (trained / "evaluation" / "metrics.json").exists()
    predictor = pipeline.load_predictor(trained)
    assert [row["prediction"] for row in predictor(report.texts)] == [report.label_names[i] for i in report.predictions]


def test_evaluation_on_an_unknown_split_is_an_error(trained):
    with pytest.raises(ArgumentError, match=r"NsmcCorpus has no split 'dev'"):
        pipeline.evaluate(trained, mode="dev")


# pictures


def test_pictures_use_a_hangul_font(tmp_path, recwarn):
    figure = figures.draw_confusion(np.array([[5, 1], [2, 4]]), ["부정 (negative)", "긍정 (positive)"])
    figures.save_figure(figure, tmp_path / "confusion.png")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["부정 (negative)", "긍정 (positive)"]
    assert not [warning for warning in recwarn if "missing from font" in str(warning.message)]


def test_curves_and_lengths_are_drawn(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step,loss,val_acc\n0,10,0.5,\n0,20,,0.8\n", encoding="utf-8")
    history = figures.read_history(tmp_path / "metrics.csv")
    assert history == {"loss": ([10.0], [0.5]), "val_acc": ([20.0], [0.8])}
    figure = figures.draw_curves(history)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "scores", "learning rate"]
    lengths = figures.draw_lengths(np.array([5, 9, 32, 32]), 32)
    assert lengths.axes[0].get_title() == "lengths; 50.0% reach the limit"
