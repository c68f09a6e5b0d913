import csv
import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler

from conftest import REVIEWS, write_nsmc
from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import ClassificationDataset, ClassificationExample, NsmcCorpus
from ratsnlp.nlpbook.classification.corpus import read_nsmc
from ratsnlp.nlpbook.data import features
from ratsnlp.nlpbook.data.batches import Padding, data_collator
from ratsnlp.nlpbook.data.dataset import hold_out
from ratsnlp.nlpbook.data.encoding import encode
from ratsnlp.nlpbook.data.features import Chunk, FeatureStore, write_features
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError, CorpusMissingError


@pytest.fixture
def make_dataset(make_args, tokenizer):
    def make(mode="train", corpus=None, tokenizer=tokenizer, **changes):
        return ClassificationDataset(
            args=make_args(**changes), corpus=corpus or NsmcCorpus(), tokenizer=tokenizer, mode=mode
        )

    return make


def read_log(caplog):
    return [record.getMessage() for record in caplog.records]


# reading


def test_nsmc_reader_yields_text_and_label(tmp_path):
    path = write_nsmc(tmp_path / "ratings_train.txt", [("좋다", "1"), ("", "0")])
    assert list(read_nsmc(path)) == [("좋다", "1"), ("", "0")]


def test_nsmc_reader_undoes_the_quoting_of_its_makers(tmp_path):
    path = write_nsmc(tmp_path / "ratings_train.txt", [('"그는 ""명작""이라 했다"', "1"), ('말 중간의 "따옴표"', "0")])
    assert [text for text, _ in read_nsmc(path)] == ['그는 "명작"이라 했다', '말 중간의 "따옴표"']


@pytest.mark.parametrize(
    ("row", "found"),
    [("7\t좋다\t2", "'2'"), ("7\t좋다", r"\['7', '좋다'\]"), ("7\t좋다\t1\t1", "'1', '1'"), ("7,좋다,1", "7,좋다,1")],
)
def test_nsmc_reader_names_the_bad_line(tmp_path, row, found):
    path = tmp_path / "ratings_train.txt"
    path.write_text(f"id\tdocument\tlabel\n1\t재미\t1\n{row}\n", encoding="utf-8")
    with pytest.raises(CorpusFormatError, match=rf"ratings_train\.txt, line 3: expected 'id<TAB>document.*{found}"):
        list(read_nsmc(path))


def test_nsmc_reader_names_the_line_on_which_a_quote_opens(tmp_path):
    path = tmp_path / "ratings_train.txt"
    path.write_text('id\tdocument\tlabel\n1\t재미\t1\n2\t"열린 채\t1\n3\t좋다\t1\n', encoding="utf-8")
    with pytest.raises(CorpusFormatError, match=r"line 3: .*A quote that opens and never closes"):
        list(read_nsmc(path))


def test_nsmc_reader_names_the_line_that_is_not_utf_8(tmp_path):
    path = tmp_path / "ratings_train.txt"
    path.write_bytes("id\tdocument\tlabel\n1\t재미\t1\n".encode() + "2\t좋다\t1\n".encode("cp949"))
    with pytest.raises(CorpusFormatError, match=r"ratings_train\.txt, line 3: not UTF-8 text"):
        list(read_nsmc(path))


def test_readers_give_nfc_and_skip_a_byte_order_mark(tmp_path):
    path = tmp_path / "ratings_train.txt"
    decomposed = unicodedata.normalize("NFD", "id\tdocument\tlabel\n1\t재미있다\t1\n")
    path.write_text(decomposed, encoding="utf-8-sig")
    assert list(read_nsmc(path)) == [("재미있다", "1")]


def test_empty_reviews_are_kept_and_said(tmp_path, caplog):
    caplog.set_level("INFO", "ratsnlp")
    write_nsmc(tmp_path / "ratings_train.txt", [("좋다", "1"), ("", "0"), ("  ", "0")])
    assert len(NsmcCorpus().get_examples(tmp_path, "train")) == 3
    assert read_log(caplog) == ["ratings_train.txt: 2 empty reviews kept, so that counts stay as published"]


def test_val_and_test_name_the_published_test_file(corpora):
    corpus = NsmcCorpus()
    assert corpus.path(corpora / "nsmc", "val") == corpus.path(corpora / "nsmc", "test")
    assert (corpus.get_labels(), corpus.num_labels) == (["0", "1"], 2)


