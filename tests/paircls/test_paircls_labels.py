"""Heads trained elsewhere: their rows are matched by the labels' names, never by position."""

import dataclasses
import logging

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.classification import ClassificationPredictor
from ratsnlp.nlpbook.errors import ModelLoadError
from ratsnlp.nlpbook.models import adopt_labels, find_head, match_labels, takes_token_types
from ratsnlp.nlpbook.paircls import KlueNLICorpus, PairClassificationPredictor
from ratsnlp.nlpbook.tasks import TASKS

OURS = list(KlueNLICorpus.labels)
KLUE = ["entailment", "neutral", "contradiction"]
PAIR = ("배우 연기가 좋다", "최고의 감동")
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


def save_head(folder, tiny_bert, labels, **config):
    """Save a classifier whose head answers `labels` in this order, as a published model is saved."""
    torch.manual_seed(1)
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    tokenizer = BertTokenizer.from_pretrained(tiny_bert, do_lower_case=False)
    model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **SMALL | names | config))
    torch.nn.init.normal_(model.classifier.weight)
    torch.nn.init.normal_(model.classifier.bias)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def probabilities_by_name(model, tokenizer, labels):
    with torch.no_grad():
        found = model.train(False)(**tokenizer(*PAIR, return_tensors="pt")).logits.softmax(-1)[0]
    return {label: pytest.approx(p, abs=1e-4) for label, p in zip(labels, found.tolist(), strict=True)}


def named(answer):
    return {entry["label"]: entry["probability"] for entry in answer["probabilities"]}


# --- predictors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [OURS, KLUE, KLUE[::-1], [label.upper() for label in KLUE]])
def test_a_head_in_any_order_answers_by_name(tmp_path, tiny_bert, tokenizer, labels):
    model = save_head(tmp_path, tiny_bert, labels)
    predictor = PairClassificationPredictor.from_pretrained(str(tmp_path))
    answer = predictor(*PAIR)
    assert predictor.labels == OURS
    assert [entry["label"] for entry in answer["probabilities"]] == OURS
    assert named(answer) == probabilities_by_name(model, tokenizer, [label.lower() for label in labels])
    assert answer["entailment_data"] == f"참 {named(answer)['entailment']}"


def test_a_reordered_model_says_its_new_order_itself(tmp_path, tiny_bert):
    save_head(tmp_path, tiny_bert, KLUE)
    model = PairClassificationPredictor.from_pretrained(str(tmp_path)).model
    assert model.config.id2label == dict(enumerate(OURS))
    assert model.config.label2id == {label: i for i, label in enumerate(OURS)}


@pytest.mark.parametrize(
    "labels", [["LABEL_0", "LABEL_1", "LABEL_2"], ["entailment", "not_entailment"], ["함의", "모순", "중립"]]
)
def test_a_head_with_other_names_is_refused_naming_both(tmp_path, tiny_bert, labels):
    save_head(tmp_path, tiny_bert, labels)
    both = f"answers {', '.join(labels)}; needed: entailment, contradiction, neutral.*head_labels"
    with pytest.raises(ModelLoadError, match=both):
        PairClassificationPredictor.from_pretrained(str(tmp_path))


def test_a_head_without_names_can_be_named(tmp_path, tiny_bert, tokenizer):
    model = save_head(tmp_path, tiny_bert, ["LABEL_0", "LABEL_1", "LABEL_2"])
    answer = PairClassificationPredictor.from_pretrained(str(tmp_path), head_labels=KLUE)(*PAIR)
    assert named(answer) == probabilities_by_name(model, tokenizer, KLUE)


def test_names_for_more_outputs_than_the_head_has_are_refused(tmp_path, tiny_bert):
    save_head(tmp_path, tiny_bert, ["LABEL_0", "LABEL_1"])
    with pytest.raises(ModelLoadError, match="needed: entailment, contradiction, neutral"):
        PairClassificationPredictor.from_pretrained(str(tmp_path), head_labels=KLUE)


def test_a_document_classifier_keeps_the_order_of_its_config(tmp_path, tiny_bert):
    save_head(tmp_path, tiny_bert, ["나쁨", "보통", "좋음"])
    predictor = ClassificationPredictor.from_pretrained(str(tmp_path))
    assert predictor.labels == ["나쁨", "보통", "좋음"]
    assert predictor("최고의 감동")["prediction"] in predictor.labels


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(ModelLoadError, match="'no/such-model' cannot be loaded: it is not a folder here"):
        PairClassificationPredictor.from_pretrained("no/such-model")


# --- fine-tuning goes on from a trained head --------------------------------------------------------------------------


