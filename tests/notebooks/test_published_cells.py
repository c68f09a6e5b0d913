"""The published document-classification cells, typed as their readers type them, against this library."""

import logging
import re
import types
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest

from conftest import REVIEWS, write_nsmc


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Compute in one thread: threads that wait for each other take most of the time of a model this small."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def published(tiny_bert, tmp_path_factory):
    """Run the training cells up to the trainer; return their names, and what they printed and logged."""
    root = tmp_path_factory.mktemp("published")
    for name, count in (("train", 60), ("test", 24)):
        rows = [(" ".join([REVIEWS[i % 6]] * (1 + i % 4)), str((i + 1) % 2)) for i in range(count)]
        write_nsmc(root / "Korpora" / "nsmc" / f"ratings_{name}.txt", rows)
    logger = logging.getLogger("ratsnlp")
    kept = logger.handlers[:], logger.level, logger.propagate
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        cells = run_training_cells(tiny_bert, root)
    logger.handlers[:], logger.level, logger.propagate = kept
    return types.SimpleNamespace(**cells, stdout=out.getvalue(), log=err.getvalue().splitlines())


def run_training_cells(tiny_bert, root):
    # settings
    import torch

    from ratsnlp.nlpbook.classification import ClassificationTrainArguments

    args = ClassificationTrainArguments(
        pretrained_model_name=tiny_bert,
        downstream_task_name="document-classification",
        downstream_corpus_name="nsmc",
        downstream_corpus_root_dir=str(root / "Korpora"),
        downstream_model_dir=str(root / "checkpoint-doccls"),
        batch_size=32 if torch.cuda.is_available() else 4,
        learning_rate=2e-2,
        max_seq_length=32,
        epochs=2,
        tpu_cores=0 if torch.cuda.is_available() else 8,
        seed=7,
    )

    # seed, logger, corpus
    from ratsnlp import nlpbook

    nlpbook.set_seed(args)
    nlpbook.set_logger(args)
    nlpbook.download_downstream_dataset(args)

    # tokenizer
    from transformers import BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(
        args.pretrained_model_name,
        do_lower_case=False,
    )

    # training data
    from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

    from ratsnlp.nlpbook.classification import ClassificationDataset, NsmcCorpus

    corpus = NsmcCorpus()
    train_dataset = ClassificationDataset(
        args=args,
        corpus=corpus,
        tokenizer=tokenizer,
        mode="train",
    )
    train_dataloader = DataLoader(
        train_dataset,
        batch_size=args.batch_size,
        sampler=RandomSampler(train_dataset, replacement=False),
        collate_fn=nlpbook.data_collator,
        drop_last=False,
        num_workers=args.cpu_workers,
    )

    # evaluation data
    val_dataset = ClassificationDataset(
        args=args,
        corpus=corpus,
        tokenizer=tokenizer,
        mode="test",
    )
    val_dataloader = DataLoader(
        val_dataset,
        batch_size=args.batch_size,
        sampler=SequentialSampler(val_dataset),
        collate_fn=nlpbook.data_collator,
        drop_last=False,
        num_workers=args.cpu_workers,
    )

    # model
    from transformers import BertConfig, BertForSequenceClassification

    pretrained_model_config = BertConfig.from_pretrained(
        args.pretrained_model_name,
        num_labels=corpus.num_labels,
    )
    model = BertForSequenceClassification.from_pretrained(
        args.pretrained_model_name,
        config=pretrained_model_config,
    )

    # task, trainer
    from ratsnlp.nlpbook.classification import ClassificationTask

    task = ClassificationTask(model, args)
    trainer = nlpbook.get_trainer(args)
    return locals()


@pytest.fixture(scope="module")
def trained_by_cells(published):
    """Train with the older keyword, as the published cell has it; return the warnings that came."""
    with pytest.warns(FutureWarning, match="train_dataloader is now called train_dataloaders") as warned:
        published.trainer.fit(
            published.task,
            train_dataloader=published.train_dataloader,
            val_dataloaders=published.val_dataloader,
        )
    return warned


@pytest.fixture(scope="module")
def deployed(published, trained_by_cells):
    """Run the deploying cells up to the evaluation mode; return their names and what they printed."""
    with redirect_stdout(StringIO()) as out:
        cells = run_deploying_cells(published.args)
    return types.SimpleNamespace(**cells, stdout=out.getvalue())