def test_another_split_is_an_error(corpora):
    with pytest.raises(ArgumentError, match=r"NsmcCorpus has no split 'dev'; it has test, train, val"):
        NsmcCorpus().get_examples(corpora / "nsmc", "dev")


def test_a_missing_file_says_what_the_folder_holds(tmp_path):
    (tmp_path / "train.txt").touch()
    with pytest.raises(
        CorpusMissingError,
        match=r"ratings_train\.txt is missing \(in that folder: train\.txt\)\. Run nlpbook\.download_down",
    ):
        NsmcCorpus().get_examples(tmp_path, "train")
    with pytest.raises(CorpusMissingError, match=r"that folder does not exist"):
        NsmcCorpus().get_examples(tmp_path / "none", "train")


def test_own_files_take_the_place_of_published_ones(tmp_path):
    own = write_nsmc(tmp_path / "mine.txt", [("좋다", "1")])
    assert NsmcCorpus({"train": own}).get_examples("/nowhere", "train") == [ClassificationExample("좋다", None, "1")]


# features


def test_features_are_those_of_the_tokenizer_itself(make_dataset, tokenizer, corpora):
    dataset = make_dataset()
    examples = NsmcCorpus().get_examples(corpora / "nsmc", "train")
    assert len(dataset) == 60
    for row in (0, 1, 31, 59):
        own = tokenizer(examples[row].text_a, truncation=True, max_length=32)
        assert dataset[row].input_ids == own["input_ids"]
        assert dataset[row].token_type_ids == own["token_type_ids"]
        assert dataset[row].label == int(examples[row].label)


def test_pairs_are_cut_at_the_longer_side_first(tokenizer):
    short, long = "정말 재미있는", "지루하고 재미없다 " * 5
    ids, types = encode(tokenizer, [(short, long)], 16)
    expected = tokenizer(short, long, truncation=True, max_length=16)
    assert (ids[0], types[0]) == (expected["input_ids"], expected["token_type_ids"])
    assert types[0].index(1) == len(tokenizer(short)["input_ids"])


def test_a_python_written_tokenizer_gives_the_same_features(tokenizer, make_dataset):
    class Slow:
        """Stands for a tokenizer without a fast backend, such as KoBERT's SentencePiece one."""

        is_fast, init_kwargs = False, {"name": "slow"}

        def __getattr__(self, name):
            return getattr(tokenizer, name)

        def __call__(self, *texts, **options):
            return tokenizer(*texts, **options)

    slow, fast = make_dataset(tokenizer=Slow()), make_dataset()
    assert [slow[i] for i in range(60)] == [fast[i] for i in range(60)]


def test_a_second_dataset_reads_the_first_ones_file(make_dataset, caplog, corpora):
    make_dataset()
    caplog.set_level("INFO", "ratsnlp")
    caplog.clear()
    make_dataset()
    assert read_log(caplog)[0].startswith(
        f"Loading features from cached file {corpora / 'nsmc'}/cached_train_BertTokeniz"
    )
    assert len(list((corpora / "nsmc").glob("*.safetensors"))) == 1


@pytest.mark.parametrize("change", ["vocabulary", "length", "file", "version", "overwrite"])
def test_what_decides_the_features_makes_them_anew(make_dataset, caplog, corpora, other_bert, monkeypatch, change):
    from transformers import BertTokenizer

    before = make_dataset()
    settings = {"length": {"max_seq_length": 16}, "overwrite": {"overwrite_cache": True}}.get(change, {})
    if change == "vocabulary":
        settings["tokenizer"] = BertTokenizer.from_pretrained(other_bert, do_lower_case=False)
    elif change == "file":
        write_nsmc(corpora / "nsmc" / "ratings_train.txt", [(REVIEWS[0], "1")] * 60)
    elif change == "version":
        monkeypatch.setattr(features, "FEATURES_VERSION", features.FEATURES_VERSION + 1)
    caplog.set_level("INFO", "ratsnlp")
    after = make_dataset(**settings)
    assert any(line.startswith("Creating features") for line in read_log(caplog))
    if change in ("vocabulary", "length", "file"):
        assert [row.input_ids for row in before] != [row.input_ids for row in after]


