"""Windows: where they are cut, what they are labelled, which are trained on, and what is logged of them."""

import logging

import pytest
import torch
from torch.utils.data import DataLoader

from qa_samples import PASSAGE, QUESTIONS, placed, squad, write_json
from ratsnlp import nlpbook
from ratsnlp.nlpbook.data.encoding import tokenize
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QADataset, QATrainArguments
from ratsnlp.nlpbook.qa.dataset import NO_ANSWER
from ratsnlp.nlpbook.qa.windows import PairLayout, WindowCutter


@pytest.fixture
def make_dataset(make_qa_args, qa_tokenizer):
    def make(mode="val", corpus=None, tokenizer=qa_tokenizer, **changes):
        return QADataset(
            args=make_qa_args(**changes), corpus=corpus or KorQuADV1Corpus(), tokenizer=tokenizer, mode=mode
        )

    return make


@pytest.fixture
def small(make_dataset, tmp_path):
    """Return a function that makes the dataset of three questions about one sentence."""
    path = write_json(
        tmp_path / "own" / "dev.json",
        squad([(PASSAGE, [(question, [placed(PASSAGE, answer)]) for question, answer in QUESTIONS])]),
    )

    def make(mode="val", **changes):
        return make_dataset(mode, corpus=KorQuADV1Corpus({mode: path}), **changes)

    return make


def labelled(dataset, row):
    """Return the tokens that a stored window is labelled with."""
    features = dataset.read_row(row)
    tokens = dataset.tokenizer.convert_ids_to_tokens(features.input_ids)
    return tokens[features.start_positions : features.end_positions + 1]


def windows_of(dataset, question):
    return [row for row in range(len(dataset.store)) if dataset.example_of(row) == question]


# settings


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (
            {"max_seq_length": 64},
            r"max_seq_length 64 - max_query_length 32 - 3 special tokens = 29 tokens of the passage in a window, but "
            r"doc_stride slides the window by 64: 35 tokens between two windows would never be read\. Give doc_stride "
            r"<= 29, or more max_seq_length",
        ),
        (
            {"max_seq_length": 35, "doc_stride": 1},
            r"= 0 tokens of the passage in a window: nothing of it would be read",
        ),
        ({"doc_stride": 0}, "doc_stride must be a whole number >= 1, got 0"),
        ({"max_query_length": "긴"}, "max_query_length must be a whole number >= 1, got '긴'"),
        ({"negative_window_ratio": -1}, "negative_window_ratio must be a number >= 0, got -1"),
        ({"max_answer_length": 0}, "max_answer_length must be a whole number >= 1"),
    ],
)
def test_windows_that_cannot_be_are_refused_with_the_arithmetic(lengths, message):
    with pytest.raises(ArgumentError, match=message):
        QATrainArguments(**lengths)


def test_the_widest_stride_that_leaves_nothing_out_is_taken():
    assert QATrainArguments(doc_stride=93).doc_stride == 93
    with pytest.raises(ArgumentError, match="1 tokens between two windows would never be read"):
        QATrainArguments(doc_stride=94)


def test_published_defaults_are_kept():
    args = QATrainArguments()
    assert (args.downstream_corpus_name, args.downstream_task_name) == ("korquad-v1", "question-answering")
    assert (args.max_seq_length, args.doc_stride, args.max_query_length) == (128, 64, 32)
    assert (args.threads, args.tqdm_enabled, args.downstream_model_dir) == (4, True, "checkpoint-qa")


def test_a_layout_with_more_special_tokens_has_less_room(qa_tokenizer):
    layout = PairLayout.of(qa_tokenizer)
    assert layout.special_tokens == 3
    roberta = PairLayout(layout.before, torch.tensor([3, 3]).numpy(), layout.after)
    with pytest.raises(ArgumentError, match=r"- 4 special tokens = 92 tokens .*doc_stride slides the window by 93"):
        WindowCutter(roberta, 128, 93, 32)


