import logging
import math
import random
import time

import pytest
import pytorch_lightning as pl
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, RobertaConfig

from check_pairs import BERT_SPECIALS, KLUE_SPECIALS, KOBERT_SPECIALS, LEGAL, build_model, sentence_pieces, word_pieces
from conftest import SYLLABLES, build_bert
from ratsnlp import nlpbook
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.classification import ClassificationDataset, NsmcCorpus
from ratsnlp.nlpbook.errors import CheckError, RatsnlpError
from ratsnlp.nlpbook.paircls import KlueNLICorpus
from ratsnlp.nlpbook.training.trainer import StuckLoss


@pytest.fixture
def look(make_args):
    """Return a function that checks a pair on the small corpus."""

    def make(tokenizer, model, features_of=None, **changes):
        args = make_args(**{"max_seq_length": 64} | changes)
        dataset = ClassificationDataset(args=args, corpus=NsmcCorpus(), tokenizer=features_of or tokenizer)
        return nlpbook.check(args, model, tokenizer, dataset)

    return make


def found(report):
    return {(finding.level, finding.name) for finding in report.findings}


def message_of(report, name):
    return next(finding.message for finding in report.findings if finding.name == name)


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_pair_is_never_refused(look, name):
    tokenizer, model = LEGAL[name](SYLLABLES)
    start = time.perf_counter()
    report = look(tokenizer, model)
    print(f"PAIR | {name} | {report.verdict} | {time.perf_counter() - start:.2f}")
    assert not report.errors, report
    warned = {finding.name for finding in report.of("warning")} - {"cut off"}  # jamo are long
    assert warned == ({"padding"} if "pad untold" in name else set()), report


