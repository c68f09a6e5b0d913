"""Question answering from end to end with a tiny model: scores over questions, model folders, settings to deploy."""

import json
import logging

import pytest
import torch
from torch.utils.data import DataLoader, SequentialSampler
from transformers import AutoModelForQuestionAnswering

from qa_samples import PASSAGE, builtin_examples, placed, squad, write_json
from ratsnlp import nlpbook
from ratsnlp.cli import main
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.checkpoints import read_description
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.metrics import Gathered
from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QADataset, QADeployArguments, QAPredictor, QATask, QATrainArguments

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec"),
    pytest.mark.filterwarnings("ignore:.*GPU available but not used"),
]


@pytest.fixture(scope="module")
def trained(qa_bert, tmp_path_factory):
    """Return a model folder trained through the pipeline, once for all tests that only read it."""
    root = tmp_path_factory.mktemp("qa")
    args = QATrainArguments(
        pretrained_model_name=qa_bert,
        downstream_corpus_name="builtin-korquad-v1",
        downstream_model_dir=str(root / "model"),
        feature_cache_dir=str(root / "cache"),
        max_seq_length=64,
        max_query_length=24,
        doc_stride=30,
        max_answer_length=12,
        epochs=1,
        batch_size=32,
        seed=7,
        precision="32",
        monitor="max val_f1",
    )
    logger = logging.getLogger("ratsnlp")
    kept = logger.handlers[:], logger.level, logger.propagate
    pipeline.train("qa", args)
    logger.handlers[:], logger.level, logger.propagate = kept
    return root / "model"


@pytest.fixture
def prepare(make_qa_args, qa_tokenizer, qa_bert):
    """Return a function that gives a task and its validation dataset, as a trainer would join them."""

    def make(**changes):
        args = make_qa_args(**changes)
        dataset = QADataset(args=args, corpus=KorQuADV1Corpus(), tokenizer=qa_tokenizer, mode="val")
        task = QATask(AutoModelForQuestionAnswering.from_pretrained(qa_bert), args)
        task.validation_dataset = lambda: dataset
        return task, dataset

    return make


def say(task, dataset, question, score, right=True, window=None, nothing=-9.0):
    """Let the task find the right answer of a question, or the passage's first token, with a score; and [CLS]."""
    row = dataset.first_row(question) if window is None else window
    features = dataset.read_row(row)
    start = features.start_positions if right else dataset.passage_tokens(row)[0]
    end = features.end_positions if right else start
    task.best.update(*(torch.tensor([value]) for value in (row, start, end, score, nothing)))


# scores over questions


def test_scores_are_over_questions_and_take_the_best_of_their_windows(prepare):
    task, dataset = prepare()
    rows = [row for row in range(len(dataset)) if dataset.example_of(row) == 0]
    assert len(rows) > 1
    say(task, dataset, 0, -1.0)
    say(task, dataset, 0, -2.0, right=False, window=rows[-1])
    say(task, dataset, 3, -1.0, right=False)
    found = task.summarize()
    assert float(found["val_em"]) == 50
    assert 50 <= float(found["val_f1"]) < 100
    assert set(found) == set(QATask.validation_metrics) - {"val_loss"}


def test_a_window_that_two_processes_saw_counts_once(prepare):
    task, dataset = prepare()
    for _ in range(3):
        say(task, dataset, 0, -1.0)
    say(task, dataset, 3, -1.0, right=False)
    assert float(task.summarize()["val_em"]) == 50


def test_the_next_epoch_starts_anew(prepare):
    task, dataset = prepare()
    say(task, dataset, 0, -1.0, right=False)
    task.summarize()
    say(task, dataset, 1, -1.0)
    assert float(task.summarize()["val_em"]) == 100


def test_without_the_cut_val_em_is_that_of_the_tokens(prepare):
    dataset = prepare()[1]
    answers = [dataset.example(number).answers for number in range(dataset.example_count)]
    glued = next(number for number, texts in enumerate(answers) if "오전 10시 40분" in texts)
    for josa_cut in (True, False):
        task, dataset = prepare(josa_cut=josa_cut)
        row = dataset.first_row(glued)
        features = dataset.read_row(row)
        # one token more: the josa
        values = [[row], [features.start_positions], [features.end_positions + 1], [0.0], [-9.0]]
        task.best.update(*map(torch.tensor, values))
        found = {name: float(value) for name, value in task.summarize().items()}
        assert found["val_em_without_josa_cut"] == 0
        assert found["val_em"] == (100 if josa_cut else 0)


