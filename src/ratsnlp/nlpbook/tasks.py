"""The tasks: one `TaskSpec` for each holds all that the rest of the library has to know of it.

Specs hold names of parts, not the parts: listing tasks imports no model code. A new task is its folder, with a
`spec.py` in it, and one entry in `TASKS`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

from ratsnlp.nlpbook.builtin import BUILTIN


@dataclass(frozen=True, kw_only=True)
class DemoPage:
    """What a task's page shows.

    Attributes:
        template: The page's template, which fills blocks of `base.html`.
        fields: The texts of a request, in the order in which `inference_fn` takes them.
        title: The page's title.
        examples: Examples to press, each with a text for every field.
        templates: A folder of templates outside this package in which `template` is looked for first.

    Raises:
        ValueError: An example has more or fewer values than there are fields.
    """

    template: str
    fields: tuple[str, ...]
    title: str = "ratsnlp"
    examples: tuple[tuple[str, ...], ...] = ()
    templates: str = ""

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
    """What one task's demo asks and shows.

    Attributes:
        settings: The training settings in which it differs from the common ones.
        inputs: What the trained model is asked at the end.
        shown: The fields of an answer to print.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...]
    shown: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A simpler way to answer, which a model must beat; `ratsnlp evaluate DIR --NAME` scores it beside the model.

    Attributes:
        function: `module:name` of `(train, test, labels, label_names) -> report`, on the examples of both splits.
        help: One line of help.
    """

    function: str
    help: str


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task. Parts that need model code are given as `module:name`; `load` imports them.

    Attributes:
        name: The name of the command's TASK and of the task's folder.
        task_name: What `downstream_task_name` says for this task, in settings and checkpoints.
        title: What the task is called in tables and cards.
        arguments: The training settings.
        deploy_arguments: The settings to serve a model with.
        corpora: The corpora that the command knows, by name; the first is the default.
        dataset: Features of a corpus's split.
        task: The training task, a `LightningModule`.
        model: transformers' class that builds the model.
        pipeline: What the hub, and transformers' `pipeline`, call the task; empty where there is none.
        predictor: Answers of a trained model.
        page: What its page shows.
        demo: What its demo trains and asks.
        choose_page: Returns the page for an `inference_fn`, where it depends on that.
        table: The corpus of own tables with labels of their own; empty where own files hold what the corpora hold.
        pairs: Whether a row of such a table has two texts.
        baselines: Simpler ways to answer, by name.
        notebooks: The notebooks that teach it, by stem.
    """

    name: str
    task_name: str
    title: str
    arguments: str
    deploy_arguments: str = ""
    corpora: Mapping[str, str]
    dataset: str
    task: str
    model: str
    pipeline: str = ""
    predictor: str
    page: DemoPage
    demo: Demo
    choose_page: str = ""
    table: str = ""
    pairs: bool = False
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    notebooks: tuple[str, ...] = ()

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

    def page_for(self, inference_fn: Any) -> DemoPage:
        """Return what the page of an `inference_fn` shows."""
        page: DemoPage = self.load("choose_page")(inference_fn) if self.choose_page else self.page
        return page

    def get_web_service_app(self, inference_fn: Any, is_colab: bool = True, **options: Any) -> Any:
        """Return the page that answers with `inference_fn`; `app.run()` serves it.

        `inference_fn` is a predictor, or a hand-written function of the page's `fields`, in their order, that returns a
        dict in the published form. `is_colab` is as in the published cells; False keeps the page to its machine even in
        Colab. Options: see `build_web_service_app`.
        """
        build = resolve_name("ratsnlp.nlpbook.serving.app:build_task_app")
        return build(self, inference_fn, is_colab=is_colab, **options)


class Tasks(Mapping[str, TaskSpec]):
    """Specs by name, imported when they are looked up.

    Args:
        places: For each name, `module:name` of its spec.
    """

    def __init__(self, places: Mapping[str, str]):
        self.places = dict(places)

    def __getitem__(self, name: str) -> TaskSpec:
        """Return the spec of a task."""
        spec: TaskSpec = resolve_name(self.places[name])
        return spec

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.places)

    def __len__(self) -> int:
        """Return how many tasks there are."""
        return len(self.places)


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
