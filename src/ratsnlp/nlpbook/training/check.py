"""Before a training: does this tokenizer belong to this model, and do the data and the settings fit both?"""

from typing import Any

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.training.data_checks import DATA_CHECKS, check_first_loss
from ratsnlp.nlpbook.training.findings import ORDER, Report
from ratsnlp.nlpbook.training.pair_checks import PAIR_CHECKS
from ratsnlp.nlpbook.training.subject import Subject


def check(args: TrainArguments, model: Any, tokenizer: Any, dataset: Any) -> Report:
    """Look at a model, a tokenizer, features and settings together, before time is spent on training them.

    Nothing is changed: not the model's mode, not the random numbers to come.

    It takes seconds: statistics are of at most 2,000 rows, and the model sees one batch of 8, where nothing else is
    wrong yet.

    Args:
        args: The training settings.
        model: The model to train.
        tokenizer: The tokenizer that made the features.
        dataset: The features to train on.

    Returns:
        The report; print it, or call its `raise_for_errors()`.
    """
    subject = Subject(args, model, tokenizer, dataset)
    found = [finding for look in (*PAIR_CHECKS, *DATA_CHECKS) for finding in look(subject)]
    if subject.rows and not any(finding.level == "error" for finding in found):
        found += check_first_loss(subject)
    pair = f"{subject.tokenizer_side} with {subject.model_side}"
    return Report(pair, tuple(sorted(found, key=lambda finding: ORDER.index(finding.level))))
