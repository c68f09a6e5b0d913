"""Pair classification from file to page: published cells, features, training, answers, scores, the command."""

import json
import logging
import unicodedata

import pytest
import torch
from click.testing import CliRunner
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer
from transformers import pipeline as hugging_face_pipeline

from conftest import REVIEWS, VOCABULARY, build_bert
from ratsnlp import nlpbook
from ratsnlp.cli import command
from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.classification import (
    ClassificationDataset,
    ClassificationDeployArguments,
    ClassificationTask,
    ClassificationTrainArguments,
)
from ratsnlp.nlpbook.errors import ArgumentError, RatsnlpError
from ratsnlp.nlpbook.paircls import KlueNLICorpus, PairClassificationPredictor, get_web_service_app
from ratsnlp.nlpbook.paircls.baseline import NgramClassifier
from samples import write_klue_nli

LABELS = list(KlueNLICorpus.labels)
PAIR = ("배우 연기가 좋다", "최고의 감동")
PUBLISHED_KEYS = {
    "premise",
    "hypothesis",
    "prediction",
    "entailment_data",
    "contradiction_data",
    "neutral_data",
    "entailment_width",
    "contradiction_width",
    "neutral_width",
}


@pytest.fixture
def pair_args(make_args, corpora):
    """Return a function that makes training settings for the tiny model on the small pairs."""
    write_klue_nli(corpora / "klue-nli")
    fixed = {"downstream_task_name": "pair-classification", "downstream_corpus_name": "klue-nli"}
    return lambda **changes: make_args(**fixed | changes)


@pytest.fixture(scope="module")
def model_dir(tiny_bert, tmp_path_factory):
    """Return a folder trained through the pipeline, once for all tests that only read it."""
    root = tmp_path_factory.mktemp("pairs")
    write_klue_nli(root / "klue-nli")
    args = ClassificationTrainArguments(
        pretrained_model_name=tiny_bert,
        downstream_task_name="pair-classification",
        downstream_corpus_name="klue-nli",
        downstream_corpus_root_dir=str(root),
        downstream_model_dir=str(root / "model"),
        max_seq_length=32,
        epochs=2,
        batch_size=8,
        learning_rate=5e-3,
        seed=7,
        precision="32",
        monitor="max val_acc",
    )
    pipeline.train("paircls", args)
    return root / "model"


@pytest.fixture(scope="module")
def predictor(model_dir):
    return nlpbook.load_predictor(model_dir)


@pytest.fixture
def logged(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("ratsnlp"), "propagate", True)
    caplog.set_level(logging.INFO, "ratsnlp")
    return caplog


def test_an_exported_pair_model_answers_alike_in_transformers_and_here(predictor, model_dir, tmp_path):
    out = nlpbook.export(model_dir, tmp_path / "out")
    premise, hypothesis = PAIR
    found = hugging_face_pipeline("text-classification", model=str(out))(
        {"text": premise, "text_pair": hypothesis}, top_k=None
    )
    answer = predictor(*PAIR)
    told = {row["name"].partition(" ")[0]: row["probability"] for row in answer["probabilities"]}
    assert {row["label"]: row["score"] for row in found} == pytest.approx(told, abs=1e-4)
    assert set(told) == {"참", "거짓", "중립"}
    assert nlpbook.load_predictor(out)(*PAIR) == answer
    assert "가설 (hypothesis)" in pipeline.build_app(out).test_client().get("/").text


# --- published cells --------------------------------------------------------------------------------------------------


def train_cell_by_cell(args, tokenizer):
    nlpbook.set_seed(args)
    nlpbook.set_logger(args)
    nlpbook.download_downstream_dataset(args)
    corpus = KlueNLICorpus()
    train_dataset = ClassificationDataset(args=args, corpus=corpus, tokenizer=tokenizer, mode="train")
    train_dataloader = DataLoader(
        train_dataset,
        batch_size=args.batch_size,
        sampler=RandomSampler(train_dataset, replacement=False),
        collate_fn=nlpbook.data_collator,
        drop_last=False,
        num_workers=args.cpu_workers,
    )
    val_dataset = ClassificationDataset(args=args, corpus=corpus, tokenizer=tokenizer, mode="test")
    val_dataloader = DataLoader(
        val_dataset,
        batch_size=args.batch_size,
        sampler=SequentialSampler(val_dataset),
        collate_fn=nlpbook.data_collator,
        drop_last=False,
        num_workers=args.cpu_workers,
    )
    config = BertConfig.from_pretrained(args.pretrained_model_name, num_labels=corpus.num_labels)
    model = BertForSequenceClassification.from_pretrained(args.pretrained_model_name, config=config)
    trainer = nlpbook.get_trainer(args)
    trainer.fit(ClassificationTask(model, args), train_dataloaders=train_dataloader, val_dataloaders=val_dataloader)


