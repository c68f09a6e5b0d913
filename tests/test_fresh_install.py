"""The wheel in an environment that holds what it asks for and nothing else: the published cells run there.

No test may reach for an index, so what the wheel asks for is not installed again: the new environment's packages are
links to those that are installed here.
"""

import json
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from conftest import REVIEWS
from fault_server import serving
from notebook_runner import ROOT
from ratsnlp import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ELSEWHERE = """
# not a cell: where Korpora fetches from, in the place of its own address
import importlib
for file in importlib.import_module("Korpora.korpus_nsmc").NSMC_FETCH_INFORMATION:
    file["url"] = {address!r} + "/" + file["destination"].split("/")[-1]
"""
CELLS = """
# --- train
import torch
from ratsnlp.nlpbook.classification import ClassificationTrainArguments
args = ClassificationTrainArguments(
    pretrained_model_name="builtin",
    downstream_corpus_name="nsmc",
    downstream_corpus_root_dir="Korpora",
    downstream_model_dir="checkpoint-doccls",
    batch_size=32 if torch.cuda.is_available() else 4,
    learning_rate=5e-5,
    max_seq_length=32,
    epochs=1,
    tpu_cores=0 if torch.cuda.is_available() else 8,
    seed=7,
)

from ratsnlp import nlpbook
nlpbook.set_seed(args)
nlpbook.set_logger(args)

from Korpora import Korpora
Korpora.fetch(
    corpus_name=args.downstream_corpus_name,
    root_dir=args.downstream_corpus_root_dir,
    force_download=True,
)

from transformers import BertTokenizer
tokenizer = BertTokenizer.from_pretrained(
    args.pretrained_model_name,
    do_lower_case=False,
)

from ratsnlp.nlpbook.classification import NsmcCorpus, ClassificationDataset
corpus = NsmcCorpus()
train_dataset = ClassificationDataset(
    args=args,
    corpus=corpus,
    tokenizer=tokenizer,
    mode="train",
)

from torch.utils.data import DataLoader, RandomSampler
train_dataloader = DataLoader(
    train_dataset,
    batch_size=args.batch_size,
    sampler=RandomSampler(train_dataset, replacement=False),
    collate_fn=nlpbook.data_collator,
    drop_last=False,
    num_workers=args.cpu_workers,
)

from torch.utils.data import SequentialSampler
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

from transformers import BertConfig, BertForSequenceClassification
pretrained_model_config = BertConfig.from_pretrained(
    args.pretrained_model_name,
    num_labels=corpus.num_labels,
)
model = BertForSequenceClassification.from_pretrained(
    args.pretrained_model_name,
    config=pretrained_model_config,
)

from ratsnlp.nlpbook.classification import ClassificationTask
task = ClassificationTask(model, args)
trainer = nlpbook.get_trainer(args)
trainer.fit(
    task,
    train_dataloader=train_dataloader,
    val_dataloaders=val_dataloader,
)

# --- deploy
from ratsnlp.nlpbook.classification import ClassificationDeployArguments
args = ClassificationDeployArguments(
    pretrained_model_name="builtin",
    downstream_model_dir="checkpoint-doccls",
    max_seq_length=32,
)

from transformers import BertTokenizer
tokenizer = BertTokenizer.from_pretrained(
    args.pretrained_model_name,
    do_lower_case=False,
)

fine_tuned_model_ckpt = torch.load(
    args.downstream_model_checkpoint_fpath,
    map_location=torch.device("cpu")
)

from transformers import BertConfig
pretrained_model_config = BertConfig.from_pretrained(
    args.pretrained_model_name,
    num_labels=fine_tuned_model_ckpt["state_dict"]["model.classifier.bias"].shape.numel(),
)
model = BertForSequenceClassification(pretrained_model_config)
model.load_state_dict({k.replace("model.", ""): v for k, v in fine_tuned_model_ckpt["state_dict"].items()})
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

from ratsnlp.nlpbook.classification import get_web_service_app
app = get_web_service_app(inference_fn)
"""
ASKED = """
# not a cell: what came of it
import json
import ratsnlp
from importlib.util import find_spec
found = {{
    "answer": app.test_client().post("/api", json="정말 재미있는 영화").get_json(),
    "ids": [
        tokenizer(app.name)["input_ids"],
        tokenizer.encode_plus(tokenizer.encode(app.name, add_special_tokens=False))["input_ids"],
    ],
    "from": ratsnlp.__file__,
    "rows": [len(train_dataset), len(val_dataset)],
    "developers": [name for name in {modules!r} if find_spec(name)],
}}
print(json.dumps(found))
"""


