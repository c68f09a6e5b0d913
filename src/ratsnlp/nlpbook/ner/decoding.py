"""From a model's numbers for each token to entities: the best legal sequence of labels, and the spans it says."""

from collections.abc import Iterable, Sequence

import numpy as np

from ratsnlp.nlpbook.errors import ArgumentError

BEGINS, CONTINUES, ENDS = frozenset("BSU"), frozenset("IEL"), frozenset("ESLU")
"""First letters of labels, in IOB1, IOB2, BIOES and BILOU together."""
CHUNK = 256  # texts decoded at a time, of similar length


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
        inside = [i for i in shaped if labels[i][0] == "I" and f"B-{labels[i][2:]}" in number]
        self.inside = np.array(inside, np.intp)
        self.begins = np.array([number[f"B-{labels[i][2:]}"] for i in inside], np.intp)  # of the same tag
        self.never = np.array([i for i, label in enumerate(labels) if label != "O" and i not in shaped], np.intp)

    def decode(
        self, logits: np.ndarray | Sequence[np.ndarray], lengths: Sequence[int] | None = None, legal: bool = True
    ) -> list[np.ndarray]:
        """Return the number of each token's label, `(T_i,)` int32 for each text.

        `logits` (or log-probabilities) are `(B, T, K)`, of which the first `lengths` tokens count, or one `(T_i, K)` a
        text. Without `legal`, each token's most probable label is taken.
        """
        counts = [len(row) for row in logits] if lengths is None else list(lengths)
        texts = [np.asarray(row, np.float32)[:count] for row, count in zip(logits, counts, strict=True)]
        if wrong := {text.shape[-1] for text in texts} - {len(self.labels)}:
            raise ArgumentError(f"expected {len(self.labels)} numbers for each token, one a label, got {wrong.pop()}")
        order = sorted(range(len(texts)), key=counts.__getitem__)
        decoded: dict[int, np.ndarray] = {}
        for i in range(0, len(order), CHUNK):
            part = order[i : i + CHUNK]
            scores = np.zeros((len(part), max(1, counts[part[-1]]), len(self.labels)), np.float32)
            for row, text in enumerate(part):
                scores[row, : counts[text]] = texts[text]
            scores[:, :, self.never] = -np.inf
            paths = self._search(scores, np.array([counts[text] for text in part])) if legal else scores.argmax(-1)
            for text, path in zip(part, paths, strict=True):
                decoded[text] = path[: counts[text]].astype(np.int32)
        return [decoded[i] for i in range(len(texts))]

    def _search(self, scores: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the best paths `(B, T)` through scores `(B, T, K)`: Viterbi, for what follows what in BIO.

        Any label may follow any other, but `I-X` only `B-X` and `I-X`. So one best predecessor serves all labels but
        those, and a step costs K and not K x K.
        """
        size, steps, _ = scores.shape
        rows = np.arange(size)
        before = np.zeros(scores.shape, np.int16)  # the label before, for each label at each token
        best = scores[:, 0].copy()
        best[:, self.inside] = -np.inf
        for t in range(1, steps):
            top = best.argmax(1)
            before[:, t] = top[:, None]
            begun, going = best[:, self.begins], best[:, self.inside]
            before[:, t, self.inside] = np.where(begun > going, self.begins, self.inside)
            reached = scores[:, t] + best[rows, top][:, None]
            reached[:, self.inside] = scores[:, t, self.inside] + np.maximum(begun, going)
            best = np.where((t < lengths)[:, None], reached, best)
        paths = np.zeros((size, steps), np.intp)
        label = best.argmax(1)
        for t in range(steps - 1, -1, -1):
            paths[:, t] = label
            label = np.where(t < lengths, before[rows, t, label], label)
        return paths

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
