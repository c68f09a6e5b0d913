"""The score that needs no premise: how much of a model's score the wording of the hypotheses gives away."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ratsnlp.nlpbook.classification.corpus import ClassificationExample
from ratsnlp.nlpbook.classification.report import ClassificationReport

LONGEST_RUN = 3
LEAST_TEXTS = 2
MOST_RUNS = 100_000
STEPS = 60
PENALTY = 0.5
"""Weight of the squared weights in the loss, divided by the number of texts."""


def _runs_of(text: str) -> set[str]:
    padded = f" {text.strip()} "
    return {padded[i : i + n] for n in range(1, LONGEST_RUN + 1) for i in range(len(padded) - n + 1)}


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block: thousands of tiny steps lose more to waking threads than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class NgramClassifier:
    """Softmax over character runs: trained in seconds, to the one best solution, so it needs no seed.

    Args:
        texts: Training texts, N of them.
        labels: Their label numbers, `(N,)`.
        num_labels: How many labels there are.
    """

    def __init__(self, texts: Sequence[str], labels: Tensor, num_labels: int):
        found = [_runs_of(text) for text in texts]
        counts = Counter(run for runs in found for run in runs)
        common = [run for run, count in counts.most_common(MOST_RUNS) if count >= LEAST_TEXTS]
        self.places = {run: place for place, run in enumerate(sorted(common))}
        self.weights = torch.zeros(len(self.places), num_labels)
        self.bias = torch.zeros(num_labels)
        with one_thread():
            self.fit(self.vectorize(found), labels)

    def vectorize(self, found: Sequence[set[str]]) -> Tensor:
        """Return which known runs each text holds, every row of length 1: sparse `(N, V)` float32."""
        known = [sorted(self.places[run] for run in runs if run in self.places) for runs in found]
        rows = torch.repeat_interleave(torch.tensor([len(places) for places in known]))
        columns = torch.tensor([place for places in known for place in places], dtype=torch.int64)
        values = torch.tensor([len(places) ** -0.5 for places in known for _ in places])
        size = (len(known), len(self.places))
        # some versions of torch warn where this is not said
        with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call]
            return torch.sparse_coo_tensor(torch.stack([rows, columns]), values, size).coalesce()

    def fit(self, features: Tensor, labels: Tensor) -> None:
        """Find the weights of the least loss. The loss is convex, so L-BFGS finds them without a learning rate."""
        parameters = [self.weights.requires_grad_(), self.bias.requires_grad_()]
        optimizer = torch.optim.LBFGS(parameters, max_iter=STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            logits = torch.sparse.mm(features, self.weights) + self.bias  # (N, K)
            found: Tensor = torch.nn.functional.cross_entropy(logits, labels)
            found = found + PENALTY / len(labels) * self.weights.square().sum()
            found.backward()  # type: ignore[no-untyped-call]
            return found

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        self.weights, self.bias = self.weights.detach(), self.bias.detach()

    def probabilities(self, texts: Sequence[str]) -> Tensor:
        """Return the probability of each label for each text, `(N, K)` float32."""
        features = self.vectorize([_runs_of(text) for text in texts])
        logits: Tensor = torch.sparse.mm(features, self.weights) + self.bias
        return logits.softmax(dim=-1)


MOST_ROWS = 50_000
"""More training rows than these change the baseline little and cost minutes."""


def score_hypothesis_only(
    train: Sequence[ClassificationExample],
    test: Sequence[ClassificationExample],
    labels: Sequence[str],
    label_names: Sequence[str] = (),
) -> ClassificationReport:
    """Return the report on a bag-of-characters classifier that reads hypotheses and never a premise.

    Without the premise the question cannot be answered, so an honest score is chance. What lies above it comes from
    habits of those who wrote the hypotheses ("never" in contradictions, for example); a model may live on them too.

    Args:
        train: Pairs to learn from, the first 50,000 of them; of others than the model's, the comparison says little.
        test: Pairs to measure on, the model's own.
        labels: The labels in order.
        label_names: How to show them.

    Source: Gururangan et al. 2018, Annotation Artifacts in Natural Language Inference Data, https://aclanthology.org/N18-2017
    """
    place = {label: i for i, label in enumerate(labels)}
    learnt = train[:MOST_ROWS]
    classifier = NgramClassifier(
        [str(example.text_b) for example in learnt],
        torch.tensor([place[str(example.label)] for example in learnt]),
        len(labels),
    )
    hypotheses = [str(example.text_b) for example in test]
    truth = torch.tensor([place[str(example.label)] for example in test])
    found = classifier.probabilities(hypotheses)
    return ClassificationReport(hypotheses, truth, found, list(labels), list(label_names or labels), ("hypothesis",))
