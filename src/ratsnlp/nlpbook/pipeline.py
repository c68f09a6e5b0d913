"""The three verbs on a model folder: train, evaluate, serve.

The command and the scripts call these; the notebooks spell them out.
"""

import dataclasses
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from flask import Flask
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, CORPORA
from ratsnlp.nlpbook.checkpoints import LAST, read_description, select_checkpoint
from ratsnlp.nlpbook.data.catalog import CATALOG
from ratsnlp.nlpbook.data.corpus import corpus_folder
from ratsnlp.nlpbook.data.dataset import FeatureDataset
from ratsnlp.nlpbook.data.download import download_downstream_dataset
from ratsnlp.nlpbook.data.loaders import get_dataloaders
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError
from ratsnlp.nlpbook.logs import is_first_process, logger, set_logger
from ratsnlp.nlpbook.models import adopt_labels, load_pretrained
from ratsnlp.nlpbook.recipes import RECIPES, Recipe
from ratsnlp.nlpbook.record import clear, read_record, refuse_other_settings, write_record
from ratsnlp.nlpbook.training.check import check
from ratsnlp.nlpbook.training.findings import Report
from ratsnlp.nlpbook.training.trainer import get_trainer, make_model_folder, set_seed

HELD_OUT_AT_MOST = 5000


def train(name: str, args: TrainArguments, restart: bool = False) -> Path:
    """Train the task `name` and return its best checkpoint.

    Called again with the same settings, it resumes what was cut, and does nothing where all is done.

    Args:
        name: A task of `RECIPES`, for example "classification".
        args: The training settings.
        restart: Remove what the model folder holds of an earlier training, and start anew.

    Raises:
        ArgumentError: The folder holds a training with other settings, or a setting does not fit the corpus.
        CheckError: Tokenizer, model, data and settings do not fit each other.
        RatsnlpError: The corpus or the model cannot be had.
    """
    recipe, folder = RECIPES[name], make_model_folder(args)
    if restart and is_first_process():
        clear(folder)
    record = read_record(folder)
    if record:
        refuse_other_settings(record["settings"], args, folder)
    if record.get("finished"):
        logger.info("%s holds this training, finished; nothing to do (--restart starts anew)", folder)
        return select_checkpoint(folder)
    set_seed(args)
    set_logger(args)
    corpus, tokenizer, train_dataset, val_dataset = prepare_data(recipe, args)
    task = recipe.load("task")(load_model(recipe, args, corpus), args)
    tell_findings(check(args, task.model, tokenizer, train_dataset))
    trainer = get_trainer(args)
    if is_first_process():
        write_record(folder, args, finished=False)
    last = folder / LAST
    if last.exists():
        logger.info("resuming from %s", last)
    train_loader, val_loader = get_dataloaders(args, train_dataset, val_dataset)
    trainer.fit(task, train_loader, val_loader, ckpt_path=str(last) if last.exists() else None)
    if is_first_process():
        write_record(folder, args, finished=True)
    return select_checkpoint(folder)


def prepare_data(recipe: Recipe, args: TrainArguments) -> tuple[Any, PreTrainedTokenizerBase, Any, Any]:
    """Return the corpus, the tokenizer, and the datasets to train and to validate on."""
    corpus = build_corpus(recipe, args)
    fetch_corpus(args)
    tokenizer = load_tokenizer(args)
    train_dataset, val_dataset = split_datasets(recipe, args, tokenizer, corpus)
    counts = (f"{dataset.example_count:,}" for dataset in (train_dataset, val_dataset))
    logger.info("training on %s examples, validating on %s", *counts)
    return corpus, tokenizer, train_dataset, val_dataset


def tell_findings(report: Report) -> None:
    """Log what a check found.

    Raises:
        CheckError: It found errors.
    """
    for finding in (*report.of("warning"), *report.of("note")):
        say = logger.warning if finding.level == "warning" else logger.info
        say("check: %s: %s", finding.name, finding.message)
    report.raise_for_errors()


def check_task(name: str, args: TrainArguments) -> Report:
    """Check what `train` would train, and train nothing.

    Args:
        name: A task of `RECIPES`, for example "classification".
        args: The training settings.

    Raises:
        RatsnlpError: The corpus or the model cannot be had.
    """
    recipe = RECIPES[name]
    corpus, tokenizer, train_dataset, _ = prepare_data(recipe, args)
    return check(args, load_model(recipe, args, corpus), tokenizer, train_dataset)


def fetch_corpus(args: TrainArguments) -> None:
    """Fetch the corpus where it is published and own files do not take its place."""
    if args.downstream_corpus_name in CATALOG and not (args.train_file and args.test_file):
        download_downstream_dataset(args)


def build_corpus(recipe: Recipe, args: TrainArguments) -> Any:
    """Return the corpus that the settings name, with own files in place of published ones.

    Raises:
        ArgumentError: The task knows no such corpus.
    """
    name = args.downstream_corpus_name or ""
    if name.removeprefix(BUILTIN) not in recipe.corpora:
        known = ", ".join(
            [*recipe.corpora, *(BUILTIN + corpus for corpus in recipe.corpora if (CORPORA / corpus).is_dir())]
        )
        raise ArgumentError(f"downstream_corpus_name {name!r} is not known to this task; it reads {known}")
    own = {"train": args.train_file, "val": args.validation_file, "test": args.test_file}
    # a path in the settings is meant from where the command runs, not from the corpus's folder
    return recipe.corpus_class(name)({mode: Path(path).absolute() for mode, path in own.items() if path})