def test_a_tokenizer_that_does_not_tell_characters_is_refused(qa_tokenizer):
    class SlowTokenizer:
        is_fast = False

    with pytest.raises(ArgumentError, match="SlowTokenizer does not tell which characters its tokens hold"):
        tokenize(SlowTokenizer(), ["글"])


def test_a_tokenizer_without_a_first_special_token_is_refused(qa_tokenizer):
    from tokenizers.processors import TemplateProcessing

    qa_tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B:1 [SEP]:1", special_tokens=[("[SEP]", 3)]
    )
    with pytest.raises(ArgumentError, match="puts no special token before a pair of texts"):
        PairLayout.of(qa_tokenizer)


# cutting


def test_windows_slide_by_the_stride_and_leave_nothing_out(qa_tokenizer):
    cutter = WindowCutter(PairLayout.of(qa_tokenizer), 32, 7, 8)
    passage = PASSAGE * 5
    texts = tokenize(qa_tokenizer, ["누가?", passage])
    windows = cutter.cut(texts["누가?"], texts[passage])
    assert [window.first_token for window in windows] == list(range(0, 7 * len(windows), 7))
    held = {window.first_token + i for window in windows for i in range(len(window.ids) - window.passage_start - 1)}
    assert held == set(range(len(texts[passage])))
    assert all(len(window.ids) == 32 for window in windows[:-1])
    last_start = windows[-1].first_token
    assert last_start - 7 + 32 - len(texts["누가?"]) - 3 < len(texts[passage]), "a window too many"


def test_a_window_is_what_the_tokenizer_makes_of_the_pair(qa_tokenizer):
    cutter = WindowCutter(PairLayout.of(qa_tokenizer), 128, 64, 32)
    texts = tokenize(qa_tokenizer, ["누가 한글을 만들었나?", PASSAGE])
    (window,) = cutter.cut(*texts.values())
    pair = qa_tokenizer("누가 한글을 만들었나?", PASSAGE)
    assert window.ids.tolist() == pair["input_ids"]
    assert pair["token_type_ids"].index(1) == window.passage_start


def test_a_long_question_is_cut_to_its_length(qa_tokenizer):
    cutter = WindowCutter(PairLayout.of(qa_tokenizer), 32, 8, 4)
    texts = tokenize(qa_tokenizer, ["누가 한글을 만들었나?", PASSAGE])
    window = cutter.cut(*texts.values())[0]
    assert window.passage_start == 1 + 4 + 1


def test_an_empty_passage_gives_one_window(qa_tokenizer):
    texts = tokenize(qa_tokenizer, ["누가?", ""])
    (window,) = WindowCutter(PairLayout.of(qa_tokenizer), 32, 8, 8).cut(texts["누가?"], texts[""])
    assert len(window.ids) == len(texts["누가?"]) + 3


# labels


@pytest.mark.parametrize(
    ("question", "tokens"),
    [(0, ["세", "##종이"]), (1, ["스", "##물", "##여", "##덟"]), (2, ["훈", "##민", "##정", "##음"])],
    ids=["at character zero", "inside", "in the last word"],
)
def test_labels_are_the_tokens_that_hold_the_answer(small, question, tokens):
    dataset = small(max_seq_length=64)
    assert [labelled(dataset, row) for row in windows_of(dataset, question)] == [tokens]


def test_a_window_without_the_whole_answer_is_labelled_cls(small):
    dataset = small(max_seq_length=28, max_query_length=12, doc_stride=6)
    found = [labelled(dataset, row) for row in windows_of(dataset, 2)]
    assert len(found) > 2
    assert found[0] == ["[CLS]"]
    assert found[-1] == ["훈", "##민", "##정", "##음"]
    assert {tuple(tokens) for tokens in found} == {("[CLS]",), ("훈", "##민", "##정", "##음")}


def test_an_answer_that_no_token_holds_is_labelled_cls(make_dataset, tmp_path):
    path = write_json(tmp_path / "dev.json", squad([("가\u200b나", [("무엇?", [("\u200b", 1)])])]))
    dataset = make_dataset(corpus=KorQuADV1Corpus({"val": path}))
    assert dataset.read_row(0).start_positions == NO_ANSWER