ILLEGAL = {
    "KoBERT's ids for mBERT": (KOBERT_SPECIALS, 8002, 119_547, {"vocabulary", "padding"}),
    "KoBERT's ids for KcBERT": (KOBERT_SPECIALS, 8002, 30_000, {"vocabulary", "padding"}),
    "mBERT's ids for KoBERT": (BERT_SPECIALS, 119_547, 8002, {"vocabulary"}),
    "KcBERT's ids for mBERT": (BERT_SPECIALS, 30_000, 119_547, {"vocabulary"}),
    "KoBERT's ids for a model with two rows less": (KOBERT_SPECIALS, 8002, 8000, {"vocabulary", "padding"}),
    "KoBERT's ids for a model with room for more": (KOBERT_SPECIALS, 8002, 8100, {"padding"}),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_ids_of_another_model_are_refused(look, name):
    specials, size, rows, names = ILLEGAL[name]
    tokenizer, model = sentence_pieces(SYLLABLES, specials, size), build_model(BertConfig, rows)
    start = time.perf_counter()
    report = look(tokenizer, model)
    print(f"PAIR | {name} | {report.verdict} | {time.perf_counter() - start:.2f}")
    assert {finding.name for finding in report.errors} == names
    with pytest.raises(CheckError) as refused:
        report.raise_for_errors()
    assert isinstance(refused.value, RatsnlpError)
    assert f"{type(tokenizer).__name__}, {size:,} tokens" in str(refused.value)
    assert f"BertForSequenceClassification, {rows:,} embedding rows" in str(refused.value)
    assert str(refused.value).count("\n- ") == len(names)


def test_the_messages_about_a_pair_say_what_to_do(look):
    tokenizer = sentence_pieces(SYLLABLES, KOBERT_SPECIALS, 8002)
    report = look(tokenizer, build_model(BertConfig, 119_547))
    assert "plainly belong to different models: 111,545 rows would never be used" in message_of(report, "vocabulary")
    assert "pads with id 1" in message_of(report, "padding")
    assert "expects 0, which means [UNK] to the tokenizer; load both under the same name" in message_of(
        report, "padding"
    )
    report = look(tokenizer, build_model(BertConfig, 8000))
    assert "ids reach 8,001, the embeddings end at 7,999" in message_of(report, "vocabulary")
    assert "call model.resize_token_embeddings(8002)" in message_of(report, "vocabulary")


def test_sizes_that_differ_by_a_little_too_much_are_a_warning(look):
    report = look(word_pieces(SYLLABLES, size=30_000), build_model(BertConfig, 32_000))
    assert found(report) == {("warning", "vocabulary")}
    assert report.verdict == "ready, but read the warnings"


def test_a_padding_id_that_shifts_positions_is_an_error_even_at_equal_sizes(look):
    report = look(word_pieces(SYLLABLES), build_model(RobertaConfig, type_vocab_size=1, max_position_embeddings=66))
    assert ("error", "padding") in found(report)


def test_features_of_another_tokenizer_are_refused(look):
    report = look(
        word_pieces(SYLLABLES), build_model(BertConfig), features_of=sentence_pieces(SYLLABLES, KOBERT_SPECIALS)
    )
    assert {("error", "features"), ("error", "padding")} <= found(report)
    assert "(200 tokens), not with the tokenizer" in message_of(report, "features")
    assert "the features are padded with id 1, but" in message_of(report, "padding")


def test_special_tokens_that_the_config_names_otherwise_are_said(look):
    report = look(word_pieces(SYLLABLES), build_model(BertConfig, bos_token_id=101, sep_token_id=3))
    assert found(report) == {("warning", "special tokens")}
    assert "names bos_token_id = 101, but in the tokenizer" in message_of(report, "special tokens")


def test_different_names_are_noted(look, tiny_bert, other_bert):
    model = BertForSequenceClassification.from_pretrained(tiny_bert, num_labels=2)
    report = look(AutoTokenizer.from_pretrained(other_bert), model)
    assert found(report) == {("note", "names")}
    assert f"loaded from {other_bert}, the model from {tiny_bert}" in message_of(report, "names")


def test_a_vocabulary_without_the_datas_words_is_refused(look):
    report = look(word_pieces("abc"), build_model(BertConfig))
    assert found(report) == {("error", "unknown words")}
    assert message_of(report, "unknown words").startswith("100% of the data's tokens are [UNK] to the tokenizer")
    assert "choose a model whose vocabulary was made for such texts" in message_of(report, "unknown words")


def test_a_vocabulary_that_lacks_some_words_is_a_warning(look):
    report = look(word_pieces(set(SYLLABLES) - set("돈감")), build_model(BertConfig))
    assert found(report) == {("warning", "unknown words")}


def test_lower_casing_without_jamo_is_named_as_the_cause(look):
    report = look(word_pieces(SYLLABLES, lowercase=True), build_model(BertConfig))
    assert found(report) == {("error", "unknown words")}
    assert "load it with do_lower_case=False" in message_of(report, "unknown words")


def test_lower_casing_with_jamo_is_noted_only(look):
    report = look(*LEGAL["mBERT uncased, with jamo"](SYLLABLES))
    assert ("note", "jamo") in found(report)
    assert "tears Hangul into jamo; its vocabulary holds jamo" in message_of(report, "jamo")


def test_more_tokens_than_positions_are_refused(look):
    report = look(*LEGAL["KcBERT, 300 positions"](SYLLABLES), max_seq_length=512)
    assert found(report) == {("error", "length")}
    assert "max_seq_length is 512, but the model" in message_of(report, "length")
    assert "300 positions; give max_seq_length 300 or less" in message_of(report, "length")


def test_roberta_has_two_positions_less_than_its_config_says(look):
    pair = LEGAL["klue/roberta: BERT's tokenizer"](SYLLABLES)
    assert not look(*pair, max_seq_length=64).errors
    report = look(*pair, max_seq_length=65)
    assert "64 positions (66 in its config, counted from 2)" in message_of(report, "length")


def test_token_types_that_a_model_does_not_know_are_noted(make_args):
    tokenizer = word_pieces(SYLLABLES, KLUE_SPECIALS)
    args = make_args(downstream_corpus_name="builtin-klue-nli", max_seq_length=64)
    dataset = ClassificationDataset(args=args, corpus=KlueNLICorpus(), tokenizer=tokenizer)
    model = build_model(RobertaConfig, labels=3, type_vocab_size=1, max_position_embeddings=66)
    report = nlpbook.check(args, model, tokenizer, dataset)
    assert ("note", "token types") in found(report)
    assert "does not use them (type_vocab_size 1); they are dropped" in message_of(report, "token types")


def test_a_head_of_another_size_is_refused(look):
    report = look(word_pieces(SYLLABLES), build_model(BertConfig, labels=3))
    assert found(report) == {("error", "labels")}
    assert "the corpus has 2 labels (0, 1), but the head of the model" in message_of(report, "labels")
    assert "load the model with num_labels=2" in message_of(report, "labels")


def test_labels_in_another_order_are_said(look):
    model = build_model(BertConfig)
    model.config.id2label = {0: "1", 1: "0"}
    report = look(word_pieces(SYLLABLES), model)
    assert found(report) == {("warning", "label order")}
    assert "the corpus's labels are 0, 1, the head of" in message_of(report, "label order")


def test_a_head_with_other_names_is_noted(look):
    model = build_model(BertConfig)
    model.config.id2label = {0: "bad", 1: "good"}
    report = look(word_pieces(SYLLABLES), model)
    assert found(report) == {("note", "label order")}
    assert "was named for bad, good; the head keeps weights from another task" in message_of(report, "label order")


def test_rows_without_a_label_are_refused(make_args, tokenizer):
    args = make_args()
    dataset = ClassificationDataset(args=args, corpus=NsmcCorpus(), tokenizer=tokenizer)
    rows = [dataset[i] for i in range(10)]
    rows[3].label = None
    report = nlpbook.check(args, build_model(BertConfig), tokenizer, rows)
    assert ("error", "missing labels") in found(report)
    assert "1 of 10 rows looked at have no label" in message_of(report, "missing labels")


@pytest.mark.parametrize(("length", "level"), [(12, "warning"), (32, "note")])
def test_cut_texts_are_counted(look, length, level):
    report = look(word_pieces(SYLLABLES), build_model(BertConfig), max_seq_length=length)
    assert found(report) == {(level, "cut off")}
    assert f"of the texts reach max_seq_length {length} and are cut off there" in message_of(report, "cut off")


@pytest.mark.parametrize(
    ("folder", "warned"),
    [
        ("/content/checkpoint", True),
        ("/root/checkpoint", True),
        ("/content/drive/MyDrive/checkpoint", False),
        ("/content/gdrive/My Drive/nlpbook/checkpoint", False),
    ],
)
def test_a_folder_that_colab_removes_is_said(look, monkeypatch, folder, warned):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    report = look(word_pieces(SYLLABLES), build_model(BertConfig), downstream_model_dir=folder)
    assert (("warning", "model folder") in found(report)) is warned
    if warned:
        assert "Colab removes it when the runtime ends; mount Drive" in message_of(report, "model folder")


def test_a_first_loss_far_above_guessing_is_said(look):
    model = build_model(BertConfig)
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([20.0, -20.0]))
    report = look(word_pieces(SYLLABLES), model)
    assert found(report) == {("warning", "first loss")}
    assert "guessing gives ln 2 = 0.69; look at the labels" in message_of(report, "first loss")


