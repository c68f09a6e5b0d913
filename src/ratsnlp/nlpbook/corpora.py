"""Which corpus a training reads, and which of its rows it learns from, validates on and is scored on."""

import dataclasses
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, CORPORA
from ratsnlp.nlpbook.data.catalog import CATALOG
from ratsnlp.nlpbook.data.dataset import FeatureDataset
from ratsnlp.nlpbook.data.download import download_downstream_dataset
from ratsnlp.nlpbook.data.splits import held_out_count
from ratsnlp.nlpbook.data.table_record import read_table_record, refuse_changed_table
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.recipes import Recipe

COLUMN_SETTINGS = ("text_column", "pair_column", "label_column", "skip_bad_rows")


def own_files(args: TrainArguments) -> dict[str, Path]:
    """Return the own files by split, meant from where the command runs and not from the corpus's folder."""
    named = {"train": args.train_file, "val": args.validation_file, "test": args.test_file}
    return {mode: Path(path).expanduser().absolute() for mode, path in named.items() if path}


def learns_from_table(recipe: Recipe, args: TrainArguments) -> bool:
    """Tell whether the training file is a table with labels of its own, and not one that the named corpus reads.

    Raises:
        ArgumentError: Columns are named, but no table can be read.
    """
    named = [name for name in COLUMN_SETTINGS if getattr(args, name)]
    path = own_files(args).get("train")
    if named and not (recipe.table and path):
        what = f"{recipe.task_name} reads none" if path else "give its file as train_file"
        raise ArgumentError(f"{', '.join(named)} is for an own table of labelled texts: {what}")
    if not recipe.table or not path:
        return False
    if not path.is_file():
        return bool(read_table_record(args.downstream_model_dir))
    name = args.downstream_corpus_name or ""
    known = name if name.removeprefix(BUILTIN) in recipe.corpora else next(iter(recipe.corpora))
    return bool(named) or not recipe.corpus_class(known).recognizes(path)


def name_table(recipe: Recipe, args: TrainArguments) -> TrainArguments:
    """Return the settings with an own table's file name as the corpus's name: no other corpus is learnt from."""
    if not learns_from_table(recipe, args):
        return args
    return dataclasses.replace(args, downstream_corpus_name=own_files(args)["train"].name)


def build_corpus(recipe: Recipe, args: TrainArguments) -> Any:
    """Return the corpus that the settings name, with own files in place of published ones.

    Raises:
        ArgumentError: The task knows no such corpus, or the columns of an own table cannot be told.
        RatsnlpError: An own table cannot be read.
    """
    if learns_from_table(recipe, args):
        return build_table(recipe, args)
    name = args.downstream_corpus_name or ""
    if name.removeprefix(BUILTIN) not in recipe.corpora:
        known = ", ".join(
            [*recipe.corpora, *(BUILTIN + corpus for corpus in recipe.corpora if (CORPORA / corpus).is_dir())]
        )
        raise ArgumentError(f"downstream_corpus_name {name!r} is not known to this task; it reads {known}")
    return recipe.corpus_class(name)(own_files(args))


def build_table(recipe: Recipe, args: TrainArguments) -> Any:
    """Return the corpus of an own table; a training that goes on asks nothing that was answered before.

    Raises:
        ArgumentError: The columns cannot be told, or the file has changed since the training began.
        RatsnlpError: A file cannot be read.
    """
    files = own_files(args)
    before = read_columns(files["train"], args.downstream_model_dir)
    return recipe.load("table")(
        files["train"],
        args.text_column or before.get("text"),
        args.label_column or before.get("label"),
        args.pair_column or before.get("pair"),
        test=files.get("test"),
        validation=files.get("val"),
        pairs=recipe.pairs,
        held_out=args.validation_ratio,
        seed=args.seed or 0,
        skip_bad_rows=args.skip_bad_rows,
    )


def restore_table(recipe: Recipe, folder: str | Path) -> Any:
    """Return the own table that a model folder learnt from, with the rows held out then; None where it was none."""
    return recipe.load("table").restore(Path(folder)) if recipe.table and read_table_record(folder) else None


def read_columns(path: Path, folder: str | None) -> dict[str, str]:
    """Return the columns that a model folder's training reads in a file; empty where there is no such training.

    Raises:
        ArgumentError: The file has changed since that training began.
    """
    record = read_table_record(folder)
    if not record or record["files"]["train"] != str(path):
        return {}
    refuse_changed_table(record, path, folder)
    return dict(record["columns"])


def fetch_corpus(args: TrainArguments) -> None:
    """Fetch the corpus where it is published and own files do not take its place."""
    if args.downstream_corpus_name in CATALOG and not (args.train_file and args.test_file):
        download_downstream_dataset(args)


def split_datasets(recipe: Recipe, args: TrainArguments, tokenizer: Any, corpus: Any) -> tuple[Any, Any]:
    """Return the rows to train on and the rows to validate on.

    Validation rows are held out of train, from the rows after `max_train_examples` where that leaves any; an own
    validation file, or `validate_on="test"`, takes their place.

    Raises:
        ArgumentError: There are too few rows to hold any out.
    """
    build = recipe.load("dataset")
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