def test_every_builtin_answer_is_reachable_and_read_back_from_its_characters(make_dataset):
    dataset = make_dataset(max_seq_length=48, max_query_length=20, doc_stride=10)
    for number in range(dataset.example_count):
        example = dataset.example(number)
        row = dataset.first_row(number)
        if not example.answer_text:
            continue
        features = dataset.read_row(row)
        assert features.start_positions != NO_ANSWER, example
        start, end = dataset.characters_of(row, features.start_positions, features.end_positions)
        assert start == example.start_position_character
        assert end >= example.end_position_character


def test_the_long_builtin_passage_needs_more_than_five_windows(make_dataset):
    dataset = make_dataset("train", max_seq_length=128, max_query_length=32, doc_stride=64)
    assert int(dataset.store.rows["example"].bincount().max()) > 5


def test_models_without_token_types_get_none(make_dataset, qa_tokenizer):
    qa_tokenizer.model_input_names = ["input_ids", "attention_mask"]
    dataset = make_dataset()
    assert dataset[0].token_type_ids is None
    assert "token_type_ids" not in nlpbook.data_collator([dataset[0], dataset[1]])


def test_other_window_lengths_make_other_feature_files(make_dataset):
    names = {make_dataset(doc_stride=stride, max_query_length=24).store.path.name for stride in (20, 24)}
    names |= {make_dataset(max_query_length=20).store.path.name, make_dataset().store.path.name}
    assert len(names) == 3, "only the same lengths share a file"


# which windows are used


def taught(rows):
    """Return which windows, of named values, are certain to be trained on."""
    return (rows("start_positions") != NO_ANSWER) | (rows("impossible") == 1)


def counts(dataset):
    holds = taught(dataset.row_values)
    return int(holds.sum()), int((~holds).sum())


@pytest.mark.parametrize("ratio", [0, 0.25, 1000])
def test_training_uses_all_windows_with_an_answer_and_a_share_of_the_others(make_dataset, ratio):
    dataset = make_dataset("train", negative_window_ratio=ratio)
    with_answer, without = counts(dataset)
    everything = int(taught(dataset.store.rows.get).sum())
    assert with_answer == everything
    assert without == min(round(ratio * everything), len(dataset.store) - everything)


def test_training_uses_all_windows_of_a_question_without_an_answer(make_dataset, tmp_path, caplog):
    caplog.set_level(logging.INFO, "ratsnlp")
    asked = [("이름은 무엇인가?", [placed(PASSAGE, "훈민정음")]), ("언제 만들었나?", None)]
    path = write_json(tmp_path / "own" / "train.json", squad([(PASSAGE, asked)]))
    lengths = {"max_seq_length": 28, "max_query_length": 12, "doc_stride": 6, "negative_window_ratio": 0}
    dataset = make_dataset("train", corpus=KorQuADV1Corpus({"train": path}), **lengths)
    chosen = [row for row in dataset.selected.tolist() if dataset.example_of(row) == 1]
    assert chosen == windows_of(dataset, 1)
    assert len(chosen) > 2
    assert {tuple(labelled(dataset, row)) for row in chosen} == {("[CLS]",)}
    certain, others = len(dataset), len(dataset.store) - len(dataset)
    said = f"training uses all {certain} that hold the answer or whose question has none, and 0 of {others} others"
    assert caplog.messages[-1] == f"train: 2 questions in {len(dataset.store)} windows; {said}"


def test_an_answer_that_fits_no_window_does_not_pass_for_none(make_dataset, tmp_path):
    path = write_json(tmp_path / "own" / "train.json", squad([(PASSAGE, [("무엇?", [(PASSAGE, 0)])])]))
    lengths = {"max_seq_length": 28, "max_query_length": 12, "doc_stride": 6, "negative_window_ratio": 0}
    dataset = make_dataset("train", corpus=KorQuADV1Corpus({"train": path}), **lengths)
    assert len(dataset) == 0
    assert len(dataset.store) > 1


