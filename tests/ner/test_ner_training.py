"""Named entities from end to end: the demo, answers, scores, model folders, own files, and what people may do to them.

One training serves most tests: that of `ratsnlp demo ner`, with the built-in model and corpus.
"""

import dataclasses
import json
import random
import re
import unicodedata
from pathlib import Path

import pytest
import torch
import transformers
from click.testing import CliRunner

from conftest import reset_logger
from notebook_runner import ROOT
from ratsnlp import cli, nlpbook
from ratsnlp.nlpbook import exporting, pipeline
from ratsnlp.nlpbook.arguments import model_dir
from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.checkpoints import read_description
from ratsnlp.nlpbook.demo import demo_arguments
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError
from ratsnlp.nlpbook.evaluation.report import Precision, score
from ratsnlp.nlpbook.model_folder import ModelFolder
from ratsnlp.nlpbook.ner import (
    Entity,
    KlueNERCorpus,
    NERDataset,
    NERDeployArguments,
    NERExample,
    NERPredictor,
    NERTask,
    NERTrainArguments,
)
from ratsnlp.nlpbook.ner.dataset import SentenceLayout
from ratsnlp.nlpbook.ner.report import NERReport
from ratsnlp.nlpbook.tasks import TASKS

pytestmark = pytest.mark.xdist_group("ner training")

SENTENCE = "김서연 씨는 지난 3월 부산에서 열린 대회에서 2위를 했다."
NAMES = ("김민준", "이서연", "박지후", "최하린", "정도윤")
PLACES = ("부산", "서울", "대전", "제주도", "남해")
ODD = ("B-", '<b title="x">&amp;', "O", "사람 이름", "I-PER")
COUNTS = re.compile(r"([\d,]+) and ([\d,]+) sentences with entities")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Return the model folder of the demo, and what it printed."""
    folder = tmp_path_factory.mktemp("ner") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
        outcome = CliRunner().invoke(cli.command, ["demo", "ner", "--folder", str(folder)], catch_exceptions=False)
    reset_logger()
    assert outcome.exit_code == 0, outcome.output
    return folder, outcome.stdout


@pytest.fixture(scope="module")
def folder(demo):
    return demo[0]


@pytest.fixture(scope="module")
def predictor(folder):
    return pipeline.load_predictor(folder)


@pytest.fixture(scope="module")
def sentences():
    return KlueNERCorpus().get_examples(builtin_corpus("klue-ner"), "test")


@pytest.fixture
def changed(folder):
    """Return a function that loads the demo's model with other settings."""

    def load(max_seq_length=None, **settings):
        found = pipeline.load_predictor(folder)
        for name, value in settings.items():
            setattr(found, name, value)
        if max_seq_length:
            found.layout = SentenceLayout.of(found.tokenizer, max_seq_length)
        return found

    return load


@pytest.fixture
def own(tmp_path):
    """Return a function that gives settings to train on own files for a moment."""

    def make(train, test=None, **settings):
        quick = {
            "pretrained_model_name": "builtin",
            "train_file": str(train),
            "test_file": str(test or train),
            "downstream_model_dir": str(tmp_path / "model"),
            "feature_cache_dir": str(tmp_path / "features"),
            "max_seq_length": 32,
            "epochs": 1,
            "batch_size": 8,
            "learning_rate": 1e-3,
            "seed": 7,
            "precision": "32",
        }
        return NERTrainArguments(**quick | settings)

    return make


def make_examples(count, person="PER", place="LOC"):
    examples = []
    for i in range(count):
        name, town = NAMES[i % 5], PLACES[i // 2 % 5]
        text = f"{name} 씨는 {town}에 {i}번 갔다."
        start = text.index(town)
        entities = (Entity(0, len(name), person), Entity(start, start + len(town), place))
        examples.append(NERExample(text, entities=entities))
    return examples


def write_jsonl(path, examples):
    rows = [{"text": e.text, "entities": [[s.start, s.end, s.tag] for s in e.entities]} for e in examples]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path, examples):
    rows = [f'{e.text},"{e.label}"\n' for e in examples]
    path.write_text("".join(["text,tagged\n", *rows]), encoding="utf-8")
    return path


