"""The score that needs no premise: how much of a model's score the wording of the hypotheses gives away."""

from collections.abc import Sequence

import torch

from ratsnlp.nlpbook.classification.corpus import ClassificationExample
from ratsnlp.nlpbook.evaluation.ngrams import NgramClassifier
from ratsnlp.nlpbook.evaluation.scorecard import ScoreCard

MOST_ROWS = 50_000
"""More training rows than these change the baseline little and cost minutes."""


def score_hypothesis_only(
    train: Sequence[ClassificationExample],
    test: Sequence[ClassificationExample],
    labels: Sequence[str],
    label_names: Sequence[str] = (),
) -> ScoreCard:
    """Return the score card of a bag-of-characters classifier that reads hypotheses and never a premise.

    Without the premise the question cannot be answered, so an honest score is chance. What lies above it comes from
    habits of those who wrote the hypotheses ("never" in contradictions, for example); a model may live on them too.

    Args:
        train: Pairs to learn from, the first 50,000 of them; of others than the model's, the comparison says little.
        test: Pairs to measure on, the model's own.
        labels: The labels in order.
        label_names: How to show them.

    Source: Gururangan et al. 2018, Annotation Artifacts in Natural Language Inference Data, https://aclanthology.org/N18-2017
    """
    place = {label: i for i, label in enumerate(labels)}
    learnt = train[:MOST_ROWS]
    classifier = NgramClassifier(
        [str(example.text_b) for example in learnt],
        torch.tensor([place[str(example.label)] for example in learnt]),
        len(labels),
    )
    hypotheses = [str(example.text_b) for example in test]
    truth = torch.tensor([place[str(example.label)] for example in test])
    found = classifier.probabilities(hypotheses)
    return ScoreCard(hypotheses, truth, found, list(labels), list(label_names or labels), ("hypothesis",))