@dataclasses.dataclass
class FakeArguments:
    pretrained_model_name: str


def load_for_training(folder, corpus=None):
    return pipeline.load_model(TASKS["paircls"], FakeArguments(str(folder)), corpus or KlueNLICorpus())


def test_fine_tuning_keeps_a_head_with_the_same_labels_row_by_name(tmp_path, tiny_bert):
    before = save_head(tmp_path, tiny_bert, KLUE)
    after = load_for_training(tmp_path)
    rows = [KLUE.index(label) for label in OURS]
    assert torch.equal(after.classifier.weight, before.classifier.weight[rows])
    assert torch.equal(after.classifier.bias, before.classifier.bias[rows])
    assert after.config.id2label == dict(enumerate(OURS))


def test_fine_tuning_says_that_it_moved_rows(tmp_path, tiny_bert, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("ratsnlp"), "propagate", True)
    save_head(tmp_path, tiny_bert, KLUE)
    with caplog.at_level(logging.INFO, "ratsnlp"):
        load_for_training(tmp_path)
    assert "the head answers entailment, neutral, contradiction; its rows are put in the order entail" in caplog.text
    assert (
        "labels, in the order of the head: 0: 참 (entailment), 1: 거짓 (contradiction), 2: 중립 (neutral)"
        in caplog.text
    )


@pytest.mark.parametrize("labels", [["LABEL_0", "LABEL_1", "LABEL_2"], ["0", "1"]], ids=["as many", "fewer"])
def test_fine_tuning_begins_a_new_head_for_other_labels(tmp_path, tiny_bert, labels):
    before = save_head(tmp_path, tiny_bert, labels)
    after = load_for_training(tmp_path)
    assert after.classifier.weight.shape == (3, 16)
    assert after.classifier.weight.abs().max() < 0.2  # drawn anew; the trained one is drawn from a normal of width 1
    assert torch.equal(after.classifier.bias, torch.zeros(3))
    assert before.bert.pooler.dense.weight.equal(after.bert.pooler.dense.weight)


def test_fine_tuning_a_pretrained_model_names_its_new_head(tiny_bert):
    assert load_for_training(tiny_bert).config.id2label == dict(enumerate(OURS))


@pytest.mark.parametrize(
    ("model_class", "config_class"),
    [
        (RobertaForSequenceClassification, RobertaConfig),
        (ElectraForSequenceClassification, ElectraConfig),
    ],
)
def test_heads_of_several_layers_are_reordered_in_the_last(tmp_path, model_class, config_class):
    before = model_class(config_class(vocab_size=30, id2label=dict(enumerate(KLUE)), **SMALL))
    torch.nn.init.normal_(before.classifier.out_proj.bias)
    before.save_pretrained(tmp_path)
    after = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    adopt_labels(after, OURS)
    rows = [KLUE.index(label) for label in OURS]
    assert find_head(after) is after.classifier.out_proj
    assert torch.equal(after.classifier.out_proj.weight, before.classifier.out_proj.weight[rows])
    assert torch.equal(after.classifier.out_proj.bias, before.classifier.out_proj.bias[rows])
    assert torch.equal(after.classifier.dense.weight, before.classifier.dense.weight)


def test_a_model_without_a_head_is_refused():
    model = BertForSequenceClassification(BertConfig(vocab_size=30, **SMALL, num_labels=3))
    model.classifier = torch.nn.Linear(16, 2)
    with pytest.raises(ModelLoadError, match="BertForSequenceClassification has no linear layer of 3 outputs"):
        find_head(model)


@pytest.mark.parametrize(
    ("found", "wanted", "places"),
    [
        (KLUE, OURS, [0, 2, 1]),
        (["B", "a"], ["A", "b"], [1, 0]),
        (["a", "A"], ["a", "A"], None),  # told apart by case only: not safe to match
        (["a"], ["a", "b"], None),
        (["a", "b"], ["a", "c"], None),
    ],
)
def test_labels_match_whatever_their_case(found, wanted, places):
    assert match_labels(found, wanted) == places


# --- token types ------------------------------------------------------------------------------------------------------


def test_only_models_that_know_two_token_types_get_them():
    def config(config_class, **changes):
        return config_class(vocab_size=30, **SMALL | changes)

    assert takes_token_types(BertForSequenceClassification(config(BertConfig)))
    assert not takes_token_types(BertForSequenceClassification(config(BertConfig, type_vocab_size=1)))
    assert not takes_token_types(RobertaForSequenceClassification(config(RobertaConfig, type_vocab_size=1)))