def closure(requirements):
    """Return the installed distributions that these requirements ask for, and those that they ask for in turn."""
    found, asked = {}, [Requirement(line) for line in requirements]
    while asked:
        wanted = asked.pop()
        known = found.setdefault(wanted.name.lower(), distribution(wanted.name))
        for line in known.requires or ():
            required = Requirement(line)
            extras = ("", *wanted.extras)
            needed = required.marker is None or any(required.marker.evaluate({"extra": extra}) for extra in extras)
            if needed and (required.name.lower() not in found or required.extras):
                asked.append(required)
    return found


def top_level(installed):
    """Return the files and folders that a distribution puts beside others."""
    if installed.files is None:
        pytest.skip(f"{installed.name} is installed without a list of its files")
    return {file.parts[0] for file in installed.files} - {"..", "__pycache__"}


def call(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, encoding="utf-8", check=False, **options
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return done.stdout


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Return the Python of an environment in which the wheel is installed, with what it asks for."""
    for module in ("pip", "hatchling"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install {module}")
    folder = tmp_path_factory.mktemp("fresh")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    offline = ("--no-deps", "--no-index")
    call(*pip, "wheel", "-q", *offline, "--no-build-isolation", "-w", folder, ROOT)
    venv.create(folder / "env", with_pip=False, symlinks=sys.platform != "win32")
    python = folder / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    site = Path(call(python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for installed in closure(PROJECT["dependencies"]).values():
        for name in top_level(installed):
            try:
                if not (site / name).exists():
                    (site / name).symlink_to(installed.locate_file(name))
            except OSError as error:
                pytest.skip(f"links cannot be made here: {error}")
    call(*pip, "--python", python, "install", "-q", *offline, *folder.glob("*.whl"))
    assert "No broken requirements" in call(*pip, "--python", python, "check")
    return python


def developers_modules():
    """Return the modules that only the extra for developers brings."""
    names = {Requirement(line).name for line in PROJECT["optional-dependencies"]["dev"]}
    core = set().union(*map(top_level, closure(PROJECT["dependencies"]).values()))
    found = set()
    for name in names:
        try:
            found |= top_level(distribution(name)) - core
        except PackageNotFoundError:
            continue
    return sorted(name.removesuffix(".py") for name in found if name.removesuffix(".py").isidentifier())


@pytest.mark.notebook
def test_the_published_cells_with_korpora_run_from_the_wheel_alone(fresh, tmp_path):
    modules = developers_modules()
    assert {"pytest", "hatchling", "mypy"} <= set(modules)
    rows = "".join(f"{i}\t{REVIEWS[i % 6]}\t{i % 2}\n" for i in range(16))
    with serving(lambda answer: answer.send(f"id\tdocument\tlabel\n{rows}".encode())) as server:
        script = ELSEWHERE.format(address=server.address) + CELLS + ASKED.format(modules=modules)
        (tmp_path / "cells.py").write_text(script, encoding="utf-8")
        out = call(fresh, "-I", "-X", "utf8", "cells.py", cwd=tmp_path)
    found = json.loads(out.splitlines()[-1])
    assert Path(found["from"]).is_relative_to(fresh.parent.parent)
    assert found["developers"] == []
    assert found["ids"][0] == found["ids"][1]
    assert found["rows"] == [16, 16]
    assert found["answer"]["sentence"] == "정말 재미있는 영화"
    assert found["answer"]["prediction"] in ("긍정 (positive)", "부정 (negative)")
    assert "set seed: 7" in out
    assert "downstream_model_checkpoint_fpath: " in out


def test_the_command_of_the_wheel_tells_its_version(fresh):
    assert __version__ in call(fresh.parent / "ratsnlp", "--version")