def run_deploying_cells(trained):
    # settings
    from ratsnlp.nlpbook.classification import ClassificationDeployArguments

    args = ClassificationDeployArguments(
        pretrained_model_name=trained.pretrained_model_name,
        downstream_model_dir=trained.downstream_model_dir,
        max_seq_length=32,
    )

    # tokenizer, checkpoint
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(
        args.pretrained_model_name,
        do_lower_case=False,
    )
    fine_tuned_model_ckpt = torch.load(
        args.downstream_model_checkpoint_fpath,
        map_location=torch.device("cpu"),
    )

    # model
    pretrained_model_config = BertConfig.from_pretrained(
        args.pretrained_model_name,
        num_labels=fine_tuned_model_ckpt["state_dict"]["model.classifier.bias"].shape.numel(),
    )
    model = BertForSequenceClassification(pretrained_model_config)
    loaded = model.load_state_dict({k.replace("model.", ""): v for k, v in fine_tuned_model_ckpt["state_dict"].items()})
    model.eval()

    def inference_fn(sentence):
        inputs = tokenizer(
            [sentence],
            max_length=args.max_seq_length,
            padding="max_length",
            truncation=True,
        )
        with torch.no_grad():
            outputs = model(**{k: torch.tensor(v) for k, v in inputs.items()})
            prob = outputs.logits.softmax(dim=1)
            positive_prob = round(prob[0][1].item(), 4)
            negative_prob = round(prob[0][0].item(), 4)
            pred = "긍정 (positive)" if torch.argmax(prob) == 1 else "부정 (negative)"
        return {
            "sentence": sentence,
            "prediction": pred,
            "positive_data": f"긍정 {positive_prob}",
            "negative_data": f"부정 {negative_prob}",
            "positive_width": f"{positive_prob * 100}%",
            "negative_width": f"{negative_prob * 100}%",
        }

    return locals()


# --- training ---------------------------------------------------------------------------------------------------------


def test_the_seed_is_printed(published):
    assert published.stdout == "set seed: 7\n"


def test_the_settings_are_logged_in_the_published_order(published):
    names = re.findall(r"(\w+)=", published.log[0])
    assert published.log[0].startswith("INFO:ratsnlp:Training/evaluation parameters ClassificationTrainArguments(")
    assert names[:18] == [
        "pretrained_model_name",
        "downstream_task_name",
        "downstream_corpus_name",
        "downstream_corpus_root_dir",
        "downstream_model_dir",
        "max_seq_length",
        "save_top_k",
        "monitor",
        "seed",
        "overwrite_cache",
        "force_download",
        "test_mode",
        "learning_rate",
        "epochs",
        "batch_size",
        "cpu_workers",
        "fp16",
        "tpu_cores",
    ]


def test_the_dataset_logs_the_published_lines_in_order(published):
    logged = [line.removeprefix("INFO:ratsnlp:") for line in published.log if line.startswith("INFO:ratsnlp:")]
    at = next(i for i, line in enumerate(logged) if line.startswith("Creating features"))
    example = [r"\*\*\* Example \*\*\*", "sentence: .+", r"tokens: \[CLS\] .+ \[SEP\]", "label: [01]"]
    example.append(r"features: ClassificationFeatures\(input_ids=\[2, .+\], attention_mask=\[1, .+, label=[01]\)")
    expected = [
        "Creating features from dataset file at .+nsmc",
        "loading train data... LOOKING AT .+ratings_train.txt",
        "tokenize sentences, it could take a lot of time...",
        r"tokenize sentences \[took \d+\.\d{3} s\]",
        *(example * 5),
        r"Saving features into cached file, it could take a lot of time\.\.\.",
        r"Saving features into cached file .+cached_train_BertTokenizer_32_nsmc_document-classification.+ \[took .+\]",
    ]
    for pattern, line in zip(expected, logged[at:], strict=False):
        assert re.fullmatch(pattern, line), line
    assert len(logged) >= at + len(expected)


def test_asking_for_a_tpu_where_there_is_none_warns_once(published):
    if published.args.tpu_cores:
        assert sum(line.startswith("WARNING:ratsnlp:tpu_cores=8") for line in published.log) == 1


def test_a_dataset_made_again_is_read_from_its_file(published, capsys):
    from ratsnlp import nlpbook
    from ratsnlp.nlpbook.classification import ClassificationDataset

    nlpbook.set_logger(published.args)
    again = ClassificationDataset(
        args=published.args, corpus=published.corpus, tokenizer=published.tokenizer, mode="train"
    )
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"INFO:ratsnlp:Loading features from cached file .+ \[took \d+\.\d{3} s\]", lines[-1])
    assert again[0] == published.train_dataset[0]


@pytest.mark.notebook
def test_fit_takes_the_older_keyword_and_says_its_new_name(trained_by_cells, published):
    assert [warning.filename for warning in trained_by_cells if warning.category is FutureWarning] == [__file__]
    assert list((published.root / "checkpoint-doccls").glob("epoch=*-val_loss=*.ckpt"))


@pytest.mark.notebook
def test_fit_takes_todays_keyword(published, tmp_path):
    import dataclasses

    from ratsnlp import nlpbook
    from ratsnlp.nlpbook.classification import ClassificationTask

    args = dataclasses.replace(published.args, downstream_model_dir=str(tmp_path / "model"), test_mode=True)
    trainer = nlpbook.get_trainer(args)
    trainer.fit(
        ClassificationTask(published.model, args),
        train_dataloaders=published.train_dataloader,
        val_dataloaders=published.val_dataloader,
    )
    assert list((tmp_path / "model").glob("epoch=0-val_loss=*.ckpt"))


# --- deploying --------------------------------------------------------------------------------------------------------