def write_book(path, examples):
    path.write_text("".join(f"{e.text}\u241e{e.label}\n" for e in examples), encoding="utf-8")
    return path


def write_conll(path, examples):
    """Words of a text, a josa apart from its place, so that labels are of whole tokens."""
    lines = []
    for example in examples:
        person, place = (example.text[e.start : e.end] for e in example.entities)
        words = [(person, "B-PER"), ("씨는", "O"), (place, "B-LOC"), ("에", "O"), ("갔다.", "O")]
        lines += [*(f"{word} {label}" for word, label in words), ""]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def found_in(answer):
    """Return the entities of an answer, after what holds for all answers was checked."""
    text, place = answer["sentence"], 0
    for entity in answer["entities"]:
        assert entity["text"] == text[entity["start"] : entity["end"]] != ""
        assert entity["text"] == entity["text"].strip()
        assert place <= entity["start"]
        assert 0 <= entity["probability"] <= 1
        place = entity["end"]
    assert all(0 <= float(row["top_prob"]) <= 1 for row in answer["result"])
    return [(entity["text"], entity["tag"]) for entity in answer["entities"]]


# --- the demo ---------------------------------------------------------------------------------------------------------


def test_the_demo_scores_what_the_documents_announce(demo):
    folder, shown = demo
    spec = TASKS["ner"]
    metrics = ModelFolder(folder).read_metrics()
    for document in ("CHANGELOG.md", "src/ratsnlp/nlpbook/builtin/corpora/klue-ner/README.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        counts = COUNTS.search(text) or re.search(r"\| sentences \| (\d+) \| (\d+) \|", text)
        assert counts.groups() == ("500", str(metrics["examples"]))
    assert shown.count("train has 500 rows") == 1
    assert metrics["entity_f1"] > 74  # 78.9 on the machine it was made on; processors round in other places
    assert "published" in shown
    assert "none: this sample is for learning the steps" in shown
    answers = [json.loads(line) for line in shown.splitlines() if line.startswith("{")]
    expected = (("김서연:PS", "부산:LC", "2위:QT"), ("한국은행:OG",), ("제주도:LC",))
    assert len(answers) == len(spec.demo.inputs) == len(expected)
    for answer, entities in zip(answers, expected, strict=True):
        assert all(f"<{entity}>" in answer["tagged"] for entity in entities)
    for picture in ("curves.png", "evaluation/confusion.png"):
        assert str(folder / picture) in shown
        assert (folder / picture).stat().st_size > 1000
    assert f"open the page: ratsnlp serve {folder}" in shown


def test_the_demo_again_is_finished(demo, caplog):
    caplog.set_level("INFO", logger="ratsnlp")
    before = ModelFolder(demo[0]).last.stat().st_mtime_ns
    pipeline.train("ner", demo_arguments("ner", demo[0]))
    assert "finished; nothing to do" in caplog.text
    assert ModelFolder(demo[0]).last.stat().st_mtime_ns == before


def test_split_and_legal_decoding_each_gain(predictor, changed, sentences):
    full = predictor.evaluate(sentences, progress=False).values["entity_f1"]
    for name, gain in (("josa_split", 5), ("legal_decoding", 2)):
        assert full > gain + changed(**{name: False}).evaluate(sentences, progress=False).values["entity_f1"]


# --- the same training, elsewhere -------------------------------------------------------------------------------------


def test_the_default_model_folder_is_on_drive_in_colab(monkeypatch):
    assert NERTrainArguments().downstream_model_dir == "checkpoint-ner"
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    assert model_dir("checkpoint-ner").default == "/gdrive/My Drive/nlpbook/checkpoint-ner"
    shown = CliRunner().invoke(cli.command, ["train", "ner", "--help"]).output
    assert "/gdrive/My Drive/nlpbook/checkpoint-ner" in " ".join(shown.split())


@pytest.mark.parametrize("way", ["relative", "home", "link", "dots"])
def test_a_training_named_by_another_path_is_the_same(demo, tmp_path, monkeypatch, caplog, way):
    folder = demo[0]
    (tmp_path / "link").symlink_to(folder.parent)
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    named = {
        "relative": "model",
        "home": "~/model",
        "link": str(tmp_path / "link" / "model"),
        "dots": f"{folder.parent}/cache/../model",
    }[way]
    caplog.set_level("INFO", logger="ratsnlp")
    args = dataclasses.replace(
        demo_arguments("ner", folder), downstream_model_dir=named, feature_cache_dir=str(tmp_path / "features")
    )
    assert pipeline.train("ner", args).resolve() == ModelFolder(folder).checkpoints[0].resolve()
    assert "finished; nothing to do" in caplog.text
    with pytest.raises(ArgumentError, match="josa_split was True, is False"):
        pipeline.train("ner", dataclasses.replace(args, josa_split=False))


@pytest.fixture
def cut(monkeypatch):
    """Return a function that trains and is stopped at the end, before the training counts as finished."""
    write = ModelFolder.write_training

    def write_or_stop(folder, args, *, finished, **more):
        if finished:
            raise KeyboardInterrupt
        write(folder, args, finished=finished, **more)

    def train(args):
        with monkeypatch.context() as patch:
            patch.setattr(ModelFolder, "write_training", write_or_stop)
            with pytest.raises(KeyboardInterrupt):
                pipeline.train("ner", args)

    return train


def test_labels_keep_their_order_when_a_cut_training_goes_on(own, tmp_path, cut):
    """An own file whose tags come in another order is another file, wherever it lies."""
    examples = make_examples(24)
    args = own(write_jsonl(tmp_path / "train.jsonl", examples))
    cut(args)
    write_jsonl(tmp_path / "train.jsonl", make_examples(24, "LOC", "PER"))
    with pytest.raises(ArgumentError, match=r"train\.jsonl is not as it was when the training"):
        pipeline.train("ner", args)
    moved = write_jsonl(tmp_path / "moved.jsonl", examples)
    best = pipeline.train("ner", dataclasses.replace(args, train_file=str(moved), test_file=str(moved)))
    labels = ["O", "B-PER", "B-LOC", "I-PER", "I-LOC"]
    assert read_description(best)["labels"] == labels
    assert (tmp_path / "model" / "label_map.txt").read_text(encoding="utf-8").split() == labels


def test_the_books_files_are_found_in_the_corpus_folder(own, tmp_path, cut, capfd):
    """Where they change so that tags come in another order, a cut training is not gone on with under wrong names."""
    corpus = tmp_path / "corpora" / "ner"
    corpus.mkdir(parents=True)
    for name in ("train", "val", "test"):
        write_book(corpus / f"{name}.txt", make_examples(24))
    files = {"downstream_corpus_root_dir": str(corpus.parent), "train_file": None, "test_file": None}
    args = dataclasses.replace(own("-"), **files)
    cut(args)
    assert pipeline.build_corpus(TASKS["ner"], args).get_labels() == ["O", "B-PER", "B-LOC", "I-PER", "I-LOC"]
    place_first = [NERExample(label="<부산:LOC>에 갔다."), *make_examples(24)]
    write_book(corpus / "train.txt", place_first)
    best = pipeline.train("ner", args)
    assert "held another training; its files are kept in" in capfd.readouterr().err
    assert read_description(best)["labels"] == ["O", "B-LOC", "B-PER", "I-LOC", "I-PER"]
    assert pipeline.evaluate(tmp_path / "model").metrics()["examples"] == 24


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_text_and_a_list_get_the_same_answer(predictor):
    answer = predictor(SENTENCE)
    assert found_in(answer) == [("김서연", "PS"), ("지난 3월", "DT"), ("부산", "LC"), ("2위", "QT")]
    assert [entity["name"] for entity in answer["entities"]] == ["인명", "날짜", "지명", "수량"]
    assert answer["tagged"] == "<김서연:PS> 씨는 <지난 3월:DT> <부산:LC>에서 열린 대회에서 <2위:QT>를 했다."
    assert predictor([SENTENCE, "", SENTENCE])[::2] == [answer, answer]
    assert predictor([SENTENCE] * 100) == [answer] * 100
    assert predictor([]) == []


@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000"])
def test_a_text_without_words_has_no_entities(predictor, text):
    answer = predictor(text)
    assert (answer["sentence"], answer["tagged"]) == (text, text)
    assert answer["result"] == answer["entities"] == []


def test_separate_jamo_are_answered_at_their_own_places(predictor):
    plain, apart = predictor(SENTENCE), predictor(unicodedata.normalize("NFD", SENTENCE))
    composed = [(unicodedata.normalize("NFC", text), tag) for text, tag in found_in(apart)]
    assert composed == found_in(plain)
    assert apart["result"] == plain["result"]
    assert apart["entities"][-1]["end"] > plain["entities"][-1]["end"]


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("🙂 " + SENTENCE, {("김서연", "PS"), ("부산", "LC")}),
        ("👨\u200d👩\u200d👧 " + SENTENCE, {("김서연", "PS"), ("부산", "LC")}),
        (SENTENCE.replace(" ", "\u3000"), {("김서연", "PS"), ("지난\u30003월", "DT")}),
        (SENTENCE.replace("부산", "부\u200b산"), {("부\u200b산", "LC")}),
        ("\u202e\ufeff" + SENTENCE, {("김서연", "PS"), ("부산", "LC")}),
        ("שלום مرحبا " + SENTENCE, {("김서연", "PS"), ("부산", "LC")}),
        ("<b>김서연</b> 씨는 [SEP] 부산에서", {("김서연", "PS"), ("부산", "LC")}),
        ("e\u0301\u0301 ᄀᄀ각\u0301 " + SENTENCE, {("김서연", "PS")}),
    ],
)
def test_signs_of_all_kinds_move_no_place(predictor, text, entities):
    assert entities <= set(found_in(predictor(text)))