def test_weights_that_are_not_finite_are_refused(look):
    model = build_model(BertConfig)
    with torch.no_grad():
        model.classifier.weight.fill_(float("nan"))
    report = look(word_pieces(SYLLABLES), model)
    assert found(report) == {("error", "first loss")}
    assert "is nan; its weights hold numbers that are not finite" in message_of(report, "first loss")


def test_only_the_first_process_runs_the_model(look, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    model = build_model(BertConfig)
    monkeypatch.setattr(model, "forward", None)
    assert look(word_pieces(SYLLABLES), model).verdict == "ready"


def test_a_check_disturbs_nothing(look):
    tokenizer, model = word_pieces(SYLLABLES), build_model(BertConfig)
    model.train()
    model.bert.encoder.eval()
    modes = [module.training for module in model.modules()]
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate()
    look(tokenizer, model)
    assert modes == [module.training for module in model.modules()]
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_a_report_reads_as_a_list(look):
    report = look(word_pieces(SYLLABLES, lowercase=True), build_model(BertConfig, labels=3), max_seq_length=80)
    lines = str(report).splitlines()
    assert lines[0].startswith("checked: the tokenizer (")
    assert ", 200 tokens) with the model (BertForSequenceClassification, 200 embedding rows)" in lines[0]
    assert [line.split()[0] for line in lines[1:-1]] == ["error", "error", "error"]
    assert lines[-1] == "verdict: do not train this"


def test_a_training_that_cannot_work_is_refused_before_it_starts(make_args, tmp_path):
    folder = build_bert(tmp_path / "english", [*BERT_SPECIALS, *"abc"])
    args = make_args(pretrained_model_name=folder, max_seq_length=128)
    with pytest.raises(CheckError, match="(?s)unknown words: .*length: max_seq_length is 128"):
        pipeline.train("classification", args)
    assert not list((tmp_path / "model").iterdir())


def test_a_training_logs_what_the_check_says(make_args, caplog, monkeypatch):
    monkeypatch.setattr(pipeline, "set_logger", lambda args: None)
    with caplog.at_level(logging.INFO, "ratsnlp"):
        pipeline.train("classification", make_args(max_seq_length=12, test_mode=True))
    said = [record for record in caplog.records if record.getMessage().startswith("check: ")]
    assert [(record.levelname, record.getMessage().split(":")[1].strip()) for record in said] == [
        ("WARNING", "cut off")
    ]


def test_check_on_the_command_line_says_yes(call, tiny_bert, corpora, tmp_path):
    status, shown, errors = call(
        *("check", "classification", "--pretrained_model_name", tiny_bert, "--max_seq_length", 32),
        *("--downstream_corpus_root_dir", corpora, "--downstream_model_dir", tmp_path / "none"),
    )
    assert status == 0, errors
    assert f"checked: the tokenizer {tiny_bert} (" in shown
    assert "verdict: ready" in shown
    assert not (tmp_path / "none").exists()


def test_check_on_the_command_line_says_no_with_status_2(call, tiny_bert, corpora, tmp_path):
    (tmp_path / "run.yaml").write_text("max_seq_length: 100\n", encoding="utf-8")
    status, shown, errors = call(
        *("check", "classification", tmp_path / "run.yaml", "--pretrained_model_name", tiny_bert),
        *("--downstream_corpus_root_dir", corpora),
    )
    assert status == 2
    assert "error   length          max_seq_length is 100" in shown
    assert "error: 1 of these findings would refuse the training" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("task", ["classification", "paircls"])
def test_the_builtin_corpora_pass(task, qa_bert, tmp_path):
    spec = pipeline.TASKS[task]
    args = spec.load("arguments")(
        pretrained_model_name=qa_bert,
        downstream_corpus_name=f"builtin-{next(iter(spec.corpora))}",
        max_seq_length=64,
    )
    assert "padding" not in {finding.name for finding in pipeline.check_task(task, args).findings}


def test_the_builtin_questions_pass_and_windows_are_not_counted_as_cut(make_qa_args):
    report = pipeline.check_task("qa", make_qa_args())
    assert report.verdict == "ready", report
    assert not report.findings


class Fit:
    """As much of a trainer as the callback looks at."""

    accumulate_grad_batches = 2
    is_global_zero = True
    global_step = 0
    estimated_stepping_batches = 1000
    optimizers = (torch.optim.SGD([torch.zeros(1)], lr=5e-5),)


def run_steps(model, losses, planned=1000):
    task, fit, watch = pl.LightningModule(), Fit(), StuckLoss()
    task.model, fit.estimated_stepping_batches = model, planned
    watch.on_fit_start(fit, task)
    for step, loss in enumerate(losses, start=1):
        for part in range(2):
            fit.global_step = step if part else step - 1
            watch.on_train_batch_end(fit, task, {"loss": torch.tensor(loss / 2)}, None, 0)


@pytest.mark.parametrize(
    ("losses", "times"),
    [
        ([math.log(2)] * 400, 1),
        ([float("nan")] * 250, 1),
        ([0.72] * 199, 0),
        ([0.9] * 100 + [0.5] * 100 + [0.7] * 400, 0),
    ],
    ids=["stuck", "not a number", "too early", "moving"],
)
def test_a_loss_that_stays_at_guessing_is_said_once(caplog, losses, times):
    with caplog.at_level(logging.WARNING, "ratsnlp"):
        run_steps(build_model(BertConfig), losses)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == times
    for text in said:
        assert text.startswith("after 200 steps the loss is ")
        assert "guessing among 2 labels gives ln 2 = 0.693: the model does not learn. Look at the tokenizer" in text
        assert "learning rate (5e-05" in text


def test_a_short_training_is_told_half_way(caplog):
    run_steps(build_model(BertConfig), [math.log(2)] * 60, planned=60)
    assert [record.getMessage()[:45] for record in caplog.records] == ["after 30 steps the loss is 0.693, and guessin"]


def test_a_model_that_is_no_classifier_has_no_stuck_loss(caplog):
    run_steps(torch.nn.Linear(1, 1), [5.0] * 300)
    assert not caplog.records


def test_every_trainer_watches_for_a_stuck_loss(make_args):
    assert any(isinstance(callback, StuckLoss) for callback in nlpbook.get_trainer(make_args()).callbacks)
