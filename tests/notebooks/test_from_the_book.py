"""What docs/from-the-book.md says of old lines, held against the packages that are installed."""

import inspect
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import transformers
from transformers import BertConfig, BertForQuestionAnswering, BertTokenizer, TrainingArguments

import ratsnlp.nlpbook.checkpoints  # noqa: F401  # what deploying loads, and encode_plus with it

PAGE = Path(__file__).parents[2] / "docs" / "from-the-book.md"


def rows():
    """Return the cells of the page's tables."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def reason_for(old):
    """Return what the page says of an old line."""
    return next(row[-1] for row in rows() if old in row[0])


def test_each_old_line_has_a_new_one_and_a_reason_or_works_as_it_is():
    assert all(len(row) in (2, 3) and all(row) for row in rows())


@pytest.mark.parametrize("module", ["transformers", "transformers.optimization"])
def test_the_old_adamw_cannot_be_imported(module):
    with pytest.raises(ImportError):
        exec(f"from {module} import AdamW")
    assert reason_for("import AdamW").startswith("오류")


def test_encode_plus_is_put_back(tokenizer):
    with pytest.warns(FutureWarning, match="called tokenizer"):
        assert tokenizer.encode_plus("재미있는 영화") == tokenizer("재미있는 영화")
    assert "ratsnlp" in reason_for("encode_plus")


def test_outputs_unpack_to_names():
    config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    assert [*BertForQuestionAnswering(config)(input_ids=torch.tensor([[1, 2]]))] == ["start_logits", "end_logits"]
    assert "**이름**" in reason_for("start_logits, end_logits")


def test_texts_with_none_beside_them_are_refused(tokenizer):
    with pytest.raises(TypeError, match="TextInputSequence must be str"):
        tokenizer([("재미있는 영화", None)])
    assert "TextInputSequence must be str" in reason_for("(text_a, None)")


def test_a_vocabulary_file_is_ignored(tiny_bert):
    assert len(BertTokenizer(vocab_file=f"{tiny_bert}/vocab.txt")) == 5
    assert "다섯 개" in reason_for("vocab_file=")


def test_a_misspelt_word_and_an_old_one_change_nothing(tokenizer):
    text = "재미있는 영화 " * 20
    assert len(tokenizer(text, trucation=True)["input_ids"]) > tokenizer.model_max_length
    assert len(tokenizer("영화", pad_to_max_length=True, max_length=8)["input_ids"]) < 8
    assert reason_for("trucation").startswith(reason_for("pad_to_max_length=True")[:3])


@pytest.mark.parametrize("name", ["gpus", "tpu_cores"])
def test_lightning_knows_the_old_devices_no_more(name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        pl.Trainer(**{name: 1})
    assert reason_for(f"{name}=").startswith("오류") or name == "tpu_cores"


def test_transformers_trainer_has_new_names():
    known = inspect.signature(TrainingArguments).parameters
    assert "eval_strategy" in known
    assert "evaluation_strategy" not in known
    taken = inspect.signature(transformers.Trainer).parameters
    assert "processing_class" in taken
    assert "tokenizer" not in taken


def test_eval_steps_alone_never_evaluates(tmp_path):
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    assert TrainingArguments(output_dir=str(tmp_path), eval_steps=200).eval_strategy == "no"
    assert "한 번도 검증하지 않습니다" in reason_for("eval_steps=200")