def test_no_text_gives_an_entity_that_is_not_in_it(predictor):
    """Marks after syllables, jamo of all kinds, controls: where a token ends inside what reads as one character too."""
    draw = random.Random(7)
    signs = '김서연부산의은 \u200b\u0301\u1112\u1161\u11ab🙂<>"&\t\n\r\u3000각ㄱab012.,\u064b\u05d0\u202e\ufb2a'
    texts = ["".join(draw.choices(signs, k=draw.randrange(200))) for _ in range(200)]
    answers = predictor(texts)
    assert sum(len(found_in(answer)) for answer in answers) > 100
    assert [answer["sentence"] for answer in answers] == texts


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_long_text_is_read_to_its_end(predictor, form):
    """Windows cut it at many places; each sentence of it is answered as in the others."""
    text = unicodedata.normalize(form, " ".join([SENTENCE] * 92))
    assert len(text) > 3000
    answer = predictor(text)
    found = [(unicodedata.normalize("NFC", surface), tag) for surface, tag in found_in(answer)]
    for entity in (("김서연", "PS"), ("지난 3월", "DT"), ("부산", "LC")):
        assert found.count(entity) >= 90
    assert answer["entities"][-1]["end"] > len(text) - 30


def test_windows_of_six_tokens_still_find_entities(changed):
    """Shorter than some entities; a word of hundreds of letters is one unknown token."""
    short = changed(max_seq_length=8)
    assert ("김서연", "PS") in found_in(short(SENTENCE))
    found_in(short("스물세 명의 " * 200 + "가" * 500))


