"""What readers of the book write on top of its cells: own corpora, own labels, own features, the names of 1.x."""

import dataclasses
import enum
import importlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, BertConfig, BertForQuestionAnswering, BertTokenizer

from conftest import REVIEWS, VOCABULARY, build_bert
from fault_server import serving
from notebook_runner import ROOT
from ratsnlp import nlpbook
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.checkpoints import read_description, select_checkpoint
from ratsnlp.nlpbook.classification import (
    ClassificationDataset,
    ClassificationDeployArguments,
    ClassificationExample,
    ClassificationPredictor,
    ClassificationTask,
    ClassificationTrainArguments,
    NsmcCorpus,
    TableCorpus,
)
from ratsnlp.nlpbook.data.batches import data_collator
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError, CorpusFormatError, CorpusMissingError
from ratsnlp.nlpbook.model_folder import ModelFolder
from ratsnlp.nlpbook.ner import KlueNERCorpus, NERCorpus, NERExample, NERFeatures
from ratsnlp.nlpbook.paircls import KlueNLICorpus, KorNLICorpus
from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QACorpus, QADeployArguments, QAExample, QAFeatures
from ratsnlp.nlpbook.settings import settings_of
from ratsnlp.nlpbook.tasks import TASKS
from ratsnlp.nlpbook.texts import plain_label
from ratsnlp.nlpbook.training.trainer import get_trainer
from samples import NLI_LABELS, write_reviews

OWN = {
    "classification": [ClassificationExample(text, None, str(i % 2)) for i, text in enumerate(REVIEWS)],
    "paircls": [ClassificationExample(text, REVIEWS[0], NLI_LABELS[i % 3]) for i, text in enumerate(REVIEWS)],
    "qa": [QAExample(REVIEWS[0], text, text.split()[0], 0) for text in REVIEWS],
    "ner": [NERExample(label=f"<{text.split()[0]}:PS> {' '.join(text.split()[1:])}") for text in REVIEWS],
}
CORPORA = {
    NsmcCorpus: "classification",
    TableCorpus: "classification",
    KlueNLICorpus: "paircls",
    KorNLICorpus: "paircls",
    QACorpus: "qa",
    KorQuADV1Corpus: "qa",
    NERCorpus: "ner",
    KlueNERCorpus: "ner",
}
KORNLI = "sentence1\tsentence2\tgold_label\n비가 온다\t날씨가 궂다\tentailment\n"
EVERY_CORPUS = pytest.mark.parametrize("corpus_class", CORPORA, ids=lambda each: each.__name__)
EVERY_TASK = pytest.mark.parametrize("name", OWN)


def settings(name, tiny_bert, folder, **changed):
    given = {
        "pretrained_model_name": tiny_bert,
        "downstream_task_name": TASKS[name].task_name,
        "downstream_corpus_name": "mine",
        "downstream_corpus_root_dir": str(folder),
        "downstream_model_dir": str(folder / "model"),
        "max_seq_length": 32,
        "batch_size": 2,
        "epochs": 1,
        "seed": 7,
        "precision": "32",
    }
    lengths = {"max_query_length": 8, "doc_stride": 8} if name == "qa" else {}
    return TASKS[name].load("arguments")(**given | lengths | changed)


def publish(corpus_class, folder):
    """Put the published files of a corpus where it looks for them; return how to make the corpus."""
    folder.mkdir(parents=True)
    known = {NsmcCorpus: "nsmc", KlueNLICorpus: "klue-nli", KorQuADV1Corpus: "korquad-v1", KlueNERCorpus: "klue-ner"}
    if corpus_class in known:
        shutil.copytree(builtin_corpus(known[corpus_class]), folder, dirs_exist_ok=True)
    for mode in ("train", "val", "test"):
        (folder / f"{mode}.txt").write_text("김환희가 왔다\u241e<김환희:PER>가 왔다\n", encoding="utf-8")
    for name in ("multinli.train.ko.tsv", "snli_1.0_train.ko.tsv", "xnli.dev.ko.tsv", "xnli.test.ko.tsv"):
        (folder / name).write_text(KORNLI, encoding="utf-8")
    (folder / "questions.csv").write_text("question,context,answer\n누가?,그가 왔다,그\n", encoding="utf-8")


def override(corpus_class, method, examples):
    """Return a reader's subclass in which one reading method gives these examples, and how to make it."""

    class Mine(corpus_class):
        pass

    if method == "read":
        Mine.read = lambda self, path: iter(examples)
    else:
        setattr(Mine, method, lambda self, folder, mode: list(examples))
    return Mine


def make_corpus(corpus_class, mine, folder):
    if corpus_class is TableCorpus:
        files = [write_reviews(folder / name, labels=("0", "1")) for name in ("table.csv", "scored.csv")]
        return mine(files[0], test=files[1])
    if corpus_class is QACorpus and (folder / "mine").exists():
        return mine({"train": "questions.csv", "val": "questions.csv"})
    return mine()


def make_dataset(name, corpus, args, tokenizer, mode="train", **options):
    return TASKS[name].load("dataset")(args=args, corpus=corpus, tokenizer=tokenizer, mode=mode, **options)


def texts_of(dataset):
    return [example.texts for example in dataset.examples()]


def fit(name, corpus, args, tokenizer, validated=True):
    """Train as a notebook does, on all rows, and return the trainer."""
    dataset = make_dataset(name, corpus, args, tokenizer)
    task = TASKS[name].load("task")(pipeline.load_model(TASKS[name], args, dataset.corpus), args)
    trainer = get_trainer(args)
    loader = DataLoader(dataset, batch_size=args.batch_size, collate_fn=nlpbook.data_collator)
    scored = make_dataset(name, corpus, args, tokenizer, "val") if validated else None
    validation = scored and DataLoader(scored, batch_size=args.batch_size, collate_fn=nlpbook.data_collator)
    trainer.fit(task, loader, validation)
    return trainer


class Own:
    """A corpus in the published style, with no base class."""

    def __init__(self, examples, labels=()):
        self.given, self.labels = examples, labels

    def get_examples(self, folder, mode):
        return list(self.given)

    def get_labels(self):
        return list(self.labels)


class OwnReviews(Own):
    """Reviews under labels of the reader's own."""

    def __init__(self, labels, texts=REVIEWS):
        super().__init__([ClassificationExample(t, None, labels[i % len(labels)]) for i, t in enumerate(texts)], labels)


# --- own corpora: the reader's method wins ----------------------------------------------------------------------------


@EVERY_CORPUS
@pytest.mark.parametrize("method", ["get_examples", "iterate_examples", "read"])
@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("mode", ["train", "val"])
def test_a_subclass_that_overrides_a_reading_method_is_what_is_read(
    corpus_class, method, published, mode, tiny_bert, tokenizer, tmp_path
):
    name = CORPORA[corpus_class]
    if published:
        publish(corpus_class, tmp_path / "mine")
    corpus = make_corpus(corpus_class, override(corpus_class, method, OWN[name]), tmp_path)
    args = settings(name, tiny_bert, tmp_path)
    if method == "read" and not published and corpus_class is not TableCorpus:
        with pytest.raises((CorpusMissingError, ArgumentError), match="is missing|has no split"):
            make_dataset(name, corpus, args, tokenizer, mode)
        return
    dataset = make_dataset(name, corpus, args, tokenizer, mode)
    repeated = 2 if method == "read" and corpus_class is KorNLICorpus and mode == "train" else 1
    assert texts_of(dataset) == [example.texts for example in OWN[name]] * repeated
    assert dataset.example_count == len(OWN[name]) * repeated


