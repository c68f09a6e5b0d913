"""Answers of a pair classifier, in the published form."""

from collections.abc import Sequence
from typing import Any, Self

from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.classification.predictor import SAMPLES, ClassificationPredictor
from ratsnlp.nlpbook.paircls.corpus import KlueNLICorpus, NLICorpus


class PairClassificationPredictor(ClassificationPredictor):
    """Classify pairs: `predictor(premise, hypothesis)` answers one, `predictor([(premise, hypothesis), ...])` many."""

    fields = answer_fields = ("premise", "hypothesis")

    def __call__(self, premise: str | Sequence[tuple[str, str]], hypothesis: str | None = None) -> Any:  # type: ignore[override]
        """Return the answer to a pair as a dict in the published form, or to a list of pairs as a list of dicts.

        Texts are normalised to NFC: what is typed or pasted on macOS may hold Hangul as separate jamo. Raises
        `TypeError` for one text alone, or a list and a hypothesis.
        """
        if isinstance(premise, str) != isinstance(hypothesis, str):
            raise TypeError("give predictor(premise, hypothesis), or predictor([(premise, hypothesis), ...])")
        pairs = [(premise, hypothesis)] if isinstance(premise, str) else [(first, second) for first, second in premise]
        answers = self._answer(pairs, self.probabilities(pairs))
        return answers[0] if isinstance(premise, str) else answers

    def sample_questions(self) -> list[tuple[str, str]]:
        """Return built-in pairs."""
        corpus, folder = KlueNLICorpus(), builtin_corpus("klue-nli")
        examples = corpus.get_examples(folder, "val") + corpus.get_examples(folder, "train")
        return [(example.text_a, example.text_b or "") for example in examples[:SAMPLES]]

    @classmethod
    def from_pretrained(
        cls,
        name: str,
        labels: Sequence[str] = NLICorpus.labels,
        label_names: Sequence[str] = NLICorpus.label_names,
        **options: Any,
    ) -> Self:
        """Return the predictor of an inference model in Hugging Face form, whatever the order of its labels.

        See `ClassificationPredictor.from_pretrained`; labels that are not those of inference are a ModelLoadError.
        """
        return super().from_pretrained(name, labels, label_names, **options)
