"""The tasks: one `TaskSpec` for each holds all that the rest of the library has to know of it.

Specs hold names of parts, not the parts: listing tasks imports no model code. A new task is its folder, with a
`spec.py` in it, and one entry in `TASKS`.
"""

from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

from ratsnlp.nlpbook.builtin import BUILTIN


@dataclass(frozen=True, kw_only=True)
class DemoPage:
    """What a task's page shows. An example with more or fewer values than there are fields is a `ValueError`."""

    template: str  # the page's template, which fills blocks of `base.html`
    fields: tuple[str, ...]  # the texts of a request, in the order in which `inference_fn` takes them
    title: str = "ratsnlp"
    examples: tuple[tuple[str, ...], ...] = ()  # examples to press, each with a text for every field
    templates: str = ""  # a folder of templates outside this package in which `template` is looked for first

    def __post_init__(self) -> None:
        for example in self.examples:
            if len(example) != len(self.fields):
                raise ValueError(f"example {example!r} has {len(example)} values; needed: {', '.join(self.fields)}")

    @property
    def task(self) -> str:
        """The page's name, which is its template's."""
        return self.template.removesuffix(".html")


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What one task's demo asks and shows."""

    settings: Mapping[str, Any] = field(default_factory=dict)  # training settings that differ from the common ones
    inputs: tuple[Any, ...]  # what the trained model is asked at the end
    shown: tuple[str, ...]  # the fields of an answer to print


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A simpler way to answer, which a model must beat; `ratsnlp evaluate DIR --NAME` scores it beside the model."""

    function: str  # `module:name` of `(train, test, labels, label_names) -> report`, on the examples of both splits
    help: str  # one line


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task. Parts that need model code are given as `module:name`; `load` imports them."""

    name: str  # that of the command's TASK and of the task's folder
    task_name: str  # what `downstream_task_name` says for this task, in settings and checkpoints
    title: str  # what the task is called in tables and cards
    arguments: str  # the training settings
    deploy_arguments: str = ""  # the settings to serve a model with
    corpora: Mapping[str, str]  # the corpora that the command knows, by name; the first is the default
    dataset: str  # features of a corpus's split
    task: str  # the training task, a `LightningModule`
    model: str  # transformers' class that builds the model
    pipeline: str = ""  # what the hub, and transformers' `pipeline`, call the task; empty where there is none
    predictor: str  # answers of a trained model
    page: DemoPage
    demo: Demo
    choose_page: str = ""  # returns the page for an `inference_fn`, where it depends on that
    table: str = ""  # the corpus of own tables with own labels; empty where own files hold what the corpora hold
    pairs: bool = False  # whether a row of such a table has two texts
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    notebooks: tuple[str, ...] = ()  # the notebooks that teach it, by stem

    def load(self, part: str) -> Any:
        """Import a part and return it."""
        return resolve_name(getattr(self, part))

    def corpus_class(self, name: str) -> Any:
        """Import the class of a corpus and return it; `builtin-NAME` is read as NAME is."""
        return resolve_name(self.corpora[name.removeprefix(BUILTIN)])

    @property
    def default_corpus(self) -> str:
        """The corpus that is read unless another one is named."""
        return next(iter(self.corpora))

    def get_web_service_app(self, inference_fn: Any, is_colab: bool = True, **options: Any) -> Any:
        """Return the page that answers with `inference_fn`; `app.run()` serves it.

        `inference_fn` is a predictor, or a hand-written function of the page's `fields`, in their order, that returns a
        dict in the published form. `is_colab` is as in the published cells; False keeps the page to its machine even in
        Colab. Options: see `build_web_service_app`.
        """
        build = resolve_name("ratsnlp.nlpbook.serving.app:build_web_service_app")
        page = self.load("choose_page")(inference_fn) if self.choose_page else self.page
        return build(inference_fn, page, is_colab=is_colab, **options)


class Tasks(UserDict[str, Any]):
    """Specs by name, imported when they are looked up: what is given is `module:name` of each."""

    def __getitem__(self, name: str) -> TaskSpec:
        spec: TaskSpec = resolve_name(self.data[name])
        return spec


def tasks_of(part: str, owner: type) -> tuple[str, ...]:
    """Return the tasks, as checkpoints name them, that have a class as a part; none for a class of somebody's own."""
    place = f"{owner.__module__}:{owner.__qualname__}"
    return tuple(spec.task_name for spec in TASKS.values() if getattr(spec, part) == place)


TASKS = Tasks(
    {
        "classification": "ratsnlp.nlpbook.classification.spec:SPEC",
        "paircls": "ratsnlp.nlpbook.paircls.spec:SPEC",
        "qa": "ratsnlp.nlpbook.qa.spec:SPEC",
        "ner": "ratsnlp.nlpbook.ner.spec:SPEC",
    }
)