def load_cell_by_cell(args, tokenizer):
    """Return the model and the hand-written `inference_fn` of the published deploying cells."""
    checkpoint = torch.load(args.downstream_model_checkpoint_fpath, map_location=torch.device("cpu"))
    config = BertConfig.from_pretrained(
        args.pretrained_model_name,
        num_labels=checkpoint["state_dict"]["model.classifier.bias"].shape.numel(),
    )
    model = BertForSequenceClassification(config)
    model.load_state_dict({k.replace("model.", ""): v for k, v in checkpoint["state_dict"].items()})
    model.eval()

    def inference_fn(premise, hypothesis):
        inputs = tokenizer(
            [(premise, hypothesis)], max_length=args.max_seq_length, padding="max_length", truncation=True
        )
        with torch.no_grad():
            outputs = model(**{k: torch.tensor(v) for k, v in inputs.items()})
            prob = outputs.logits.softmax(dim=1)
            true, false, open_ = (round(prob[0][i].item(), 4) for i in range(3))
            names = ("참 (entailment)", "거짓 (contradiction)", "중립 (neutral)")
        return {
            "premise": premise,
            "hypothesis": hypothesis,
            "prediction": names[torch.argmax(prob)],
            "entailment_data": f"참 {true}",
            "contradiction_data": f"거짓 {false}",
            "neutral_data": f"중립 {open_}",
            "entailment_width": f"{true * 100:.2f}%",
            "contradiction_width": f"{false * 100:.2f}%",
            "neutral_width": f"{open_ * 100:.2f}%",
        }

    return inference_fn


def test_published_cells_train_and_serve_the_same_answers(pair_args, tokenizer, capsys):
    args = pair_args(max_seq_length=64)
    train_cell_by_cell(args, tokenizer)
    deploy = ClassificationDeployArguments(
        pretrained_model_name=args.pretrained_model_name,
        downstream_model_dir=args.downstream_model_dir,
        max_seq_length=64,
    )
    printed = capsys.readouterr().out
    assert printed.startswith("set seed: 7\n")
    assert "downstream_model_checkpoint_fpath: " in printed
    by_hand = load_cell_by_cell(deploy, tokenizer)
    in_one_line = nlpbook.load_predictor(args.downstream_model_dir)
    assert isinstance(in_one_line, PairClassificationPredictor)
    assert by_hand(*PAIR).items() <= in_one_line(*PAIR).items()
    payload = dict(zip(("premise", "hypothesis"), PAIR, strict=True))
    answers = [get_web_service_app(f).test_client().post("/api", json=payload).json for f in (by_hand, in_one_line)]
    assert answers[0] == by_hand(*PAIR)
    assert answers[1] == {**in_one_line(*PAIR), "kind": "labels"}


# --- features ---------------------------------------------------------------------------------------------------------


def test_the_first_five_pairs_are_logged_as_published(pair_args, tokenizer, logged):
    ClassificationDataset(args=pair_args(), corpus=KlueNLICorpus(), tokenizer=tokenizer, mode="train")
    assert logged.text.count("*** Example ***") == 5
    messages = [record.getMessage() for record in logged.records]
    start = messages.index("*** Example ***", messages.index("*** Example ***") + 1)
    tokens = "지 ##루 ##하 ##고 재 ##미 ##없 ##다"
    assert messages[start + 1 : start + 4] == [
        "sentence A, B: 지루하고 재미없다 지루하고 재미없다 + 지루하고 재미없다",
        f"tokens: [CLS] {tokens} {tokens} [SEP] {tokens} [SEP]",
        "label: entailment",
    ]
    assert messages[start + 4].startswith("features: ClassificationFeatures(input_ids=[2, ")


