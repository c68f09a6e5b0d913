"""The command `ratsnlp`: the three verbs without a notebook. Heavy imports wait until a verb runs."""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from ratsnlp import __version__
from ratsnlp.nlpbook.arguments import Limits
from ratsnlp.nlpbook.environment import CORPUS_ROOT, is_first_process
from ratsnlp.nlpbook.errors import ArgumentError, CheckError, RatsnlpError
from ratsnlp.nlpbook.inference.engines import ENGINES
from ratsnlp.nlpbook.logs import show_messages
from ratsnlp.nlpbook.settings import build_options, merge_settings
from ratsnlp.nlpbook.tasks import TASKS, TaskSpec
from ratsnlp.nlpbook.texts import shorten

USER_MISTAKE = 2
DEMO = next(iter(TASKS))  # the task of the shortest demo
PATH: Any = click.Path(path_type=Path)
FOLDER = click.argument("folder", metavar="DIR", type=PATH)


def main() -> None:
    """Run the command. A user's mistake ends in one message and exit status 2."""
    try:
        command.main(standalone_mode=True, prog_name="ratsnlp")
    except RatsnlpError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(USER_MISTAKE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def command() -> None:
    """Train, evaluate and serve Korean language models."""


def _read_settings(spec: TaskSpec, config: str | None, flags: dict[str, Any]) -> Any:
    return merge_settings(
        spec.load("arguments"),
        config,
        flags,
        downstream_task_name=spec.task_name,
        downstream_corpus_name=spec.default_corpus,
        downstream_model_dir=f"checkpoint-{spec.name}",
    )


def _train(spec: TaskSpec, config: str | None, restart: bool, **flags: Any) -> None:
    """Train {}. CONFIG is a JSON or YAML file of settings; flags win over it."""
    from ratsnlp.nlpbook import pipeline
    from ratsnlp.nlpbook.checkpoints import read_description

    show_messages()
    start = time.perf_counter()
    best = pipeline.train(spec.name, _read_settings(spec, config, flags), restart)
    if not is_first_process():
        return
    minutes, folder = (time.perf_counter() - start) / 60, best.parent
    metrics = read_description(best)["metrics"]
    shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name.startswith("val_"))
    click.echo(f"best checkpoint: {best}\n{shown}\ntook {minutes:.1f} minutes{peak_memory()}")
    click.echo(f"next: ratsnlp evaluate {folder}   ratsnlp predict {folder} TEXT   ratsnlp serve {folder}")


def _check(spec: TaskSpec, config: str | None, **flags: Any) -> None:
    """Check what `ratsnlp train {}` would train with the same CONFIG and flags, and train nothing."""
    from ratsnlp.nlpbook import pipeline

    show_messages()
    report = pipeline.check_task(spec.name, _read_settings(spec, config, flags))
    click.echo(str(report))
    if report.errors:
        raise CheckError(f"{len(report.errors)} of these findings would refuse the training")


class TaskGroup(click.Group):
    """One command for each task that `TASKS` knows when it is asked."""

    def __init__(self, name: str, what: str, run: Callable[..., Any], *flags: click.Parameter):
        super().__init__(name, help=f"{what}: ratsnlp {name} TASK [CONFIG.json|yaml] [--setting value ...].")
        self.run, self.flags = run, flags

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the tasks."""
        return list(TASKS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a task, with an option for each of its settings; None where there is no such task."""
        if cmd_name not in TASKS:
            return None
        spec = TASKS[cmd_name]
        params = [click.Argument(["config"], required=False), *self.flags, *build_options(spec.load("arguments"))]
        return click.Command(cmd_name, None, partial(self.run, spec), params, (self.run.__doc__ or "").format(cmd_name))


RESTART = click.Option(["--restart"], is_flag=True, help="remove an earlier training in the folder, start again")
command.add_command(TaskGroup("train", "Train a model", _train, RESTART))
command.add_command(TaskGroup("check", "Check everything before a training", _check))


