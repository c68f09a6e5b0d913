"""Corpora of pairs: what their files hold, what breaks them, and what a broken file is told."""

import json
import logging
import os
import unicodedata
from pathlib import Path

import pytest

from ratsnlp.nlpbook.data.download import CATALOG
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError, CorpusMissingError
from ratsnlp.nlpbook.paircls import KlueNLICorpus, KorNLICorpus
from ratsnlp.nlpbook.paircls.baseline import score_hypothesis_only

ROW = {"premise": "비가 온다.", "hypothesis": "날이 맑다.", "gold_label": "contradiction"}
HEADER = "sentence1\tsentence2\tgold_label\n"


def write(path, content):
    path.write_text(content, encoding="utf-8")
    return path


def write_json(path, rows):
    return write(path, json.dumps(rows, ensure_ascii=False, indent=4))


def read(path):
    corpus = KlueNLICorpus({"train": path})
    return [(e.text_a, e.text_b, e.label) for e in corpus.get_examples(path.parent, "train")]


# --- published files --------------------------------------------------------------------------------------------------


def test_klue_nli_is_read_in_file_order(tmp_path):
    rows = [ROW | {"guid": f"{i}", "hypothesis": f"가설 {i}"} for i in range(3)]
    write_json(tmp_path / "klue_nli_train.json", rows)
    examples = KlueNLICorpus().get_examples(tmp_path, "train")
    assert [(e.text_a, e.text_b, e.label) for e in examples] == [
        ("비가 온다.", f"가설 {i}", "contradiction") for i in range(3)
    ]


@pytest.mark.parametrize("corpus", [KlueNLICorpus(), KorNLICorpus()], ids=["klue", "kornli"])
def test_labels_come_in_the_published_order_with_korean_names(corpus):
    assert corpus.get_labels() == ["entailment", "contradiction", "neutral"]
    assert corpus.label_names == ("참 (entailment)", "거짓 (contradiction)", "중립 (neutral)")
    assert corpus.num_labels == 3


@pytest.mark.parametrize("mode", ["val", "test"])
def test_klue_nli_validates_and_tests_on_the_published_development_file(mode):
    assert KlueNLICorpus().files[mode] == "klue_nli_dev.json"


@pytest.mark.parametrize("mode", ["dev", "valid", "", "Train"])
def test_any_other_split_is_refused(mode):
    with pytest.raises(ArgumentError, match=f"KlueNLICorpus has no split '{mode}'; it has test, train, val"):
        KlueNLICorpus().get_examples("anywhere", mode)


def test_kornli_trains_on_both_translated_files_in_order(tmp_path):
    write(tmp_path / "multinli.train.ko.tsv", HEADER + "가\t나\tneutral\n")
    write(tmp_path / "snli_1.0_train.ko.tsv", HEADER + "다\t라\tentailment\n마\t바\tneutral\n")
    assert [e.text_a for e in KorNLICorpus().get_examples(tmp_path, "train")] == ["가", "다", "마"]


def test_kornli_measures_on_the_files_translated_by_people(tmp_path):
    for name in ("dev", "test"):
        write(tmp_path / f"xnli.{name}.ko.tsv", f"{HEADER}{name}\t나\tneutral\n")
    assert [KorNLICorpus().get_examples(tmp_path, mode)[0].text_a for mode in ("val", "test")] == ["dev", "test"]


def test_kornli_says_where_to_get_a_missing_file(tmp_path):
    write(tmp_path / "multinli.train.ko.tsv", HEADER)
    wanted = r"snli_1.0_train.ko.tsv is missing \(in that folder: multinli.*\).*download_downstream_dataset"
    with pytest.raises(CorpusMissingError, match=wanted):
        KorNLICorpus().get_examples(tmp_path, "train")


def test_klue_nli_says_how_to_get_a_missing_file(tmp_path):
    with pytest.raises(CorpusMissingError, match=r"klue_nli_dev.json is missing .*download_downstream_dataset"):
        KlueNLICorpus().get_examples(tmp_path, "test")


def test_kornli_keeps_quotes_as_they_stand(tmp_path):
    rows = '그는 "좋아\t"라고 했다\tneutral\n"가"\t나"\tentailment \n'
    write(tmp_path / "xnli.test.ko.tsv", HEADER + rows)
    examples = KorNLICorpus().get_examples(tmp_path, "test")
    assert [(e.text_a, e.text_b, e.label) for e in examples] == [
        ('그는 "좋아', '"라고 했다', "neutral"),
        ('"가"', '나"', "entailment"),
    ]


def test_empty_texts_are_kept_and_counted(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("ratsnlp"), "propagate", True)
    path = write(tmp_path / "a.tsv", HEADER + "가\t\tneutral\n \t나\tneutral\n다\t라\tneutral\n")
    with caplog.at_level(logging.INFO, "ratsnlp"):
        assert len(read(path)) == 3
    assert "a.tsv: 2 pairs with an empty text kept, so that counts stay as published" in caplog.text


def test_texts_are_composed_to_nfc(tmp_path):
    path = write(tmp_path / "a.tsv", HEADER + unicodedata.normalize("NFD", "한글") + "\t나\tneutral\n")
    assert read(path)[0][0] == "한글"


