"""Korpora 0.2.0, the real package: what its `fetch` leaves is read at its place. Its network is a loopback server."""

import importlib

import pytest

from fault_server import serving
from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.classification import ClassificationExample, NsmcCorpus
from ratsnlp.nlpbook.data.download import CATALOG, download_downstream_dataset, is_in_place
from ratsnlp.nlpbook.paircls import KorNLICorpus

korpora = pytest.importorskip("Korpora", reason="Korpora is not installed: pip install Korpora")

NSMC = 'id\tdocument\tlabel\n1\t{name} 재미있어요\t1\n2\t"그는 ""별로""라고 했다"\t0\n'
PAIRS = "sentence1\tsentence2\tgold_label\n{name} 비가 온다\t날씨가 궂다\tentailment\n"
CORPORA = {
    "nsmc": ("korpus_nsmc", "NSMC_FETCH_INFORMATION", NSMC, NsmcCorpus),
    "kornli": ("korpus_kornli", "KORNLI_FETCH_INFORMATION", PAIRS, KorNLICorpus),
}


def publish(answer):
    """Answer any address with a small file in the format of the corpus that its path names."""
    _, corpus, name = answer.path.split("/")
    answer.send(CORPORA[corpus][2].format(name=name).encode())


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a folder into which Korpora fetches from the loopback server, everything else being its own."""
    with serving(publish) as server:
        for corpus, (module, information, _, _) in CORPORA.items():
            for file in getattr(importlib.import_module(f"Korpora.{module}"), information):
                monkeypatch.setitem(file, "url", f"{server.address}/{corpus}/{file['destination'].split('/')[-1]}")
        yield tmp_path


def test_nsmc_as_korpora_leaves_it_is_used_and_read(root, caplog):
    korpora.Korpora.fetch("nsmc", root_dir=str(root))
    caplog.set_level("INFO", "ratsnlp")
    download_downstream_dataset(TrainArguments(downstream_corpus_name="nsmc", downstream_corpus_root_dir=str(root)))
    assert caplog.text.count("exists, using cache!") == 2
    for mode, name in (("train", "ratings_train.txt"), ("test", "ratings_test.txt")):
        assert NsmcCorpus().get_examples(root / "nsmc", mode) == [
            ClassificationExample(text_a=f"{name} 재미있어요", label="1"),
            ClassificationExample(text_a='그는 "별로"라고 했다', label="0"),
        ]


def test_kornli_as_korpora_leaves_it_is_read(root):
    korpora.Korpora.fetch("kornli", root_dir=str(root))
    read = KorNLICorpus().get_examples(root / "kornli", "train")
    assert [example.text_a for example in read] == [
        "multinli.train.ko.tsv 비가 온다",
        "snli_1.0_train.ko.tsv 비가 온다",
    ]
    assert KorNLICorpus().get_examples(root / "kornli", "test")[0].texts == (
        "xnli.test.ko.tsv 비가 온다",
        "날씨가 궂다",
    )


def test_the_half_file_that_korpora_leaves_in_place_is_said(root, monkeypatch, caplog):
    information = importlib.import_module("Korpora.korpus_nsmc").NSMC_FETCH_INFORMATION
    with serving(lambda answer: answer.send(NSMC.encode(), most=40)) as server:
        monkeypatch.setitem(information[0], "url", f"{server.address}/nsmc/ratings_train.txt")
        with pytest.raises(OSError, match="retrieval incomplete"):
            korpora.Korpora.fetch("nsmc", root_dir=str(root))
    path = root / "nsmc" / "ratings_train.txt"
    caplog.set_level("INFO", "ratsnlp")
    assert is_in_place(path, CATALOG["nsmc"].files[0])
    assert "It has 40 bytes, the published one 14,628,807: your own, or cut short by another program" in caplog.text
