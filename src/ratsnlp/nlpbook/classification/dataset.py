"""Features of document and pair classification."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratsnlp.nlpbook.classification.corpus import ClassificationExample
from ratsnlp.nlpbook.data.batches import Features
from ratsnlp.nlpbook.data.dataset import FeatureDataset, RightAnswer
from ratsnlp.nlpbook.data.encoding import encode
from ratsnlp.nlpbook.data.features import Chunk
from ratsnlp.nlpbook.errors import CorpusFormatError

NO_LABEL = -1


@dataclass
class ClassificationFeatures(Features):
    """The numbers of one text or pair; `label` counts from 0 in the corpus's order."""

    label: int | None = None


class ClassificationDataset(FeatureDataset[ClassificationExample, ClassificationFeatures]):
    """Texts or pairs with a label, as features. See `FeatureDataset` for the arguments."""

    example_class = ClassificationExample

    def convert_examples(self, examples: Sequence[ClassificationExample]) -> Chunk:
        """Turn examples into ids, the token at which a pair's second text begins, and label numbers.

        Raises `CorpusFormatError` if a label is not one of the corpus's.
        """
        number: dict[str | None, int] = {label: i for i, label in enumerate(self.get_labels())} | {None: NO_LABEL}
        for example in examples:
            if example.label not in number:
                raise CorpusFormatError(
                    f"{self.source}: label {example.label!r} of {example.text_a[:40]!r} "
                    f"is not one of {self.get_labels()}"
                )
        texts: list[Any] = [example.texts for example in examples]
        ids, types = encode(self.tokenizer, texts, self.args.max_seq_length)
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        flat = np.fromiter((token for row in ids for token in row), np.int32, int(lengths.sum()))
        pairs = any(e.text_b is not None for e in examples)
        starts = [row.index(1) if pairs and 1 in row else len(row) for row in types]
        labels = [number[example.label] for example in examples]
        rows = {"label": np.array(labels, np.int32), "second_start": np.array(starts, np.int32)}
        return Chunk(lengths, {"input_ids": flat}, rows)

    def read_row(self, row: int) -> ClassificationFeatures:
        """Return a stored row as features."""
        label = int(self.store.rows["label"][row])
        shared = self.shared_fields(row, int(self.store.rows["second_start"][row]))
        return ClassificationFeatures(**shared, label=None if label == NO_LABEL else label)

    def right_answer(self, features: ClassificationFeatures) -> RightAnswer:
        """Return the label of a row."""
        if features.label is None:
            return RightAnswer("no label")
        names = getattr(self.corpus, "label_names", None) or self.get_labels()
        return RightAnswer(f"label {features.label}: {names[features.label]}")

    def describe_example(self, example: ClassificationExample, features: ClassificationFeatures) -> dict[str, str]:
        """Return the log lines of one example."""
        both = f"{example.text_a} + {example.text_b}"
        return {
            **({"sentence": example.text_a} if example.text_b is None else {"sentence A, B": both}),
            "tokens": " ".join(self.tokenizer.convert_ids_to_tokens(features.input_ids)),
            "label": str(example.label),
            "features": str(features),
        }