def test_josa_come_along_without_the_split(changed):
    assert ("부산", "LC") in found_in(changed()(SENTENCE))
    whole = changed(josa_split=False)
    tokens = [row["token"] for row in whole(SENTENCE)["result"]]
    assert "부산에서" in "".join(tokens).replace("##", "")
    assert len(tokens) < len(changed()(SENTENCE)["result"])


def test_only_legal_labels_are_chosen(predictor, changed, sentences):
    def illegal(answering):
        count = 0
        for reading in answering.read([example.text for example in sentences]):
            names = ["O", *(answering.labels[i] for i in reading.labels)]
            pairs = zip(names, names[1:], strict=False)
            count += sum(name[:2] == "I-" and before[2:] != name[2:] for before, name in pairs)
        return count

    assert illegal(predictor) == 0
    assert illegal(changed(legal_decoding=False)) > 0


def test_page_command_and_predictor_give_the_same_answer(folder, predictor):
    expected = predictor(SENTENCE)
    outcome = CliRunner().invoke(cli.command, ["predict", str(folder), SENTENCE], catch_exceptions=False)
    assert json.loads(outcome.stdout.splitlines()[-1]) == expected
    outcome = CliRunner().invoke(cli.command, ["predict", str(folder)], input=f"{SENTENCE}\n\n{SENTENCE}\n")
    assert [json.loads(line) for line in outcome.stdout.splitlines()] == [expected] * 2
    client = pipeline.build_app(folder).test_client()
    for payload in (SENTENCE, {"sentence": SENTENCE}, {"sentence": unicodedata.normalize("NFD", SENTENCE)}):
        assert client.post("/api", json=payload).get_json() == {**expected, "kind": "tokens"}


