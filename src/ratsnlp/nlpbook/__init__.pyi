from . import classification, metrics, ner, paircls, qa
from .builtin import builtin_corpus, builtin_model
from .classification.corpus import TableCorpus
from .classification.predictor import explain
from .data.batches import data_collator, get_dataloaders
from .data.download import download_downstream_dataset
from .display import show_confusion, show_features, show_history, show_lengths
from .evaluation.comparison import compare
from .exporting import export
from .logs import logger, set_logger
from .pipeline import evaluate, load_predictor, train
from .qa.display import show_windows
from .serving.server import run_with_ngrok, serve
from .settings import load_arguments
from .training.check import check
from .training.trainer import get_trainer, set_seed

__all__ = [
    "TableCorpus",
    "builtin_corpus",
    "builtin_model",
    "check",
    "classification",
    "compare",
    "data_collator",
    "download_downstream_dataset",
    "evaluate",
    "explain",
    "export",
    "get_dataloaders",
    "get_trainer",
    "load_arguments",
    "load_predictor",
    "logger",
    "metrics",
    "ner",
    "paircls",
    "qa",
    "run_with_ngrok",
    "serve",
    "set_logger",
    "set_seed",
    "show_confusion",
    "show_features",
    "show_history",
    "show_lengths",
    "show_windows",
    "train",
]