@EVERY_CORPUS
def test_a_subclass_that_overrides_get_examples_is_what_trains(corpus_class, tiny_bert, tokenizer, tmp_path):
    name = CORPORA[corpus_class]
    publish(corpus_class, tmp_path / "mine")
    corpus = make_corpus(corpus_class, override(corpus_class, "get_examples", OWN[name]), tmp_path)
    args = settings(name, tiny_bert, tmp_path)
    dataset = make_dataset(name, corpus, args, tokenizer)
    report = nlpbook.check(args, pipeline.load_model(TASKS[name], args, corpus), tokenizer, dataset)
    assert report.errors == ()
    trainer = fit(name, corpus, args, tokenizer)
    assert trainer.num_training_batches == -(-len(dataset) // args.batch_size)
    described = read_description(select_checkpoint(args.downstream_model_dir))
    assert described["task"] == TASKS[name].task_name


OWN_FILES = {
    "classification": ("own.csv", "text,label\n새 후기,1\n다른 후기,0\n", ["새 후기", "다른 후기"]),
    "paircls": ("own.csv", "premise,hypothesis,label\n비가 온다,날이 궂다,neutral\n", [("비가 온다", "날이 궂다")]),
    "qa": ("own.csv", "question,context,answer\n언제?,어제 왔다,어제\n", [("언제?", "어제 왔다")]),
    "ner": ("own.txt", "이순신이 갔다\u241e<이순신:PS>이 갔다\n", ["이순신이 갔다"]),
}


def override_place(corpus_class, method, place):
    """Return a reader's subclass that looks for all its files at one place, by one of the methods that find them."""

    class Mine(corpus_class):
        pass

    given = {
        "paths": lambda self, folder, mode: [place],
        "path": lambda self, folder, mode: place,
        "path as text": lambda self, folder, mode: str(place),
    }[method]
    setattr(Mine, method.partition(" ")[0], given)
    return Mine


@pytest.mark.parametrize("corpus_class", [each for each in CORPORA if each is not TableCorpus])
@pytest.mark.parametrize("method", ["paths", "path", "path as text"])
@pytest.mark.parametrize("mode", ["train", "val"])
def test_a_subclass_that_says_where_its_files_are_is_read_from_there(
    corpus_class, method, mode, tiny_bert, tokenizer, tmp_path
):
    name = CORPORA[corpus_class]
    publish(corpus_class, tmp_path / "mine")
    own, content, texts = OWN_FILES[name]
    (tmp_path / own).write_text(content, encoding="utf-8")
    corpus = make_corpus(corpus_class, override_place(corpus_class, method, tmp_path / own), tmp_path)
    args = settings(name, tiny_bert, tmp_path)
    dataset = make_dataset(name, corpus, args, tokenizer, mode)
    assert texts_of(dataset) == texts
    given = corpus_class(args) if name == "ner" else make_corpus(corpus_class, corpus_class, tmp_path)
    for file in corpus_class.files.values() if name == "ner" else ():
        (tmp_path / "mine" / file).write_text("그는 왔다\u241e<그:PS>는 왔다\n", encoding="utf-8")
    published = make_dataset(name, given, args, tokenizer, mode)
    assert published.file != dataset.file
    assert texts_of(published) != texts_of(dataset)


def test_a_subclass_may_change_the_place_that_its_base_names(make_args, tokenizer, corpora):
    def beside(path):
        return path.with_name(f"own_{path.name}")

    class ByPath(NsmcCorpus):
        def path(self, data_root_path, mode):
            return beside(super().path(data_root_path, mode))

    class ByPaths(NsmcCorpus):
        def paths(self, data_root_path, mode):
            return [beside(path) for path in super().paths(data_root_path, mode)]

    (corpora / "nsmc" / "own_ratings_train.txt").write_text("id\tdocument\tlabel\n1\t새 후기\t1\n", encoding="utf-8")
    for corpus in (ByPath(), ByPaths()):
        assert texts_of(ClassificationDataset(make_args(), tokenizer, corpus)) == ["새 후기"]


@pytest.mark.parametrize("method", ["paths", "path"])
def test_a_table_found_by_an_own_method_scores_on_no_row_that_it_learns_from(method, tiny_bert, tokenizer, tmp_path):
    table = write_reviews(tmp_path / "own.csv", labels=("0", "1"))
    other = write_reviews(tmp_path / "other.csv", labels=("0", "1"), count=50)
    corpus = override_place(TableCorpus, method, table)(other, test=table)
    args = settings("classification", tiny_bert, tmp_path)
    kept, scored = (
        texts_of(make_dataset("classification", corpus, args, tokenizer, mode)) for mode in ("train", "val")
    )
    assert (len(kept), len(scored)) == (36, 4)
    assert not set(kept) & set(scored)
    fit("classification", corpus, args, tokenizer)
    restored = TableCorpus.restore(args.downstream_model_dir)
    table.unlink()
    other.unlink()
    assert [example.text_a for example in restored.get_examples("", "val")] == scored


def test_a_table_of_several_files_is_refused_in_one_sentence(tmp_path):
    files = [write_reviews(tmp_path / name, labels=("0", "1")) for name in ("a.csv", "b.csv")]

    class Mine(TableCorpus):
        def paths(self, data_root_path, mode):
            return files

    with pytest.raises(ArgumentError, match="Mine reads one file for each split: join the files of 'train'"):
        Mine(files[0])


@EVERY_TASK
def test_other_examples_have_features_of_another_name(name, tiny_bert, tokenizer, tmp_path):
    corpus_class = next(each for each, task in CORPORA.items() if task == name and each is not TableCorpus)
    args = settings(name, tiny_bert, tmp_path)
    one, other = (
        make_dataset(name, override(corpus_class, "get_examples", OWN[name][:count])(), args, tokenizer)
        for count in (4, 5)
    )
    assert one.file != other.file
    assert [one.example_count, other.example_count] == [4, 5]


@EVERY_TASK
def test_what_is_held_out_are_rows_of_the_readers_own(name, tiny_bert, tokenizer, tmp_path):
    corpus_class = next(each for each, task in CORPORA.items() if task == name and each is not TableCorpus)
    publish(corpus_class, tmp_path / "mine")
    corpus = override(corpus_class, "get_examples", OWN[name] * 3)()
    args = settings(name, tiny_bert, tmp_path, validation_ratio=0.2)
    kept, held = pipeline.split_datasets(TASKS[name], args, tokenizer, corpus)
    assert kept.example_count + held.example_count == len(OWN[name]) * 3
    number = int(held.example_numbers[0])
    assert held.example(number).texts == OWN[name][number % len(OWN[name])].texts


@EVERY_TASK
def test_a_corpus_that_is_no_subclass_at_all_is_read_and_trains(name, tiny_bert, tokenizer, tmp_path):
    labels = {"classification": "01", "paircls": NLI_LABELS, "qa": (), "ner": ("O", "B-PS", "I-PS")}[name]
    args = settings(name, tiny_bert, tmp_path)
    corpus = Own(OWN[name], labels)
    assert texts_of(make_dataset(name, corpus, args, tokenizer)) == [example.texts for example in OWN[name]]
    fit(name, corpus, args, tokenizer)
    assert read_description(select_checkpoint(args.downstream_model_dir))["labels"] == list(labels)


def test_what_is_no_corpus_is_refused_in_one_sentence(make_args, tokenizer):
    with pytest.raises(ArgumentError, match=r"a corpus needs get_examples\(folder, mode\).*; list has none"):
        ClassificationDataset(make_args(), tokenizer, [])


@EVERY_TASK
def test_an_own_example_class_with_the_published_fields_is_read(name, tiny_bert, tokenizer, tmp_path):
    names = {
        "classification": ("text_a", "text_b", "label"),
        "paircls": ("text_a", "text_b", "label"),
        "qa": ("question_text", "context_text", "answer_text", "start_position_character"),
        "ner": ("text", "label"),
    }[name]
    given = [SimpleNamespace(**{field: getattr(each, field) for field in names}) for each in OWN[name]]
    corpus = Own(given, {"classification": "01", "paircls": NLI_LABELS, "ner": ("O", "B-PS", "I-PS")}.get(name, ()))
    dataset = make_dataset(name, corpus, settings(name, tiny_bert, tmp_path), tokenizer)
    assert texts_of(dataset) == [example.texts for example in OWN[name]]


@pytest.mark.parametrize("text", [float("nan"), 3, 0.5, None, np.int64(3), np.nan])
def test_an_example_whose_text_is_an_empty_cell_or_a_number_is_named(text, make_args, tokenizer):
    corpus = Own([*OWN["classification"], ClassificationExample(text, None, "0")], "01")
    with pytest.raises(CorpusFormatError, match=f"train: text_a of example 7 must be text, got .*{text}"):
        ClassificationDataset(make_args(downstream_corpus_name="mine"), tokenizer, corpus)


def test_the_second_text_and_the_question_are_named_too(tiny_bert, tokenizer, tmp_path):
    pair = SimpleNamespace(text_a="비가 온다", text_b=float("nan"), label="neutral")
    asked = SimpleNamespace(question_text=7, context_text="그가 왔다", answer_text="그", start_position_character=0)
    for name, example, said in (("paircls", pair, "text_b of example 1"), ("qa", asked, "question_text of example 1")):
        labels = {"paircls": NLI_LABELS}.get(name, ())
        with pytest.raises(CorpusFormatError, match=f"train: {said} must be text"):
            make_dataset(name, Own([example], labels), settings(name, tiny_bert, tmp_path), tokenizer)


def test_a_question_without_a_place_finds_its_answer():
    assert QAExample("누가?", "그때 그가 왔다", "그가").start_position_character == 3
    assert QAExample("누가?", "그때 그가 왔다", "그가", None).start_position_character == 3
    with pytest.raises(CorpusFormatError, match="the answer '나' of '누가\\?' does not stand in the passage"):
        QAExample("누가?", "그때 그가 왔다", "나")


# --- own values -------------------------------------------------------------------------------------------------------


class Mood(enum.Enum):
    BAD = "나쁨"
    GOOD = "좋음"


LABELS = {
    "int": ([0, 1, 2], ["0", "1", "2"]),
    "float": ([0.0, 1.0, 2.5], ["0", "1", "2.5"]),
    "np.int64": (list(np.array([2, 0, 1])), ["2", "0", "1"]),
    "np.float64": (list(np.array([1.0, 2.0])), ["1", "2"]),
    "np.str_": (list(np.unique(np.array(["슬픔", "기쁨"]))), ["기쁨", "슬픔"]),
    "bool": ([False, True], ["False", "True"]),
    "np.bool_": ([np.bool_(False), np.bool_(True)], ["False", "True"]),
    "enum": (list(Mood), ["나쁨", "좋음"]),
    "array": (np.array([0, 1]), ["0", "1"]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind_train_and_come_back_as_text(kind, make_args, tokenizer):
    given, wanted = LABELS[kind]
    args = make_args(downstream_corpus_name="mine")
    corpus = OwnReviews(given)
    dataset = ClassificationDataset(args, tokenizer, corpus)
    assert dataset.get_labels() == wanted
    assert [row.label for row in dataset] == [i % len(given) for i in range(len(REVIEWS))]
    fit("classification", corpus, args, tokenizer)
    predictor = ClassificationPredictor.load(args.downstream_model_dir, device="cpu")
    assert list(predictor.labels) == wanted
    assert predictor(REVIEWS[0])["prediction"] in wanted
    assert predictor.evaluate(corpus.get_examples("", "val"), progress=False).metrics()


def test_a_model_of_one_label_is_exported_loaded_by_transformers_and_served(make_args, tokenizer, tmp_path, caplog):
    args = make_args(downstream_corpus_name="mine")
    fit("classification", OwnReviews(["기쁨"]), args, tokenizer)
    out = nlpbook.export(args.downstream_model_dir, tmp_path / "out")
    model = AutoModelForSequenceClassification.from_pretrained(out)
    assert (model.config.num_labels, model.config.id2label) == (1, {0: "기쁨"})
    found = transformers.pipeline("text-classification", model=str(out))(REVIEWS[0])
    assert [answer["label"] for answer in found] == ["기쁨"]
    for place in (args.downstream_model_dir, out):
        answer = pipeline.build_app(place).test_client().post("/api", json=REVIEWS[0])
        assert (answer.status_code, answer.json["prediction"]) == (200, "기쁨")
        assert [(row["name"], row["probability"]) for row in answer.json["probabilities"]] == [("기쁨", 1.0)]
    assert "not as it was exported" not in caplog.text
    deployed = ClassificationDeployArguments(downstream_model_dir=args.downstream_model_dir)
    weights = torch.load(deployed.downstream_model_checkpoint_fpath, map_location="cpu")["state_dict"]
    assert weights["model.classifier.bias"].shape.numel() == 1


def test_the_number_0_and_the_text_0_are_one_label_and_said(make_args, tokenizer, caplog):
    examples = [ClassificationExample(text, None, [0, "1"][i % 2]) for i, text in enumerate(REVIEWS)]
    dataset = ClassificationDataset(make_args(downstream_corpus_name="mine"), tokenizer, Own(examples, ["0", 0, 1]))
    assert dataset.get_labels() == ["0", "1"]
    assert [row.label for row in dataset] == [0, 1] * 3
    assert caplog.text.count("labels that read alike are one label") == 1


def test_settings_may_be_paths_and_numbers_of_numpy(make_args, tokenizer, tmp_path, corpora):
    args = make_args(
        downstream_model_dir=tmp_path / "model",
        downstream_corpus_root_dir=corpora,
        pretrained_model_name=Path(make_args().pretrained_model_name),
        batch_size=np.int64(8),
        epochs=np.int64(1),
        seed=np.int32(7),
        learning_rate=np.float64(2e-5),
        max_seq_length=torch.Size([32])[0],
        test_mode=np.bool_(True),
    )
    assert {type(value) for value in args.to_dict().values()} <= {str, int, float, bool, type(None)}
    fit("classification", NsmcCorpus(), args, tokenizer)
    described = read_description(select_checkpoint(tmp_path / "model"))
    assert described["settings"]["learning_rate"] == 2e-5


PARTS = [(name, part) for name in TASKS for part in ("arguments", "deploy_arguments")]


@pytest.mark.parametrize(("name", "part"), PARTS, ids=[f"{name} {part}" for name, part in PARTS])
def test_settings_by_position_are_told_to_take_their_names(name, part):
    arguments = TASKS[name].load(part)
    known = list(settings_of(arguments))
    sentence = rf"settings of {arguments.__name__} are given by name: {arguments.__name__}\({known[0]}=\.\.\., "
    for values in (("beomi/kcbert-base",), ("beomi/kcbert-base", "nsmc"), tuple(range(40))):
        with pytest.raises(ArgumentError, match=sentence) as raised:
            arguments(*values)
        assert isinstance(raised.value, TypeError)
        assert f"{known[1]}=..., {known[2]}=...)" in str(raised.value)


@EVERY_TASK
def test_a_batch_size_for_lightning_to_find_is_refused_with_the_reason(name, tiny_bert, tmp_path):
    with pytest.raises(ArgumentError, match="batch_size must be a whole number >= 1, got 0"):
        settings(name, tiny_bert, tmp_path, batch_size=0)


def test_what_no_checkpoint_could_hold_is_refused_before_training(make_args, tokenizer, caplog):
    args = make_args()
    dataset = ClassificationDataset(args, tokenizer, NsmcCorpus())
    task = ClassificationTask(pipeline.load_model(TASKS["classification"], args, dataset.corpus), args)
    task.model.config.mine = OwnFeatures([2], [1], 0)
    with pytest.raises((CheckpointError, TypeError)) as raised:
        get_trainer(args).fit(task, DataLoader(dataset, batch_size=8, collate_fn=nlpbook.data_collator))
    assert "config mine" in str(raised.value)
    assert "Make room" not in str(raised.value)
    assert not ModelFolder(args.downstream_model_dir).checkpoints


# --- own features -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class OwnFeatures:
    input_ids: object
    attention_mask: object
    label: object


SHAPES = {
    "dicts": lambda ids, mask, label: {"input_ids": ids, "attention_mask": mask, "label": label},
    "a dataclass": OwnFeatures,
    "objects": lambda ids, mask, label: SimpleNamespace(input_ids=ids, attention_mask=mask, label=label),
}
NUMBERS = {"lists": list, "tuples": tuple, "tensors": torch.tensor, "arrays": np.array}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("padded", [True, False])
def test_the_collator_takes_features_of_any_shape(shape, numbers, padded):
    second = ([2, 3, 0, 0], [1, 1, 0, 0]) if padded else ([2, 3], [1, 1])
    make, kind = SHAPES[shape], NUMBERS[numbers]
    rows = [make(kind([2, 5, 6, 3]), kind([1] * 4), 1), make(kind(second[0]), kind(second[1]), 0)]
    batch = data_collator(rows)
    assert batch["input_ids"].tolist() == [[2, 5, 6, 3], [2, 3, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch["labels"].tolist() == [1, 0]
    assert {values.dtype for values in batch.values()} == {torch.int64}


@pytest.mark.parametrize("kind", [int, torch.tensor, np.int64], ids=["int", "tensor", "numpy"])
def test_the_collator_stacks_labels_of_any_kind(kind):
    batch = data_collator([{"input_ids": [2, 3], "label": kind(1)}, {"input_ids": [2], "label": kind(0)}])
    assert batch["labels"].tolist() == [1, 0]


def test_the_collator_fills_label_lists_with_what_the_loss_skips():
    batch = data_collator([{"input_ids": [2, 3], "label_ids": [1, 0]}, {"input_ids": [2], "label_ids": [1]}])
    assert batch["labels"].tolist() == [[1, 0], [1, -100]]
    batch = data_collator([{"input_ids": [2, 3], "labels": [1, 0]}, {"input_ids": [2], "labels": [1]}])
    assert batch["labels"].tolist() == [[1, 0], [1, -100]]


def test_the_collator_stacks_floats_and_keeps_texts():
    batch = data_collator([{"input_ids": [2], "score": 0.5, "id": "a"}, {"input_ids": [3], "score": 1.5, "id": "b"}])
    assert batch["score"].tolist() == [0.5, 1.5]
    assert batch["id"] == ["a", "b"]


@EVERY_TASK
def test_own_features_come_from_an_own_function(name, tiny_bert, tokenizer, tmp_path, caplog):
    labels = {"classification": "01", "paircls": NLI_LABELS, "qa": (), "ner": ("O", "B-PS", "I-PS")}[name]
    args, seen = settings(name, tiny_bert, tmp_path), []
    caplog.set_level("INFO", "ratsnlp")

    def my_features(examples, tokenizer, args, label_list=None):
        seen.append(label_list)
        targets = {
            "qa": {"start_positions": 1, "end_positions": 1},
            "ner": {"label_ids": [0, 1, 0]},
        }.get(name, {"label": 1})
        return [{"input_ids": [2, 5 + i, 3], "attention_mask": [1, 1, 1], **targets} for i, _ in enumerate(examples)]

    corpus = Own(OWN[name], labels)
    dataset = make_dataset(name, corpus, args, tokenizer, convert_examples_to_features_fn=my_features)
    assert [row["input_ids"] for row in dataset] == [[2, 5 + i, 3] for i in range(6)]
    assert seen == [list(labels) or None]
    assert "features (train) come from my_features" in caplog.text
    task = TASKS[name].load("task")(pipeline.load_model(TASKS[name], args, dataset.corpus), args)
    get_trainer(args).fit(task, DataLoader(dataset, batch_size=2, collate_fn=nlpbook.data_collator))
    assert select_checkpoint(args.downstream_model_dir)


@pytest.mark.parametrize("made", [[], [{"ids": [1]}]])
def test_features_without_ids_are_refused(made, make_args, tokenizer):
    with pytest.raises(ArgumentError, match=r"must return features that have input_ids"):
        ClassificationDataset(
            make_args(), tokenizer, NsmcCorpus(), convert_examples_to_features_fn=lambda *a, **k: made
        )


CONVERTERS = {
    "classification": ("_convert_examples_to_classification_features", "ClassificationFeatures"),
    "qa": ("_squad_convert_examples_to_features", "QAFeatures"),
    "ner": ("_convert_examples_to_ner_features", "NERFeatures"),
}


@pytest.mark.parametrize("name", CONVERTERS)
@pytest.mark.parametrize("module", ["", ".corpus"])
def test_the_converters_of_1x_give_the_features_of_the_dataset(name, module, tiny_bert, tokenizer, tmp_path):
    labels = {"classification": ["0", "1"], "qa": (), "ner": ["O", "B-PS", "I-PS"]}[name]
    place = importlib.import_module(f"ratsnlp.nlpbook.{name}{module}")
    args = settings(name, tiny_bert, tmp_path)
    convert, features = (getattr(place, each) for each in CONVERTERS[name])
    made = convert(OWN[name], tokenizer, args, *([labels] if labels else []))
    assert type(made[0]) is features
    dataset = make_dataset(name, Own(OWN[name], labels), args, tokenizer)
    assert [row.input_ids for row in made[: len(dataset)]] == [row.input_ids for row in dataset]
    again = make_dataset(name, Own(OWN[name], labels), args, tokenizer, convert_examples_to_features_fn=convert)
    assert [row.input_ids for row in again] == [row.input_ids for row in made]


def test_features_are_made_by_position():
    one = nlpbook.classification.ClassificationFeatures([2, 3], [1, 1], [0, 0], 1)
    assert (one.token_type_ids, one.label) == ([0, 0], 1)
    one = QAFeatures([2, 3], [1, 1], [0, 0], 1, 1)
    assert (one.start_positions, one.end_positions) == (1, 1)
    one = NERFeatures([2, 3], [1, 1], [0, 0], [0, 1])
    assert one.label_ids == [0, 1]


@EVERY_TASK
def test_a_datasets_features_are_a_list(name, tiny_bert, tokenizer, tmp_path):
    labels = {"classification": "01", "paircls": NLI_LABELS, "qa": (), "ner": ("O", "B-PS", "I-PS")}[name]
    dataset = make_dataset(name, Own(OWN[name], labels), settings(name, tiny_bert, tmp_path), tokenizer)
    assert isinstance(dataset.features, list)
    assert dataset.features[1] == dataset[1]
    assert len(dataset.features) == len(dataset)


# --- old names --------------------------------------------------------------------------------------------------------


def test_old_names_answer_and_say_what_they_are_now(make_args, capsys):
    args = make_args()
    with pytest.warns(UserWarning, match=r"nlpbook\.seed_setting is an old name"):
        nlpbook.seed_setting(args)
    assert capsys.readouterr().out == "set seed: 7\n"
    for name in ("TrainArguments", "DeployArguments"):
        with pytest.warns(UserWarning, match=f"nlpbook.{name} is an old name"):
            assert isinstance(getattr(nlpbook, name), type)
    with pytest.warns(UserWarning, match="old name"):
        assert nlpbook.get_tokenizer(args).tokenize("정말") == ["정", "##말"]
    with pytest.warns(UserWarning, match="old name"):
        assert nlpbook.get_pretrained_model(args, 3).config.num_labels == 3
    with pytest.warns(UserWarning, match="old name"):
        assert nlpbook.download_pretrained_model(args) is None
    with pytest.warns(UserWarning, match="old name"):
        assert nlpbook.check_exist_checkpoints(args) is None


def test_get_trainer_is_unpacked_and_told_to_evaluate(make_args):
    with pytest.warns(FutureWarning, match="without the _"):
        callback, trainer = nlpbook.get_trainer(make_args())
    assert callback is trainer.checkpoint_callback
    with pytest.warns(FutureWarning, match=r"validation runs whenever fit\(\)"):
        nlpbook.get_trainer(make_args(), eval=False)
    assert len(nlpbook.get_trainer(make_args(), return_trainer_only=False)) == 2


def test_do_eval_says_what_became_of_it(make_args, monkeypatch, tmp_path):
    with pytest.raises(ArgumentError, match="do_eval is gone: validation runs whenever"):
        ClassificationTrainArguments(do_eval=True)
    path = tmp_path / "old.json"
    path.write_text('{"do_eval": true}', encoding="utf-8")
    with pytest.raises(ArgumentError, match="do_eval .* is gone: validation runs whenever"):
        nlpbook.load_arguments(ClassificationTrainArguments, str(path))


@pytest.mark.parametrize("flags", [["--do_eval"], ["--do_eval", "true"], ["--epochs", "1", "--do_eval=false"]])
def test_the_flag_do_eval_of_a_script_says_what_became_of_it(flags, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train_local.py", *flags])
    with pytest.raises(ArgumentError, match=r"--do_eval.* is gone: validation runs whenever fit\(\)"):
        nlpbook.load_arguments(ClassificationTrainArguments)


@pytest.mark.parametrize("name", ["classification", "paircls"])
@pytest.mark.parametrize("given", ["flags", "json"])
def test_the_local_scripts_train_with_flags_or_a_file(name, given, tiny_bert, tokenizer, tmp_path, monkeypatch):
    wanted = settings(name, tiny_bert, tmp_path).to_dict()
    published = ("pretrained_model_name", "downstream_task_name", "downstream_corpus_name", "downstream_model_dir")
    chosen = {each: wanted[each] for each in (*published, "downstream_corpus_root_dir", "max_seq_length", "epochs")}
    flags = [word for each, value in chosen.items() for word in (f"--{each}", str(value))]
    (tmp_path / "run.json").write_text(json.dumps(chosen), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["train_local.py", *(flags if given == "flags" else [str(tmp_path / "run.json")])])
    if len(sys.argv) == 2 and sys.argv[1].endswith(".json"):
        args = nlpbook.load_arguments(ClassificationTrainArguments, json_file_path=sys.argv[1])
    else:
        args = nlpbook.load_arguments(ClassificationTrainArguments)
    assert {each: getattr(args, each) for each in chosen} == chosen
    fit(name, Own(OWN[name], {"classification": "01", "paircls": NLI_LABELS}[name]), args, tokenizer)
    monkeypatch.setattr(sys, "argv", ["deploy_local.py", "--downstream_model_dir", args.downstream_model_dir])
    deployed = nlpbook.load_arguments(ClassificationDeployArguments)
    assert deployed.downstream_model_checkpoint_fpath == str(select_checkpoint(args.downstream_model_dir))


GENERATION = (
    "import ratsnlp.nlpbook.generation",
    "from ratsnlp.nlpbook.generation import GenerationTrainArguments",
    "from ratsnlp.nlpbook.generation.corpus import NsmcCorpus",
    "from ratsnlp.nlpbook import generation",
)


@pytest.mark.parametrize("line", GENERATION)
def test_the_generation_cells_are_told_that_it_is_not_there_yet(line):
    for _ in range(2):  # a cell that is run again says it again
        with pytest.raises(ModuleNotFoundError) as raised:
            exec(line)
        said = "ratsnlp.nlpbook.generation is not part of this version of ratsnlp yet; its tasks are "
        assert str(raised.value) == said + ", ".join(TASKS)


@pytest.mark.parametrize(
    "name", ["TrainArguments", "DeployArguments", "Corpus", "Dataset", "Task", "Example", "Features"]
)
def test_the_names_of_the_entity_cells_are_there(name):
    exec(f"from ratsnlp.nlpbook.ner import NER{name}, get_web_service_app")


def test_generation_can_be_probed_as_python_probes_names():
    assert not hasattr(nlpbook, "generation")
    with pytest.raises(AttributeError, match="generation is not part of this version of ratsnlp yet; its tasks are"):
        nlpbook.generation  # noqa: B018
    with pytest.raises(pytest.skip.Exception):
        pytest.importorskip("ratsnlp.nlpbook.generation")
    for name in ("ratsnlp.nlpbook.nowhere", "generation"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
            importlib.import_module(name)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("data_utils", ["data_collator"]),
        ("trainer", ["get_trainer"]),
        ("utils", ["set_seed", "set_logger", "load_arguments", "download_downstream_dataset"]),
        ("classification.corpus", ["NsmcCorpus", "ClassificationDataset", "ClassificationFeatures"]),
        ("qa.corpus", ["QACorpus", "QADataset", "QAFeatures", "KorQuADV1Corpus"]),
        ("ner.corpus", ["NERCorpus", "NERDataset", "NERFeatures"]),
    ],
)
def test_names_are_imported_from_where_they_once_were(module, names):
    place = importlib.import_module(f"ratsnlp.nlpbook.{module}")
    today = importlib.import_module(f"ratsnlp.nlpbook.{module.partition('.corpus')[0]}") if "." in module else nlpbook
    for name in names:
        assert getattr(place, name) is getattr(today, name)
    with pytest.raises(AttributeError, match="nowhere"):
        place.nowhere  # noqa: B018


def test_a_dataclasses_package_in_the_way_is_said_in_one_sentence(tmp_path):
    (tmp_path / "dataclasses.py").write_text("def dataclass(cls): return cls\n", encoding="utf-8")
    script = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT / 'src')!r}]; import ratsnlp"
    ran = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=False)
    assert "hides Python's own module of that name" in ran.stderr


# --- places -----------------------------------------------------------------------------------------------------------


def test_no_model_folder_at_all_is_refused_where_it_is_given():
    with pytest.raises(ArgumentError, match="downstream_model_dir is empty; '.' is the folder"):
        ClassificationTrainArguments(downstream_model_dir="")


def test_a_checkpoint_file_given_as_the_folder_is_that_checkpoint(trained):
    chosen = select_checkpoint(trained)
    for place in (chosen, str(chosen)):
        args = ClassificationDeployArguments(downstream_model_dir=place)
        assert args.downstream_model_checkpoint_fpath == str(chosen)


@EVERY_TASK
def test_every_tasks_checkpoint_file_may_be_given_as_the_folder(name, tiny_bert, tokenizer, tmp_path):
    labels = {"classification": "01", "paircls": NLI_LABELS, "qa": (), "ner": ("O", "B-PS", "I-PS")}[name]
    args = settings(name, tiny_bert, tmp_path, test_mode=True)
    fit(name, Own(OWN[name], labels), args, tokenizer)
    chosen = str(select_checkpoint(args.downstream_model_dir))
    deployed = TASKS[name].load("deploy_arguments")(downstream_model_dir=chosen)
    assert deployed.downstream_model_checkpoint_fpath == chosen


@EVERY_TASK
def test_no_folder_to_deploy_from_says_what_to_give(name):
    with pytest.raises(ArgumentError, match=r"give downstream_model_dir \(a model folder\) or downstream_model_check"):
        TASKS[name].load("deploy_arguments")(downstream_model_dir="")


def test_the_same_places_under_other_names_are_the_same_training(make_args, tokenizer, tmp_path, corpora, monkeypatch):
    fit("classification", NsmcCorpus(), make_args(), tokenizer)
    (tmp_path / "drive").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for root in (".", "~", str(tmp_path / "drive")):
        args = make_args(downstream_model_dir=f"{root}/model", downstream_corpus_root_dir=f"{root}/corpora")
        trainer = fit("classification", NsmcCorpus(), args, tokenizer)
        assert trainer.ckpt_path is None or "last" in str(trainer.ckpt_path)
        assert not list((tmp_path / "model").glob("earlier-*"))


# --- tasks do not mix -------------------------------------------------------------------------------------------------


def test_each_task_finds_its_own_checkpoint_and_refuses_others_by_name(tiny_bert, tokenizer, tmp_path, capsys):
    labels = {"classification": "01", "qa": ()}
    for name in labels:
        args = settings(name, tiny_bert, tmp_path, downstream_model_dir=str(tmp_path / name), test_mode=True)
        fit(name, Own(OWN[name], labels[name]), args, tokenizer)
    for deploy, other, said in (
        (QADeployArguments, "classification", "document-classification"),
        (ClassificationDeployArguments, "qa", "question-answering"),
    ):
        with pytest.raises(CheckpointError, match=f"holds no model for .*, but for others: .*{said}"):
            deploy(downstream_model_dir=str(tmp_path / other))
        with pytest.raises(CheckpointError, match=f"was trained for {said}"):
            deploy(downstream_model_checkpoint_fpath=str(select_checkpoint(tmp_path / other)))
    both = tmp_path / "both"
    both.mkdir()
    for name in labels:
        shutil.copy(select_checkpoint(tmp_path / name), both / f"{name}-{select_checkpoint(tmp_path / name).name}")
    assert "qa-" in QADeployArguments(downstream_model_dir=str(both)).downstream_model_checkpoint_fpath
    chosen = ClassificationDeployArguments(downstream_model_dir=str(both)).downstream_model_checkpoint_fpath
    assert "classification-" in chosen


def test_settings_of_a_question_page_come_from_the_question_model_in_a_shared_folder(tiny_bert, tokenizer, tmp_path):
    both = tmp_path / "both"
    both.mkdir()
    for name, length in (("qa", 48), ("paircls", 16), ("ner", 24)):
        labels = {"paircls": NLI_LABELS, "qa": (), "ner": ("O", "B-PS", "I-PS")}[name]
        place = {"downstream_model_dir": str(tmp_path / name), "feature_cache_dir": str(tmp_path / f"{name}-features")}
        args = settings(name, tiny_bert, tmp_path, **place, max_seq_length=length, test_mode=True)
        fit(name, Own(OWN[name], labels), args, tokenizer)
        best = select_checkpoint(tmp_path / name)
        shutil.copy(best, both / f"{name}-{best.name}")
    for name, length in (("qa", 48), ("paircls", 16), ("ner", 24)):
        args = TASKS[name].load("deploy_arguments")(downstream_model_dir=str(both))
        assert Path(args.downstream_model_checkpoint_fpath).name.startswith(f"{name}-")
        assert args.max_seq_length == length


@pytest.mark.parametrize("trained", OWN)
def test_every_other_task_refuses_a_folder_by_name(trained, tiny_bert, tokenizer, tmp_path):
    labels = {"classification": "01", "paircls": NLI_LABELS, "qa": (), "ner": ("O", "B-PS", "I-PS")}[trained]
    args = settings(trained, tiny_bert, tmp_path, test_mode=True)
    fit(trained, Own(OWN[trained], labels), args, tokenizer)
    own = TASKS[trained].load("deploy_arguments")
    for deploy in {spec.load("deploy_arguments") for spec in TASKS.values()} - {own}:
        with pytest.raises(
            CheckpointError, match=f"holds no model for .*, but for others: .*{TASKS[trained].task_name}"
        ):
            deploy(downstream_model_dir=args.downstream_model_dir)
    assert own(downstream_model_dir=args.downstream_model_dir)


# --- a cell that trains is a training ---------------------------------------------------------------------------------


def test_training_without_validation_says_so_and_deploys(make_args, tokenizer, caplog):
    args = make_args(epochs=2)
    dataset = ClassificationDataset(args, tokenizer, NsmcCorpus())
    task = ClassificationTask(pipeline.load_model(TASKS["classification"], args, dataset.corpus), args)
    with pytest.warns(FutureWarning, match="train_dataloaders"):
        get_trainer(args).fit(task, train_dataloader=DataLoader(dataset, 8, collate_fn=nlpbook.data_collator))
    assert "there is no validation loader" in caplog.text
    deployed = ClassificationDeployArguments(downstream_model_dir=args.downstream_model_dir)
    assert Path(deployed.downstream_model_checkpoint_fpath).name == "epoch=1.ckpt"
    assert ClassificationPredictor.load(args.downstream_model_dir, device="cpu")(REVIEWS[0])["prediction"]


def test_the_last_epoch_alone_is_deployed_with_one_warning(trained, tmp_path, caplog):
    shutil.copy(trained / "last.ckpt", tmp_path / "last.ckpt")
    args = ClassificationDeployArguments(downstream_model_dir=str(tmp_path))
    assert Path(args.downstream_model_checkpoint_fpath).name == "last.ckpt"
    assert caplog.text.count("holds no checkpoint but last.ckpt") == 1
    assert ClassificationPredictor.load(tmp_path, device="cpu")(REVIEWS[0])["prediction"]


def test_a_second_run_of_the_cell_goes_on_and_says_so(make_args, tokenizer, caplog):
    caplog.set_level("INFO", "ratsnlp")
    fit("classification", NsmcCorpus(), make_args(), tokenizer)
    assert ModelFolder(make_args().downstream_model_dir).read_training()["finished"]
    caplog.clear()
    again = fit("classification", NsmcCorpus(), make_args(), tokenizer)
    assert "finished: there is nothing left to train" in caplog.text
    assert again.global_step == 8
    assert not list(Path(make_args().downstream_model_dir).glob("earlier-*"))


def test_other_settings_put_the_earlier_training_aside(make_args, tokenizer, caplog):
    folder = Path(make_args().downstream_model_dir)
    fit("classification", NsmcCorpus(), make_args(), tokenizer)
    before = {path.name for path in folder.glob("*.ckpt")}
    for number in (1, 2):
        fit("classification", NsmcCorpus(), make_args(learning_rate=number * 1e-3), tokenizer)
        assert f"held another training; its files are kept in {folder / f'earlier-{number}'}" in caplog.text
    assert {path.name for path in (folder / "earlier-1").glob("*.ckpt")} == before
    assert ModelFolder(folder).read_training()["settings"]["learning_rate"] == 2e-3
    assert len(ModelFolder(folder).checkpoints) == 1


def test_the_command_knows_the_training_of_a_notebook(make_args, tokenizer, caplog):
    fit("classification", NsmcCorpus(), make_args(), tokenizer)
    with pytest.raises(ArgumentError, match="holds a training with other settings: learning_rate was 5e-05, is 0.001"):
        pipeline.train("classification", make_args(learning_rate=1e-3))
    caplog.set_level("INFO", "ratsnlp")
    assert pipeline.train("classification", make_args()) == select_checkpoint(make_args().downstream_model_dir)
    assert "holds this training, finished; nothing to do" in caplog.text


# --- answering questions as the published cells do --------------------------------------------------------------------


@pytest.fixture
def questions(make_qa_args, qa_tokenizer):
    args = make_qa_args(test_mode=True)
    fit("qa", KorQuADV1Corpus(), args, qa_tokenizer)
    return args


@pytest.mark.parametrize("place", ["folder", "file"])
@pytest.mark.parametrize("unpacked", [False, True])
def test_the_question_answering_cells_answer_on_the_page(questions, place, unpacked, caplog):
    from ratsnlp.nlpbook.qa import get_web_service_app

    checkpoint = str(select_checkpoint(questions.downstream_model_dir))
    args = QADeployArguments(
        pretrained_model_name=questions.pretrained_model_name,
        **(
            {"downstream_model_dir": questions.downstream_model_dir}
            if place == "folder"
            else {"downstream_model_checkpoint_path": checkpoint}
        ),
        max_seq_length=64,
        max_query_length=24,
        max_answer_length=30,
    )
    tokenizer = BertTokenizer.from_pretrained(args.pretrained_model_name, do_lower_case=False)
    fine_tuned_model_ckpt = torch.load(args.downstream_model_checkpoint_path, map_location=torch.device("cpu"))
    pretrained_model_config = BertConfig.from_pretrained(args.pretrained_model_name)
    model = BertForQuestionAnswering(pretrained_model_config)
    model.load_state_dict({k.replace("model.", ""): v for k, v in fine_tuned_model_ckpt["state_dict"].items()})
    model.eval()

    def inference_fn(question, context):
        if question and context:
            truncated_query = tokenizer.encode(
                question, add_special_tokens=False, truncation=True, max_length=args.max_query_length
            )
            inputs = tokenizer.encode_plus(
                text=truncated_query,
                text_pair=context,
                truncation="only_second",
                padding="max_length",
                max_length=args.max_seq_length,
                return_token_type_ids=True,
            )
            with torch.no_grad():
                outputs = model(**{k: torch.tensor([v]) for k, v in inputs.items()})
                if unpacked:
                    (start_logits, end_logits) = outputs
                else:
                    start_logits, end_logits = outputs.start_logits, outputs.end_logits
                start_pred = start_logits.argmax(dim=-1).item()
                end_pred = end_logits.argmax(dim=-1).item()
                pred_text = tokenizer.decode(inputs["input_ids"][start_pred : end_pred + 1])
        else:
            pred_text = ""
        return {"question": question, "context": context, "answer": pred_text}

    app = get_web_service_app(inference_fn)
    asked = {"question": "누가 한글을 만들었나?", "context": "세종이 한글을 만들었다."}
    with pytest.warns(FutureWarning, match=r"encode_plus\(\.\.\.\) is called tokenizer\(\.\.\.\) now"):
        answer = app.test_client().post("/api", json=asked)
    if unpacked:
        assert answer.status_code == 500
        assert "outputs.start_logits" in answer.json["error"]
        assert "outputs.start_logits" in answer.json["message"]
        assert "outputs.start_logits" in caplog.text
        return
    assert answer.status_code == 200
    with pytest.warns(FutureWarning, match="encode_plus"):
        assert answer.json == inference_fn(**asked)


def test_encode_plus_gives_the_ids_that_are_built_by_hand(qa_tokenizer):
    question, context = "누가 한글을 만들었나?", "세종이 한글을 만들었다."
    first, second = (qa_tokenizer.encode(text, add_special_tokens=False) for text in (question, context))
    cls, sep = qa_tokenizer.cls_token_id, qa_tokenizer.sep_token_id
    with pytest.warns(FutureWarning, match="encode_plus"):
        made = qa_tokenizer.encode_plus(text=first, text_pair=context, return_token_type_ids=True)
    assert made["input_ids"] == [cls, *first, sep, *second, sep]
    assert made["token_type_ids"] == [0] * (len(first) + 2) + [1] * (len(second) + 1)


PIECES = (("##는", "나"), ("##는",), ("[UNK]", "##다"), ("나", "##는", "##는"), ())


@pytest.mark.parametrize("second", ["세종이 한글을 만들었다.", "", None], ids=["a passage", "an empty one", "none"])
@pytest.mark.parametrize("given", ["ids", "tensor", "array", "tuple", "tokens"])
@pytest.mark.parametrize("pieces", PIECES, ids=" ".join)
def test_encode_plus_takes_ids_that_begin_inside_a_word_as_they_are(pieces, given, second, pieced_tokenizer):
    tokenizer = pieced_tokenizer
    ids = tokenizer.convert_tokens_to_ids(list(pieces))
    kinds = {"ids": list, "tensor": torch.tensor, "array": np.array, "tuple": tuple, "tokens": lambda _: list(pieces)}
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    wanted = [cls, *ids, sep]
    types = [0] * len(wanted)
    if second:
        passage = tokenizer.encode(second, add_special_tokens=False)
        wanted, types = [*wanted, *passage, sep], [*types, *[1] * (len(passage) + 1)]
    with pytest.warns(FutureWarning, match="encode_plus"):
        made = tokenizer.encode_plus(text=kinds[given](ids), text_pair=second, return_token_type_ids=True)
    assert made["input_ids"] == wanted
    assert made["token_type_ids"] == types
    assert made["attention_mask"] == [1] * len(wanted)
    assert tokenizer("나는")["input_ids"] == [cls, *tokenizer.convert_tokens_to_ids(["나", "##는"]), sep]


@pytest.mark.filterwarnings("ignore:tokenizer.encode_plus:FutureWarning")
def test_encode_plus_on_ids_cuts_and_fills_as_the_published_cell_asks(pieced_tokenizer):
    tokenizer = pieced_tokenizer
    asked = tokenizer.convert_tokens_to_ids(["##는", "나"])
    passage = tokenizer.encode("세종이 한글을 만들었다.", add_special_tokens=False)
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    options = {"truncation": "only_second", "padding": "max_length", "return_token_type_ids": True}
    short = tokenizer.encode_plus(text=asked, text_pair="세종이 한글을 만들었다.", max_length=9, **options)
    assert short["input_ids"] == [cls, *asked, sep, *passage[:4], sep]
    long = tokenizer.encode_plus(text=asked, text_pair=passage, max_length=40, **options)
    filled = 40 - len(passage) - 5
    assert long["input_ids"] == [cls, *asked, sep, *passage, sep, *[pad] * filled]
    assert long["token_type_ids"] == [0] * 4 + [1] * (len(passage) + 1) + [0] * filled
    assert long["attention_mask"] == [1] * (40 - filled) + [0] * filled
    tensors = tokenizer.encode_plus(asked, passage, return_tensors="pt")
    assert tensors["input_ids"].tolist() == [[cls, *asked, sep, *passage, sep]]
    windows = tokenizer.encode_plus(
        asked, passage, truncation="only_second", max_length=9, stride=2, return_overflowing_tokens=True
    )
    assert windows["input_ids"][1][4:8] == passage[2:6]
    assert tokenizer.encode_plus("나는", add_special_tokens=False)["input_ids"] == tokenizer.encode("나는")[1:-1]


@pytest.mark.filterwarnings("ignore:tokenizer.encode_plus:FutureWarning")
@given(first=st.lists(st.integers(0, 30), max_size=8), second=st.lists(st.integers(0, 30), min_size=1, max_size=8))
@hypothesis.settings(max_examples=50, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_encode_plus_gives_back_any_ids(first, second, pieced_tokenizer):
    cls, sep = pieced_tokenizer.cls_token_id, pieced_tokenizer.sep_token_id
    made = pieced_tokenizer.encode_plus(first, second)
    assert made["input_ids"] == [cls, *first, sep, *second, sep]
    assert made["token_type_ids"] == [0] * (len(first) + 2) + [1] * (len(second) + 1)


@pytest.fixture(scope="session")
def pieced_tokenizer(tmp_path_factory):
    """Return a tokenizer whose vocabulary holds 는 as a piece inside words, and every sign of a passage."""
    signs = sorted(set("나는다세종이한글을만들었다."))
    folder = build_bert(
        tmp_path_factory.mktemp("models") / "pieces", [*VOCABULARY[:5], *signs, *(f"##{sign}" for sign in signs)]
    )
    return BertTokenizer.from_pretrained(folder, do_lower_case=False)


# --- pages ------------------------------------------------------------------------------------------------------------

ELSEWHERE = "http://localhost:3000"
EVERY_APP = pytest.mark.parametrize("name", TASKS)


def make_app(name, inference_fn=lambda *texts: {"answer": texts[0]}, **options):
    return importlib.import_module(f"ratsnlp.nlpbook.{name}").get_web_service_app(inference_fn, **options)


def ask(app, name, origin):
    fields = TASKS[name].page.fields
    return app.test_client().post("/api", json=dict.fromkeys(fields, "글"), headers={"Origin": origin})


@EVERY_APP
def test_is_colab_false_opens_the_api_to_no_other_site_and_the_page_says_what_does(name):
    answer = ask(make_app(name, is_colab=False), name, ELSEWHERE)
    assert (answer.status_code, answer.json) == (200, {"answer": "글"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    opened = make_app(name, is_colab=False, origins=[ELSEWHERE])
    assert ask(opened, name, ELSEWHERE).headers["Access-Control-Allow-Origin"] == ELSEWHERE
    assert "Access-Control-Allow-Origin" not in ask(opened, name, "http://localhost:4000").headers
    rows = (ROOT / "docs" / "from-the-book.md").read_text(encoding="utf-8").splitlines()
    assert any("is_colab=False" in row and f'origins=["{ELSEWHERE}"]' in row for row in rows)


@EVERY_APP
def test_a_template_of_a_teaching_fork_is_refused_by_its_names(name):
    with pytest.raises(ArgumentError) as raised:
        make_app(name, template_folder="templates", server_page="index.html")
    for option in ("template_folder", "server_page"):
        assert f"{option} (in the limits of the page) is not a setting" in str(raised.value)


def test_an_emotion_page_answers_with_its_own_pairs_of_keys():
    moods = ("기쁨", "슬픔", "분노", "불안", "상처", "당황", "중립")
    answer = {"sentence": "글", "prediction": "기쁨"}
    for i, mood in enumerate(moods):
        answer |= {f"mood{i}_data": f"{mood} {i / 10}", f"mood{i}_width": f"{i * 10}%"}
    app = make_app("classification", lambda sentence: answer | {"sentence": sentence})
    client = app.test_client()
    assert client.get("/").status_code == 200
    assert client.post("/api", json="글").json == answer


# --- Korpora ----------------------------------------------------------------------------------------------------------


def test_korpora_is_asked_for_and_not_as_an_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "Korpora==0.2.0" in project["dependencies"]


@pytest.fixture
def korpora(monkeypatch):
    """Return the real package, which fetches its reviews from a loopback server."""
    package = pytest.importorskip("Korpora", reason="Korpora is not installed: pip install Korpora")
    information = importlib.import_module("Korpora.korpus_nsmc").NSMC_FETCH_INFORMATION
    rows = "".join(f"{i}\t{REVIEWS[i % 6]}\t{i % 2}\n" for i in range(12))
    with serving(lambda answer: answer.send(f"id\tdocument\tlabel\n{rows}".encode())) as server:
        for file in information:
            monkeypatch.setitem(file, "url", f"{server.address}/{file['destination'].split('/')[-1]}")
        yield package


def test_the_cells_that_fetch_with_korpora_train(korpora, make_args, tokenizer, tmp_path):
    from Korpora import Korpora

    args = make_args(downstream_corpus_root_dir=str(tmp_path / "Korpora"))
    Korpora.fetch(
        corpus_name=args.downstream_corpus_name,
        root_dir=args.downstream_corpus_root_dir,
        force_download=args.force_download,
    )
    fit("classification", NsmcCorpus(), args, tokenizer)
    assert ClassificationDeployArguments(downstream_model_dir=args.downstream_model_dir)


# --- random own corpora -----------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KINDS = (
    st.integers(-(10**9), 10**9),
    st.integers(-(10**9), 10**9).map(np.int64),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
    st.text("가나다라", min_size=1, max_size=4).map(np.str_),
)


@st.composite
def own_reviews(draw):
    """Draw labels of one plain type, 1 to 50 of them, and at least one text under each."""
    labels = draw(st.lists(st.sampled_from(KINDS).flatmap(lambda kind: kind), min_size=1, max_size=50, unique_by=str))
    texts = draw(st.lists(TEXTS, min_size=len(labels), max_size=len(labels) + 5))
    return labels, texts


def wanted_labels(labels):
    return list(dict.fromkeys(plain_label(label) for label in labels))


@given(own=own_reviews())
@hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_any_own_corpus_becomes_the_features_of_what_was_given(own, make_args, tokenizer, tmp_path_factory):
    labels, texts = own
    args = make_args(downstream_corpus_name="mine", feature_cache_dir=str(tmp_path_factory.mktemp("features")))
    dataset = ClassificationDataset(args, tokenizer, OwnReviews(labels, texts))
    wanted = wanted_labels(labels)
    assert dataset.get_labels() == wanted
    assert [dataset.get_labels()[row.label] for row in dataset] == [
        plain_label(labels[i % len(labels)]) for i in range(len(texts))
    ]
    assert texts_of(dataset) == texts
    by_hand = [tokenizer(text, truncation=True, max_length=args.max_seq_length)["input_ids"] for text in texts]
    assert [row.input_ids for row in dataset] == by_hand


@given(own=own_reviews())
@hypothesis.settings(max_examples=10, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_any_own_corpus_trains_and_its_labels_come_back(own, make_args, tokenizer, tmp_path_factory):
    labels, texts = own
    folder = tmp_path_factory.mktemp("own")
    args = make_args(
        downstream_corpus_name="mine",
        feature_cache_dir=str(folder / "features"),
        downstream_model_dir=str(folder / "model"),
        batch_size=64,
    )
    fit("classification", OwnReviews(labels, texts), args, tokenizer, validated=False)
    predictor = ClassificationPredictor.load(folder / "model", device="cpu")
    assert predictor.labels == wanted_labels(labels)
    assert predictor(texts[0] or "글")["prediction"] in predictor.labels
