"""The score that needs no premise: how much of a model's score the wording of the hypotheses gives away."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from ratsnlp.nlpbook.classification.corpus import ClassificationExample
from ratsnlp.nlpbook.classification.report import ClassificationReport

LONGEST_RUN = 3  # characters
LEAST_TEXTS = 2  # texts that a run must be in
MOST_RUNS = 100_000
STEPS = 60
PENALTY = 0.5  # weight of the squared weights in the loss, divided by the number of texts
MOST_ROWS = 50_000  # more training rows than these change the baseline little and cost minutes


def _runs_of(text: str) -> set[str]:
    padded = f" {text.strip()} "
    return {padded[i : i + n] for n in range(1, LONGEST_RUN + 1) for i in range(len(padded) - n + 1)}


class NgramClassifier:
    """Softmax over character runs: trained in seconds, to the one best solution, so it needs no seed.

    Learns from texts and their label numbers `(N,)`. The loss is convex, so L-BFGS finds its minimum without a learning
    rate.
    """

    def __init__(self, texts: Sequence[str], labels: Tensor, num_labels: int):
        found = [_runs_of(text) for text in texts]
        counts = Counter(run for runs in found for run in runs)
        common = [run for run, count in counts.most_common(MOST_RUNS) if count >= LEAST_TEXTS]
        self.places = {run: place for place, run in enumerate(sorted(common))}
        self.weights = torch.zeros(len(self.places), num_labels, requires_grad=True)
        self.bias = torch.zeros(num_labels, requires_grad=True)
        features = self._vectorize(found)
        optimizer = torch.optim.LBFGS([self.weights, self.bias], max_iter=STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            logits = torch.sparse.mm(features, self.weights) + self.bias  # (N, K)
            found: Tensor = torch.nn.functional.cross_entropy(logits, labels)
            found = found + PENALTY / len(labels) * self.weights.square().sum()
            found.backward()  # type: ignore[no-untyped-call]
            return found

        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # thousands of tiny steps lose more to waking threads than they gain
        try:
            optimizer.step(loss)  # type: ignore[no-untyped-call]
        finally:
            torch.set_num_threads(threads)

    def _vectorize(self, found: Sequence[set[str]]) -> Tensor:
        """Return which known runs each text holds, every row of length 1: sparse `(N, V)` float32."""
        known = [sorted(self.places[run] for run in runs if run in self.places) for runs in found]
        rows = torch.repeat_interleave(torch.tensor([len(places) for places in known]))
        columns = torch.tensor([place for places in known for place in places], dtype=torch.int64)
        values = torch.tensor([len(places) ** -0.5 for places in known for _ in places])
        # some versions of torch warn where this is not said
        with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
            size = (len(known), len(self.places))
            return torch.sparse_coo_tensor(torch.stack([rows, columns]), values, size).coalesce()

    @torch.no_grad()
    def probabilities(self, texts: Sequence[str]) -> Tensor:
        """Return the probability of each label for each text, `(N, K)` float32."""
        features = self._vectorize([_runs_of(text) for text in texts])
        logits: Tensor = torch.sparse.mm(features, self.weights) + self.bias
        return logits.softmax(dim=-1)


def score_hypothesis_only(
    train: Sequence[ClassificationExample],
    test: Sequence[ClassificationExample],
    labels: Sequence[str],
    label_names: Sequence[str] = (),
) -> ClassificationReport:
    """Return the report on a bag-of-characters classifier that reads hypotheses and never a premise.

    Without the premise the question cannot be answered, so an honest score is chance. What lies above it comes from
    habits of those who wrote the hypotheses ("never" in contradictions, for example); a model may live on them too.

    It learns from the first 50,000 pairs of `train`; of others than the model's, the comparison says little.

    Source: Gururangan et al. 2018, Annotation Artifacts in Natural Language Inference Data, https://aclanthology.org/N18-2017
    """
    place = {label: i for i, label in enumerate(labels)}
    train_texts, test_texts = ([str(example.text_b) for example in rows] for rows in (train[:MOST_ROWS], test))
    known, truth = (torch.tensor([place[str(row.label)] for row in rows]) for rows in (train[:MOST_ROWS], test))
    found = NgramClassifier(train_texts, known, len(labels)).probabilities(test_texts)
    return ClassificationReport(test_texts, truth, found, list(labels), list(label_names or labels), ("hypothesis",))