def test_spans_of_several_processes_are_joined():
    metric = Gathered("window", "first_token", "last_token", "score")
    metric.update(torch.tensor([4, 9]), torch.tensor([1, 2]), torch.tensor([1, 3]), torch.tensor([-0.5, -1.0]))
    other = iter([torch.tensor([7]), torch.tensor([5]), torch.tensor([6]), torch.tensor([-2.0])])
    metric.sync(dist_sync_fn=lambda state, group=None: [state, next(other)], distributed_available=lambda: True)
    joined = [torch.as_tensor(getattr(metric, name)).tolist() for name in metric.names]
    assert joined == [[4, 9, 7], [1, 2, 5], [1, 3, 6], [-0.5, -1.0, -2.0]]
    metric.unsync()
    assert metric.compute() == [[4, 9], [1, 2], [1, 3], [-0.5, -1.0]]


def test_no_answer_is_scored_where_a_question_seen_has_none(prepare):
    task, dataset = prepare(no_answer_threshold=1.0)
    texts = [dataset.example(number).answer_text for number in range(dataset.example_count)]
    unknown, known = texts.index(""), next(number for number, text in enumerate(texts) if text)
    say(task, dataset, known, -2.0, nothing=-0.5)
    assert float(task.summarize()["val_em"]) == 100, "the best span counts where all have an answer"
    for ahead, expected in ((0.5, 50), (1.5, 50)):
        say(task, dataset, known, -2.0, nothing=-2.0 + ahead)
        say(task, dataset, unknown, -2.0, right=False, nothing=-2.0 + ahead)
        found = task.summarize()
        assert float(found["val_em"]) == float(found["val_f1"]) == expected, "just one of both"
    rows = [row for row in range(len(dataset)) if dataset.example_of(row) == known]
    say(task, dataset, known, -2.0, nothing=0.0)
    say(task, dataset, known, -5.0, right=False, window=rows[-1], nothing=-5.0)  # nothing is not ahead in all windows
    say(task, dataset, unknown, -2.0, right=False, nothing=0.0)
    assert float(task.summarize()["val_em"]) == 100


def test_batch_accuracy_leaves_out_windows_without_an_answer(prepare):
    task, _ = prepare()
    logits = torch.eye(4)[None].expand(2, 4, 4)[:, 2]  # (B, T): token 2 is liked most
    outputs = type("Outputs", (), {"start_logits": logits, "end_logits": logits})
    positions = torch.tensor([2, 0])
    assert float(task.measure(outputs, {"start_positions": positions, "end_positions": positions})["acc"]) == 1
    nothing = torch.tensor([0, 0])
    assert task.measure(outputs, {"start_positions": nothing, "end_positions": nothing}) == {}


# training


def test_training_records_scores_over_questions(trained):
    (best,) = trained.glob("epoch=*.ckpt")
    assert "val_f1=" in best.name
    described = read_description(best)
    assert described["task"] == "question-answering"
    assert described["labels"] == []
    assert set(QATask.validation_metrics) <= described["metrics"].keys()
    assert 0 <= described["metrics"]["val_f1"] <= 100


def test_published_cells_train_with_plain_loaders(make_qa_args, qa_tokenizer, qa_bert):
    args = make_qa_args(monitor="max val_em")
    nlpbook.set_seed(args)
    corpus = KorQuADV1Corpus()
    train = QADataset(args=args, corpus=corpus, tokenizer=qa_tokenizer, mode="train")
    val = QADataset(args=args, corpus=corpus, tokenizer=qa_tokenizer, mode="val")
    loaders = [
        DataLoader(
            dataset,
            batch_size=args.batch_size,
            sampler=SequentialSampler(dataset),
            collate_fn=nlpbook.data_collator,
            drop_last=False,
            num_workers=args.cpu_workers,
        )
        for dataset in (train, val)
    ]
    task = QATask(AutoModelForQuestionAnswering.from_pretrained(qa_bert), args)
    trainer = nlpbook.get_trainer(args)
    trainer.fit(task, train_dataloaders=loaders[0], val_dataloaders=loaders[1])
    assert {"val_em", "val_f1"} <= trainer.callback_metrics.keys()


def test_an_unknown_monitor_is_refused_with_what_there_is(make_qa_args, qa_bert):
    args = make_qa_args(monitor="max val_acc")
    task = QATask(AutoModelForQuestionAnswering.from_pretrained(qa_bert), args)
    with pytest.raises(ArgumentError, match="QATask does not log; it logs val_loss, val_em, val_f1"):
        nlpbook.get_trainer(args).fit(task, [], [])


def test_own_files_are_trained_on(make_qa_args, tmp_path):
    table = tmp_path / "own.csv"
    rows = "".join(f'누가 {i}번째로 만들었나?,"{PASSAGE}",세종\n' for i in range(6))
    table.write_text(f"question,context,answer\n{rows}", encoding="utf-8")
    args = make_qa_args(
        downstream_corpus_name="korquad-v1",
        train_file=str(table),
        test_file=str(table),
        feature_cache_dir=str(tmp_path / "cache"),
    )
    pipeline.train("qa", args)
    assert pipeline.evaluate(args.downstream_model_dir).metrics()["examples"] == 6


