"""The main job in one go, offline: a small model from scratch on built-in reviews, its score card, three answers."""

import json
from pathlib import Path

import click
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, set_seed

from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.builtin import BUILTIN, builtin_corpus
from ratsnlp.nlpbook.classification.arguments import ClassificationTrainArguments
from ratsnlp.nlpbook.classification.corpus import NsmcCorpus
from ratsnlp.nlpbook.logs import show_messages

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SEED = 7
QUESTIONS = ("정말 재미있어요 강력 추천합니다", "지루하고 돈이 아까운 영화", "배우들 연기가 최고였다")


def run_demo(folder: Path, opens_page: bool) -> None:
    """Train, evaluate, answer, and say how to open the page.

    Args:
        folder: The model folder; a finished demo in it is used as it is.
        opens_page: Serve the page at the end.
    """
    show_messages()
    pretrained = folder / "pretrained"
    if not (pretrained / "config.json").exists():
        build_small_model(
            [example.text_a for example in NsmcCorpus().get_examples(builtin_corpus("nsmc"), "train")], pretrained
        )
    pipeline.train("classification", demo_arguments(folder, pretrained))
    card = pipeline.evaluate(folder)
    click.echo(f"\n{card}\n")
    for answer in pipeline.load_predictor(folder)(list(QUESTIONS)):
        click.echo(json.dumps({key: answer[key] for key in ("sentence", "prediction")}, ensure_ascii=False))
    click.echo(f"\ncurves: {folder}/curves.png   confusion: {folder}/evaluation/confusion.png")
    click.echo(f"open the page: ratsnlp serve {folder}   then go to http://127.0.0.1:5000")
    if opens_page:
        pipeline.build_app(folder).run()


def demo_arguments(folder: Path, pretrained: Path) -> ClassificationTrainArguments:
    """Return the demo's settings: rates and epochs for a model that starts from nothing."""
    return ClassificationTrainArguments(
        pretrained_model_name=str(pretrained),
        downstream_corpus_name=f"{BUILTIN}nsmc",
        downstream_model_dir=str(folder),
        max_seq_length=64,
        monitor="max val_acc",
        seed=SEED,
        learning_rate=5e-4,
        epochs=12,
        batch_size=16,
        scheduler="linear",
        warmup_ratio=0.1,
        precision="32",
    )


def build_small_model(texts: list[str], folder: Path) -> None:
    """Make a small untrained BERT and a WordPiece vocabulary of the texts, in the form in which pretrained models come.

    Args:
        texts: What the vocabulary is trained on.
        folder: Where config, weights and tokenizer go.
    """
    set_seed(SEED)
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=2000, min_frequency=2, special_tokens=SPECIAL)
    )
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 128}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
