from .arguments import ClassificationDeployArguments, ClassificationTrainArguments
from .corpus import ClassificationExample, NsmcCorpus, TableCorpus
from .dataset import ClassificationDataset, ClassificationFeatures
from .predictor import ClassificationPredictor
from .spec import get_web_service_app
from .task import ClassificationTask

__all__ = [
    "ClassificationDataset",
    "ClassificationDeployArguments",
    "ClassificationExample",
    "ClassificationFeatures",
    "ClassificationPredictor",
    "ClassificationTask",
    "ClassificationTrainArguments",
    "NsmcCorpus",
    "TableCorpus",
    "get_web_service_app",
]
