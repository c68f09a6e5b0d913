"""Golden answers: what a model answered when it was exported, asked again whenever it is loaded.

A file of weights, of labels or of a vocabulary can be exchanged or edited, and all still loads and answers, wrongly.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.model_folder import ModelFolder
from ratsnlp.nlpbook.models import head_labels, shown_labels

COUNT = 4  # few: loading waits for them
TOLERANCE = 1e-3  # how far a probability may move: processors and GPUs round in other ways, far less than this


def choose_golden(predictor: Any) -> list[dict[str, Any]]:
    """Return built-in questions of the predictor's kind, spread over all there are, with its answers."""
    samples = predictor.sample_questions()
    chosen = samples[:: max(1, len(samples) // COUNT)][:COUNT]
    answers = predictor.golden_answers(chosen)
    return [{"question": asked, "answer": answer} for asked, answer in zip(chosen, answers, strict=True)]


def warn_of_change(predictor: Any, path: Path) -> None:
    """Warn where an exported folder no longer answers as it did; a checkpoint file has no golden answers."""
    change = find_change(predictor, ModelFolder(path).read_note()) if path.is_dir() else ""
    if change:
        logger.warning(
            "%s is not as it was exported: %s. Its weights, labels or tokenizer were changed; if that was not meant, "
            "export the model again",
            *(path, change),
        )


def find_change(predictor: Any, note: Mapping[str, Any]) -> str:
    """Return in words how a predictor's labels or golden answers differ from those noted; empty if they do not."""
    labels = head_labels(predictor.model.config)
    if predictor.labels and labels != predictor.labels:
        expected = shown_labels(predictor.label_names)
        return f"config.json names the labels {', '.join(labels)}, expected {', '.join(expected)}"
    golden = note.get("golden", [])
    questions = [row["question"] if isinstance(row["question"], str) else tuple(row["question"]) for row in golden]
    try:
        answers = predictor.golden_answers(questions) if questions else []
    except (IndexError, RuntimeError) as error:  # ids that the model has no embeddings for
        return f"asked {_shorten(questions[0])}, it fails ({type(error).__name__}: {error})"
    for row, question, answer in zip(golden, questions, answers, strict=True):
        if not alike(row["answer"], answer):
            return f"asked {_shorten(question)}, expected {_describe(row['answer'])}, found {_describe(answer)}"
    return ""


def alike(expected: Any, found: Any) -> bool:
    """Return whether two answers are the same, numbers in them within the tolerance."""
    if isinstance(expected, float) and isinstance(found, float):
        return math.isclose(expected, found, rel_tol=0, abs_tol=TOLERANCE)
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return expected.keys() == found.keys() and all(alike(expected[name], found[name]) for name in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(alike, expected, found))
    return bool(expected == found)


def _describe(answer: Mapping[str, Any]) -> str:
    shown = {name: f"{value:.4f}" if isinstance(value, float) else repr(value) for name, value in answer.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _shorten(question: str | Sequence[str]) -> str:
    texts = [question] if isinstance(question, str) else question
    return " + ".join(repr(text if len(text) <= 40 else f"{text[:40]}...") for text in texts)
