"""The three verbs on a model folder: train, evaluate, serve.

The command and the scripts call these; the notebooks spell them out.
"""

import dataclasses
from itertools import islice
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
from flask import Flask
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, CORPORA
from ratsnlp.nlpbook.checkpoints import describe_fine_tuned, find_fine_tuned, select_checkpoint
from ratsnlp.nlpbook.data.batches import get_dataloaders
from ratsnlp.nlpbook.data.corpus import corpus_folder, held_out_count
from ratsnlp.nlpbook.data.dataset import FeatureDataset
from ratsnlp.nlpbook.data.download import CATALOG, download_downstream_dataset
from ratsnlp.nlpbook.environment import is_first_process
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError
from ratsnlp.nlpbook.evaluation.report import Precision, score
from ratsnlp.nlpbook.logs import logger, set_logger
from ratsnlp.nlpbook.model_folder import ModelFolder
from ratsnlp.nlpbook.models import adopt_labels, load_pretrained
from ratsnlp.nlpbook.settings import names_where
from ratsnlp.nlpbook.tasks import TASKS, TaskSpec
from ratsnlp.nlpbook.texts import plain_labels
from ratsnlp.nlpbook.training.check import Report, check
from ratsnlp.nlpbook.training.saving import forget
from ratsnlp.nlpbook.training.trainer import get_trainer, make_model_folder, set_seed


def _own_files(args: TrainArguments) -> dict[str, Path]:
    named = {"train": args.train_file, "val": args.validation_file, "test": args.test_file}
    return {mode: Path(path).expanduser().absolute() for mode, path in named.items() if path}


def _learns_from_table(spec: TaskSpec, args: TrainArguments) -> bool:
    """Return whether the training file is a table with labels of its own, and not one that the named corpus reads."""
    named = [name for name in names_where(type(args), column=True) if getattr(args, name)]
    path = _own_files(args).get("train")
    if path and spec.corpus_class(spec.default_corpus).can_skip_rows:
        named = [name for name in named if name != "skip_bad_rows"]
    if named and not (spec.table and path):
        what = f"{spec.task_name} reads none" if path else "give its file as train_file"
        raise ArgumentError(f"{', '.join(named)} is for an own table of labelled texts: {what}")
    if not spec.table or not path:
        return False
    if not path.is_file():
        return bool(_folder_of(args).read_table())
    name = args.downstream_corpus_name or ""
    known = name if name.removeprefix(BUILTIN) in spec.corpora else spec.default_corpus
    return bool(named) or not spec.corpus_class(known).recognizes(path)


def _name_table(spec: TaskSpec, args: TrainArguments) -> TrainArguments:
    if not _learns_from_table(spec, args):
        return args
    return dataclasses.replace(args, downstream_corpus_name=_own_files(args)["train"].name)


def build_corpus(spec: TaskSpec, args: TrainArguments) -> Any:
    """Return the corpus that the settings name, with own files in place of published ones.

    An ArgumentError says that the task knows no such corpus; of own tables, see `TableCorpus`.
    """
    if _learns_from_table(spec, args):
        return _build_table(spec, args)
    name = args.downstream_corpus_name or ""
    if name.removeprefix(BUILTIN) not in spec.corpora:
        samples = [BUILTIN + corpus for corpus in spec.corpora if (CORPORA / corpus).is_dir()]
        known = ", ".join([*spec.corpora, *samples])
        raise ArgumentError(f"downstream_corpus_name {name!r} is not known to this task; it reads {known}")
    corpus_class = spec.corpus_class(name)
    options = {"skip_bad_rows": args.skip_bad_rows} if corpus_class.can_skip_rows else {}
    corpus = corpus_class(_own_files(args), **options)
    corpus.folder = corpus_folder(args)
    return corpus


def _build_table(spec: TaskSpec, args: TrainArguments) -> Any:
    files = _own_files(args)
    before = _folder_of(args).columns_of(files["train"])  # a training that goes on asks nothing again
    return spec.load("table")(
        files["train"],
        args.text_column or before.get("text"),
        args.label_column or before.get("label"),
        args.pair_column or before.get("pair"),
        test=files.get("test"),
        validation=files.get("val"),
        pairs=spec.pairs,
        held_out=args.validation_ratio,
        seed=args.seed or 0,
        skip_bad_rows=args.skip_bad_rows,
    )


