"""The ways to run a model: they answer as PyTorch does, or are not used."""

import importlib.util
import logging

import pytest
import torch

from ratsnlp import cli
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.classification import ClassificationPredictor
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.inference import engines
from ratsnlp.nlpbook.inference.engines import ENGINES, ONNX_PACKAGES
from ratsnlp.nlpbook.paircls import PairClassificationPredictor
from ratsnlp.nlpbook.qa import QAPredictor
from reviewer import read_reviews, train_reviewer

HAS_ONNX = all(importlib.util.find_spec(package) for package in ONNX_PACKAGES)
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason=f"the extra onnx is not installed: {', '.join(ONNX_PACKAGES)}")
OTHERS = ["torch-int8", pytest.param("onnx", marks=needs_onnx), pytest.param("onnx-int8", marks=needs_onnx)]
TEXTS = ["재미있다", "돈이 아까운 영화였다. 다시는 보고 싶지 않다", "그냥 그래요 " * 6, ""]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    return train_reviewer(tmp_path_factory.mktemp("reviewer") / "model")


@pytest.fixture
def predictor(learnt):
    learnt.use_engine("torch")
    return learnt


class Contrary:
    """An engine that says the opposite of a model."""

    def __init__(self, model):
        self.model = model

    def __call__(self, **inputs):
        outputs = self.model(**inputs)
        outputs.logits = -outputs.logits
        return outputs


@pytest.mark.parametrize("name", OTHERS)
def test_an_engine_answers_almost_as_torch_does(predictor, name, caplog):
    expected = predictor.logits(TEXTS)
    with caplog.at_level(logging.INFO, "ratsnlp"):
        predictor.use_engine(name)
    assert predictor.engine_name == name
    assert f"engine {name}: decides " in caplog.text
    assert "of 200 sample questions as 'torch' does" in caplog.text
    assert predictor.logits(TEXTS) == pytest.approx(expected, abs=1e-4 if name == "onnx" else 0.3)
    assert [len(row["probabilities"]) for row in predictor(TEXTS)] == [2] * 4


def test_other_engines_are_other_computations(predictor):
    expected = predictor.logits(TEXTS)
    assert not torch.equal(predictor.use_engine("torch-int8").logits(TEXTS), expected)
    assert torch.equal(predictor.use_engine("torch").logits(TEXTS), expected)


def test_an_engine_that_decides_otherwise_is_not_used(predictor, monkeypatch, caplog):
    monkeypatch.setitem(ENGINES, "torch-int8", Contrary)
    expected = predictor.logits(TEXTS)
    predictor.use_engine("torch-int8", [review.text_a for review in read_reviews("test")])
    assert predictor.engine_name == "torch"
    assert torch.equal(predictor.logits(TEXTS), expected)
    said = "engine torch-int8 is not used: it decides 0.0% of 400 sample questions as 'torch' does; needed: 99%"
    assert said in caplog.text


def test_an_engine_that_cannot_be_made_is_not_used(predictor, monkeypatch, caplog):
    def fail(model):
        raise RuntimeError("no such operator")

    monkeypatch.setitem(ENGINES, "torch-int8", fail)
    predictor.use_engine("torch-int8")
    assert predictor.engine_name == "torch"
    said = "engine torch-int8 is not used: it cannot run this model (RuntimeError: no such operator); needed: 99%"
    assert said in caplog.text


def test_an_unknown_engine_is_named_before_anything_is_loaded(tmp_path):
    with pytest.raises(ArgumentError, match="engine 'tpu' is not known; there is torch, torch-int8, onnx, onnx-int8"):
        ClassificationPredictor.load(tmp_path / "nothing", engine="tpu")


def test_missing_packages_are_named_with_the_way_to_get_them(predictor, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == "onnxruntime" else object())
    text = "engine 'onnx-int8' needs packages that are not installed here: onnxruntime. Install them: pip install"
    with pytest.raises(ArgumentError, match=text):
        predictor.use_engine("onnx-int8")


def test_an_engine_needs_questions_to_be_compared_on(predictor, monkeypatch):
    monkeypatch.setattr(predictor, "sample_questions", list)
    text = "engine 'torch-int8' is compared with 'torch' before it is used: give sample questions"
    with pytest.raises(ArgumentError, match=text):
        predictor.use_engine("torch-int8")


def test_an_engine_of_the_cpu_does_not_move_to_a_gpu(predictor):
    with pytest.raises(ArgumentError, match="engine 'torch-int8' runs on a CPU only, not on 'cuda'; use 'torch' there"):
        predictor.use_engine("torch-int8").to("cuda")


@pytest.mark.parametrize("name", OTHERS[:2])
def test_pairs_run_on_other_engines(tiny_bert, tokenizer, name):
    model = PairClassificationPredictor.model_class().from_pretrained(tiny_bert, num_labels=3, dtype=torch.float32)
    torch.nn.init.normal_(model.classifier.weight)  # so that the labels of an untrained model lie apart
    predictor = PairClassificationPredictor(model, tokenizer, ["a", "b", "c"], max_seq_length=32)
    pairs = [("정말 재미있는 영화", "지루하고 재미없다"), ("최악", "배우 연기가 좋다")]
    expected = predictor.logits(pairs)
    predictor.use_engine(name, min_agreement=0.5)
    assert predictor.engine_name == name
    assert predictor.logits(pairs) == pytest.approx(expected, abs=0.3)
    assert predictor(*pairs[0])["prediction"] in "abc"


@pytest.mark.parametrize("name", OTHERS[::2])
def test_questions_run_on_other_engines(qa_bert, qa_tokenizer, name):
    model = QAPredictor.model_class().from_pretrained(qa_bert, dtype=torch.float32)
    torch.nn.init.normal_(model.qa_outputs.weight)
    predictor = QAPredictor(model, qa_tokenizer, max_seq_length=64, max_query_length=24, doc_stride=24)
    predictor.no_answer_threshold = 100.0  # an untrained model finds nothing often
    questions = predictor.sample_questions()
    assert len(questions) > 40
    predictor.use_engine(name, questions[:4], min_agreement=0.5)
    assert predictor.engine_name == name
    answer = predictor(*questions[0])
    assert answer["answer"] == answer["context"][answer["start"] : answer["end"]]


def test_the_command_serves_with_the_engine_and_limits_asked_for(trained, monkeypatch):
    built = {}

    class App:
        def run(self, **options):
            built["run"] = options

    def build_app(folder, engine, **options):
        built.update(folder=folder, engine=engine, options=options)
        return App()

    monkeypatch.setattr(pipeline, "build_app", build_app)
    flags = ["--engine", "torch-int8", "--max_batch", "8", "--origin", "https://a.example", "--port", "0"]
    cli.command.main(["serve", str(trained), *flags, "--expose", "none"], standalone_mode=False)
    assert built == {
        "folder": trained,
        "engine": "torch-int8",
        "options": {"max_batch": "8", "origins": ("https://a.example",)},
        "run": {"host": "127.0.0.1", "port": 0, "expose": "none"},
    }


def test_a_model_folder_becomes_a_page_with_an_engine(trained):
    client = pipeline.build_app(trained, "torch-int8", max_batch="8").test_client()
    assert client.post("/api", json="정말 재미있는 영화").json["prediction"] in ("부정 (negative)", "긍정 (positive)")
