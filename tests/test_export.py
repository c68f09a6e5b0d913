"""`ratsnlp export DIR OUT`: what transformers finds there, and the way back."""

import json
import re
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    pipeline,
)

from conftest import REVIEWS, VOCABULARY, build_bert
from ratsnlp import nlpbook
from ratsnlp.nlpbook import pipeline as verbs
from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.classification import NsmcCorpus
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError, ModelLoadError
from ratsnlp.nlpbook.exporting import _write_model_card
from ratsnlp.nlpbook.inference import golden_answers
from ratsnlp.nlpbook.models import place_labels
from ratsnlp.nlpbook.paircls import KlueNLICorpus
from ratsnlp.nlpbook.settings import names_where
from samples import write_reviews

NAMES = ("부정", "긍정")


@pytest.fixture(scope="module")
def reviewer(tmp_path_factory):
    """Return a model folder whose model has really learnt something: all answers of a guessing one are alike."""
    root = tmp_path_factory.mktemp("reviewer")
    texts = [example.text_a for example in NsmcCorpus().get_examples(builtin_corpus("nsmc"), "train")]
    syllables = sorted({sign for text in texts for sign in text if not sign.isspace()})
    args = nlpbook.classification.ClassificationTrainArguments(
        pretrained_model_name=build_bert(
            root / "bert", [*VOCABULARY[:5], *syllables, *(f"##{sign}" for sign in syllables)]
        ),
        downstream_corpus_name="builtin-nsmc",
        downstream_model_dir=str(root / "model"),
        max_seq_length=48,
        epochs=4,
        batch_size=50,
        learning_rate=5e-3,
        scheduler="constant",
        hidden_dropout=0.0,
        seed=7,
        precision="32",
        feature_cache_dir=str(root / "features"),
    )
    nlpbook.train("classification", args)
    nlpbook.evaluate(root / "model")
    return root / "model"


@pytest.fixture(scope="module")
def exported(reviewer, tmp_path_factory):
    return nlpbook.export(reviewer, tmp_path_factory.mktemp("exported") / "out")


@pytest.fixture
def copy(exported, tmp_path):
    """Return a copy of the exported folder, to be changed."""
    return shutil.copytree(exported, tmp_path / "copy")


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def edit_json(path, **changes):
    path.write_text(json.dumps(read_json(path) | changes, ensure_ascii=False), encoding="utf-8")


def test_transformers_loads_the_folder_with_label_names(reviewer, exported):
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "ratsnlp.json"} <= {
        path.name for path in exported.iterdir()
    }
    assert not list(exported.parent.glob("out.*"))
    model = AutoModelForSequenceClassification.from_pretrained(exported)
    assert model.config.id2label == dict(enumerate(NAMES))
    assert AutoTokenizer.from_pretrained(exported).tokenize("영화") == nlpbook.load_predictor(
        reviewer
    ).tokenizer.tokenize("영화")
    answers = pipeline("text-classification", model=str(exported))(list(REVIEWS), top_k=None)
    for answer, found in zip(nlpbook.load_predictor(reviewer)(REVIEWS), answers, strict=True):
        scores = {row["label"]: row["score"] for row in found}
        told = {row["name"].partition(" ")[0]: row["probability"] for row in answer["probabilities"]}
        assert scores == pytest.approx(told, abs=1e-4)


def test_an_exported_folder_predicts_evaluates_and_serves(reviewer, exported, caplog, tmp_path, call):
    ours, theirs = nlpbook.load_predictor(exported), nlpbook.load_predictor(reviewer)
    assert ours(REVIEWS) == theirs(REVIEWS)
    assert (ours.labels, ours.label_names, ours.max_seq_length) == (["0", "1"], list(NsmcCorpus.label_names), 48)
    assert "not as it was exported" not in caplog.text
    client = verbs.build_app(exported).test_client()
    assert client.post("/api", json=REVIEWS[0]).get_json()["prediction"] == theirs(REVIEWS[0])["prediction"]

    out = shutil.copytree(exported, tmp_path / "out")
    status, shown, _ = call("evaluate", out)
    before = read_json(reviewer / "evaluation" / "metrics.json")
    assert (status, read_json(out / "evaluation" / "metrics.json")) == (0, before)
    status, shown, _ = call("predict", out, REVIEWS[0])
    assert json.loads(shown)["sentence"] == REVIEWS[0]