@pytest.mark.parametrize("change", [{"learning_rate": 1e-3}, {"batch_size": 4}, {"epochs": 9}, {"seed": 1}])
def test_nothing_else_makes_features_anew(make_dataset, caplog, change):
    make_dataset()
    caplog.set_level("INFO", "ratsnlp")
    make_dataset(**change)
    assert not any(line.startswith("Creating features") for line in read_log(caplog))


def test_a_model_with_the_same_vocabulary_shares_the_file(make_dataset, tokenizer, corpora):
    make_dataset()
    make_dataset(pretrained_model_name="another/name")
    assert len(list((corpora / "nsmc").glob("*.safetensors"))) == 1


def test_a_chosen_cache_folder_is_used(make_dataset, tmp_path, corpora):
    make_dataset(feature_cache_dir=str(tmp_path / "features"))
    assert not list((corpora / "nsmc").glob("*.safetensors"))
    assert len(list((tmp_path / "features").glob("*.safetensors"))) == 1


def test_a_read_only_corpus_folder_sends_features_to_the_users_cache(make_dataset, corpora, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    dataset = make_dataset()
    assert not list((corpora / "nsmc").glob("*.safetensors"))
    assert os.environ["XDG_CACHE_HOME"] in str(dataset.store.path)


def test_a_failed_write_leaves_no_feature_file(make_dataset, corpora):
    write_nsmc(corpora / "nsmc" / "ratings_train.txt", [("좋다", "1"), ("좋다", "3")])
    with pytest.raises(CorpusFormatError):
        make_dataset()
    assert not list((corpora / "nsmc").glob("*cached*.safetensors"))
    assert not [path for path in (corpora / "nsmc").iterdir() if path.is_dir()]


def test_a_label_that_the_corpus_does_not_know_is_named(make_dataset):
    class Wrong(NsmcCorpus):
        labels = ("0",)

    with pytest.raises(CorpusFormatError, match=r"ratings_train\.txt: label '1' of '정말 재미있는 영화' is not one of"):
        make_dataset(corpus=Wrong())


def test_the_first_five_examples_are_logged_as_published(make_dataset, caplog):
    caplog.set_level("INFO", "ratsnlp")
    make_dataset()
    lines = read_log(caplog)
    assert lines[0].startswith("Creating features from dataset file at ")
    assert lines[1].startswith("loading train data... LOOKING AT ")
    assert lines[2] == "tokenize sentences, it could take a lot of time..."
    assert lines[3].startswith("tokenize sentences [took ")
    assert lines[4:7] == [
        "*** Example ***",
        "sentence: 정말 재미있는 영화",
        "tokens: [CLS] 정 ##말 재 ##미 ##있 ##는 영 ##화 [SEP]",
    ]
    assert lines[7] == "label: 1"
    assert lines[8].startswith("features: ClassificationFeatures(input_ids=[2, ")
    assert lines.count("*** Example ***") == 5
    assert lines[-1].startswith("Saving features into cached file ")


def test_a_feature_file_is_plain_safetensors_without_padding(make_dataset):
    from safetensors import safe_open

    dataset = make_dataset()
    with safe_open(dataset.store.path, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert arrays["tokens.input_ids"].dtype == np.int32
    assert arrays["offsets"][-1] == len(arrays["tokens.input_ids"]) == int(dataset.lengths.sum())


def test_features_of_many_chunks_are_joined(tmp_path):
    chunks = [Chunk(np.array([2, 1]), {"ids": np.arange(3, dtype=np.int32) + 3 * i}) for i in range(5)]
    write_features(iter(chunks), tmp_path / "x.safetensors")
    store = FeatureStore(tmp_path / "x.safetensors")
    assert len(store) == 10
    assert [store.tokens_of("ids", row).tolist() for row in (0, 1, 8, 9)] == [[0, 1], [2], [12, 13], [14]]


def test_a_loader_process_reads_the_same_features(make_dataset):
    dataset = make_dataset()
    import pickle

    copy = pickle.loads(pickle.dumps(dataset.store))
    assert torch.equal(copy.tokens["input_ids"], dataset.store.tokens["input_ids"])
    assert len(pickle.dumps(dataset.store)) < 500


def test_selected_rows_share_the_features(make_dataset):
    dataset = make_dataset()
    chosen = dataset.select([5, 3, 8]).select([2, 0])
    assert [chosen[0], chosen[1]] == [dataset[8], dataset[5]]
    assert chosen.lengths.tolist() == [len(dataset[8].input_ids), len(dataset[5].input_ids)]
    with pytest.raises(IndexError, match="row 2 of a dataset of 2 rows"):
        chosen[2]


# batches


@pytest.mark.parametrize(("gpu", "multiple"), [(False, 1), (True, 8)])
def test_a_batch_is_padded_to_its_longest_row_rounded_up_to_eight_on_a_gpu(make_dataset, monkeypatch, gpu, multiple):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    dataset = make_dataset()
    rows = [dataset[i] for i in range(4)]
    batch = data_collator(rows)
    longest = max(len(row.input_ids) for row in rows)
    assert longest % 8
    assert batch["input_ids"].shape[1] == -(-longest // multiple) * multiple
    assert set(batch) == {"input_ids", "attention_mask", "token_type_ids", "labels"}
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())
    assert batch["attention_mask"].sum(-1).tolist() == [len(row.input_ids) for row in rows]


@pytest.mark.parametrize(
    ("longest", "limit", "fixed", "expected"),
    [(5, 128, False, 8), (8, 128, False, 8), (9, 128, False, 16), (298, 300, False, 300), (5, 128, True, 16)]
    + [(17, 128, True, 32), (100, 128, True, 128), (290, 300, True, 300)],
)
def test_padding_never_passes_the_limit_and_takes_few_lengths_on_xla(longest, limit, fixed, expected):
    assert Padding(0, limit, fixed).length(longest) == expected


def test_padding_uses_the_tokenizers_own_id(make_dataset, tokenizer):
    tokenizer.pad_token = "[MASK]"  # stands for KoBERT, whose [PAD] is 1
    batch = data_collator([make_dataset(tokenizer=tokenizer)[i] for i in range(4)])
    padded = batch["attention_mask"] == 0
    assert padded.any()
    assert set(batch["input_ids"][padded].tolist()) == {tokenizer.mask_token_id}


def test_a_tokenizer_without_token_types_gives_none(make_dataset, tokenizer):
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    dataset = make_dataset(tokenizer=tokenizer)
    assert dataset[0].token_type_ids is None
    assert "token_type_ids" not in data_collator([dataset[0]])


def test_an_empty_batch_is_an_error():
    with pytest.raises(ValueError, match="a batch needs at least one row"):
        data_collator([])


def test_the_published_loader_cells_work(make_dataset):
    dataset = make_dataset()
    loader = DataLoader(
        dataset,
        batch_size=8,
        sampler=RandomSampler(dataset, replacement=False),
        collate_fn=nlpbook.data_collator,
        drop_last=False,
        num_workers=0,
    )
    assert sum(len(batch["labels"]) for batch in loader) == 60


def test_a_held_out_part_keeps_the_shares_of_the_labels():
    labels = torch.tensor([0] * 80 + [1] * 20)
    held = hold_out(labels, 10, seed=3)
    assert len(held) == 100
    assert held.sum() == 10
    assert (labels[held] == 1).sum() == 2
    assert torch.equal(held, hold_out(labels, 10, seed=3))
    assert not torch.equal(held, hold_out(labels, 10, seed=4))


# real and built-in files


def test_an_unknown_builtin_corpus_is_named():
    with pytest.raises(ArgumentError, match=r"there is no built-in corpus 'nscm'; there is .*nsmc"):
        nlpbook.builtin_corpus("nscm")


@pytest.mark.real_data
@pytest.mark.skipif("RATSNLP_REAL_DATA" not in os.environ, reason="RATSNLP_REAL_DATA names no folder of real corpora")
def test_the_real_nsmc_has_its_published_counts():
    folder = Path(os.environ["RATSNLP_REAL_DATA"]) / "nsmc"
    counts = {mode: len(NsmcCorpus().get_examples(folder, mode)) for mode in ("train", "test")}
    assert counts == {"train": 150_000, "test": 50_000}
    with (folder / "ratings_test.txt").open(encoding="utf-8", newline="") as file:
        published = [row[1] for row in csv.reader(file, delimiter="\t", quotechar='"')][1:]
    ours = [example.text_a for example in NsmcCorpus().get_examples(folder, "test")]
    assert ours == [unicodedata.normalize("NFC", text) for text in published]
    assert json.dumps(ours)  # plain text throughout
