from .arguments import NERDeployArguments, NERTrainArguments
from .corpus import KlueNERCorpus, NERCorpus, NERExample
from .dataset import NERDataset, NERFeatures
from .formats import Entity
from .predictor import NERPredictor
from .spec import get_web_service_app
from .task import NERTask

__all__ = [
    "Entity",
    "KlueNERCorpus",
    "NERCorpus",
    "NERDataset",
    "NERDeployArguments",
    "NERExample",
    "NERFeatures",
    "NERPredictor",
    "NERTask",
    "NERTrainArguments",
    "get_web_service_app",
]
