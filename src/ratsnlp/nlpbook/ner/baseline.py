"""A dictionary instead of a model: the entities of the training sentences, and the shapes of their numbers."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from ratsnlp.nlpbook.ner.corpus import NERExample
from ratsnlp.nlpbook.ner.formats import Entity
from ratsnlp.nlpbook.ner.report import NERReport, report_on

NUMBER = re.compile(r"\d[\d,.]*")
SURE = 0.5  # share of a surface's occurrences in train that must be entities of its tag


class EntityDictionary:
    """Finds what it has seen in train, longest first, where a word begins; of numbers, the shapes it has seen."""

    def __init__(self, train: Sequence[NERExample]):
        tags: dict[str, Counter[str]] = defaultdict(Counter)
        for example in train:
            for entity in example.entities:
                tags[_shape(example.text[entity.start : entity.end])][entity.tag] += 1
        self.longest = max(map(len, tags), default=0)
        self.tags = {surface: counts.most_common(1)[0][0] for surface, counts in tags.items() if len(surface) > 1}
        seen = Counter(_shape(example.text[e.start : e.end]) for example in train for e in self.find(example.text))
        self.tags = {text: tag for text, tag in self.tags.items() if tags[text][tag] >= SURE * seen[text]}

    def find(self, text: str) -> list[Entity]:
        """Return the entities of a text."""
        found = []
        place = 0
        while place < len(text):
            start, place = place, place + 1
            begins = start == 0 or not text[start - 1].isalnum() or (text[start].isdigit() != text[start - 1].isdigit())
            if not (begins and text[start].isalnum()):
                continue
            for end in range(min(len(text), start + self.longest + 8), start + 1, -1):
                whole = end == len(text) or not (text[end - 1].isdigit() and text[end].isdigit())
                if whole and (tag := self.tags.get(_shape(text[start:end]))):
                    found.append(Entity(start, end, tag))
                    place = end
                    break
        return found


def _shape(surface: str) -> str:
    return NUMBER.sub("0", surface)


def score_dictionary(
    train: Sequence[NERExample], test: Sequence[NERExample], labels: Sequence[str], label_names: Sequence[str] = ()
) -> NERReport:
    """Return the report of a dictionary made of the training entities, on the sentences of the model.

    What lies above it is what a model has learned of context: most test entities of KLUE-NER occur in train too.
    `label_names` is not used: entities are shown by their tags.
    """
    known = EntityDictionary(train)
    predicted = [known.find(example.text) for example in test]
    tags = (label[2:] for label in labels if label[:2] == "B-")
    return report_on(test, predicted, [[1.0] * len(found) for found in predicted], tags)
