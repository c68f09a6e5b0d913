"""A dictionary instead of a model: the entities of the training sentences, and the shapes of their numbers."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from ratsnlp.nlpbook.ner.corpus import Entity, NERExample
from ratsnlp.nlpbook.ner.report import NERReport

NUMBER = re.compile(r"\d[\d,.]*")
SURE = 0.5
"""Share of a surface's occurrences in train that must be entities of its tag."""


class EntityDictionary:
    """Finds what it has seen, longest first, where a word begins; of numbers, what has the shape of one seen.

    Args:
        train: Sentences with their entities.
    """

    def __init__(self, train: Sequence[NERExample]):
        tags: dict[str, Counter[str]] = defaultdict(Counter)
        for example in train:
            for entity in example.entities:
                tags[_shape(example.text[entity.start : entity.end])][entity.tag] += 1
        self.longest = max(map(len, tags), default=0)
        self.tags = {surface: counts.most_common(1)[0][0] for surface, counts in tags.items() if len(surface) > 1}
        seen: Counter[str] = Counter()
        for example in train:
            seen.update(_shape(example.text[start:end]) for start, end, _ in self._match(example.text))
        kept = {surface for surface, tag in self.tags.items() if tags[surface][tag] >= SURE * seen[surface]}
        self.tags = {surface: tag for surface, tag in self.tags.items() if surface in kept}

    def find(self, text: str) -> list[Entity]:
        """Return the entities of a text."""
        return [Entity(*span) for span in self._match(text)]

    def _match(self, text: str) -> Iterator[tuple[int, int, str]]:
        place = 0
        while place < len(text):
            begins = place == 0 or not text[place - 1].isalnum() or (text[place].isdigit() != text[place - 1].isdigit())
            found = self._longest_at(text, place) if begins and text[place].isalnum() else None
            if found:
                yield place, *found
            place = found[0] if found else place + 1

    def _longest_at(self, text: str, start: int) -> tuple[int, str] | None:
        for end in range(min(len(text), start + self.longest + 8), start + 1, -1):
            whole = end == len(text) or not (text[end - 1].isdigit() and text[end].isdigit())
            if whole and (tag := self.tags.get(_shape(text[start:end]))):
                return end, tag
        return None


def _shape(surface: str) -> str:
    return NUMBER.sub("0", surface)


def score_dictionary(
    train: Sequence[NERExample], test: Sequence[NERExample], labels: Sequence[str], label_names: Sequence[str] = ()
) -> NERReport:
    """Return the report of a dictionary made of the training entities, on the sentences of the model.

    What lies above it is what a model has learned of context: most test entities of KLUE-NER occur in train too.

    Args:
        train: Sentences to take entities from.
        test: Sentences to measure on.
        labels: The labels in order.
        label_names: Not used: entities are shown by their tags.
    """
    known = EntityDictionary(train)
    predicted = [known.find(example.text) for example in test]
    return NERReport(
        texts=[example.text for example in test],
        gold=[list(example.entities) for example in test],
        predicted=predicted,
        probabilities=[[1.0] * len(found) for found in predicted],
        tags=list(dict.fromkeys(label[2:] for label in labels if label[:2] == "B-")),
    )
