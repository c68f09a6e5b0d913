from .arguments import QADeployArguments, QATrainArguments
from .corpus import KorQuADV1Corpus, QACorpus, QAExample
from .dataset import QADataset, QAFeatures
from .predictor import QAPredictor
from .spec import get_web_service_app
from .task import QATask

__all__ = [
    "KorQuADV1Corpus",
    "QACorpus",
    "QADataset",
    "QADeployArguments",
    "QAExample",
    "QAFeatures",
    "QAPredictor",
    "QATask",
    "QATrainArguments",
    "get_web_service_app",
]
