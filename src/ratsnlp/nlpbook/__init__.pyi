from . import classification, metrics, paircls, qa
from .builtin import builtin_corpus
from .data.batches import data_collator
from .data.download import download_downstream_dataset
from .data.loaders import get_dataloaders
from .logs import logger, set_logger
from .pipeline import evaluate, load_predictor, train
from .settings import load_arguments
from .training.check import check
from .training.trainer import get_trainer, set_seed

__all__ = [
    "builtin_corpus",
    "check",
    "classification",
    "data_collator",
    "download_downstream_dataset",
    "evaluate",
    "get_dataloaders",
    "get_trainer",
    "load_arguments",
    "load_predictor",
    "logger",
    "metrics",
    "paircls",
    "qa",
    "set_logger",
    "set_seed",
    "train",
]
