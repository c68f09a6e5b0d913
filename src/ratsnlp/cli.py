"""The command `ratsnlp`: the three verbs without a notebook. Heavy imports wait until a verb runs."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ratsnlp import __version__
from ratsnlp.nlpbook.arguments import Limits
from ratsnlp.nlpbook.errors import CheckError, RatsnlpError
from ratsnlp.nlpbook.settings import Arguments, build_options, merge_settings
from ratsnlp.nlpbook.tasks import TASKS, TaskSpec

USER_MISTAKE = 2
DEMO = next(iter(TASKS))
"""The task of the shortest demo."""


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


@command.group()
def train() -> None:
    """Train a model: ratsnlp train TASK [CONFIG.json|yaml] [--setting value ...]."""


@command.group()
def check() -> None:
    """Check, before a training, that all fits: ratsnlp check TASK [CONFIG.json|yaml] [--setting value ...]."""


def _read_settings(spec: TaskSpec, config: str | None, flags: dict[str, Any]) -> Any:
    return merge_settings(
        spec.load("arguments"),
        config,
        flags,
        downstream_task_name=spec.task_name,
        downstream_corpus_name=spec.default_corpus,
        downstream_model_dir=f"checkpoint-{spec.name}",
    )


def _build_train_command(spec: TaskSpec) -> click.Command:

    def run(config: str | None, restart: bool, **flags: Any) -> None:
        from ratsnlp.nlpbook import pipeline
        from ratsnlp.nlpbook.logs import show_messages

        show_messages()
        start = time.perf_counter()
        best = pipeline.train(spec.name, _read_settings(spec, config, flags), restart)
        _tell_result(best, time.perf_counter() - start)

    help_text = f"Train {spec.task_name}. CONFIG is a JSON or YAML file of settings; flags win over it."
    restart = click.Option(["--restart"], is_flag=True, help="remove an earlier training in the folder, start again")
    return LazyTaskCommand(spec, callback=run, help=help_text, more=[restart])


def _build_check_command(spec: TaskSpec) -> click.Command:

    def run(config: str | None, **flags: Any) -> None:
        from ratsnlp.nlpbook import pipeline
        from ratsnlp.nlpbook.logs import show_messages

        show_messages()
        report = pipeline.check_task(spec.name, _read_settings(spec, config, flags))
        click.echo(str(report))
        if report.errors:
            raise CheckError(f"{len(report.errors)} of these findings would refuse the training")

    help_text = f"Check what `ratsnlp train {spec.name}` would train with the same CONFIG and flags, and train nothing."
    return LazyTaskCommand(spec, callback=run, help=help_text)


class LazyTaskCommand(click.Command):
    """A command on a task whose options are made from the settings class when they are asked for."""

    def __init__(
        self,
        spec: TaskSpec,
        *,
        callback: Callable[..., Any],
        help: str,
        more: Sequence[click.Parameter] = (),
    ):
        super().__init__(spec.name, callback=callback, help=help, no_args_is_help=False)
        self.spec, self.more = spec, more

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return CONFIG, the command's own options, and one option for each setting."""
        if not self.params:
            config = click.Argument(["config"], required=False)
            self.params = [config, *self.more, *build_options(self.spec.load("arguments"))]
        return super().get_params(ctx)


for task_spec in TASKS.values():
    train.add_command(_build_train_command(task_spec))
    check.add_command(_build_check_command(task_spec))


def _tell_result(best: Path, seconds: float) -> None:
    from ratsnlp.nlpbook.checkpoints import read_description
    from ratsnlp.nlpbook.environment import is_first_process

    if not is_first_process():
        return
    metrics = read_description(best)["metrics"]
    shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name.startswith("val_"))
    click.echo(f"best checkpoint: {best}\n{shown}\ntook {seconds / 60:.1f} minutes{peak_memory()}")
    folder = best.parent
    click.echo(f"next: ratsnlp evaluate {folder}   ratsnlp predict {folder} TEXT   ratsnlp serve {folder}")