def test_a_question_without_an_answer_is_shown_as_one(make_dataset, tmp_path, caplog):
    caplog.set_level(logging.INFO, "ratsnlp")
    path = write_json(tmp_path / "own" / "dev.json", squad([(PASSAGE, [("언제 만들었나?", None)])]))
    dataset = make_dataset(corpus=KorQuADV1Corpus({"val": path}), max_seq_length=64)
    assert f"question & context: 언제 만들었나? + {PASSAGE}" in caplog.messages
    assert "answer: (답 없음) ([CLS])" in caplog.messages
    assert "start_positions 0, end_positions 0: * [CLS]" in str(nlpbook.show_features(dataset, 0))
    first, *windows = str(nlpbook.show_windows(dataset, dataset.example(0))).splitlines()
    assert first == "answer: (답 없음)"
    assert not any("holds the answer" in line for line in windows)


def test_the_share_is_drawn_with_the_seed(make_dataset):
    drawn = [make_dataset("train", seed=seed).selected.tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_validation_uses_every_window(make_dataset):
    dataset = make_dataset("val")
    assert len(dataset) == len(dataset.store)
    assert dataset[3].window == 3


def test_held_out_questions_are_of_other_articles_and_have_all_their_windows(make_dataset):
    dataset = make_dataset("train", negative_window_ratio=0)
    kept, held = dataset.split_held_out(6, seed=3)
    assert not set(kept.row_values("group").tolist()) & set(held.row_values("group").tolist())
    assert 6 <= held.example_count < 12
    assert kept.example_count + held.example_count == dataset.example_count
    assert counts(held)[1] > 0, "windows without the answer are missing"
    assert counts(kept)[1] == 0
    assert held[0].window == int(held.selected[0])
    assert kept[0].window is None


def test_questions_are_held_out_singly_where_there_is_one_article(small):
    kept, held = small("train").split_held_out(1, seed=0)
    assert (kept.example_count, held.example_count) == (2, 1)


def test_the_first_examples_are_the_first_questions(make_dataset):
    first, after = make_dataset("train").split_after(10)
    assert first.row_values("example").unique().tolist() == list(range(10))
    assert after.row_values("example").min() == 10


def test_batches_name_their_windows_in_validation_only(make_dataset):
    for mode, named in (("train", False), ("val", True)):
        dataset = make_dataset(mode)
        loader = DataLoader(dataset, batch_size=4, collate_fn=nlpbook.data_collator)
        batch = next(iter(loader))
        assert batch["start_positions"].shape == (4,)
        assert ("window" in batch) == named


# the log


def test_the_log_shows_the_first_five_questions_each_with_its_own_answer(make_dataset, caplog):
    caplog.set_level(logging.INFO, "ratsnlp")
    dataset = make_dataset("train", negative_window_ratio=1.0)
    lines = caplog.messages
    assert lines[0] == f"Creating features from train dataset file at {dataset.folder}"
    assert lines[1].startswith("loading train data... LOOKING AT ")
    assert lines.count("*** Example ***") == 5
    first = lines.index("*** Example ***")
    for number in range(5):
        example = dataset.example(number)
        heading, question, tokens, answer, features = lines[first + 5 * number : first + 5 * number + 5]
        assert heading == "*** Example ***"
        assert question == f"question & context: {example.question_text} + {example.context_text}"
        assert answer.startswith(f"answer: {example.answer_text} (")
        labels = answer.removeprefix(f"answer: {example.answer_text} (").removesuffix(")")
        assert f" {labels} " in tokens
        assert "".join(labels.replace("##", "").split()).startswith(example.answer_text.replace(" ", ""))
        assert features.startswith("features: QAFeatures(input_ids=[2, ")
    assert "training uses all" in lines[-1]


def test_a_second_dataset_finds_the_feature_file(make_dataset, caplog):
    make_dataset()
    caplog.set_level(logging.INFO, "ratsnlp")
    caplog.clear()
    make_dataset()
    assert caplog.messages[0].startswith("Loading features from cached file ")