def test_the_command_refuses_bytes_that_are_no_utf_8(folder, predictor):
    lines = f"\ufeff{SENTENCE}\n".encode()
    outcome = CliRunner().invoke(cli.command, ["predict", str(folder)], input=lines)
    assert json.loads(outcome.stdout) == predictor(SENTENCE)
    outcome = CliRunner().invoke(cli.command, ["predict", str(folder)], input=SENTENCE.encode("cp949"))
    assert isinstance(outcome.exception, ArgumentError)
    assert "not UTF-8: " in str(outcome.exception)
    outcome = CliRunner().invoke(cli.command, ["predict", str(folder), "\udcff김서연"])
    assert "Save the texts as UTF-8" in str(outcome.exception)


def test_the_page_takes_ten_thousand_characters_and_refuses_more(folder):
    client = pipeline.build_app(folder).test_client()
    text = (SENTENCE + " ") * 303
    answer = client.post("/api", json=text[:10_000].strip()).get_json()
    assert len(found_in(answer)) > 900
    assert client.post("/api", json=text + "가").status_code == 413
    assert client.post("/api", json="  ").status_code == 400


def test_the_int8_engine_finds_nearly_the_same_entities(changed, predictor, sentences):
    other = changed().use_engine("torch-int8", min_agreement=0.9)
    assert other.engine_name == "torch-int8"
    texts = [example.text for example in sentences[:40]]
    same = sum(found_in(a) == found_in(b) for a, b in zip(predictor(texts), other(texts), strict=True))
    assert same >= 24


# --- model folders ----------------------------------------------------------------------------------------------------


def test_settings_to_deploy_know_the_label_map(folder, predictor, capsys):
    args = NERDeployArguments(
        pretrained_model_name="beomi/kcbert-base", downstream_model_dir=str(folder), max_seq_length=64
    )
    (best,) = folder.glob("epoch=*.ckpt")
    assert capsys.readouterr().out.splitlines() == [
        f"downstream_model_checkpoint_fpath: {best}",
        f"downstream_model_labelmap_fpath: {folder / 'label_map.txt'}",
    ]
    with Path(args.downstream_model_labelmap_fpath).open() as lines:
        labels = [label.strip() for label in lines.readlines()]
    assert labels == predictor.labels
    assert (args.max_seq_length, args.josa_split, args.legal_decoding) == (64, True, True)
    fine_tuned = torch.load(args.downstream_model_checkpoint_fpath, map_location="cpu")
    config = transformers.BertConfig.from_pretrained(nlpbook.builtin_model(), num_labels=len(labels))
    model = transformers.BertForTokenClassification(config)
    model.load_state_dict({name.replace("model.", ""): value for name, value in fine_tuned["state_dict"].items()})