def peak_memory() -> str:
    """Say the most memory this process held, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f", at most {held / 2**30:.2f} GiB of memory"


FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


@command.command()
@FOLDER
@click.option("--downstream_corpus_root_dir", help="where the corpus is now  [default: as at training]")
@click.option("--mode", default="test", help="split to score", show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["auto", "32", "bf16"]),
    default="32",
    show_default=True,
    help="bf16: bfloat16, auto: that where the hardware is faster with it; scores may move in the last digit",
)
def evaluate(
    folder: Path, downstream_corpus_root_dir: str | None, mode: str, precision: Any, **baselines: bool
) -> None:
    """Score a trained model on a split, and write DIR/evaluation."""
    from ratsnlp.nlpbook import pipeline

    click.echo(str(pipeline.evaluate(folder, downstream_corpus_root_dir, mode, precision=precision, **baselines)))
    _tell_written(folder / "evaluation")


for task_spec in TASKS.values():
    evaluate.params += [
        click.Option([f"--{name}"], is_flag=True, help=baseline.help) for name, baseline in task_spec.baselines.items()
    ]


def _tell_written(folder: Path) -> None:
    click.echo(f"\nwritten: {folder}: {', '.join(sorted(path.name for path in folder.iterdir() if path.is_file()))}")


@command.command()
@click.argument("first", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("second", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--folder", type=click.Path(path_type=Path), help="where to write  [default: beside the second's scores]")
def compare(first: Path, second: Path, folder: Path | None) -> None:
    """Tell whether the second of two models is better than the first, on the rows that both were evaluated on."""
    from ratsnlp.nlpbook.evaluation import comparison

    outcome = comparison.compare(first, second, folder)
    click.echo(str(outcome))
    _tell_written(folder or outcome.default_folder)


@command.command()
@click.argument("corpus", required=False)
@click.option(
    "--root", metavar="DIR", help="downstream_corpus_root_dir; the files go to DIR/CORPUS  [default: as train]"
)
@click.option("--force_download", is_flag=True, help="fetch even what is in place")
def download(corpus: str | None, root: str | None, force_download: bool) -> None:
    """Fetch a published corpus, resuming what broke off; without CORPUS, list what there is."""
    from ratsnlp.nlpbook.data.catalog import describe_catalog
    from ratsnlp.nlpbook.data.download import download_corpus
    from ratsnlp.nlpbook.environment import CORPUS_ROOT
    from ratsnlp.nlpbook.logs import show_messages

    if corpus is None:
        click.echo(describe_catalog())
        return
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
    if texts:
        questions = predictor.read_arguments([text for text in texts if text.strip()])
    else:
        lines = click.open_file("-", encoding="utf-8")
        questions = [predictor.read_line(line.strip()) for line in lines if line.strip()]
    for answer in predictor(questions):
        click.echo(json.dumps(answer, ensure_ascii=False))


def _with_settings(arguments_class: type[Arguments]) -> Callable[[click.Command], click.Command]:

    def add(extended: click.Command) -> click.Command:
        extended.params += build_options(arguments_class)
        return extended

    return add


@_with_settings(Limits)
@command.command()
@FOLDER
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other machines in")
@click.option("--port", type=int, help="0 takes a free one  [default: 5000, or the next one that is free]")
@click.option("--engine", default="torch", show_default=True, help="torch, torch-int8, onnx or onnx-int8")
@click.option("--expose", default="auto", show_default=True, help="way from outside: ngrok, cloudflared or none")
@click.option("--origin", "origins", multiple=True, help="website whose pages may call the API; give it once for each")
def serve(
    folder: Path, host: str, port: int | None, engine: str, expose: str, origins: tuple[str, ...], **limits: str | None
) -> None:
    """Put a trained model behind a page. RATSNLP_PASSWORD in the environment puts a password before it."""
    from ratsnlp.nlpbook import pipeline
    from ratsnlp.nlpbook.logs import show_messages

    show_messages()
    given = {name: value for name, value in limits.items() if value is not None}
    app: Any = pipeline.build_app(folder, engine, origins=origins, **given)
    app.run(host=host, port=port, expose=expose)


@command.command()
@FOLDER
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="replace an earlier export in OUT")
def export(folder: Path, out: Path, overwrite: bool) -> None:
    """Write a trained model to OUT in Hugging Face form: transformers loads it, and the verbs here take it as DIR."""
    from ratsnlp.nlpbook import exporting
    from ratsnlp.nlpbook.logs import show_messages

    show_messages()
    _tell_written(exporting.export(folder, out, overwrite))


@command.command()
@click.argument("task", type=click.Choice(tuple(TASKS)), default=DEMO)
@click.option("--folder", type=click.Path(path_type=Path), help="model folder; default: demo-model, demo-model-TASK")
@click.option("--serve", "opens_page", is_flag=True, help="open the page at the end")
def demo(task: str, folder: Path | None, opens_page: bool) -> None:
    """Fine-tune the built-in model on a built-in corpus, score it, let it answer: offline, in a minute or two."""
    from ratsnlp.nlpbook.demo import run_demo

    usual = "demo-model" if task == DEMO else f"demo-model-{task}"
    run_demo(task, folder or Path(usual), opens_page)
