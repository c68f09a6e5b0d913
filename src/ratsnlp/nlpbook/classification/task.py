"""Training a document or pair classifier: what to measure."""

from typing import Any

from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix
from transformers import PreTrainedModel

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.metrics import accuracy, overall_scores
from ratsnlp.nlpbook.training.task import Task


class ClassificationTask(Task):
    """Train a sequence classifier; logs accuracy of each batch, accuracy and macro F1 of the whole validation split."""

    validation_metrics = ("val_loss", "val_acc", "val_macro_f1")

    def __init__(self, model: PreTrainedModel, args: TrainArguments):
        super().__init__(model, args)
        # a head of one output would learn a number, not a label
        model.config.problem_type = "single_label_classification"
        self.confusion = MulticlassConfusionMatrix(num_classes=max(2, int(model.config.num_labels or 0)))

    def measure(self, outputs: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the batch's accuracy."""
        return {"acc": accuracy(outputs.logits.argmax(dim=-1), batch["labels"])}  # logits (B, K)

    def collect(self, outputs: Any, batch: dict[str, Tensor]) -> None:
        """Count the batch's predictions."""
        self.confusion.update(outputs.logits.argmax(dim=-1), batch["labels"])

    def summarize(self) -> dict[str, Tensor]:
        """Return accuracy and macro F1 over the whole split, of all processes."""
        scores = overall_scores(self.confusion.compute())
        self.confusion.reset()
        return {"val_acc": scores["accuracy"].float(), "val_macro_f1": scores["macro_f1"].float()}
