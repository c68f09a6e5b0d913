"""What notebooks look at: each thing shows itself under a cell, and says the same in words, in Hangul without tofu."""

import numpy as np
import pytest
import torch
from matplotlib import font_manager

from ratsnlp import nlpbook
from ratsnlp.nlpbook import figures
from ratsnlp.nlpbook.classification import ClassificationDataset, NsmcCorpus
from ratsnlp.nlpbook.classification.report import ClassificationReport
from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QADataset, QAExample
from ratsnlp.nlpbook.qa.predictor import QAPredictor

PNG = b"\x89PNG"


@pytest.fixture
def reviews(make_args, tokenizer):
    return ClassificationDataset(args=make_args(), corpus=NsmcCorpus(), tokenizer=tokenizer, mode="train")


@pytest.fixture
def questions(make_qa_args, qa_tokenizer):
    return QADataset(args=make_qa_args(), corpus=KorQuADV1Corpus(), tokenizer=qa_tokenizer, mode="train")


# --- features ---------------------------------------------------------------------------------------------------------


def test_features_are_shown_token_by_token_with_the_label(reviews):
    shown = nlpbook.show_features(reviews, 0)
    names, *rows, label = str(shown).splitlines()
    assert names.split() == ["token", "input_ids", "attention_mask", "token_type_ids"]
    assert [row.split()[1] for row in rows] == reviews.tokenizer.convert_ids_to_tokens(reviews[0].input_ids)
    assert [int(row.split()[2]) for row in rows] == reviews[0].input_ids
    assert label == "label 1: 긍정 (positive)"
    assert repr(shown) == str(shown)


def test_features_of_a_window_mark_the_answer(questions):
    row = next(i for i in range(len(questions)) if questions[i].end_positions)
    features = questions[row]
    *lines, told = str(nlpbook.show_features(questions, row)).splitlines()
    marked = [int(line.split()[1]) for line in lines if line.startswith("*")]
    assert marked == list(range(features.start_positions, features.end_positions + 1))
    assert told == f"start_positions {marked[0]}, end_positions {marked[-1]}: * the answer"


def test_features_of_a_window_without_its_answer_say_so(questions):
    row = next(i for i in range(len(questions)) if not questions[i].end_positions)
    *lines, told = str(nlpbook.show_features(questions, row)).splitlines()
    assert [line.split()[2] for line in lines if line.startswith("*")] == ["[CLS]"]
    assert told.endswith("* [CLS]: this window does not hold the answer")


def test_nothing_in_a_token_becomes_html(reviews, monkeypatch):
    evil = ["<script>alert(1)</script>"] * len(reviews[0].input_ids)
    monkeypatch.setattr(reviews.tokenizer, "convert_ids_to_tokens", lambda ids: evil)
    written = nlpbook.show_features(reviews, 0)._repr_html_()
    assert "<script" not in written
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in written


def test_features_of_a_row_that_is_not_there_are_an_error(reviews):
    with pytest.raises(IndexError, match="row 60 of a dataset of 60 rows"):
        nlpbook.show_features(reviews, 60)


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_lengths_are_drawn_and_told(reviews):
    shown = nlpbook.show_lengths(reviews)
    lengths = reviews.lengths
    assert str(shown).startswith(f"60 rows of {lengths.min()} to {lengths.max()} tokens; half have at most ")
    assert str(shown).endswith(f"{(lengths == 32).double().mean():.1%} reach max_seq_length 32")
    assert shown._repr_png_().startswith(PNG)


def test_windows_are_drawn_and_told(questions):
    example = max(questions.examples(), key=lambda example: len(example.context_text))
    answer, *windows = str(nlpbook.show_windows(questions, example)).splitlines()
    start, end = example.start_position_character, example.end_position_character
    assert answer == f"answer: characters {start} to {end} of {len(example.context_text)}"
    assert windows[0].startswith("window 0: 64 tokens, characters 0 to ")
    assert windows[-1].split(" to ")[1].split()[0] == str(len(example.context_text))
    for line in windows:
        first, last = map(int, line.split("characters ")[1].split("  ")[0].split(" to "))
        assert (first <= start and end <= last) is line.endswith("<- holds the answer")


