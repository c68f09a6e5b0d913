"""`--train_file reviews.csv`, end to end: train, evaluate, answer and serve with the user's own labels."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from conftest import REVIEWS
from ratsnlp import nlpbook
from ratsnlp.cli import command
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.classification import NsmcCorpus, TableCorpus
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError, CorpusMissingError
from ratsnlp.nlpbook.figures import draw_confusion
from ratsnlp.nlpbook.model_folder import ModelFolder
from ratsnlp.nlpbook.paircls import KlueNLICorpus
from ratsnlp.nlpbook.tasks import TASKS
from samples import write_reviews

ROOT = Path(__file__).parents[2]
LABELS = ("나쁨", "보통", "좋음")


def run(*words):
    outcome = CliRunner().invoke(command, [str(word) for word in words])
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def write_pairs(path, labels=("같음", "다름")):
    lines = [f"{i}\t{REVIEWS[i % 6]}\t{REVIEWS[i % 5]} {i}\t{labels[i % 2]}\n" for i in range(40)]
    path.write_text("".join(["번호\t질문\t답변\t관계\n", *lines]), encoding="utf-8")
    return path


@pytest.fixture
def flags(tiny_bert, tmp_path):
    """Return the flags of a short training on the tiny model."""
    settings = {
        "pretrained_model_name": tiny_bert,
        "downstream_model_dir": tmp_path / "model",
        "downstream_corpus_root_dir": tmp_path / "nowhere",
        "max_seq_length": 32,
        "epochs": 1,
        "batch_size": 16,
        "seed": 7,
        "precision": "32",
    }
    return [str(part) for name, value in settings.items() for part in (f"--{name}", value)]


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_reviews_are_trained_scored_answered_and_served_with_their_own_labels(flags, tmp_path, monkeypatch):
    table, model = write_reviews(tmp_path / "reviews.csv"), tmp_path / "model"
    monkeypatch.chdir(tmp_path)
    trained = run("train", "classification", "--train_file", "reviews.csv", "--label_column", "평가", *flags)
    assert "next: ratsnlp evaluate" in trained
    held = read_jsonl(model / "held_out.jsonl")
    record = json.loads((model / "table.json").read_text(encoding="utf-8"))
    assert record["columns"] == {"text": "리뷰", "label": "평가", "pair": None}
    assert record["labels"] == list(LABELS)
    assert len(held) == len(record["held_out"]) == 4
    assert json.loads((model / "training.json").read_text())["settings"]["downstream_corpus_name"] == "reviews.csv"

    table.unlink()
    monkeypatch.chdir(model)
    assert "examples   4" in run("evaluate", model)
    scored = (model / "evaluation" / "predictions.tsv").read_text(encoding="utf-8").splitlines()
    assert len(scored) == 5
    assert all(any(row["리뷰"] in line and row["평가"] in line for line in scored) for row in held)
    metrics = json.loads((model / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert [row["label"] for row in metrics["classes"]] == list(LABELS)

    answer = json.loads(run("predict", model, "최고의 감동").splitlines()[-1])
    assert answer["prediction"] in LABELS
    page = pipeline.build_app(model).test_client()
    found = page.post("/api", json="최고의 감동").get_json()
    assert [entry["name"] for entry in found["probabilities"]] == list(LABELS)


def test_pairs_with_their_own_labels_are_trained_and_scored(flags, tmp_path):
    table, model = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model"
    columns = ("--text_column", "질문", "--pair_column", "답변", "--label_column", "관계")
    run("train", "paircls", "--train_file", table, *columns, *flags)
    scored = run("evaluate", model, "--hypothesis_only")
    assert "examples   4" in scored
    assert "hypothesis only: " in scored
    assert json.loads(run("predict", model, "최고의 감동", "별로").splitlines()[-1])["prediction"] in ("같음", "다름")


def test_training_is_refused_where_the_file_changed_meanwhile(flags, tmp_path, monkeypatch):
    table = write_reviews(tmp_path / "reviews.csv")
    model = tmp_path / "model"
    model.mkdir()
    TableCorpus(table, label="평가", seed=7).write_record(model)
    with table.open("ab") as file:
        file.write("99,새 글,좋음\n".encode("cp949"))
    with pytest.raises(ArgumentError, match=r"reviews\.csv is not as it was when the training in .*--restart"):
        run("train", "classification", "--train_file", table, *flags)


def make_corpus(make_args, task="classification", **settings):
    return pipeline.build_corpus(TASKS[task], make_args(**settings))


def test_a_training_that_goes_on_asks_nothing_again(make_args, tmp_path):
    table = write_reviews(tmp_path / "reviews.csv")
    (tmp_path / "model").mkdir()
    TableCorpus(table, text="번호", label="평가").write_record(tmp_path / "model")
    assert make_corpus(make_args, train_file=str(table)).columns.text == "번호"
    other = write_reviews(tmp_path / "other.csv", count=50)
    assert make_corpus(make_args, train_file=str(other)).columns.text == "리뷰"


def test_restart_forgets_the_table(tmp_path):
    TableCorpus(write_reviews(tmp_path / "reviews.csv")).write_record(tmp_path)
    ModelFolder(tmp_path).clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reviews.csv"]


def test_the_settings_reach_the_table(make_args, tmp_path):
    table = write_reviews(tmp_path / "reviews.csv", count=50)
    with table.open("ab") as file:
        file.write(b"50,,\n")
    with pytest.raises(CorpusFormatError, match=r"1 of 51 rows cannot be used:\n  line 52: nothing in column 리뷰 and"):
        make_corpus(make_args, train_file=str(table))
    corpus = make_corpus(make_args, train_file=str(table), skip_bad_rows=True, validation_ratio=0.2, seed=3)
    assert len(corpus.held_out) == 10
    assert corpus.held_out == TableCorpus(table, skip_bad_rows=True, held_out=0.2, seed=3).held_out


@pytest.mark.parametrize(
    ("task", "write", "columns", "kind"),
    [
        ("classification", write_reviews, {}, TableCorpus),
        ("classification", None, {}, NsmcCorpus),
        ("classification", None, {"text_column": "document"}, TableCorpus),
        ("paircls", write_pairs, {}, TableCorpus),
        ("paircls", lambda path: write_pairs(path, ("neutral", "entailment")), {}, TableCorpus),
        ("paircls", lambda path: rename(write_pairs(path, ("neutral", "entailment"))), {}, KlueNLICorpus),
        ("paircls", lambda path: rename(write_pairs(path)), {}, TableCorpus),
    ],
    ids=["table", "nsmc", "nsmc by columns", "pairs", "pairs by other names", "inference", "own labels"],
)
def test_a_file_is_read_as_the_corpus_does_only_where_it_is_in_its_format(
    make_args, corpora, tmp_path, task, write, columns, kind
):
    table = write(tmp_path / "own.csv") if write else corpora / "nsmc" / "ratings_train.txt"
    name = {"classification": "nsmc", "paircls": "klue-nli"}[task]
    settings = {"train_file": str(table), "downstream_corpus_name": name, **columns}
    assert type(make_corpus(make_args, task, **settings)) is kind


def rename(path):
    """Give a table of pairs the columns' names of KLUE-NLI."""
    text = path.read_text(encoding="utf-8").replace("질문\t답변\t관계", "premise\thypothesis\tlabel")
    path.write_text(text, encoding="utf-8")
    return path