def test_an_exported_folder_answers_alike(folder, predictor, tmp_path):
    out = exporting.export(folder, tmp_path / "exported")
    again = pipeline.load_predictor(out)
    texts = [SENTENCE, unicodedata.normalize("NFD", SENTENCE), " ".join([SENTENCE] * 20), ""]
    assert again(texts) == predictor(texts)
    pipe = transformers.pipeline("token-classification", str(out), aggregation_strategy="simple", device=-1)
    found = {(SENTENCE[one["start"] : one["end"]], one["entity_group"]) for one in pipe(SENTENCE)}
    assert ("김서연", "PS") in found
    assert pipeline.evaluate(out).values == pipeline.evaluate(folder).values


# --- training and scores ----------------------------------------------------------------------------------------------


def test_training_logs_scores_of_entities(folder):
    (best,) = folder.glob("epoch=*.ckpt")
    metrics = read_description(best)["metrics"]
    assert NERTask.validation_metrics == ("val_loss", "val_f1", "val_macro_f1", "val_acc")
    assert set(NERTask.validation_metrics) <= metrics.keys()
    assert 0 < metrics["val_loss"] < 1
    assert 60 < metrics["val_f1"] < 100
    assert 60 < metrics["val_macro_f1"] < 100
    assert 0.8 < metrics["val_acc"] <= 1


@pytest.mark.parametrize("length", [96, 20])
def test_validation_over_windows_is_that_of_whole_texts(folder, changed, sentences, tmp_path, length):
    other = changed(max_seq_length=length)
    args = dataclasses.replace(
        demo_arguments("ner", folder), max_seq_length=length, feature_cache_dir=str(tmp_path), batch_size=32
    )
    dataset = NERDataset(args=args, corpus=KlueNERCorpus(), tokenizer=other.tokenizer, mode="val")
    assert (len(dataset) > 150) == (length == 20)
    task = NERTask(other.model, args)
    task.validation_dataset = lambda: dataset
    order = random.Random(7).sample(range(len(dataset)), len(dataset))
    for i in range(0, len(order), 32):
        batch = nlpbook.data_collator([dataset[row] for row in order[i : i + 32]])
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
        with torch.inference_mode():
            task.collect(other.model(**inputs), batch)
    found = {name: float(value) for name, value in task.summarize().items()}
    values = other.evaluate(sentences, progress=False).values
    # each window is decoded for itself in validation, so a seam may differ
    tolerance = 1e-3 if length == 96 else 1.5
    assert found["val_f1"] == pytest.approx(values["entity_f1"], abs=tolerance)
    assert found["val_macro_f1"] == pytest.approx(values["macro_f1"], abs=tolerance)


def test_a_report_has_every_part(folder):
    report = pipeline.evaluate(folder, dictionary=True)
    metrics = ModelFolder(folder).read_metrics()
    for name in ("entity_f1", "macro_f1", "entity_precision", "entity_recall", "klue_entity_f1", "klue_character_f1"):
        assert 0 < metrics[name] <= 100
    low, high = metrics["entity_f1_interval_95"]
    assert low < metrics["entity_f1"] < high
    assert metrics["klue_entity_f1"] == pytest.approx(metrics["macro_f1"], abs=1)  # spaces alone differ
    assert list(metrics["faults"]) == ["missed", "invented", "wrong length", "wrong tag", "wrong both"]
    assert [row["tag"] for row in metrics["tags"]] == list(KlueNERCorpus.tags)
    assert sum(row["entities"] for row in metrics["tags"]) == 498
    assert 0 <= metrics["calibration"]["ece"] < 0.3
    dictionary = report.baselines["dictionary"]
    assert report.values["entity_f1"] > dictionary.values["entity_f1"] + 8
    shown = str(report)
    for part in ("entity F1", "macro F1", "KLUE's own", "dictionary", "ECE", "each tag:", "kinds of faults:", "worst"):
        assert part in shown
    page = (folder / "evaluation" / "report.html").read_text(encoding="utf-8")
    for part in ("개체명 F1", "KLUE의 두 지표", "태그별 점수", "잘못의 종류", "가장 많이 틀린 문장", "dictionary"):
        assert part in page