def _folder_of(args: TrainArguments) -> ModelFolder:
    return ModelFolder(args.downstream_model_dir or "")


def _fetch_corpus(args: TrainArguments) -> None:
    if args.downstream_corpus_name in CATALOG and not (args.train_file and args.test_file):
        download_downstream_dataset(args)


def split_datasets(spec: TaskSpec, args: TrainArguments, tokenizer: Any, corpus: Any) -> tuple[Any, Any]:
    """Return the rows to train on and the rows to validate on.

    Validation rows are held out of train, from the rows after `max_train_examples` where that leaves any; an own
    validation file, or `validate_on="test"`, takes their place. An ArgumentError says that there are too few rows.
    """
    build = spec.load("dataset")
    everything: FeatureDataset[Any, Any] = build(args=args, corpus=corpus, tokenizer=tokenizer, mode="train")
    first = min(args.max_train_examples or everything.example_count, everything.example_count)
    chosen, after = everything.split_after(first)
    if args.validation_file or args.validate_on == "test":
        mode = "val" if args.validation_file else "test"
        return chosen, build(args=args, corpus=corpus, tokenizer=tokenizer, mode=mode)
    count = held_out_count(first, args.validation_ratio)
    if after.example_count >= count:
        return chosen, after.split_held_out(count, args.seed or 0)[1]
    kept, held = chosen.split_held_out(count, args.seed or 0)
    if not len(held):
        raise ArgumentError(
            f"{first} training rows are too few to hold any out for validation: give more rows, a validation_file, or "
            "validate_on='test'"
        )
    return kept, held


def train(name: str, args: TrainArguments, restart: bool = False) -> Path:
    """Train the task `name`, for example "classification", and return its best checkpoint.

    Called again with the same settings, it resumes what was cut, and does nothing where all is done; with `restart`, it
    removes what the model folder holds of an earlier training, and starts again.

    Raises:
        ArgumentError: The folder holds a training with other settings, or a setting does not fit the corpus.
        CheckError: Tokenizer, model, data and settings do not fit each other.
        RatsnlpError: The corpus or the model cannot be had.
    """
    spec, path = TASKS[name], make_model_folder(args)
    args, folder = _name_table(spec, args), ModelFolder(path)
    if restart and is_first_process():
        folder.clear()
        forget(path)
    folder.refuse_other_training(args)
    if folder.read_training().get("finished"):
        logger.info("%s holds this training, finished; nothing to do (--restart starts again)", path)
        return select_checkpoint(path)
    set_seed(args)
    set_logger(args)
    corpus, tokenizer, train_dataset, val_dataset = _prepare_data(spec, args)
    task = spec.load("task")(load_model(spec, args, corpus), args)
    report = check(args, task.model, tokenizer, train_dataset)
    for finding in report.findings:
        if finding.level != "error":
            say = logger.warning if finding.level == "warning" else logger.info
            say("check: %s: %s", finding.name, finding.message)
    report.raise_for_errors()
    get_trainer(args).fit(task, *get_dataloaders(args, train_dataset, val_dataset))
    return select_checkpoint(path)


def _prepare_data(spec: TaskSpec, args: TrainArguments) -> tuple[Any, PreTrainedTokenizerBase, Any, Any]:
    corpus = build_corpus(spec, args)
    _fetch_corpus(args)
    tokenizer = load_pretrained(AutoTokenizer.from_pretrained, args.pretrained_model_name)
    train_dataset, val_dataset = split_datasets(spec, args, tokenizer, corpus)
    counts = (f"{dataset.example_count:,}" for dataset in (train_dataset, val_dataset))
    logger.info("training on %s examples, validating on %s", *counts)
    return corpus, tokenizer, train_dataset, val_dataset


def check_task(name: str, args: TrainArguments) -> Report:
    """Check what `train` would train with the same arguments, and train nothing. It raises what `train` raises."""
    spec = TASKS[name]
    args = _name_table(spec, args)
    corpus, tokenizer, train_dataset, _ = _prepare_data(spec, args)
    return check(args, load_model(spec, args, corpus), tokenizer, train_dataset)


