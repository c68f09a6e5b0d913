"""How good found entities are: strict F1 over characters, KLUE's own two scores, and what kinds of faults there are."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ratsnlp.nlpbook.evaluation.blocks import Block, Line, Table
from ratsnlp.nlpbook.evaluation.report import IN_FILE, Report, calibration_block, worst_block
from ratsnlp.nlpbook.evaluation.statistics import Score, bin_confidences, draw_counts, expected_calibration_error
from ratsnlp.nlpbook.figures import draw_confusion
from ratsnlp.nlpbook.ner import metrics as scorer
from ratsnlp.nlpbook.ner.corpus import NERExample, tag_name
from ratsnlp.nlpbook.ner.formats import Entity, tagged
from ratsnlp.nlpbook.texts import excerpt

FAULTS = {
    "missed": "놓침",
    "invented": "없는데 찾음",
    "wrong length": "길이가 다름",
    "wrong tag": "태그가 다름",
    "wrong both": "둘 다 다름",
}


@dataclass(frozen=True, kw_only=True)
class NERReport(Report):
    """The scores of entities on one split, in 0..100. Sequences have one entry for each sentence.

    An entity is right where its first and last character and its tag are.
    """

    texts: Sequence[str]
    gold: Sequence[Sequence[Entity]]
    predicted: Sequence[Sequence[Entity]]
    probabilities: Sequence[Sequence[float]]  # of each predicted entity
    tags: Sequence[str]  # all, in order

    top_scores = (
        Score(
            key="entity_f1",
            name="entity F1",
            korean="개체명 F1 (strict, micro)",
            percent=True,
            numerator="right_entities",
            denominator=("gold_entities", "predicted_entities"),
            weight=2,
        ),
        Score(key="macro_f1", name="macro F1", korean="태그 평균 F1 (macro)", percent=True),
    )

    @cached_property
    def counts(self) -> np.ndarray:
        """Right, true and predicted entities of each tag in each sentence, `(N, K, 3)`."""
        return scorer.entity_counts(self.gold, self.predicted, self.tags)

    @property
    def label_names(self) -> list[str]:
        """How to show the rows and columns of `confusion`."""
        return [*(f"{tag_name(tag)} ({tag})" if tag_name(tag) != tag else tag for tag in self.tags), "none"]

    @cached_property
    def confusion(self) -> np.ndarray:
        """How often entities of each tag (row) were taken for each other tag, or for none, `(K + 1, K + 1)`."""
        return scorer.tag_confusion(self.gold, self.predicted, self.tags)

    @property
    def asked(self) -> Mapping[str, Sequence[Any]]:
        """The sentences, and their entities in the tagged form."""
        return {"text": self.texts, "label": list(map(tagged, self.texts, self.gold))}

    @cached_property
    def answered(self) -> Mapping[str, Sequence[Any]]:
        """The predicted entities in the tagged form, whether all are right, and how many are."""
        right, gold, predicted = self.counts.sum(1).T.tolist()
        return {
            "prediction": list(map(tagged, self.texts, self.predicted)),
            "right": [int(a == b == c) for a, b, c in zip(right, gold, predicted, strict=True)],
            "right_entities": right,
            "gold_entities": gold,
            "predicted_entities": predicted,
        }

    @property
    def lengths(self) -> Sequence[int]:
        """How many characters each sentence has."""
        return list(map(len, self.texts))

    @cached_property
    def values(self) -> dict[str, float]:
        """The scores at the top, precision and recall, and KLUE's own two."""
        scores = scorer.entity_scores(self.counts.sum(0))
        return {
            "entity_f1": float(scores["micro_f1"]),
            "macro_f1": float(scores["macro_f1"]),
            "entity_precision": float(scores["micro_precision"]),
            "entity_recall": float(scores["micro_recall"]),
            "klue_entity_f1": scorer.klue_entity_f1(self.texts, self.gold, self.predicted),
            "klue_character_f1": scorer.klue_character_f1(self.texts, self.gold, self.predicted, self.tags),
        }

    @cached_property
    def intervals(self) -> Mapping[str, Sequence[float]]:
        """The 95 % intervals of both F1 over sentences drawn again, from the same draws."""
        sentences, *each = self.counts.shape
        flat = self.counts.reshape(sentences, -1)
        summed = np.concatenate([drawn @ flat for drawn in draw_counts(np.ones(sentences, int))])  # (resamples, 3 K)
        scores = scorer.entity_scores(summed.reshape(-1, *each))
        names = {"entity_f1": "micro_f1", "macro_f1": "macro_f1"}
        return {key: np.quantile(scores[name], [0.025, 0.975]).tolist() for key, name in names.items()}

    @cached_property
    def differences(self) -> list[list[scorer.Difference]]:
        """What differs in each sentence: see `compare_spans`."""
        return [scorer.compare_spans(true, said) for true, said in zip(self.gold, self.predicted, strict=True)]

    def worst_sentences(self, count: int = 10) -> list[dict[str, Any]]:
        """Return the sentences with the most faults, most first: `faults`, `label` and `prediction` in tagged form."""
        columns = {"faults": list(map(len, self.differences))} | {n: self.columns[n] for n in ("label", "prediction")}
        order = sorted(range(len(self.texts)), key=lambda i: -len(self.differences[i]))
        return [{name: values[i] for name, values in columns.items()} for i in order[:count] if self.differences[i]]

    def blocks(self) -> Sequence[Block]:
        """Return the parts of the report. Calibration compares each probability with rightness."""
        shown = {name: f"{value:.2f}" for name, value in self.values.items()}
        precision, recall = shown["entity_precision"], shown["entity_recall"]
        entity, character = shown["klue_entity_f1"], shown["klue_character_f1"]
        found = f"precision {precision}, recall {recall}"
        shares = Line("entities", found, korean=f"정밀도 {precision}, 재현율 {recall}")
        klue = Line(
            "KLUE's own",
            f"entity {entity}, character {character}",
            "macro over tags, and over all labels of characters, O included",
            f"KLUE의 두 지표: 개체명 (entity) {entity}, 글자 (character) {character}",
        )
        blocks = [self.head("sentences"), self.top(shares), *self.context(klue)]
        true = {(i, entity) for i, found in enumerate(self.gold) for entity in found}
        hits = [(i, entity) in true for i, found in enumerate(self.predicted) for entity in found]
        if hits:
            bins = bin_confidences(np.concatenate(self.probabilities), np.array(hits))
            blocks.append(calibration_block({"ece": expected_calibration_error(bins), "bins": bins}))
        return [*blocks, self.by_length(), self._tags(), self._faults(), self._worst()]

    def _tags(self) -> Block:
        scores = scorer.entity_scores(self.counts.sum(0))
        _, gold, predicted = self.counts.sum(0).T.tolist()
        names = ("precision", "recall", "f1")
        found = [
            {"tag": tag, **{name: float(scores[name][i]) for name in names}, "entities": gold[i]}
            for i, tag in enumerate(self.tags)
        ]
        rows = [
            [label, *(f"{row[name]:.2f}" for name in names), row["entities"], number]
            for label, row, number in zip(self.label_names[:-1], found, predicted, strict=True)
        ]
        columns = {"tag": "태그", "precision": "정밀도 (precision)", "recall": "재현율 (recall)", "F1": "F1"}
        return Block(
            title="each tag",
            korean="태그별 점수 (each tag)",
            table=Table(columns | {"entities": "개수", "predicted": "찾은 수"}, rows),
            pictures={"confusion.png": partial(draw_confusion, self.confusion, self.label_names)},
            metrics={"tags": found, "confusion": self.confusion.tolist()},
        )

    def _faults(self) -> Block:
        counts = Counter(difference.kind for found in self.differences for difference in found)
        rows = [[kind, counts[kind], f"{100 * counts[kind] / max(1, counts.total()):.1f} %"] for kind in FAULTS]
        return Block(
            title="kinds of faults",
            korean="잘못의 종류 (kinds of faults)",
            note=", ".join(f"{kind}: {korean}" for kind, korean in FAULTS.items()),
            table=Table({"kind": "종류", "entities": "개수", "share": "비율"}, rows),
            metrics={"faults": {kind: counts[kind] for kind in FAULTS}},
        )

    def _worst(self) -> Block:
        worst, names = self.worst_sentences(IN_FILE), ["faults", "label", "prediction"]
        said = [f"{row['faults']} faults: {excerpt(row['prediction'])}" for row in worst]
        nothing = Line("faults", "none", korean="틀린 문장이 없습니다.")
        heading = Block(title="worst sentences", korean="가장 많이 틀린 문장 (worst sentences)", lines=[nothing])
        return worst_block(heading, names, worst, said)


def report_on(
    examples: Sequence[NERExample],
    predicted: Sequence[Sequence[Entity]],
    probabilities: Sequence[Sequence[float]],
    known: Iterable[str],
) -> NERReport:
    """Return the report on what was predicted of sentences; tags that are not `known` follow those, and are missed."""
    gold = [list(example.entities) for example in examples]
    tags = dict.fromkeys([*known, *(entity.tag for found in gold for entity in found)])
    texts = [example.text for example in examples]
    return NERReport(texts=texts, gold=gold, predicted=predicted, probabilities=probabilities, tags=list(tags))