def test_the_second_text_of_a_pair_has_its_own_token_type(pair_args, tokenizer):
    dataset = ClassificationDataset(args=pair_args(), corpus=KlueNLICorpus(), tokenizer=tokenizer, mode="train")
    row = dataset[1]
    assert row.input_ids == tokenizer("지루하고 재미없다 지루하고 재미없다", "지루하고 재미없다").input_ids
    assert row.token_type_ids == [0] * 18 + [1] * 9
    assert row.label == 0


@pytest.mark.parametrize(
    ("premise", "hypothesis", "kept"),
    [("배우 " * 30, "감동", (11, 2)), ("감동", "배우 " * 30, (2, 11)), ("배우 " * 30, "감동 " * 30, (6, 7))],
    ids=["premise", "hypothesis", "both"],
)
def test_tokens_are_cut_from_the_longer_text_first(pair_args, tokenizer, tmp_path, premise, hypothesis, kept):
    path = tmp_path / "long.tsv"
    path.write_text(f"premise\thypothesis\tlabel\n{premise}\t{hypothesis}\tneutral\n", encoding="utf-8")
    args = pair_args(max_seq_length=16)
    dataset = ClassificationDataset(args, tokenizer, KlueNLICorpus({"train": path}), mode="train")
    row = dataset[0]
    assert len(row.input_ids) == 16
    first = row.input_ids.index(tokenizer.sep_token_id)
    assert (first - 1, 16 - first - 2) == kept
    model = BertForSequenceClassification(BertConfig.from_pretrained(args.pretrained_model_name, num_labels=3))
    predictor = PairClassificationPredictor(model, tokenizer, LABELS, max_seq_length=16)
    asked = predictor.encode([(premise, hypothesis)])
    assert asked["input_ids"][0].tolist() == row.input_ids
    assert asked["token_type_ids"][0].tolist() == row.token_type_ids