def test_questions_without_an_answer_are_trained_on_and_scored(make_qa_args, tmp_path):
    asked = [(f"누가 {i}번째로 만들었나?", [placed(PASSAGE, "세종")] if i % 2 else None) for i in range(6)]
    file = str(write_json(tmp_path / "own.json", squad([(PASSAGE, asked)])))
    args = make_qa_args(
        downstream_corpus_name="korquad-v1",
        train_file=file,
        validation_file=file,
        test_file=file,
        feature_cache_dir=str(tmp_path / "cache"),
        monitor="max val_f1",
        epochs=2,
    )
    pipeline.train("qa", args)
    (best,) = (tmp_path / args.downstream_model_dir).glob("epoch=*.ckpt")
    measured = read_description(best)["metrics"]
    found = pipeline.evaluate(args.downstream_model_dir).metrics()
    assert (found["examples"], found["unanswerable"]) == (6, 3)
    assert found["exact_match"] == pytest.approx(measured["val_em"], abs=1e-3)
    assert found["f1"] == pytest.approx(measured["val_f1"], abs=1e-3)
    again = nlpbook.compare(args.downstream_model_dir, args.downstream_model_dir).metrics()
    assert again["scores"]["f1"]["difference"] == 0


# the model folder


def test_a_model_folder_answers_as_it_was_trained_to(trained):
    predictor = pipeline.load_predictor(trained)
    assert isinstance(predictor, QAPredictor)
    assert (predictor.max_seq_length, predictor.doc_stride, predictor.max_query_length) == (64, 30, 24)
    assert (predictor.max_answer_length, predictor.josa_cut) == (12, True)


def test_page_command_and_predictor_give_the_same_answer(trained, monkeypatch, capsys):
    expected = pipeline.load_predictor(trained)("누가 만들었나?", PASSAGE)
    on_page = {**expected, "kind": "spans"}
    client = pipeline.build_app(trained).test_client()
    assert client.post("/api", json={"question": "누가 만들었나?", "context": PASSAGE}).get_json() == on_page
    monkeypatch.setattr("sys.argv", ["ratsnlp", "predict", str(trained), "누가 만들었나?", PASSAGE])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == expected


def test_evaluation_writes_the_card(trained):
    report = pipeline.evaluate(trained)
    written = json.loads((trained / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert written["examples"] == len(builtin_examples("test"))
    assert written["unanswerable"] == sum(not example.answer_text for example in builtin_examples("test"))
    assert written["exact_match"] == report.metrics()["exact_match"]
    assert (trained / "evaluation" / "predictions.tsv").is_file()


# settings to deploy


def test_settings_to_deploy_are_as_trained_where_left_out(trained, capsys):
    args = QADeployArguments(downstream_model_dir=str(trained))
    assert (args.max_seq_length, args.doc_stride, args.max_query_length, args.max_answer_length) == (64, 30, 24, 12)
    assert capsys.readouterr().out == f"downstream_model_checkpoint_fpath: {args.downstream_model_checkpoint_fpath}\n"


def test_older_names_of_the_settings_to_deploy_are_taken(trained):
    (best,) = trained.glob("epoch=*.ckpt")
    args = QADeployArguments(
        pretrained_model_name="beomi/kcbert-base",
        downstream_task_name="question-answering",
        downstream_model_checkpoint_path=str(best),
        downstream_model_labelmap_path=None,
        max_seq_length=128,
        max_query_length=32,
        max_answer_length=30,
    )
    assert args.downstream_model_checkpoint_path == args.downstream_model_checkpoint_fpath == str(best)
    assert (args.max_query_length, args.max_answer_length, args.max_seq_length) == (32, 30, 128)


def test_a_checkpoint_that_tells_nothing_gets_the_published_lengths(tmp_path):
    torch.save({"state_dict": {"model.weight": torch.zeros(1)}}, tmp_path / "epoch=0.ckpt")
    args = QADeployArguments(downstream_model_checkpoint_fpath=str(tmp_path / "epoch=0.ckpt"))
    assert (args.max_seq_length, args.max_query_length, args.max_answer_length, args.doc_stride) == (128, 32, 30, 64)
    assert (args.no_answer_threshold, args.josa_cut) == (0.0, True)


def test_settings_to_deploy_that_skip_part_of_a_passage_are_refused(trained):
    with pytest.raises(
        ArgumentError, match=r"(?s)QADeployArguments cannot be used as given:.*= 8 tokens of the passage"
    ):
        QADeployArguments(downstream_model_dir=str(trained), max_seq_length=35)
