"""Training question answering: what to measure. Scores are about questions, never about windows."""

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ratsnlp.nlpbook.metrics import Gathered
from ratsnlp.nlpbook.qa.arguments import QATrainArguments
from ratsnlp.nlpbook.qa.dataset import NO_ANSWER, QADataset
from ratsnlp.nlpbook.qa.josa import cut_josa
from ratsnlp.nlpbook.qa.metrics import korquad_exact_match, korquad_f1
from ratsnlp.nlpbook.qa.windows import search_spans
from ratsnlp.nlpbook.training.task import Task


class QATask(Task):
    """Train a span finder; logs EM and character F1 over the questions of the whole validation split, in 0..100.

    Both are as KorQuAD's scorer reports them. `val_em` and `val_f1` are of the answers that the setting `josa_cut` asks
    for; the same without the cut is logged too. A question's answer is the best span of all its windows.
    """

    validation_metrics = ("val_loss", "val_em", "val_f1", "val_em_without_josa_cut", "val_f1_without_josa_cut")
    args: QATrainArguments

    def __init__(self, model: PreTrainedModel, args: QATrainArguments):
        super().__init__(model, args)
        # the best span of every window seen, and the score of [CLS], "no answer"
        self.best = Gathered("window", "first_token", "last_token", "score", "nothing")

    def measure(self, outputs: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return how often both ends are right among the batch's windows with an answer, if it has any."""
        holds = batch["start_positions"] != NO_ANSWER  # (B,)
        if not holds.any():
            return {}
        start = outputs.start_logits.argmax(dim=-1) == batch["start_positions"]
        end = outputs.end_logits.argmax(dim=-1) == batch["end_positions"]
        return {"acc": (start & end)[holds].float().mean()}

    def collect(self, outputs: Any, batch: dict[str, Tensor]) -> None:
        """Find the best span of each window."""
        if "window" not in batch:
            return
        dataset: QADataset = self.validation_dataset()
        mask = batch["attention_mask"]
        passage = torch.zeros_like(mask, dtype=torch.bool)  # (B, T)
        for i, window in enumerate(batch["window"].tolist()):
            first, last = dataset.passage_tokens(window)
            passage[i, first : last + 1] = True
        found = search_spans(outputs.start_logits, outputs.end_logits, mask, passage, self.args.max_answer_length)
        self.best.update(batch["window"], found.starts[:, 0], found.ends[:, 0], found.scores[:, 0], found.nothing)

    def summarize(self) -> dict[str, Tensor]:
        """Return EM and F1, in 0..100, over the questions seen, of the answers that `QAPredictor.evaluate` scores."""
        found: list[tuple[int, int, int, float, float]] = list(zip(*self.best.compute(), strict=True))
        self.best.reset()
        if not found:
            return {}
        dataset: QADataset = self.validation_dataset()
        best: dict[int, tuple[float, int, int, int]] = {}
        ahead: dict[int, float] = {}
        for window, first, last, score, nothing in found:
            question = dataset.example_of(window)
            best[question] = max(best.get(question, (-torch.inf, 0, 0, 0)), (score, window, first, last))
            ahead[question] = min(ahead.get(question, torch.inf), nothing - score)
        answerable = all(dataset.example(question).answer_text for question in best)
        threshold = torch.inf if answerable else self.args.no_answer_threshold
        scores = []  # of each question: EM and F1 of its answer with the josa cut, then without, in 0..1
        for question, (_, window, first, last) in best.items():
            example = dataset.example(question)
            start, end = (0, 0) if ahead[question] > threshold else dataset.characters_of(window, first, last)
            shorter = cut_josa(example.context_text, start, end, example.question_text)
            texts = [example.context_text[start:stop] for stop in (shorter, end)]
            scores.append([f(text, example.answers) for text in texts for f in (korquad_exact_match, korquad_f1)])
        em_cut, f1_cut, em, f1 = (100 * torch.tensor(scores, dtype=torch.float64).mean(dim=0)).float()
        shown = (em_cut, f1_cut) if self.args.josa_cut else (em, f1)
        return dict(zip(self.validation_metrics[1:], (*shown, em, f1), strict=True))
