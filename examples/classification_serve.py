"""Serve a trained classifier: python examples/classification_serve.py --downstream_model_dir checkpoint-doccls."""

import os

from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import ClassificationDeployArguments, ClassificationPredictor, get_web_service_app

if __name__ == "__main__":
    args = nlpbook.load_arguments(ClassificationDeployArguments)
    predictor = ClassificationPredictor.load(args.downstream_model_checkpoint_fpath)
    print(predictor("배우 연기가 정말 좋다"))
    get_web_service_app(predictor).run(port=int(os.environ.get("PORT", "5000")))  # PORT=0 takes a free one