def test_both_files_of_a_split_decide_its_features(make_args, tokenizer, tmp_path):
    files = [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    for path in files:
        path.write_text("premise\thypothesis\tlabel\n감동\t최고\tneutral\n", encoding="utf-8")
    corpus = KlueNLICorpus({"train": tuple(files)})
    args = make_args(downstream_corpus_name="klue-nli")
    first = ClassificationDataset(args, tokenizer, corpus, mode="train")
    assert len(first) == 2
    files[1].write_text("premise\thypothesis\tlabel\n감동\t최고\tentailment\n", encoding="utf-8")
    second = ClassificationDataset(args, tokenizer, corpus, mode="train")
    assert first.store.path != second.store.path
    assert second.row_values("label").tolist() == [2, 0]


def test_a_corpus_of_ones_own_with_one_file_still_works(pair_args, tokenizer):
    class OneFile:
        def path(self, folder, mode):
            return folder / "klue_nli_dev.json"

        def get_examples(self, folder, mode):
            return KlueNLICorpus().get_examples(folder, "test")

        def get_labels(self):
            return LABELS

    assert len(ClassificationDataset(pair_args(), tokenizer, OneFile(), mode="anything")) == 18


# --- models with one token type ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untyped_bert(tmp_path_factory):
    """Return a model as klue/roberta: its tokenizer gives token types 0 and 1, the model knows type 0 only."""
    folder = tmp_path_factory.mktemp("untyped") / "bert"
    build_bert(folder, VOCABULARY)
    config = BertConfig.from_pretrained(folder, type_vocab_size=1)
    BertForSequenceClassification(config).bert.save_pretrained(folder)
    return str(folder)


def test_a_model_with_one_token_type_trains_answers_and_is_scored(pair_args, untyped_bert):
    args = pair_args(pretrained_model_name=untyped_bert, test_mode=True)
    pipeline.train("paircls", args)
    predictor = nlpbook.load_predictor(args.downstream_model_dir)
    assert "token_type_ids" in predictor.tokenizer(*PAIR)
    assert "token_type_ids" not in predictor.encode([PAIR])
    assert predictor(*PAIR)["prediction"] in KlueNLICorpus.label_names
    assert nlpbook.evaluate(args.downstream_model_dir).metrics()["examples"] == 18


def test_the_one_token_type_is_what_such_a_model_trains_with(pair_args, untyped_bert):
    tokenizer = BertTokenizer.from_pretrained(untyped_bert, do_lower_case=False)
    args = pair_args(pretrained_model_name=untyped_bert)
    dataset = ClassificationDataset(args, tokenizer, KlueNLICorpus(), mode="train")
    batch = nlpbook.data_collator([dataset[0], dataset[1]])
    assert batch["token_type_ids"].max() == 1
    model = BertForSequenceClassification.from_pretrained(untyped_bert, num_labels=3).train(False)
    expected = model(**{name: values for name, values in batch.items() if name != "token_type_ids"}).logits
    assert torch.equal(ClassificationTask(model, args)(**batch).logits, expected)


# --- a head trained elsewhere -----------------------------------------------------------------------------------------


def test_fit_puts_a_head_in_another_order_right_by_name(pair_args, tokenizer):
    args = pair_args(test_mode=True, learning_rate=1e-12, weight_decay=0)
    names = dict(enumerate(["entailment", "neutral", "contradiction"]))
    model = BertForSequenceClassification.from_pretrained(args.pretrained_model_name, id2label=names)
    torch.nn.init.normal_(model.classifier.weight)
    before = model.classifier.weight.detach().clone()
    dataset = ClassificationDataset(args, tokenizer, KlueNLICorpus(), mode="train")
    loaders = nlpbook.get_dataloaders(args, dataset, dataset)
    nlpbook.get_trainer(args).fit(ClassificationTask(model, args), *loaders)
    assert torch.allclose(model.classifier.weight, before[[0, 2, 1]], atol=1e-6)
    assert nlpbook.load_predictor(args.downstream_model_dir).model.config.id2label == dict(enumerate(LABELS))


# --- answers ----------------------------------------------------------------------------------------------------------


def test_one_pair_is_answered_in_the_published_form(predictor):
    answer = predictor(*PAIR)
    assert set(answer) == PUBLISHED_KEYS | {"labels", "probabilities"}
    assert (answer["premise"], answer["hypothesis"]) == PAIR
    best = max(answer["probabilities"], key=lambda entry: entry["probability"])
    assert answer["prediction"] == best["name"]
    assert [entry["label"] for entry in answer["probabilities"]] == LABELS
    assert sum(entry["probability"] for entry in answer["probabilities"]) == pytest.approx(1, abs=2e-4)
    assert answer["neutral_data"].startswith("중립 0.")
    assert answer["neutral_width"].endswith("%")


def test_many_pairs_are_answered_in_their_order(predictor):
    pairs = [(REVIEWS[0] * 3, REVIEWS[1]), (REVIEWS[2], REVIEWS[3]), (REVIEWS[4], REVIEWS[5] * 2)]
    together = predictor(pairs)
    assert [(a["premise"], a["hypothesis"]) for a in together] == pairs
    for answer, pair in zip(together, pairs, strict=True):
        alone = [entry["probability"] for entry in predictor(*pair)["probabilities"]]
        assert [entry["probability"] for entry in answer["probabilities"]] == pytest.approx(alone, abs=1e-3)
    assert predictor([]) == []


def test_the_order_of_the_two_texts_matters(predictor):
    assert not torch.equal(predictor.logits([PAIR]), predictor.logits([PAIR[::-1]]))


def test_decomposed_hangul_is_answered_as_composed(predictor):
    decomposed = [unicodedata.normalize("NFD", text) for text in PAIR]
    assert predictor(*decomposed)["probabilities"] == predictor(*PAIR)["probabilities"]


@pytest.mark.parametrize("question", [("전제만",), ([PAIR], "가설")])
def test_half_a_pair_is_refused(predictor, question):
    with pytest.raises(TypeError, match=r"give predictor\(premise, hypothesis\), or predictor\(\["):
        predictor(*question)


# --- scores -----------------------------------------------------------------------------------------------------------


def test_the_report_shows_both_texts_of_a_mistake(predictor, tmp_path):
    examples = KlueNLICorpus({"test": write_table(tmp_path / "own.csv")}).get_examples(tmp_path, "test")
    report = predictor.evaluate(examples, progress=False)
    mistakes = report.worst_mistakes()
    assert {"premise", "hypothesis", "label", "prediction", "probability"} == set(mistakes[0])
    assert f"{mistakes[0]['premise']} + {mistakes[0]['hypothesis']}" in str(report)
    report.save(tmp_path / "scores")
    lines = (tmp_path / "scores" / "predictions.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "premise\thypothesis\tlabel\tprediction\tprobability\tright"
    assert lines[1].startswith("정말 재미있는 영화\t최고의 감동\tentailment\t")
    assert (tmp_path / "scores" / "worst.tsv").read_text(encoding="utf-8").startswith("premise\thypothesis\tlabel")


def write_table(path):
    rows = [f"정말 재미있는 영화,최고의 감동,{label}" for label in LABELS]
    path.write_text("\n".join(["premise,hypothesis,label", *rows]) + "\n", encoding="utf-8")
    return path


def test_evaluation_sets_the_hypothesis_only_score_beside_the_models(model_dir):
    report = nlpbook.evaluate(model_dir, hypothesis_only=True)
    beside = report.metrics()["hypothesis_only"]
    assert {"accuracy", "macro_f1", "accuracy_interval_95"} == set(beside)
    assert f"hypothesis only: {beside['accuracy']:.4f}   95 % interval" in str(report)
    written = json.loads((model_dir / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert written["hypothesis_only"] == beside


def test_hypotheses_alone_cannot_be_asked_of_documents(trained):
    with pytest.raises(
        ArgumentError, match="holds a model for document-classification, whose baselines are: none; got hypothesis_only"
    ):
        nlpbook.evaluate(trained, hypothesis_only=True)


def test_a_habit_of_the_writers_shows_in_the_hypothesis_only_score():
    texts = [f"{name}는 {verb}" for name in "가나다라마바사" for verb in ("절대 아니다", "어쩌면 그렇다", "그렇다")]
    labels = torch.tensor([1, 2, 0] * 7)
    classifier = NgramClassifier(texts, labels, 3)
    found = classifier.probabilities(["하늘은 절대 아니다", "하늘은 어쩌면 그렇다", "하늘은 그렇다", "☃"])
    assert found.argmax(dim=-1)[:3].tolist() == [1, 2, 0]
    assert found.sum(dim=-1).tolist() == pytest.approx([1] * 4)


def test_the_hypothesis_only_score_needs_no_seed():
    texts, labels = [REVIEWS[i % 6] for i in range(30)], torch.tensor([i % 3 for i in range(30)])
    first, second = (NgramClassifier(texts, labels, 3).probabilities(REVIEWS) for _ in range(2))
    assert torch.equal(first, second)


# --- own files and the command ----------------------------------------------------------------------------------------


def run(*words, given=None):
    outcome = CliRunner().invoke(command, words, input=given)
    if isinstance(outcome.exception, RatsnlpError):
        raise outcome.exception
    return outcome


def test_own_tables_take_the_place_of_the_published_files(pair_args, tmp_path):
    table = write_table(tmp_path / "own.csv")
    with table.open("a", encoding="utf-8") as file:
        file.writelines(f"{REVIEWS[i % 6]},{REVIEWS[i // 6]},{LABELS[i % 3]}\n" for i in range(36))
    test = write_table(tmp_path / "test.tsv")
    own = {"train_file": str(table), "test_file": str(test), "test_mode": True, "downstream_corpus_root_dir": "nowhere"}
    args = pair_args(**own)
    pipeline.train("paircls", args)
    assert nlpbook.evaluate(args.downstream_model_dir).metrics()["examples"] == 3


def test_the_command_trains_and_scores_pairs(pair_args, tmp_path):
    settings = pair_args(test_mode=True).to_dict()
    config = tmp_path / "settings.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    trained = run("train", "paircls", str(config))
    assert trained.exit_code == 0, trained.output
    assert "next: ratsnlp evaluate" in trained.output
    scored = run("evaluate", settings["downstream_model_dir"], "--hypothesis_only")
    assert "hypothesis only: 0." in scored.output
    assert "참 (entailment)" in scored.output


def test_a_corpus_of_another_task_is_refused_before_anything_is_fetched(pair_args, tmp_path):
    wanted = r"downstream_corpus_name 'nsmc' is not known to this task; it reads klue-nli, kornli, builtin-klue-nli$"
    flags = ["--downstream_corpus_name", "nsmc", "--downstream_model_dir", str(tmp_path / "m")]
    with pytest.raises(ArgumentError, match=wanted):
        run("train", "paircls", "--pretrained_model_name", pair_args().pretrained_model_name, *flags)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (PAIR, None),
        ((f"{PAIR[0]}\t{PAIR[1]}",), None),
        ((), f"{PAIR[0]}\t{PAIR[1]}\n\n"),
        ((), json.dumps({"hypothesis": PAIR[1], "premise": PAIR[0]}, ensure_ascii=False)),
        ((), json.dumps(list(PAIR))),
    ],
    ids=["two texts", "a tab", "a line", "an object", "a list"],
)
def test_the_command_answers_a_pair_however_it_is_given(model_dir, predictor, words, given):
    outcome = run("predict", str(model_dir), *words, given=given)
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout) == predictor(*PAIR)


def test_the_command_answers_many_pairs_line_by_line(model_dir):
    given = "".join(f"{first}\t{second}\n" for first, second in zip(REVIEWS, REVIEWS[::-1], strict=True))
    answers = [json.loads(line) for line in run("predict", str(model_dir), given=given).stdout.splitlines()]
    assert [(a["premise"], a["hypothesis"]) for a in answers] == list(zip(REVIEWS, REVIEWS[::-1], strict=True))


@pytest.mark.parametrize(
    "line",
    ["문장 하나", "하나\t둘\t셋", "하나\t ", '{"premise": "하나"}', '["하나"]', '{"premise": 1, "hypothesis": "둘"}'],
)
def test_a_line_that_is_no_pair_is_refused_with_both_forms_shown(model_dir, line):
    wanted = r'a line must read premise<TAB>hypothesis, or \{"premise": "...", "hypothesis": "..."\}; got '
    with pytest.raises(ArgumentError, match=wanted):
        run("predict", str(model_dir), given=line)


def test_an_odd_number_of_texts_is_refused(model_dir):
    wanted = 'make no whole questions of 2 .*Quote each text: "premise" "hypothesis"'
    with pytest.raises(ArgumentError, match=wanted):
        run("predict", str(model_dir), "배우", "연기가", "좋다")


def test_a_text_in_brackets_is_no_json(predictor):
    assert predictor.read_arguments(["[속보] 비가 온다", "날이 맑다"]) == [("[속보] 비가 온다", "날이 맑다")]
    assert predictor.read_line("[속보] 비가 온다\t날이 맑다") == ("[속보] 비가 온다", "날이 맑다")


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(predictor):
    return get_web_service_app(predictor).test_client()


def test_the_page_has_two_fields_and_examples(client):
    html = client.get("/").get_data(as_text=True)
    assert html.index('data-field="premise"') < html.index('data-field="hypothesis"')
    assert html.count('class="chip"') == 3
    assert "<title>문장 쌍 분류</title>" in html
    assert "http" not in html.replace("https://github.com", "")


def test_the_page_s_api_answers_a_pair(client, predictor):
    answer = client.post("/api", json={"hypothesis": PAIR[1], "premise": PAIR[0]}).json
    assert answer == {**predictor(*PAIR), "kind": "labels"}
    assert (
        client.get("/api", query_string={"q": json.dumps({"premise": PAIR[0], "hypothesis": PAIR[1]})}).json == answer
    )


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ("문장 하나", "the request is a string; needed: an object with premise, hypothesis"),
        ({"premise": "하나"}, "missing hypothesis; needed: premise, hypothesis"),
        ({"premise": "하나", "hypothesis": " "}, "hypothesis is blank; needed: some text"),
    ],
)
def test_the_page_s_api_refuses_half_a_pair(client, payload, error):
    response = client.post("/api", json=payload)
    assert response.status_code == 400
    assert response.json["error"] == error


def test_names_of_the_task_import_without_torch():
    import subprocess
    import sys

    source = "from ratsnlp.nlpbook.paircls import KlueNLICorpus; import sys; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0