@pytest.mark.parametrize(("name", "corpus"), [("klue-nli", KlueNLICorpus), ("kornli", KorNLICorpus)])
def test_the_catalog_has_the_files_of_every_split(name, corpus):
    wanted = {file for files in corpus.files.values() for file in ([files] if isinstance(files, str) else files)}
    assert {file.name for file in CATALOG[name].files} == wanted


# --- broken files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "가\t나\n", r"a.tsv, line 2: expected 'sentence1<TAB>sentence2<TAB>gold_label', got \['가', '나'\]"),
        (HEADER + "가\t나\tneutral\n가\t나\t다\tneutral\n", r"a.tsv, line 3: expected 'sentence1"),
        (HEADER + "가\t나\t-\n", r"a.tsv, line 2: label '-' is not one of entailment, contradiction, neutral"),
        (
            "premise\thypothesis\n",
            r"a.tsv, line 1: no column label or gold_label or 라벨 or 레이블 in the header premise, hyp",
        ),
        ("", r"a.tsv, line 1: no column premise or sentence1 or 전제 or 문장1 in the header \(empty\)"),
        (
            "premise,hypothesis,label\n가,나\n",
            r"a.tsv, line 2: expected 3 columns \(premise, hypothesis, label\), got 2",
        ),
        ('premise,hypothesis,label\n가,나,neutral\n"다,라,neutral\n마,바,neutral\n', r"a.tsv, line 3: .*quote"),
        ("premise,hypothesis,label\n가,나,참\n", r"a.tsv, line 2: label '참' is not one of"),
        ('premise,hypothesis,label\n"' + "가" * 200_000 + "\n", r"a.tsv, line 2: field larger than field limit"),
        ("[{}]", r"a.tsv, line 1: expected an object with the texts premise, hypothesis and gold_label, got {}"),
        ("[\n1]", r"a.tsv, line 2: expected an object .*, got 1"),
        (json.dumps([ROW, ROW | {"gold_label": 1}], indent=1), r"a.tsv, line 7: expected an object"),
        (json.dumps([ROW, ROW | {"gold_label": "maybe"}], indent=1), r"a.tsv, line 7: label 'maybe' is not one of"),
        ('[\n{"premise": "가",\n', r"a.tsv, line \d: not JSON"),
        (
            '{"premise": "가"}',
            r"a.tsv, line 1: no column hypothesis or sentence2 or 가설 or 문장2 in the header premise\.",
        ),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, content, message):
    with pytest.raises(CorpusFormatError, match=message):
        read(write(tmp_path / "a.tsv", content))


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(HEADER.encode() + "가\t나\tneutral\n".encode("cp949"))
    with pytest.raises(CorpusFormatError, match=r"a.tsv, line 2: not UTF-8 text"):
        read(path)


# --- own tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "premise,hypothesis,label\n가,나,neutral\n",
        "\ufeffid,Label,premise,hypothesis\r\n7,neutral,가,나\r\n\r\n",
        'label\tpremise\thypothesis\nneutral\t"가"\t나\n',
        "sentence1,sentence2,gold_label\n가,나, neutral\n",
        HEADER + "가\t나\tneutral\n",
        json.dumps([{"premise": "가", "hypothesis": "나", "gold_label": "neutral"}]),
        json.dumps([{"premise": "가", "hypothesis": "나", "label": "neutral"}]),
        '{"premise": "가", "hypothesis": "나", "label": "neutral"}\n',
        "라벨;전제;가설\nneutral;가;나\n",
        '\n [ {"premise": "가", "hypothesis": "나", "gold_label": "neutral"} ]\n',
    ],
    ids=["csv", "marked", "tsv", "other", "kornli", "klue", "list", "lines", "korean", "space"],
)
def test_own_files_are_told_apart_by_what_they_hold(tmp_path, content):
    assert read(write(tmp_path / "own.txt", content)) == [("가", "나", "neutral")]


def test_a_quoted_field_may_hold_commas_quotes_and_line_breaks(tmp_path):
    path = write(tmp_path / "own.csv", 'premise,hypothesis,label\n"가, ""나""","다\n라",neutral\n')
    assert read(path) == [('가, "나"', "다\n라", "neutral")]


# --- real files -------------------------------------------------------------------------------------------------------

REAL = os.environ.get("RATSNLP_REAL_DATA")


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="RATSNLP_REAL_DATA does not name a folder of published corpora")
def test_published_files_are_read_whole():
    dev = KlueNLICorpus().get_examples(Path(REAL) / "klue-nli", "test")
    xnli = KorNLICorpus().get_examples(Path(REAL) / "kornli", "test")
    assert [sum(e.label == label for e in dev) for label in KlueNLICorpus.labels] == [1000] * 3
    assert [sum(e.label == label for e in xnli) for label in KorNLICorpus.labels] == [1670] * 3


@pytest.mark.real_data
@pytest.mark.skipif(not REAL, reason="RATSNLP_REAL_DATA does not name a folder of published corpora")
def test_hypotheses_of_published_files_give_something_away():
    examples = KorNLICorpus().get_examples(Path(REAL) / "kornli", "test")
    report = score_hypothesis_only(examples[:4008], examples[4008:], KorNLICorpus.labels)
    assert report.headline()["accuracy_interval_95"][0] > 1 / 3
