"""From a model's numbers for each token to entities: the best legal sequence of labels, and the spans it says."""

from collections.abc import Iterable, Sequence

import numpy as np

from ratsnlp.nlpbook.errors import ArgumentError

# first letters of labels, in IOB1, IOB2, BIOES and BILOU together
BEGINS, CONTINUES, ENDS = frozenset("BSU"), frozenset("IEL"), frozenset("ESLU")


def group_tags(labels: Iterable[str]) -> list[tuple[int, int, str]]:
    """Return the entities that a sequence of labels says, as `(first, end, tag)`, half-open, in units of the sequence.

    Reads IOB1, IOB2, BIOES and BILOU. An `I-X` that continues no entity of tag X begins one. Labels of another form
    (`O`, `[CLS]`) are outside.
    """
    spans: list[tuple[int, int, str]] = []
    first, current = 0, ""
    for i, label in enumerate((*labels, "O")):
        prefix, _, tag = label.partition("-")
        if current and not (prefix in CONTINUES and tag == current):
            spans.append((first, i, current))
            current = ""
        if not current and (prefix in BEGINS or prefix in CONTINUES):
            first, current = i, tag
        if current and prefix in ENDS:
            spans.append((first, i + 1, current))
            current = ""
    return spans


class LegalDecoder:
    """Chooses the most probable sequence of labels in which `I-X` stands only after `B-X` or `I-X`.

    `labels` are the model's K, in the order of its outputs. Those that are neither `O` nor `B-X` nor `I-X` (`[CLS]` and
    its like in models of ratsnlp 1) are never chosen; one at least must be. An `I-X` without a `B-X` among them may
    stand anywhere.
    """

    def __init__(self, labels: Sequence[str]):
        self.labels = list(labels)
        shaped = [i for i, label in enumerate(labels) if label[:2] in ("B-", "I-") and label[2:]]
        if not shaped:
            raise ArgumentError(
                f"the model's labels say no entities: {', '.join(self.labels[:10]) or 'there are none'}. Expected O "
                "and labels like B-PS and I-PS; use a model fine-tuned for entities, or put its label names right."
            )
        self.tags = list(dict.fromkeys(labels[i][2:] for i in shaped))
        number = {label: i for i, label in enumerate(labels)}
        # added to the score of a label (column) after another (row; the last one stands for the beginning of a text)
        self.follows = np.zeros((len(labels) + 1, len(labels)), np.float32)
        for i in shaped:
            begin = number.get(f"B-{labels[i][2:]}")
            if labels[i][0] == "I" and begin is not None:
                self.follows[:, i] = -np.inf
                self.follows[[begin, i], i] = 0
        self.never = np.array([i for i, label in enumerate(labels) if label != "O" and i not in shaped], np.intp)

    def decode(self, logits: Iterable[np.ndarray], legal: bool = True) -> list[np.ndarray]:
        """Return the number of each token's label, `(T_i,)` int32 for each text, from its logits, `(T_i, K)`.

        Log-probabilities do as well. Without `legal`, each token's most probable label is taken.
        """
        decoded = []
        for text in logits:
            scores = np.array(text, np.float32)
            if scores.shape[-1] != len(self.labels):
                wrong = scores.shape[-1]
                raise ArgumentError(f"expected {len(self.labels)} numbers for each token, one a label, got {wrong}")
            scores[:, self.never] = -np.inf
            decoded.append((self._search(scores) if legal and len(scores) else scores.argmax(-1)).astype(np.int32))
        return decoded

    def _search(self, scores: np.ndarray) -> np.ndarray:
        """Return the best path `(T,)` through scores `(T, K)`: Viterbi."""
        before = np.zeros(scores.shape, np.intp)  # the label before, for each label at each token
        best = scores[0] + self.follows[-1]
        for t in range(1, len(scores)):
            reached = best[:, None] + self.follows[:-1]  # (K, K)
            before[t] = reached.argmax(0)
            best = scores[t] + reached.max(0)
        path = np.full(len(scores), best.argmax())
        for t in range(len(scores) - 1, 0, -1):
            path[t - 1] = before[t, path[t]]
        return path

    def spans_of(
        self, label_numbers: np.ndarray, characters: np.ndarray, log_probs: np.ndarray | None = None
    ) -> list[tuple[int, int, str, float]]:
        """Return the entities of one text as `(start, end, tag, probability)`, start and end in characters, half-open.

        An `I-X` among the `label_numbers`, `(T,)`, that continues no X begins an entity. `characters` say where tokens
        begin and end, `(T, 2)`. A probability is the geometric mean over the entity's tokens of what `log_probs`,
        `(T, K)`, say of their labels, so that long entities are not less sure for their length; 1 without them.
        """
        numbers, places = label_numbers.tolist(), characters.tolist()
        sure = [0.0] * len(numbers) if log_probs is None else log_probs[np.arange(len(numbers)), numbers].tolist()
        return [
            (places[first][0], places[end - 1][1], tag, float(np.exp(np.mean(sure[first:end]))))
            for first, end, tag in group_tags(self.labels[number] for number in numbers)
            if places[first][0] < places[end - 1][1]
        ]