def test_reviews_to_score_on_may_be_a_table(make_args, tmp_path):
    table = tmp_path / "test.jsonl"
    table.write_text('{"리뷰": "최고의 감동", "라벨": 1}\n{"리뷰": "별로", "라벨": 0}\n', encoding="utf-8")
    corpus = make_corpus(make_args, test_file=str(table))
    assert [(e.text_a, e.label) for e in corpus.get_examples("", "test")] == [("최고의 감동", "1"), ("별로", "0")]


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        (
            "qa",
            {"train_file": "a.csv", "label_column": "답"},
            r"label_column is for an own table .*: question-answering re",
        ),
        (
            "classification",
            {"text_column": "리뷰"},
            r"text_column is for an own table of labelled texts: give its file as t",
        ),
    ],
)
def test_columns_without_a_table_are_refused(make_args, make_qa_args, task, settings, message):
    make = make_qa_args if task == "qa" else make_args
    with pytest.raises(ArgumentError, match=message):
        pipeline.build_corpus(TASKS[task], make(**settings))


def test_a_missing_own_file_is_named(make_args, tmp_path):
    with pytest.raises(CorpusMissingError, match=r"none\.csv is missing \(in that folder: .*\)\. Check its path"):
        make_corpus(make_args, train_file=str(tmp_path / "none.csv")).get_examples("", "train")


