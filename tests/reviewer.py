"""A very small review classifier that has really learnt something, in a second: three of four built-in test reviews."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from conftest import VOCABULARY, build_bert
from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.classification import ClassificationPredictor, NsmcCorpus

EPOCHS, ROWS, RATE = 4, 50, 5e-3


def read_reviews(mode):
    return NsmcCorpus().get_examples(builtin_corpus("nsmc"), mode)


def train_reviewer(folder: Path) -> ClassificationPredictor:
    """Train on the built-in reviews, syllable by syllable."""
    reviews = read_reviews("train")
    syllables = sorted({character for review in reviews for character in review.text_a if not character.isspace()})
    build_bert(folder, [*VOCABULARY[:5], *syllables, *(f"##{syllable}" for syllable in syllables)])
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32)
    predictor = ClassificationPredictor(
        model, AutoTokenizer.from_pretrained(folder), ["0", "1"], NsmcCorpus.label_names, max_seq_length=48
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    labels = torch.tensor([int(review.label) for review in reviews])
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(reviews)).split(ROWS):
            logits = model(**predictor.encode([reviews[row].text_a for row in rows.tolist()])).logits
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(logits, labels[rows]).backward()
            optimizer.step()
    return predictor