def test_the_model_card_tells_what_it_is_and_how_good(reviewer, exported):
    card = (exported / "README.md").read_text(encoding="utf-8")
    _, head, body = card.split("---\n", 2)
    told = yaml.safe_load(head)
    assert told["pipeline_tag"] == "text-classification"
    assert "license" not in told
    assert "base_model" not in told  # a folder of this machine is no name on the hub
    assert "# license: not filled in" in head
    metrics = read_json(reviewer / "evaluation" / "metrics.json")
    low, high = metrics["accuracy_interval_95"]
    assert f"| accuracy | {metrics['accuracy']:.4g} | {low:.4g} to {high:.4g} |" in body
    assert f"On the split `test` of builtin-nsmc, {metrics['examples']} rows" in body
    assert "| corpus | builtin-nsmc (the sample that comes with ratsnlp" in body
    assert "| val_loss | " in body
    assert "| base model | bert |" in body
    assert "| labels | 부정, 긍정 |" in body
    assert "| learning_rate | 0.005 |" in body
    assert str(reviewer.parent) not in card
    code = body.split("```python\n")[1].split("```")[0].replace("PATH_OR_NAME_OF_THIS_FOLDER", str(exported))
    names = {}
    exec(code, names)
    asked = read_json(exported / "ratsnlp.json")["golden"][0]["question"]
    assert asked in code
    assert names["classify"](asked, truncation=True, max_length=48)[0]["label"] in NAMES


def test_the_card_of_a_token_classifier_finds_entities_with_transformers(tmp_path):
    spec = verbs.TASKS["ner"]
    settings = spec.load("arguments")(downstream_corpus_name="own.txt", train_file="a/own.txt").to_dict()
    golden = [{"question": '"서울"에 간다', "answer": {"entities": []}}]
    note = {"settings": settings, "label_names": ["O"], "metrics": {}, "golden": golden, "ratsnlp": "2"}
    _write_model_card(tmp_path / "README.md", spec, note, {})
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---\n")[1])["pipeline_tag"] == "token-classification"
    code = card.split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")
    assert 'aggregation_strategy="simple")' in code
    assert r'("\"서울\"에 간다")' in code
    assert "| train_file | own.txt |" in card
    assert not any(f"| {name} |" in card for name in names_where(spec.load("arguments"), local=True))


def test_scores_that_are_older_than_the_checkpoint_or_missing_stay_off_the_card(reviewer, tmp_path, caplog):
    caplog.set_level("INFO", "ratsnlp")
    model = shutil.copytree(reviewer, tmp_path / "model")
    next(model.glob("epoch=*.ckpt")).touch()
    card = (nlpbook.export(model, tmp_path / "a") / "README.md").read_text(encoding="utf-8")
    assert "metrics.json is older than" in caplog.text
    assert "Not measured on a test split" in card
    shutil.rmtree(model / "evaluation")
    nlpbook.export(model, tmp_path / "b")
    assert f"{model} is not scored yet" in caplog.text


