"""The main job in one go, offline: the built-in model fine-tuned on a built-in corpus, scored, and asked."""

import json
from pathlib import Path

import click

from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, BUILTIN_MODEL
from ratsnlp.nlpbook.logs import show_messages
from ratsnlp.nlpbook.tasks import TASKS

SEED = 7


def run_demo(task: str, folder: Path, opens_page: bool) -> None:
    """Train, evaluate, answer, and say how to open the page. A finished demo in the model folder is used as it is."""
    show_messages()
    pipeline.train(task, demo_arguments(task, folder))
    report = pipeline.evaluate(folder)
    click.echo(f"\n{report}\n")
    for answer in pipeline.load_predictor(folder)(list(TASKS[task].demo.inputs)):
        click.echo(json.dumps({key: answer[key] for key in TASKS[task].demo.shown}, ensure_ascii=False))
    pictures = (folder / "curves.png", folder / "evaluation" / "confusion.png")
    click.echo("\npictures: " + "   ".join(str(path) for path in pictures if path.exists()))
    click.echo(f"open the page: ratsnlp serve {folder}   then go to http://127.0.0.1:5000")
    if opens_page:
        pipeline.build_app(folder).run()


def demo_arguments(task: str, folder: Path) -> TrainArguments:
    """Return the settings of a task's demo: a few hundred examples, so a high rate and several passes."""
    spec = TASKS[task]
    settings = {
        "pretrained_model_name": BUILTIN_MODEL,
        "downstream_task_name": spec.task_name,
        "downstream_corpus_name": f"{BUILTIN}{spec.default_corpus}",
        "downstream_model_dir": str(folder),
        "seed": SEED,
        "learning_rate": 2e-4,
        "batch_size": 16,
        "scheduler": "linear",
        "warmup_ratio": 0.1,
    }
    arguments: TrainArguments = spec.load("arguments")(**settings | dict(spec.demo.settings))
    return arguments