@pytest.mark.notebook
def test_the_chosen_checkpoint_is_printed(deployed, published):
    folder = re.escape(published.args.downstream_model_dir)
    pattern = rf"downstream_model_checkpoint_fpath: {folder}.epoch=\d-val_loss=\d+\.\d\d\.ckpt\n"
    assert re.fullmatch(pattern, deployed.stdout)


@pytest.mark.notebook
def test_every_weight_finds_its_place(deployed):
    assert str(deployed.loaded) == "<All keys matched successfully>"
    assert all(name.startswith("model.") for name in deployed.fine_tuned_model_ckpt["state_dict"])


@pytest.mark.notebook
def test_the_hand_written_function_and_the_predictor_agree(deployed, published):
    from ratsnlp.nlpbook.classification import ClassificationPredictor

    predictor = ClassificationPredictor.load(published.args.downstream_model_dir, device="cpu")
    predictions = set()
    for text in (*REVIEWS, "처음 보는 글자", "정말 " * 60):
        by_hand, answer = deployed.inference_fn(text), predictor(text)
        predictions.add(by_hand["prediction"])
        assert answer["prediction"] == by_hand["prediction"]
        for key in ("positive_data", "negative_data"):
            assert answer[key].split()[0] == by_hand[key].split()[0]
            # padding to another length may move the last of four digits
            assert float(answer[key].split()[1]) == pytest.approx(float(by_hand[key].split()[1]), abs=1.01e-4)
    assert len(predictions) == 2


@pytest.mark.notebook
def test_the_page_answers_with_the_hand_written_function(deployed):
    from ratsnlp.nlpbook.classification import get_web_service_app

    client = get_web_service_app(deployed.inference_fn).test_client()
    assert client.get("/").status_code == 200
    expected = deployed.inference_fn("배우 연기가 좋다")
    assert client.post("/api", json="배우 연기가 좋다").json == expected
    assert client.post("/api", json={"sentence": "배우 연기가 좋다"}).json == expected
    # the published page's script sent its bare JSON string under another content type
    body = '"배우 연기가 좋다"'.encode()
    assert client.post("/api", data=body, content_type="application/x-www-form-urlencoded").json == expected
    assert set(expected) == {
        "sentence",
        "prediction",
        "positive_data",
        "negative_data",
        "positive_width",
        "negative_width",
    }


# --- a reader's own corpus --------------------------------------------------------------------------------------------


class MyCorpus:
    """A corpus in the published style: three names, no base class."""

    def __init__(self):
        self.folders = []

    def get_examples(self, data_root_path, mode):
        from ratsnlp.nlpbook.classification import ClassificationExample

        self.folders.append(data_root_path)
        rows = [("최고의 감동", "만족"), ("실망했다", "불만"), ("돈이 아깝다", "환불")]
        return [ClassificationExample(text_a=text, text_b=None, label=label) for text, label in rows]

    def get_labels(self):
        return ["불만", "만족", "환불"]

    @property
    def num_labels(self):
        return len(self.get_labels())


def make_own_dataset(make_args, tokenizer, corpora, **changes):
    from ratsnlp.nlpbook.classification import ClassificationDataset

    args = make_args(downstream_corpus_name="mine", **changes)
    (corpora / "mine").mkdir(exist_ok=True)
    return ClassificationDataset(args=args, corpus=MyCorpus(), tokenizer=tokenizer, mode="train")


def test_an_own_corpus_class_needs_no_base(make_args, tokenizer, corpora):
    dataset = make_own_dataset(make_args, tokenizer, corpora)
    assert [feature.label for feature in dataset] == [1, 0, 2]
    tokens = tokenizer.convert_ids_to_tokens(dataset[0].input_ids)
    assert tokens == ["[CLS]", "최", "##고", "##의", "감", "##동", "[SEP]"]
    assert set(dataset.corpus.corpus.folders) == {str(corpora / "mine")}


def test_an_own_corpus_may_live_where_no_folder_of_its_name_is(make_args, tokenizer, tmp_path):
    from ratsnlp.nlpbook.classification import ClassificationDataset

    args = make_args(downstream_corpus_name="mine", feature_cache_dir=str(tmp_path / "features"))
    dataset = ClassificationDataset(args=args, corpus=MyCorpus(), tokenizer=tokenizer, mode="train")
    assert len(dataset) == 3


@pytest.mark.notebook
def test_an_own_corpus_trains_and_its_labels_come_back(make_args, tokenizer, corpora):
    from torch.utils.data import DataLoader
    from transformers import BertForSequenceClassification

    from ratsnlp import nlpbook
    from ratsnlp.nlpbook.classification import ClassificationTask

    dataset = make_own_dataset(make_args, tokenizer, corpora)
    args = dataset.args
    model = BertForSequenceClassification.from_pretrained(args.pretrained_model_name, num_labels=3)
    loader = DataLoader(dataset, batch_size=2, collate_fn=nlpbook.data_collator)
    nlpbook.get_trainer(args).fit(ClassificationTask(model, args), loader, loader)
    answer = nlpbook.load_predictor(args.downstream_model_dir)("최고의 감동")
    assert answer["prediction"] in ("불만", "만족", "환불")
    assert [row["label"] for row in answer["probabilities"]] == ["불만", "만족", "환불"]
