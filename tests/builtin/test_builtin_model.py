"""The built-in model: readable as any folder, named by a word, stored as that word."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModel, AutoTokenizer, BertForSequenceClassification, BertTokenizer

from ratsnlp import nlpbook
from ratsnlp.nlpbook.checkpoints import load_raw, read_description, select_checkpoint
from ratsnlp.nlpbook.classification import ClassificationDeployArguments, ClassificationTrainArguments
from ratsnlp.nlpbook.errors import CheckpointError
from ratsnlp.nlpbook.paircls import KlueNLICorpus
from ratsnlp.nlpbook.qa import QADeployArguments, QATrainArguments


def test_published_cells_load_it_in_float32(capsys):
    tokenizer = BertTokenizer.from_pretrained(nlpbook.builtin_model(), do_lower_case=False)
    model = BertForSequenceClassification.from_pretrained(nlpbook.builtin_model(), num_labels=2)
    assert model.dtype == torch.float32
    assert len(tokenizer) == model.config.vocab_size == model.get_input_embeddings().num_embeddings
    assert [tokenizer.convert_tokens_to_ids(token) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")] == [
        *range(5)
    ]
    assert tokenizer.decode(tokenizer("안녕하세요 영화")["input_ids"]) == "[CLS] 안녕하세요 영화 [SEP]"


def test_it_is_small_and_stored_in_half_precision():
    folder = Path(nlpbook.builtin_model())
    with safe_open(folder / "model.safetensors", "pt") as weights:
        kinds = {weights.get_tensor(name).dtype for name in weights.keys()}  # noqa: SIM118
    assert kinds == {torch.float16}
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["dtype"] == "float32"
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 30e6
    model = AutoModel.from_pretrained(folder)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (6, 384)


def test_usual_syllables_slang_and_signs_are_not_unknown():
    tokenizer = AutoTokenizer.from_pretrained(nlpbook.builtin_model())
    usual = [chr(code) for code in range(0xAC00, 0xD7A4) if len(chr(code).encode("euc_kr")) == 2]
    text = " ".join(usual) + " 아" + " 아".join(usual) + " ㅋㅋㅋㅋ ㅠㅠ ㅎㄷㄷ 꿀잼♥ 별★다섯 ㅡㅡ;; ^^ 굿굿~~ 10/10점"
    ids = tokenizer(text)["input_ids"]
    assert len(ids) > 5000
    assert tokenizer.unk_token_id not in ids


def test_sentences_of_like_meaning_are_nearer():
    """Its pooled vector carries what a sentence says, before any fine-tuning."""
    tokenizer = AutoTokenizer.from_pretrained(nlpbook.builtin_model())
    model = AutoModel.from_pretrained(nlpbook.builtin_model()).eval()
    groups = [
        ("영화가 정말 재미있었다", "아주 즐겁게 본 작품이다"),
        ("음식이 식어서 나왔어요", "요리가 차갑게 제공됐습니다"),
        ("내일은 전국에 비가 온다", "다음 날 곳곳에 강수가 예상된다"),
    ]
    with torch.inference_mode():
        batch = tokenizer([text for pair in groups for text in pair], padding=True, return_tensors="pt")
        vectors = model(**batch).pooler_output  # (6, H)
    near = torch.nn.functional.cosine_similarity(vectors[:, None], vectors[None], dim=-1)
    for first in range(0, 6, 2):
        others = [k for k in range(6) if k not in (first, first + 1)]
        assert near[first, first + 1] > near[first, others].max()


@pytest.mark.parametrize("settings", [ClassificationTrainArguments, QATrainArguments])
def test_every_training_takes_the_word_and_stores_it(settings, tmp_path):
    args = settings(pretrained_model_name="builtin", downstream_model_dir=str(tmp_path))
    assert args.pretrained_model_name == nlpbook.builtin_model()
    assert args.to_dict()["pretrained_model_name"] == "builtin"
    assert settings(**args.to_dict()) == args


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("builtin")
    args = ClassificationTrainArguments(
        pretrained_model_name="builtin",
        downstream_corpus_name="builtin-nsmc",
        downstream_model_dir=str(folder),
        max_train_examples=32,
        epochs=1,
        seed=7,
        test_mode=True,
    )
    nlpbook.train("classification", args)
    return folder


def test_a_checkpoint_holds_the_word_and_no_path(trained):
    path = select_checkpoint(trained)
    described = read_description(path)
    assert described["settings"]["pretrained_model_name"] == "builtin"
    texts = [json.dumps(described["config"])]
    texts += [bytes(content.numpy()).decode("utf-8", "ignore") for content in described["tokenizer"].values()]
    assert all(nlpbook.builtin_model() not in text for text in texts)
    assert nlpbook.builtin_model() not in str({k: v for k, v in load_raw(path).items() if k != "state_dict"})
    assert nlpbook.builtin_model() not in (trained / "training.json").read_text(encoding="utf-8")


def test_deploying_finds_it_again_and_no_other_task_does(trained):
    with pytest.raises(CheckpointError, match="holds no model for question-answering, but for others"):
        QADeployArguments(downstream_model_dir=str(trained))
    for given in ({}, {"pretrained_model_name": "builtin"}):
        args = ClassificationDeployArguments(downstream_model_dir=str(trained), **given)
        assert args.pretrained_model_name == nlpbook.builtin_model()
        assert BertTokenizer.from_pretrained(args.pretrained_model_name, do_lower_case=False).vocab_size > 9000


def test_resuming_with_the_word_is_the_same_training(trained, caplog):
    caplog.set_level("INFO", "ratsnlp")
    args = ClassificationTrainArguments(
        **json.loads((trained / "training.json").read_text(encoding="utf-8"))["settings"]
    )
    nlpbook.train("classification", args)
    assert "holds this training, finished; nothing to do" in caplog.text


def test_pairs_go_through_it():
    tokenizer = AutoTokenizer.from_pretrained(nlpbook.builtin_model())
    example = KlueNLICorpus().get_examples(nlpbook.builtin_corpus("klue-nli"), "train")[0]
    encoded = tokenizer(example.text_a, example.text_b)
    assert set(encoded["token_type_ids"]) == {0, 1}