def load_tokenizer(args: TrainArguments) -> PreTrainedTokenizerBase:
    """Return the tokenizer of the pretrained model.

    Raises:
        ModelLoadError: It cannot be had.
    """
    tokenizer: PreTrainedTokenizerBase = load_pretrained(AutoTokenizer.from_pretrained, args.pretrained_model_name)
    return tokenizer


def load_model(recipe: Recipe, args: TrainArguments, corpus: Any) -> PreTrainedModel:
    """Return the pretrained model in float32, with a head for the corpus's labels.

    The head is new, unless the model was already trained for these labels: then its rows are kept, matched by name.

    Raises:
        ModelLoadError: It cannot be had.
    """
    labels = corpus.get_labels()
    # without a dtype, transformers loads the type that the file was saved in
    model: PreTrainedModel = load_pretrained(
        recipe.load("model").from_pretrained,
        args.pretrained_model_name,
        dtype=torch.float32,
        **({"num_labels": len(labels), "ignore_mismatched_sizes": True} if labels else {}),
    )
    if labels:
        adopt_labels(model, labels)
        shown = list(getattr(corpus, "label_names", ())) or labels
        logger.info("labels, in the order of the head: %s", ", ".join(f"{i}: {name}" for i, name in enumerate(shown)))
    return model


def split_datasets(recipe: Recipe, args: TrainArguments, tokenizer: Any, corpus: Any) -> tuple[Any, Any]:
    """Return the rows to train on and the rows to validate on.

    Validation rows are held out of train, from the rows after `max_train_examples` where that leaves any; an own
    validation file, or `validate_on="test"`, takes their place.
    """
    build = recipe.load("dataset")
    everything: FeatureDataset[Any, Any] = build(args=args, corpus=corpus, tokenizer=tokenizer, mode="train")
    first = min(args.max_train_examples or everything.example_count, everything.example_count)
    chosen, after = everything.split_after(first)
    if args.validation_file or args.validate_on == "test":
        mode = "val" if args.validation_file else "test"
        return chosen, build(args=args, corpus=corpus, tokenizer=tokenizer, mode=mode)
    count = max(1, min(HELD_OUT_AT_MOST, round(first * args.validation_ratio)))
    if after.example_count >= count:
        return chosen, after.split_held_out(count, args.seed or 0)[1]
    return chosen.split_held_out(count, args.seed or 0)


def describe_folder(folder: str | Path) -> tuple[Recipe, dict[str, Any]]:
    """Return the task of a model folder and what its best checkpoint says about itself.

    Raises:
        CheckpointError: There is no checkpoint to choose, or its task is not known.
    """
    path = select_checkpoint(folder)
    described = read_description(path)
    for recipe in RECIPES.values():
        if recipe.task_name == described.get("task"):
            return recipe, described
    raise CheckpointError(f"{path} was trained for {described.get('task')!r}; known are {', '.join(RECIPES)}")


def load_predictor(folder: str | Path) -> Any:
    """Return the predictor of a model folder; the folder knows its task.

    Raises:
        CheckpointError: There is no checkpoint to choose, or its task is not known.
    """
    recipe, _ = describe_folder(folder)
    return recipe.load("predictor").load(folder)


def evaluate(
    folder: str | Path, corpus_root: str | None = None, mode: str = "test", hypothesis_only: bool = False
) -> Any:
    """Score a model folder's best checkpoint on a split; write the score card to `FOLDER/evaluation` and return it.

    Args:
        folder: The model folder.
        corpus_root: Where the corpus is now; by default where it was at training.
        mode: The split.
        hypothesis_only: For pairs: also score a simple classifier that never sees a premise, on the same pairs.

    Raises:
        ArgumentError: `hypothesis_only` is asked of a task without hypotheses.
        RatsnlpError: The checkpoint or the corpus cannot be had.
    """
    recipe, described = describe_folder(folder)
    if hypothesis_only and not recipe.hypothesis_only:
        raise ArgumentError(f"{folder} holds a model for {recipe.task_name}; only pairs have a hypothesis")
    settings = described["settings"] | ({"downstream_corpus_root_dir": corpus_root} if corpus_root else {})
    args = recipe.load("arguments")(**settings)
    corpus = build_corpus(recipe, args)
    fetch_corpus(args)
    examples = corpus.get_examples(corpus_folder(args), mode)
    card = load_predictor(folder).evaluate(examples)
    if hypothesis_only:
        learnt = list(islice(corpus.iterate_examples(corpus_folder(args), "train"), args.max_train_examples))
        simple = recipe.load("hypothesis_only")(learnt, examples, corpus.get_labels(), corpus.label_names)
        card = dataclasses.replace(card, baselines={"hypothesis only": simple})
    card.save(Path(folder) / "evaluation")
    return card


def build_app(folder: str | Path, **options: Any) -> Flask:
    """Return the page of a model folder, ready to `run()`."""
    recipe, _ = describe_folder(folder)
    app: Flask = recipe.load("app")(load_predictor(folder), **options)
    return app
