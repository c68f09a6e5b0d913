"""Shared by all tests: a tiny BERT built from a config, a small corpus in the published format, nothing from the
network.
"""

import logging
import os
import shutil
from contextlib import ExitStack

# Before anything imports transformers: no test may reach for the hub or a corpus, and two workers share two cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["RATSNLP_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "agg"

from pathlib import Path

import pytest

REVIEWS = (
    "정말 재미있는 영화",
    "지루하고 재미없다",
    "배우 연기가 좋다",
    "돈이 아깝다 최악",
    "최고의 감동",
    "실망했다 별로",
)
SYLLABLES = sorted({syllable for review in REVIEWS for syllable in review if syllable != " "})
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *SYLLABLES, *(f"##{syllable}" for syllable in SYLLABLES)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Keep the user's cache and the logger as they were."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    reset_logger()
    yield
    reset_logger()


def reset_logger() -> None:
    """Put the logger as it is when the package is imported, whatever a test or a fixture of the session left."""
    logger = logging.getLogger("ratsnlp")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)  # also forgets which levels were found enabled
    logger.propagate = True


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """Return the folder of a BERT of two layers and 16 units, saved as pretrained models are."""
    return build_bert(tmp_path_factory.mktemp("models") / "tiny-bert", VOCABULARY)


@pytest.fixture(scope="session")
def other_bert(tmp_path_factory):
    """Return the folder of a BERT with the same vocabulary in another order."""
    return build_bert(tmp_path_factory.mktemp("models") / "other-bert", VOCABULARY[:5] + VOCABULARY[:4:-1])


def build_bert(folder: Path, vocabulary: list[str]) -> str:
    import json

    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return str(folder)


@pytest.fixture
def tokenizer(tiny_bert):
    from transformers import BertTokenizer

    return BertTokenizer.from_pretrained(tiny_bert, do_lower_case=False)


def write_nsmc(path: Path, rows: list[tuple[str, str]]) -> Path:
    """Write reviews as NSMC has them."""
    lines = ["id\tdocument\tlabel", *(f"{1000 + i}\t{text}\t{label}" for i, (text, label) in enumerate(rows))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def corpora(tmp_path):
    """Return a corpus root that holds a small NSMC: 60 training and 24 test rows, lengths from 1 to 12 eojeols."""
    root = tmp_path / "corpora"
    for name, count in (("train", 60), ("test", 24)):
        rows = [(" ".join([REVIEWS[i % 6]] * (1 + i % 4)), str((i + 1) % 2)) for i in range(count)]
        write_nsmc(root / "nsmc" / f"ratings_{name}.txt", rows)
    return root


@pytest.fixture
def make_args(tiny_bert, corpora, tmp_path):
    """Return a function that makes training settings for the tiny model on the small corpus."""
    from ratsnlp.nlpbook.classification import ClassificationTrainArguments

    def make(**changes):
        settings = {
            "pretrained_model_name": tiny_bert,
            "downstream_corpus_name": "nsmc",
            "downstream_corpus_root_dir": str(corpora),
            "downstream_model_dir": str(tmp_path / "model"),
            "max_seq_length": 32,
            "epochs": 1,
            "batch_size": 8,
            "seed": 7,
            "precision": "32",
        }
        return ClassificationTrainArguments(**settings | changes)

    return make


@pytest.fixture(scope="session")
def trained(tiny_bert, tmp_path_factory):
    """Return a model folder trained through the pipeline, once for all tests that only read it."""
    from ratsnlp.nlpbook import pipeline
    from ratsnlp.nlpbook.classification import ClassificationTrainArguments

    root = tmp_path_factory.mktemp("trained")
    rows = [(REVIEWS[i % 6], str((i + 1) % 2)) for i in range(40)]
    for name in ("train", "test"):
        write_nsmc(root / "corpora" / "nsmc" / f"ratings_{name}.txt", rows)
    args = ClassificationTrainArguments(
        pretrained_model_name=tiny_bert,
        downstream_corpus_name="nsmc",
        downstream_corpus_root_dir=str(root / "corpora"),
        downstream_model_dir=str(root / "model"),
        max_seq_length=32,
        epochs=2,
        batch_size=8,
        learning_rate=5e-3,
        seed=7,
        precision="32",
        monitor="max val_acc",
    )
    pipeline.train("classification", args)
    reset_logger()
    return root / "model"


@pytest.fixture(scope="session")
def qa_bert(tmp_path_factory):
    """Return the folder of a tiny BERT whose vocabulary knows every sign of the built-in questions."""
    from qa_samples import build_vocabulary

    return build_bert(tmp_path_factory.mktemp("models") / "qa-bert", build_vocabulary())


@pytest.fixture
def qa_tokenizer(qa_bert):
    from transformers import BertTokenizer

    return BertTokenizer.from_pretrained(qa_bert, do_lower_case=False)


@pytest.fixture
def make_qa_args(qa_bert, tmp_path):
    """Return a function that makes training settings for the tiny model on the built-in questions."""
    from ratsnlp.nlpbook.qa import QATrainArguments

    def make(**changes):
        settings = {
            "pretrained_model_name": qa_bert,
            "downstream_corpus_name": "builtin-korquad-v1",
            "downstream_corpus_root_dir": str(tmp_path / "corpora"),
            "downstream_model_dir": str(tmp_path / "model"),
            "max_seq_length": 64,
            "max_query_length": 24,
            "doc_stride": 24,
            "epochs": 1,
            "batch_size": 32,
            "seed": 7,
            "precision": "32",
        }
        return QATrainArguments(**settings | changes)

    return make


@pytest.fixture(scope="module")
def browser():
    """Return a Chromium. Each module has its own: while Playwright runs, nothing else here may use asyncio."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("RATSNLP_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium: install one, or name it in RATSNLP_CHROMIUM")
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Return a function that serves an app and opens its page, or another address of it.

    The tab knows its `.server`, and records `.errors` (the console's) and `.addresses` (what it asked for).
    """
    from ratsnlp.nlpbook.serving.app import serve

    with ExitStack() as opened:

        def open_page(app, path="/", viewport=(1280, 900), **options):
            server = opened.enter_context(serve(app, port=0, block=False))
            size = {"width": viewport[0], "height": viewport[1]}
            tab = browser.new_page(viewport=size, **options)
            opened.callback(tab.close)
            tab.set_default_timeout(30_000)
            tab.server, tab.errors, tab.addresses = server, [], []
            tab.on("console", lambda line: tab.errors.append(line.text) if line.type in ("error", "warning") else None)
            tab.on("pageerror", lambda error: tab.errors.append(str(error)))
            tab.on("request", lambda request: tab.addresses.append(request.url))
            tab.goto(server.url + path)
            return tab

        yield open_page


@pytest.fixture
def call(capsys, monkeypatch):
    """Return a function that runs the command in this process and gives status, output and errors."""

    import sys

    from ratsnlp import cli

    def make(*arguments):
        monkeypatch.setattr(sys, "argv", ["ratsnlp", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return make
