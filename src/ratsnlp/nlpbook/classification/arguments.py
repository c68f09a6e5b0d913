"""Settings of document classification, and of pair classification, which shares them."""

from dataclasses import dataclass

from ratsnlp.nlpbook.arguments import DeployArguments, TrainArguments


@dataclass(kw_only=True)
class ClassificationTrainArguments(TrainArguments):
    """Settings to train a document or pair classifier."""


@dataclass(kw_only=True)
class ClassificationDeployArguments(DeployArguments):
    """Settings to serve a document or pair classifier."""
