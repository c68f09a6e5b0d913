"""The main job in one go, offline: the built-in model fine-tuned on a built-in corpus, scored, and asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.arguments import LAST_EPOCH, TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, BUILTIN_MODEL
from ratsnlp.nlpbook.logs import show_messages
from ratsnlp.nlpbook.recipes import RECIPES

SEED = 7


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What one task's demo asks and shows.

    Attributes:
        settings: The training settings in which it differs from the defaults.
        inputs: What the trained model is asked at the end.
        shown: The fields of an answer to print.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...]
    shown: tuple[str, ...]


PASSAGE = (
    "한글은 1443년에 세종대왕이 만들었다. 백성이 쉽게 읽고 쓰도록 한 글자로, 처음 이름은 훈민정음이다. "
    "오늘날 한글날은 10월 9일이며, 2013년부터 다시 공휴일이 되었다."
)
DEMOS = {
    "classification": Demo(
        settings={"max_seq_length": 64, "epochs": 6, "hidden_dropout": 0.0, "monitor": LAST_EPOCH},
        inputs=("정말 재미있어요 강력 추천합니다", "지루하고 돈이 아까운 영화", "배우들 연기가 최고였다"),
        shown=("sentence", "prediction"),
    ),
    "paircls": Demo(
        settings={"max_seq_length": 64, "epochs": 8, "monitor": "max val_acc"},
        inputs=(
            ("도서관은 아침 아홉 시에 문을 연다.", "도서관은 오전에 문을 연다."),
            ("도서관은 아침 아홉 시에 문을 연다.", "도서관은 오후가 되어야 문을 연다."),
            ("도서관은 아침 아홉 시에 문을 연다.", "도서관에는 만화책이 많다."),
        ),
        shown=("premise", "hypothesis", "prediction"),
    ),
    "qa": Demo(
        settings={"max_seq_length": 192, "epochs": 8, "attention_dropout": 0.0},
        inputs=(
            ("한글을 만든 사람은 누구인가?", PASSAGE),
            ("한글의 처음 이름은 무엇이었나?", PASSAGE),
            ("한글날은 언제인가?", PASSAGE),
        ),
        shown=("question", "answer"),
    ),
}


def run_demo(task: str, folder: Path, opens_page: bool) -> None:
    """Train, evaluate, answer, and say how to open the page.

    Args:
        task: A task of `DEMOS`.
        folder: The model folder; a finished demo in it is used as it is.
        opens_page: Serve the page at the end.
    """
    show_messages()
    pipeline.train(task, demo_arguments(task, folder))
    card = pipeline.evaluate(folder)
    click.echo(f"\n{card}\n")
    for answer in pipeline.load_predictor(folder)(list(DEMOS[task].inputs)):
        click.echo(json.dumps({key: answer[key] for key in DEMOS[task].shown}, ensure_ascii=False))
    pictures = (folder / "curves.png", folder / "evaluation" / "confusion.png")
    click.echo("\npictures: " + "   ".join(str(path) for path in pictures if path.exists()))
    click.echo(f"open the page: ratsnlp serve {folder}   then go to http://127.0.0.1:5000")
    if opens_page:
        pipeline.build_app(folder).run()


def demo_arguments(task: str, folder: Path) -> TrainArguments:
    """Return the settings of a task's demo: a few hundred examples, so a high rate and several passes.

    Reviews take the last epoch: which one is best, the sixty rows held out cannot tell.
    """
    corpus = next(iter(RECIPES[task].corpora))
    settings = {
        "pretrained_model_name": BUILTIN_MODEL,
        "downstream_task_name": RECIPES[task].task_name,
        "downstream_corpus_name": f"{BUILTIN}{corpus}",
        "downstream_model_dir": str(folder),
        "seed": SEED,
        "learning_rate": 2e-4,
        "batch_size": 16,
        "scheduler": "linear",
        "warmup_ratio": 0.1,
    }
    arguments: TrainArguments = RECIPES[task].load("arguments")(**settings | dict(DEMOS[task].settings))
    return arguments
