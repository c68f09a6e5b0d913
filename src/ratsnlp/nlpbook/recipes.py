"""The tasks of the command, and where their parts are. Names only: listing tasks imports none of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

CLASSIFICATION = "ratsnlp.nlpbook.classification"
PAIRCLS = "ratsnlp.nlpbook.paircls"
QA = "ratsnlp.nlpbook.qa"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The parts of one task, each as `module:name`.

    Attributes:
        task_name: What `downstream_task_name` says for this task, in settings and checkpoints.
        arguments: The training settings.
        corpora: The corpora that the command knows, by name; the first is the default.
        dataset: Features of a corpus's split.
        task: The training task.
        model: transformers' class that builds the model.
        predictor: Answers of a trained model.
        app: The factory of its page.
        hypothesis_only: What scores a pair's second texts alone; empty where a question has no such part.
        table: The corpus of own tables with labels of their own; empty where own files hold what the corpora hold.
        pairs: Whether a row of such a table has two texts.
    """

    task_name: str
    arguments: str
    corpora: Mapping[str, str]
    dataset: str
    task: str
    model: str
    predictor: str
    app: str
    hypothesis_only: str = ""
    table: str = ""
    pairs: bool = False

    def load(self, part: str) -> Any:
        """Import a part and return it."""
        return resolve_name(getattr(self, part))

    def corpus_class(self, name: str) -> Any:
        """Import the class of a corpus and return it; `builtin-NAME` is read as NAME is."""
        return resolve_name(self.corpora[name.removeprefix("builtin-")])


RECIPES = {
    "classification": Recipe(
        task_name="document-classification",
        arguments=f"{CLASSIFICATION}.arguments:ClassificationTrainArguments",
        corpora={"nsmc": f"{CLASSIFICATION}.corpus:NsmcCorpus"},
        dataset=f"{CLASSIFICATION}.dataset:ClassificationDataset",
        task=f"{CLASSIFICATION}.task:ClassificationTask",
        model="transformers:AutoModelForSequenceClassification",
        predictor=f"{CLASSIFICATION}.predictor:ClassificationPredictor",
        app=f"{CLASSIFICATION}.deploy:get_web_service_app",
        table=f"{CLASSIFICATION}.corpus:TableCorpus",
    ),
    "paircls": Recipe(
        task_name="pair-classification",
        arguments=f"{CLASSIFICATION}.arguments:ClassificationTrainArguments",
        corpora={"klue-nli": f"{PAIRCLS}.corpus:KlueNLICorpus", "kornli": f"{PAIRCLS}.corpus:KorNLICorpus"},
        dataset=f"{CLASSIFICATION}.dataset:ClassificationDataset",
        task=f"{CLASSIFICATION}.task:ClassificationTask",
        model="transformers:AutoModelForSequenceClassification",
        predictor=f"{PAIRCLS}.predictor:PairClassificationPredictor",
        app=f"{PAIRCLS}.deploy:get_web_service_app",
        hypothesis_only=f"{PAIRCLS}.baseline:score_hypothesis_only",
        table=f"{CLASSIFICATION}.corpus:TableCorpus",
        pairs=True,
    ),
    "qa": Recipe(
        task_name="question-answering",
        arguments=f"{QA}.arguments:QATrainArguments",
        corpora={"korquad-v1": f"{QA}.corpus:KorQuADV1Corpus"},
        dataset=f"{QA}.dataset:QADataset",
        task=f"{QA}.task:QATask",
        model="transformers:AutoModelForQuestionAnswering",
        predictor=f"{QA}.predictor:QAPredictor",
        app=f"{QA}.deploy:get_web_service_app",
    ),
}
