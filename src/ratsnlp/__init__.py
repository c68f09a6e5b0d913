"""Learn and use Korean NLP from a notebook. The step-by-step names live in `ratsnlp.nlpbook`."""

__version__ = "2.0.0"