def test_a_predictor_shows_the_windows_that_its_dataset_shows(questions, qa_bert):
    from transformers import BertForQuestionAnswering

    settings = {"max_seq_length": 64, "doc_stride": 24, "max_query_length": 24}
    predictor = QAPredictor(BertForQuestionAnswering.from_pretrained(qa_bert), questions.tokenizer, **settings)
    example = next(iter(questions.examples()))
    assert str(nlpbook.show_windows(predictor, example)) == str(nlpbook.show_windows(questions, example))


def test_an_empty_passage_has_one_empty_window(questions):
    example = QAExample(id="1", question_text="누구?", context_text="", answer_text="", start_position_character=0)
    assert "characters 0 to 0" in str(nlpbook.show_windows(questions, example))


def test_confusion_is_drawn_and_told():
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    names = ["부정 (negative)", "긍정 (positive)"]
    report = ClassificationReport(["가", "나", "다"], torch.tensor([0, 1, 1]), probabilities, ["0", "1"], names)
    shown = nlpbook.show_confusion(report)
    assert [line.split()[-2:] for line in str(shown).splitlines()[1:]] == [["1", "0"], ["1", "1"]]
    assert shown._repr_png_().startswith(PNG)


def test_history_tells_what_each_validation_measured(make_args, reviews, tiny_bert):
    from transformers import BertForSequenceClassification

    args = make_args(epochs=2)
    task = nlpbook.classification.ClassificationTask(BertForSequenceClassification.from_pretrained(tiny_bert), args)
    trainer = nlpbook.get_trainer(args)
    trainer.fit(task, *nlpbook.get_dataloaders(args, reviews, reviews))
    shown = nlpbook.show_history(trainer)
    head, *rows = (line.split() for line in str(shown).splitlines())
    assert head == ["step", "val_loss", "val_acc", "val_macro_f1"]
    assert [row[0] for row in rows] == ["7", "15"]
    assert float(rows[-1][1]) == pytest.approx(float(trainer.callback_metrics["val_loss"]), abs=1e-4)
    assert shown._repr_png_().startswith(PNG)


# --- Hangul -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_system_font(monkeypatch):
    """Make the machine one without a Hangul font, as Colab's are."""
    monkeypatch.setattr(figures, "SYSTEM_FONTS", ())
    figures.hangul_font.cache_clear()
    yield
    figures.hangul_font.cache_clear()


def test_the_builtin_font_is_taken_where_the_system_has_none(no_system_font):
    assert figures.hangul_font() == "Ratsnlp Hangul"
    assert figures.BUILTIN_FONT.stat().st_size < 1_000_000
    assert "SIL OPEN FONT LICENSE" in (figures.BUILTIN_FONT.parent / "OFL.txt").read_text(encoding="utf-8")


def test_the_builtin_font_has_every_usual_syllable_and_those_of_the_builtin_corpora():
    known = {chr(code) for code in font_manager.get_font(figures.BUILTIN_FONT).get_charmap()}
    usual = {chr(code) for code in range(0xAC00, 0xD7A4) if len(chr(code).encode("euc_kr")) == 2}
    texts = (example.text_a for example in NsmcCorpus().get_examples(nlpbook.builtin_corpus("nsmc"), "train"))
    assert len(usual) == 2350
    assert usual | {sign for text in texts for sign in text if "가" <= sign <= "힣"} <= known


def test_hangul_is_drawn_as_itself_and_not_as_boxes(no_system_font, recwarn):
    drawn = [draw_name(name) for name in ("가나", "다라", "\U0001f9ff\U0001f9ff")]
    assert not np.array_equal(drawn[0], drawn[1])  # two boxes would be like two other boxes
    assert not np.array_equal(drawn[0], drawn[2])
    assert not [warning for warning in recwarn if "missing from" in str(warning.message)]


def draw_name(name):
    """Return the pixels of a picture with this name in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = figures.with_hangul(figures.draw_confusion)(np.eye(2), [name, "a"])
    canvas = FigureCanvasAgg(figure)
    figures.with_hangul(canvas.draw)()
    return np.asarray(canvas.buffer_rgba())


def test_signs_that_no_font_has_become_question_marks(no_system_font):
    assert figures.drawable(["세종 1443", "\U0001f9ff"]) == ["세종 1443", "?"]