def test_what_is_in_the_way_is_kept(reviewer, exported, copy, tmp_path, call):
    with pytest.raises(ArgumentError, match="copy holds an exported model; name another folder, or replace it with --"):
        nlpbook.export(reviewer, copy)
    (copy / "README.md").write_text("mine", encoding="utf-8")
    status, shown, _ = call("export", reviewer, copy, "--overwrite")
    assert status == 0
    assert f"written: {copy}: README.md, config.json, model.safetensors, ratsnlp.json" in shown
    assert (copy / "README.md").read_bytes() == (exported / "README.md").read_bytes()
    with pytest.raises(
        ArgumentError, match=r"model already exists and was not created by `ratsnlp export` \(in .*ckpt"
    ):
        nlpbook.export(reviewer, reviewer, overwrite=True)
    (tmp_path / "file").write_text("", encoding="utf-8")
    status, _, error = call("export", reviewer, tmp_path / "file")
    assert (status, error.count("file already exists and was not created by `ratsnlp export` (it is a file)")) == (2, 1)
    (tmp_path / "empty").mkdir()
    assert nlpbook.export(exported, tmp_path / "empty") == tmp_path / "empty"
    assert read_json(tmp_path / "empty" / "ratsnlp.json") == read_json(exported / "ratsnlp.json")


def test_a_failed_export_leaves_what_was_there(reviewer, copy, monkeypatch):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    monkeypatch.setattr(golden_answers, "alike", lambda expected, found: False)
    with pytest.raises(CheckpointError, match=r"copy\.partial does not answer as the checkpoint does: asked '"):
        nlpbook.export(reviewer, copy, overwrite=True)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def change_weights(folder):
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] = -weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def change_tokenizer(folder):
    settings = read_json(folder / "tokenizer.json")
    vocabulary = settings["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.get)
    settings["model"]["vocab"] = {token: i for i, token in enumerate(tokens[:5] + tokens[:4:-1])}
    edit_json(folder / "tokenizer.json", model=settings["model"])


def enlarge_tokenizer(folder):
    settings = read_json(folder / "tokenizer.json")
    shifted = {token: i + 1000 * (i > 4) for token, i in settings["model"]["vocab"].items()}
    edit_json(folder / "tokenizer.json", model=settings["model"] | {"vocab": shifted})


def swap_labels(folder):
    edit_json(folder / "config.json", id2label={"0": "긍정", "1": "부정"}, label2id={"긍정": 0, "부정": 1})


def rename_labels(folder):
    edit_json(folder / "config.json", id2label={"0": "나쁨", "1": "좋음"}, label2id={"나쁨": 0, "좋음": 1})


ANSWER = r"asked '.+', expected 0 0\.\d{4}, 1 0\.\d{4}, found 0 0\.\d{4}, 1 0\.\d{4}\. Its weights, labels or tokenizer"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_weights, ANSWER),
        (change_tokenizer, ANSWER),
        (enlarge_tokenizer, "asked '.+', it fails \\(IndexError: "),
        (swap_labels, ANSWER),
        (rename_labels, "config.json names the labels 나쁨, 좋음, expected 부정, 긍정"),
    ],
)
def test_a_folder_that_was_changed_says_so_once(copy, caplog, change, words):
    change(copy)
    nlpbook.load_predictor(copy)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert said[0].startswith(f"{copy} is not as it was exported: ")
    assert re.search(words, said[0])


