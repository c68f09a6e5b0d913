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
from ratsnlp.nlpbook.checkpoints import select_checkpoint
from ratsnlp.nlpbook.corpora import build_corpus, fetch_corpus, name_table, restore_table, split_datasets
from ratsnlp.nlpbook.data.corpus import corpus_folder
from ratsnlp.nlpbook.data.loaders import get_dataloaders
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError
from ratsnlp.nlpbook.evaluation.scoring import Precision, score
from ratsnlp.nlpbook.fine_tuned import describe_fine_tuned, find_fine_tuned, is_exported
from ratsnlp.nlpbook.logs import is_first_process, logger, set_logger
from ratsnlp.nlpbook.models import adopt_labels, load_pretrained
from ratsnlp.nlpbook.recipes import RECIPES, Recipe
from ratsnlp.nlpbook.record import clear, read_record, refuse_other_settings, write_record
from ratsnlp.nlpbook.training.check import check
from ratsnlp.nlpbook.training.findings import Report
from ratsnlp.nlpbook.training.saving import forget, select_resumable
from ratsnlp.nlpbook.training.trainer import get_trainer, make_model_folder, set_seed


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
    args = name_table(recipe, args)
    if restart and is_first_process():
        clear(folder)
        forget(folder)
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
    last = select_resumable(folder)
    if last:
        logger.info("resuming from %s", last)
    train_loader, val_loader = get_dataloaders(args, train_dataset, val_dataset)
    trainer.fit(task, train_loader, val_loader, ckpt_path=str(last) if last else None)
    if is_first_process():
        write_record(folder, args, finished=True)
        forget(folder)
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
    args = name_table(recipe, args)
    corpus, tokenizer, train_dataset, _ = prepare_data(recipe, args)
    return check(args, load_model(recipe, args, corpus), tokenizer, train_dataset)


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
        shown = list(getattr(corpus, "label_names", ())) or labels
        adopt_labels(model, labels, shown)
        logger.info("labels, in the order of the head: %s", ", ".join(f"{i}: {name}" for i, name in enumerate(shown)))
    return model


def describe_folder(folder: str | Path) -> tuple[Recipe, dict[str, Any]]:
    """Return the task of a model folder, or of an exported one, and what its best checkpoint says about itself.

    Raises:
        CheckpointError: There is no checkpoint to choose, or its task is not known.
    """
    path = find_fine_tuned(folder)
    described = describe_fine_tuned(path)
    for recipe in RECIPES.values():
        if recipe.task_name == described.get("task"):
            return recipe, described
    raise CheckpointError(f"{path} was trained for {described.get('task')!r}; known are {', '.join(RECIPES)}")


def load_predictor(folder: str | Path, engine: str = "torch") -> Any:
    """Return the predictor of a model folder, or of an exported one; the folder knows its task.

    Args:
        folder: The folder.
        engine: How the model is run: "torch", "torch-int8", "onnx" or "onnx-int8".

    Raises:
        ArgumentError: There is no such engine, or its packages are not installed.
        CheckpointError: There is no checkpoint to choose, or its task is not known.
    """
    recipe, _ = describe_folder(folder)
    return recipe.load("predictor").load(folder, engine=engine)


def evaluate(
    folder: str | Path,
    corpus_root: str | None = None,
    mode: str = "test",
    hypothesis_only: bool = False,
    precision: Precision = "32",
) -> Any:
    """Score a model folder's best checkpoint on a split; write the score card to `FOLDER/evaluation` and return it.

    Args:
        folder: The model folder, or an exported one.
        corpus_root: Where the corpus is now; by default where it was at training.
        mode: The split.
        hypothesis_only: For pairs: also score a simple classifier that never sees a premise, on the same pairs.
        precision: "bf16" scores in bfloat16, "auto" only where the hardware is faster with it.

    Raises:
        ArgumentError: `hypothesis_only` is asked of a task without hypotheses.
        RatsnlpError: The checkpoint or the corpus cannot be had.
    """
    recipe, described = describe_folder(folder)
    if hypothesis_only and not recipe.hypothesis_only:
        raise ArgumentError(f"{folder} holds a model for {recipe.task_name}; only pairs have a hypothesis")
    settings = described["settings"] | ({"downstream_corpus_root_dir": corpus_root} if corpus_root else {})
    # held-out rows of an own table stay in the model folder: what is exported may be published
    learnt_in = settings["downstream_model_dir"] if is_exported(folder) else folder
    args = recipe.load("arguments")(**settings)
    corpus = restore_table(recipe, learnt_in) or build_corpus(recipe, args)
    fetch_corpus(args)
    examples = corpus.get_examples(corpus_folder(args), mode)
    card = score(load_predictor(folder), examples, corpus, args, mode, precision)
    if hypothesis_only:
        learnt = list(islice(corpus.iterate_examples(corpus_folder(args), "train"), args.max_train_examples))
        simple = recipe.load("hypothesis_only")(learnt, examples, corpus.get_labels(), corpus.label_names)
        card = dataclasses.replace(card, baselines={"hypothesis only": simple})
    card.save(Path(folder) / "evaluation")
    return card


def build_app(folder: str | Path, engine: str = "torch", **options: Any) -> Flask:
    """Return the page of a model folder, ready to `run()`. See `load_predictor` and `build_web_service_app`."""
    recipe, _ = describe_folder(folder)
    app: Flask = recipe.load("app")(load_predictor(folder, engine), **options)
    return app
