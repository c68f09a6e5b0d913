from .baseline import score_hypothesis_only
from .corpus import KlueNLICorpus, KorNLICorpus
from .predictor import PairClassificationPredictor
from .spec import get_web_service_app

__all__ = [
    "KlueNLICorpus",
    "KorNLICorpus",
    "PairClassificationPredictor",
    "get_web_service_app",
    "score_hypothesis_only",
]
