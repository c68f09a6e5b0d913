"""Checkpoints of ratsnlp 1.x: read by this library and by the published cells, none of their code run."""

import re
import sys
import types
from dataclasses import dataclass

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

from conftest import REVIEWS
from ratsnlp.nlpbook import load_predictor
from ratsnlp.nlpbook.checkpoints import (
    OLD_BUFFERS,
    OldObject,
    load_raw,
    make_readable,
    restore,
    select_checkpoint,
)
from ratsnlp.nlpbook.classification import ClassificationDeployArguments
from ratsnlp.nlpbook.errors import CheckpointError


def stand_in(monkeypatch, path):
    """Return a dataclass that pickles under a full name, as the class of the earlier version did."""
    module, _, name = path.rpartition(".")

    @dataclass
    class Settings:
        pretrained_model_name: str = "beomi/kcbert-base"
        learning_rate: float = 5e-5

    Settings.__module__, Settings.__qualname__, Settings.__name__ = module, name, name
    monkeypatch.setitem(sys.modules, module, types.SimpleNamespace(**{name: Settings}))
    return Settings


@pytest.fixture
def write_old(tiny_bert, tmp_path):
    """Return a function that writes a checkpoint as Lightning 1 did for a task of 1.x; it gives model and path."""

    def make(name="epoch=1-val_loss=0.27.ckpt", more=()):
        torch.manual_seed(0)
        model = BertForSequenceClassification.from_pretrained(tiny_bert, num_labels=2).train(False)
        weights = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        weights["model.bert.embeddings.position_ids"] = torch.arange(64)[None]
        raw = {
            "epoch": 1,
            "global_step": 80,
            "pytorch-lightning_version": "1.3.4",
            "state_dict": weights,
            "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3000)}}, "param_groups": [{"lr": 5e-5}]}],
            "lr_schedulers": [],
            "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.27), "dirpath": "/gdrive/nlpbook"}},
            **dict(more),
        }
        path = tmp_path / name
        torch.save(raw, path)
        return model, path

    return make


@pytest.fixture
def old(write_old, monkeypatch):
    """Return model and path of a checkpoint that names two classes of its time."""
    with monkeypatch.context() as then:
        settings = stand_in(then, "ratsnlp.nlpbook.classification.arguments.ClassificationTrainArguments")
        callback = stand_in(then, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint")
        more = {"hyper_parameters": {"args": settings()}, "callbacks": {callback: {"best_model_score": 0.27}}}
        return write_old(more=more)


def infer(model, inputs):
    with torch.inference_mode():
        return model.train(False)(**inputs).logits


@pytest.fixture
def inputs(tokenizer):
    return tokenizer(list(REVIEWS), return_tensors="pt", padding=True)


def test_todays_torch_refuses_such_a_file_as_it_is(old):
    with pytest.raises(Exception, match="Unsupported global: GLOBAL"):
        torch.load(old[1])
    assert OldObject not in torch.serialization.get_safe_globals()


def test_it_is_read_without_its_classes(old):
    raw = load_raw(old[1])
    settings = raw["hyper_parameters"]["args"]
    assert type(settings) is OldObject
    assert settings.learning_rate == 5e-5
    assert OldObject not in torch.serialization.get_safe_globals()


def test_its_weights_are_restored(old, tiny_bert, inputs):
    model, path = old
    described = {"config": BertConfig.from_pretrained(tiny_bert).to_dict()}
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    restored, _ = restore(path, described, AutoModelForSequenceClassification, tokenizer)
    assert torch.equal(infer(restored, inputs), infer(model, inputs))


@pytest.mark.parametrize("with_classes", [True, False])
def test_the_published_cells_serve_it(request, write_old, tiny_bert, inputs, capsys, with_classes):
    model, path = request.getfixturevalue("old") if with_classes else write_old()
    before = path.read_bytes()

    args = ClassificationDeployArguments(
        pretrained_model_name=tiny_bert,
        downstream_model_dir=str(path.parent),
        max_seq_length=32,
    )
    fine_tuned_model_ckpt = torch.load(
        args.downstream_model_checkpoint_fpath,
        map_location=torch.device("cpu"),
    )
    pretrained_model_config = BertConfig.from_pretrained(
        args.pretrained_model_name,
        num_labels=fine_tuned_model_ckpt["state_dict"]["model.classifier.bias"].shape.numel(),
    )
    restored = BertForSequenceClassification(pretrained_model_config)
    restored.load_state_dict({k.replace("model.", ""): v for k, v in fine_tuned_model_ckpt["state_dict"].items()})

    assert torch.equal(infer(restored, inputs), infer(model, inputs))
    assert re.search(r"downstream_model_checkpoint_fpath: .*old-checkpoints.*loss=0\.27\.ckpt", capsys.readouterr().out)
    assert path.read_bytes() == before


def test_a_copy_is_made_once_and_holds_weights_alone(old, caplog):
    caplog.set_level("INFO", "ratsnlp")
    copy = make_readable(old[1])
    assert f"{old[1]} is of an earlier version; a copy that today's torch.load reads: {copy}" in caplog.text
    assert set(torch.load(copy)) == {"state_dict", "epoch", "global_step"}
    assert copy.stat().st_size < old[1].stat().st_size - 10_000
    written = copy.stat().st_mtime_ns
    assert make_readable(old[1]) == copy
    assert copy.stat().st_mtime_ns == written
    assert make_readable(copy) == copy


def test_todays_checkpoints_are_taken_as_they_are(trained):
    best = select_checkpoint(trained)
    assert make_readable(best) == best


def test_of_several_old_checkpoints_the_best_is_chosen(write_old):
    for name in ("epoch=0.ckpt", "epoch=0-val_loss=0.31.ckpt", "epoch=1-val_loss=0.27.ckpt"):
        _, path = write_old(name)
    assert select_checkpoint(path.parent) == path


def test_a_predictor_says_that_it_cannot_be_built_from_such_a_file_alone(old):
    with pytest.raises(CheckpointError, match=r"loss=0\.27\.ckpt does not say what it is: no task, labels or config"):
        load_predictor(old[1].parent)


def test_any_other_class_is_refused(write_old, monkeypatch):
    with monkeypatch.context() as then:
        _, path = write_old(more={"hyper_parameters": {"args": stand_in(then, "somebody_else.Thing")()}})
    with pytest.raises(CheckpointError, match=r"cannot be read \(UnpicklingError: "):
        load_raw(path)


def test_constants_of_earlier_models_are_told_from_weights():
    assert OLD_BUFFERS.search("model.bert.embeddings.position_ids")
    assert OLD_BUFFERS.search("transformer.h.11.attn.bias")
    assert OLD_BUFFERS.search("transformer.h.0.attn.masked_bias")
    assert not OLD_BUFFERS.search("transformer.h.0.attn.c_attn.bias")
    assert not OLD_BUFFERS.search("model.bert.embeddings.position_embeddings.weight")