def peak_memory() -> str:
    """Return, as the end of a sentence, the most memory this process held, if the system reports it."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f", at most {held / 2**30:.2f} GiB of memory"


@command.command()
@FOLDER
@click.option("--downstream_corpus_root_dir", "root", help="where the corpus is now  [default: as at training]")
@click.option("--mode", default="test", help="split to score", show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["auto", "32", "bf16"]),
    default="32",
    show_default=True,
    help="bf16: bfloat16, auto: that where the hardware is faster with it; scores may move in the last digit",
)
def evaluate(folder: Path, root: str | None, mode: str, precision: Any, **baselines: bool) -> None:
    """Score a trained model on a split, and write DIR/evaluation."""
    from ratsnlp.nlpbook import pipeline

    click.echo(str(pipeline.evaluate(folder, root, mode, precision=precision, **baselines)))
    _echo_written(folder / "evaluation")


baselines = {name: baseline for task in TASKS.values() for name, baseline in task.baselines.items()}
evaluate.params += [click.Option([f"--{name}"], is_flag=True, help=kind.help) for name, kind in baselines.items()]


def _echo_written(folder: Path) -> None:
    click.echo(f"\nwritten: {folder}: {', '.join(sorted(path.name for path in folder.iterdir() if path.is_file()))}")


@command.command()
@click.argument("first", metavar="DIR", type=PATH)
@click.argument("second", metavar="DIR", type=PATH)
@click.option("--folder", type=PATH, help="where to write  [default: next to the second's scores]")
def compare(first: Path, second: Path, folder: Path | None) -> None:
    """Test whether the second of two models is better than the first, on the rows that both were evaluated on."""
    from ratsnlp.nlpbook.evaluation import comparison

    outcome = comparison.compare(first, second, folder)
    click.echo(str(outcome))
    _echo_written(folder or outcome.default_folder)


@command.command()
@click.argument("corpus", required=False)
@click.option("--root", metavar="DIR", help="downstream_corpus_root_dir; files go to DIR/CORPUS  [default: as train]")
@click.option("--force_download", is_flag=True, help="fetch even what is in place")
def download(corpus: str | None, root: str | None, force_download: bool) -> None:
    """Fetch a published corpus, resuming what broke off; without CORPUS, list what there is."""
    from ratsnlp.nlpbook.data.download import describe_catalog, download_corpus

    if corpus is None:
        click.echo(describe_catalog())
    else:
        show_messages()
        for path in download_corpus(corpus, root or CORPUS_ROOT, force_download):
            click.echo(path)


@command.command()
@FOLDER
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
def predict(folder: Path, texts: tuple[str, ...]) -> None:
    """Answer texts, or the lines of standard input, as JSON lines.

    A question of two texts (a premise and a hypothesis) is two TEXTs, or a line with a tab between, or a JSON object.
    """
    from ratsnlp.nlpbook.pipeline import load_predictor

    predictor = load_predictor(folder)
    lines = texts or [line.strip() for line in click.open_file("-", encoding="utf-8-sig", errors="surrogateescape")]
    lines = [line for line in lines if line.strip()]
    for line in lines:
        if any("\ud800" <= character <= "\udfff" for character in line):  # how bytes that are no UTF-8 are read
            raise ArgumentError(f"not UTF-8: {shorten(line)}. Save the texts as UTF-8: iconv -f cp949 -t utf-8 FILE")
    questions = predictor.read_arguments(lines) if texts else [predictor.read_line(line) for line in lines]
    for answer in predictor(questions):
        click.echo(json.dumps(answer, ensure_ascii=False))


@command.command()
@FOLDER
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other machines in")
@click.option("--port", type=int, help="0 takes a free one  [default: 5000, or the next one that is free]")
@click.option("--engine", default="torch", show_default=True, help=", ".join(ENGINES))
@click.option("--expose", default="auto", show_default=True, help="way from outside: ngrok, cloudflared or none")
@click.option("--origin", "origins", multiple=True, help="website whose pages may call the API; give it once for each")
def serve(
    folder: Path, host: str, port: int | None, engine: str, expose: str, origins: tuple[str, ...], **limits: str | None
) -> None:
    """Serve a trained model on a page. RATSNLP_PASSWORD in the environment protects it with a password."""
    from ratsnlp.nlpbook import pipeline

    show_messages()
    given = {name: value for name, value in limits.items() if value is not None}
    app: Any = pipeline.build_app(folder, engine, origins=origins, **given)
    app.run(host=host, port=port, expose=expose)


serve.params += build_options(Limits)


@command.command()
@FOLDER
@click.argument("out", type=PATH)
@click.option("--overwrite", is_flag=True, help="replace an earlier export in OUT")
def export(folder: Path, out: Path, overwrite: bool) -> None:
    """Write a trained model to OUT in Hugging Face form: transformers loads it, and the verbs here take it as DIR."""
    from ratsnlp.nlpbook import exporting

    show_messages()
    _echo_written(exporting.export(folder, out, overwrite))


@command.command()
@click.argument("task", type=click.Choice(tuple(TASKS)), default=DEMO)
@click.option("--folder", type=PATH, help="model folder; default: demo-model, demo-model-TASK")
@click.option("--serve", "opens_page", is_flag=True, help="open the page at the end")
def demo(task: str, folder: Path | None, opens_page: bool) -> None:
    """Fine-tune the built-in model on a built-in corpus, score it, let it answer: offline, in a minute or two."""
    from ratsnlp.nlpbook.demo import run_demo

    run_demo(task, folder or Path("demo-model" if task == DEMO else f"demo-model-{task}"), opens_page)