def test_a_report_shows_markup_as_text(tmp_path):
    text = "<script>alert(1)</script> 김서연"
    person = [Entity(len(text) - 3, len(text), "<b>")]
    report = NERReport(**{"texts": [text], "gold": [person], "predicted": [[]], "probabilities": [[]], "tags": ["<b>"]})
    report.save(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "김서연:&lt;b&gt;" in page
    assert "김서연:<b>" not in page
    assert "<script>alert(1)</script> 김서연" in str(report)


def test_sentences_without_entities_are_scored(predictor):
    examples = [NERExample("오늘은 쉽니다."), NERExample("그럴까요?")]
    args = NERTrainArguments(downstream_corpus_name="ner")
    precision: Precision = "32"
    report = score(predictor, examples, KlueNERCorpus(), args, "test", precision)
    assert report.metrics()["examples"] == 2
    assert "sentences" in str(report)


# --- own files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_jsonl, "a.jsonl"), (write_csv, "a.csv"), (write_conll, "a.txt"), (write_book, "b.txt")],
)
def test_own_files_are_trained_on_by_the_command(tmp_path, own, write, name):
    train, test = write(tmp_path / name, make_examples(30)), write(tmp_path / f"test-{name}", make_examples(10))
    args = own(train, test, test_mode=True).to_dict()
    flags = [f"--{key}={args[key]}" for key in ("feature_cache_dir", "downstream_model_dir", "seed", "precision")]
    files = ["--train_file", str(train), "--test_file", str(test)]
    quick = ["--pretrained_model_name=builtin", "--max_seq_length=32", "--batch_size=4", "--test_mode"]
    outcome = CliRunner().invoke(cli.command, ["train", "ner", *files, *flags, *quick], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    report = pipeline.evaluate(tmp_path / "model", dictionary=True)
    assert report.metrics()["examples"] == 10
    assert list(report.tags) == ["PER", "LOC"]
    assert report.baselines["dictionary"].values["entity_f1"] == 100


def test_bad_rows_are_named_by_file_and_line_or_left_out(tmp_path, own):
    path = write_jsonl(tmp_path / "train.jsonl", make_examples(30))
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[3] = '{"text": "서울에 갔다.", "entities": [[0, 2, "LOC"], [1, 3, "PER"]]}'
    lines[7] = '{"text": "서울", "entities": [[0, 9, "LOC"]]}'
    lines[9] = '{"text": "서울", "entities": [[0, 2, "줄이\\n둘"]]}'
    lines[11] = "{서울"
    path.write_text("\n".join(lines), encoding="utf-8")
    test = write_jsonl(tmp_path / "test.jsonl", make_examples(6))
    with pytest.raises(CorpusFormatError, match=r"train\.jsonl: 4 of 30 rows") as refused:
        pipeline.train("ner", own(path, test))
    message = str(refused.value)
    assert "line 4: entities overlap: '서울' 0..2 LOC and '울에' 1..3 PER" in message
    assert "line 8: entity 0..9 LOC is not within the text of 2 characters" in message
    assert "line 10: expected start, end and one tag" in message
    assert "line 12: not JSON" in message
    pipeline.train("ner", own(path, test, skip_bad_rows=True, test_mode=True))
    assert ModelFolder(tmp_path / "model").read_training()["finished"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty. Expected lines"),
        ('{"text": "서울에 갔다.", "entities": []}\n', "holds no entity, so there is nothing to learn"),
        ('{"text": "서울", "entities": [[0, 2, "LOC"]]}\n', "too few to hold any out"),
    ],
)
def test_files_that_are_too_small_are_refused(tmp_path, own, content, message):
    path = tmp_path / "small.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises((ArgumentError, CorpusFormatError), match=message):
        pipeline.train("ner", own(path))


def test_one_sentence_is_enough_with_a_file_to_validate_on(tmp_path, own):
    path = write_jsonl(tmp_path / "one.jsonl", make_examples(1))
    other = write_jsonl(tmp_path / "other.jsonl", make_examples(4))
    pipeline.train("ner", own(path, other, validation_file=str(other)))
    assert pipeline.evaluate(tmp_path / "model").metrics()["examples"] == 4