def load_model(spec: TaskSpec, args: TrainArguments, corpus: Any) -> PreTrainedModel:
    """Return the pretrained model in float32, with a head for the corpus's labels; a ModelLoadError where it fails.

    The head is new, unless the model was already trained for these labels: then its rows are kept, matched by name.
    """
    labels = plain_labels(corpus.get_labels())
    # without a dtype, transformers loads the type that the file was saved in
    model: PreTrainedModel = load_pretrained(
        spec.load("model").from_pretrained,
        args.pretrained_model_name,
        dtype=torch.float32,
        **({"num_labels": len(labels), "ignore_mismatched_sizes": True} if labels else {}),
    )
    if labels:
        shown = list(getattr(corpus, "label_names", ())) or labels
        adopt_labels(model, labels, shown)
        logger.info("labels, in the order of the head: %s", ", ".join(f"{i}: {name}" for i, name in enumerate(shown)))
    return model


def find_model(folder: str | Path) -> tuple[TaskSpec, Path, dict[str, Any]]:
    """Return the task of a model folder, or of an exported one, its best checkpoint, and what that says about itself.

    A CheckpointError says that there is none to choose, or that its task is not known.
    """
    path = find_fine_tuned(folder)
    described = describe_fine_tuned(path)
    for spec in TASKS.values():
        if spec.task_name == described.get("task"):
            return spec, path, described
    raise CheckpointError(f"{path} was trained for {described.get('task')!r}; known are {', '.join(TASKS)}")


def load_predictor(folder: str | Path, engine: str = "torch") -> Any:
    """Return the predictor of a model folder, or of an exported one; the folder knows its task.

    `engine` is how the model is run: "torch", "torch-int8", "onnx" or "onnx-int8". It raises what `Predictor.load`
    raises, and a CheckpointError where the task is not known.
    """
    spec, path, _ = find_model(folder)
    return spec.load("predictor").load(path, engine=engine)


def evaluate(
    folder: str | Path,
    corpus_root: str | None = None,
    mode: str = "test",
    *,
    precision: Precision = "32",
    **baselines: bool,
) -> Any:
    """Score a model folder's best checkpoint on a split; write the report to `FOLDER/evaluation` and return it.

    Args:
        folder: The model folder, or an exported one.
        corpus_root: Where the corpus is now; by default where it was at training.
        mode: The split.
        precision: "bf16" scores in bfloat16, "auto" only where the hardware is faster with it.
        baselines: The task's baselines to score on the same examples, by name: `hypothesis_only=True` for pairs.

    Raises:
        ArgumentError: The task has no such baseline.
        RatsnlpError: The checkpoint or the corpus cannot be had.
    """
    spec, path, described = find_model(folder)
    wanted = [name for name, asked in baselines.items() if asked]
    if unknown := [name for name in wanted if name not in spec.baselines]:
        known = ", ".join(spec.baselines) or "none"
        raise ArgumentError(
            f"{folder} holds a model for {spec.task_name}, whose baselines are: {known}; got {unknown[0]}"
        )
    settings = described["settings"] | ({"downstream_corpus_root_dir": corpus_root} if corpus_root else {})
    # held-out rows of an own table stay in the model folder: what is exported may be published
    home = ModelFolder(folder)
    args = spec.load("arguments")(**settings)
    read = _folder_of(args) if home.is_exported else home
    corpus = spec.load("table").restore(read.path) if spec.table and read.read_table() else build_corpus(spec, args)
    _fetch_corpus(args)
    examples = list(corpus.examples(corpus_folder(args), mode))
    report = score(spec.load("predictor").load(path), examples, corpus, args, mode, precision)
    if wanted:
        learned = list(islice(corpus.examples(corpus_folder(args), "train"), args.max_train_examples))
        given = learned, examples, corpus.get_labels(), corpus.label_names
        simple = {name.replace("_", " "): resolve_name(spec.baselines[name].function)(*given) for name in wanted}
        report = dataclasses.replace(report, baselines=simple)
    report.save(home.evaluation)
    return report


def build_app(folder: str | Path, engine: str = "torch", **options: Any) -> Flask:
    """Return the page of a model folder, ready to `run()`. See `load_predictor` and `build_web_service_app`."""
    spec, path, _ = find_model(folder)
    app: Flask = spec.get_web_service_app(spec.load("predictor").load(path, engine=engine), **options)
    return app
