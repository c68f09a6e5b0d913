from .baseline import score_hypothesis_only
from .corpus import KlueNLICorpus, KorNLICorpus
from .deploy import get_web_service_app
from .predictor import PairClassificationPredictor

__all__ = [
    "KlueNLICorpus",
    "KorNLICorpus",
    "PairClassificationPredictor",
    "get_web_service_app",
    "score_hypothesis_only",
]