def test_labels_and_rows_permuted_together_are_no_change(copy, reviewer, caplog):
    swap_labels(copy)
    weights = load_file(copy / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert nlpbook.load_predictor(copy)(REVIEWS) == nlpbook.load_predictor(reviewer)(REVIEWS)
    assert "not as it was exported" not in caplog.text


def test_files_that_are_damaged_are_named(copy):
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelLoadError, match=r"copy' cannot be loaded: the folder is there, but"):
        nlpbook.load_predictor(copy)
    (copy / "ratsnlp.json").write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"ratsnlp\.json has format 2, this version reads 1; install a newer"):
        nlpbook.load_predictor(copy)
    (copy / "ratsnlp.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"ratsnlp\.json is damaged \(JSONDecodeError: .*export the model again"):
        nlpbook.load_predictor(copy)


def test_weights_of_another_size_are_named(copy):
    weights = load_file(copy / "model.safetensors")
    weights["classifier.weight"] = torch.zeros(2, 3)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"the weights in .*copy do not fit its config\.json: "):
        nlpbook.load_predictor(copy)


def test_training_goes_on_from_an_exported_folder_with_its_head(exported, copy, make_args):
    swap_labels(copy)
    for folder, flipped in ((exported, False), (copy, True)):
        args = make_args(pretrained_model_name=str(folder), max_seq_length=48)
        model = verbs.load_model(verbs.TASKS["classification"], args, NsmcCorpus())
        stored = BertForSequenceClassification.from_pretrained(folder).classifier.weight
        assert torch.equal(model.classifier.weight, stored.flip(0) if flipped else stored)
        assert model.config.id2label == {0: "0", 1: "1"}
    best = verbs.train("classification", args)
    assert nlpbook.load_predictor(best.parent).labels == ["0", "1"]


def test_deploy_settings_say_how_an_exported_folder_is_loaded(exported):
    with pytest.raises(CheckpointError, match=r"What `ratsnlp export` wrote is loaded with nlpbook\.load_predictor\."):
        nlpbook.classification.ClassificationDeployArguments(downstream_model_dir=str(exported))


def test_checkpoints_of_a_later_training_come_before_the_export_beside_them(reviewer, copy):
    best = next(reviewer.glob("epoch=*.ckpt"))
    change_weights(copy)
    shutil.copy(best, copy / best.name)
    assert nlpbook.load_predictor(copy)(REVIEWS) == nlpbook.load_predictor(reviewer)(REVIEWS)


@pytest.mark.parametrize(
    ("found", "places"),
    [
        (["entailment", "neutral", "contradiction"], [0, 2, 1]),
        (["중립", "참", "거짓"], [1, 2, 0]),
        (["참 (entailment)", "거짓 (contradiction)", "중립 (neutral)"], [0, 1, 2]),
        (["참", "거짓", "모름"], None),
    ],
)
def test_labels_are_found_by_themselves_or_by_their_names(found, places):
    assert place_labels(found, KlueNLICorpus.labels, KlueNLICorpus.label_names) == places


def test_a_question_answering_model_is_exported_and_read_back(make_qa_args, tmp_path, caplog):
    verbs.train("qa", make_qa_args())
    folder = tmp_path / "model"
    out = nlpbook.export(folder, tmp_path / "out")
    model = AutoModelForQuestionAnswering.from_pretrained(out)
    assert len(AutoTokenizer.from_pretrained(out)) == model.config.vocab_size
    before, after = nlpbook.load_predictor(folder), nlpbook.load_predictor(out)
    assert (after.doc_stride, after.max_query_length) == (before.doc_stride, before.max_query_length) == (24, 24)
    pairs = before.sample_questions()[:3]
    assert after(pairs) == before(pairs)
    assert "not as it was exported" not in caplog.text
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: question-answering" in card
    assert "AutoModelForQuestionAnswering.from_pretrained(" in card
    assert "builtin-korquad-v1 (the sample that comes with ratsnlp" in card
    assert {"question", "answer"} == set(read_json(out / "ratsnlp.json")["golden"][0])


def test_a_model_of_an_own_table_is_scored_on_its_held_out_rows_and_publishes_none(tiny_bert, tmp_path):
    table = write_reviews(tmp_path / "reviews.csv")
    args = nlpbook.classification.ClassificationTrainArguments(
        pretrained_model_name=tiny_bert,
        downstream_model_dir=str(tmp_path / "model"),
        train_file=str(table),
        label_column="평가",
        max_seq_length=32,
        epochs=1,
        precision="32",
        seed=7,
    )
    nlpbook.train("classification", args)
    table.unlink()
    out = nlpbook.export(tmp_path / "model", tmp_path / "out")
    assert AutoModelForSequenceClassification.from_pretrained(out).config.id2label == {0: "나쁨", 1: "보통", 2: "좋음"}
    assert nlpbook.evaluate(out).metrics()["examples"] == 4
    assert not (out / "held_out.jsonl").exists()
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| train_file | reviews.csv |" in card