def test_rows_too_few_to_validate_on_are_refused(make_args, tmp_path):
    table = write_reviews(tmp_path / "reviews.csv", count=3, labels=("a", "b"))
    with pytest.raises(ArgumentError, match=r"2 training rows are too few to hold any out for validation: give more"):
        pipeline.train("classification", make_args(train_file=str(table), label_column="평가"))


def test_a_pair_column_belongs_to_pairs(make_args, tmp_path):
    table = write_pairs(tmp_path / "pairs.tsv")
    with pytest.raises(ArgumentError, match=r"pair_column 답변 makes pairs, .* ratsnlp train paircls"):
        make_corpus(make_args, train_file=str(table), text_column="질문", pair_column="답변", label_column="관계")


def test_cells_leave_in_the_folder_what_scoring_needs(make_args, tmp_path, tokenizer):
    from transformers import AutoModelForSequenceClassification

    from ratsnlp.nlpbook.classification import ClassificationDataset, ClassificationTask

    corpus = nlpbook.TableCorpus(write_reviews(tmp_path / "reviews.csv"), text="리뷰", label="평가")
    args = make_args(downstream_corpus_name=None)
    found = [ClassificationDataset(args=args, corpus=corpus, tokenizer=tokenizer, mode=m) for m in ("train", "test")]
    model = AutoModelForSequenceClassification.from_pretrained(args.pretrained_model_name, num_labels=corpus.num_labels)
    nlpbook.get_trainer(args).fit(ClassificationTask(model, args), *nlpbook.get_dataloaders(args, *found))
    card = nlpbook.evaluate(args.downstream_model_dir)
    assert sorted(card.texts) == sorted(example.text_a for example in corpus.get_examples("", "test"))

    nsmc = [
        ClassificationDataset(args=make_args(), corpus=NsmcCorpus(), tokenizer=tokenizer, mode=m)
        for m in ("train", "val")
    ]
    model = AutoModelForSequenceClassification.from_pretrained(args.pretrained_model_name, num_labels=2)
    nlpbook.get_trainer(args).fit(ClassificationTask(model, args), *nlpbook.get_dataloaders(args, *nsmc))
    assert not (tmp_path / "model" / "table.json").exists(), "what was learnt before is no longer what is scored"


def test_the_example_table_is_read_as_its_settings_say(tmp_path, monkeypatch):
    from ratsnlp.nlpbook.classification import ClassificationTrainArguments

    monkeypatch.chdir(ROOT)
    args = nlpbook.load_arguments(ClassificationTrainArguments, "examples/table.yaml")
    corpus = pipeline.build_corpus(TASKS["classification"], args)
    assert corpus.get_labels() == ["나쁨", "보통", "좋음"]
    counts = {mode: len(corpus.get_examples("", mode)) for mode in ("train", "val", "test")}
    assert counts == {"train": 43, "val": 5, "test": 5}
    assert TableCorpus("examples/orders.csv").columns == corpus.columns, "contents alone tell the columns"


@pytest.mark.parametrize(("labels", "cells", "names"), [(20, 400, 20), (21, 0, 21), (61, 0, None)])
def test_many_labels_make_no_larger_picture(labels, cells, names):
    figure = draw_confusion(np.eye(labels, dtype=int), [f"분류{i}" for i in range(labels)])
    (axes,) = figure.axes
    assert max(figure.get_size_inches()) < 26
    assert len(axes.texts) == cells
    ticks = len(axes.get_yticks())
    assert ticks == names if names else ticks < labels