def test_a_validation_file_with_another_tag_is_refused_by_its_name(tmp_path, own):
    train = write_jsonl(tmp_path / "train.jsonl", make_examples(20))
    other = write_jsonl(tmp_path / "other.jsonl", make_examples(4, place="ORG"))
    with pytest.raises(ArgumentError, match="no label B-ORG, I-ORG among O, B-PER"):
        pipeline.train("ner", own(train, validation_file=str(other)))


def test_tags_that_only_the_test_file_has_count_as_missed(tmp_path, own, caplog):
    train = write_jsonl(
        tmp_path / "train.jsonl", [NERExample(e.text, entities=e.entities[:1]) for e in make_examples(20)]
    )
    test = write_jsonl(tmp_path / "test.jsonl", make_examples(6))
    pipeline.train("ner", own(train, test, test_mode=True))
    reset_logger()
    report = pipeline.evaluate(tmp_path / "model", dictionary=True)
    assert "does not know the tags LOC: their entities count as missed" in caplog.text
    assert ModelFolder(tmp_path / "model").read_metrics()["tags"][1] == {
        **{"tag": "LOC", "precision": 0, "recall": 0, "f1": 0, "entities": 6}
    }
    assert report.baselines["dictionary"].values["entity_recall"] == 50
    assert list(pipeline.load_predictor(tmp_path / "model").tags) == ["PER"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Return the folder of a model with tags of all kinds, each of them the tag of one name."""
    path = tmp_path_factory.mktemp("odd")
    examples = [example for i, tag in enumerate(ODD) for example in make_examples(60, tag)[i::5]]
    write_jsonl(path / "train.jsonl", random.Random(7).sample(examples, len(examples)))
    settings = {"pretrained_model_name": "builtin", "precision": "32", "seed": 7, "batch_size": 8, "epochs": 6}
    files = {"train_file": str(path / "train.jsonl"), "test_file": str(path / "train.jsonl")}
    folders = {"downstream_model_dir": str(path / "model"), "feature_cache_dir": str(path / "features")}
    pipeline.train("ner", NERTrainArguments(**settings, **files, **folders, max_seq_length=32, learning_rate=1e-3))
    reset_logger()
    return path / "model"


def test_tags_of_any_name_are_learned_and_deployed(odd, tmp_path):
    report = pipeline.evaluate(odd)
    assert sorted(report.tags) == sorted([*ODD, "LOC"])
    assert report.values["entity_f1"] > 80
    texts = [example.text for example in make_examples(5)]
    predictor = pipeline.load_predictor(odd)
    answers = predictor(texts)
    assert len({tag for answer in answers for _, tag in found_in(answer)} & set(ODD)) > 3
    args = NERDeployArguments(downstream_model_dir=str(odd))
    labels = Path(args.downstream_model_labelmap_fpath).read_text(encoding="utf-8").splitlines()
    assert labels == ["O", *(f"{prefix}-{tag}" for prefix in "BI" for tag in report.tags)] == predictor.labels
    assert NERPredictor.load(exporting.export(odd, tmp_path / "out"))(texts) == answers
    (answer,) = (a for a in answers if a["sentence"] == texts[0])
    shown = pipeline.build_app(odd).test_client().post("/api", json=texts[0]).get_json()
    assert shown == {**answer, "kind": "tokens"}
    assert {tag["tag"] for tag in shown["tags"]} == {*ODD, "LOC"}


def test_a_tag_in_separate_jamo_is_the_same_tag():
    name = unicodedata.normalize("NFD", "사람 이름")
    assert NERExample("서울", entities=(Entity(0, 2, name),)).entities == (Entity(0, 2, "사람 이름"),)


@pytest.mark.browser
def test_tags_with_signs_are_text_on_the_page(odd, open_page):
    page = open_page(pipeline.build_app(odd))
    expected = pipeline.load_predictor(odd)
    for example in make_examples(5):
        page.fill("#text", example.text)
        page.click("#ask")
        page.wait_for_selector("#result:visible")
        page.wait_for_selector("body:not(.busy)")
        names = [entity["name"] for entity in expected(example.text)["entities"]]
        assert [name.strip() for name in page.locator("mark .tag").all_inner_texts()] == names
    assert page.query_selector("main tag, main b") is None
    assert page.errors == []
