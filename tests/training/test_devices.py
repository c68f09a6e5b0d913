"""Trainings elsewhere than in one CPU process: over two nodes, forked from a notebook, and on XLA.

None needs a GPU or a TPU; docs/devices.md says what was run where.
"""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch

from notebook_runner import run_cells
from ratsnlp import nlpbook
from ratsnlp.nlpbook import hardware, logs, pipeline
from ratsnlp.nlpbook.checkpoints import read_description, select_checkpoint
from ratsnlp.nlpbook.errors import ArgumentError

SECONDS = 280
"""After which processes that wait for each other are given up."""

STEADY = {"epochs": 3, "learning_rate": 1e-2, "hidden_dropout": 0.0, "attention_dropout": 0.0}
"""Without dropout, the halves of a batch together teach what the whole one does."""


# two nodes


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def start_node(node, port, settings):
    """Start one of two nodes of one process each, as the guide says to."""
    ratsnlp = Path(sys.executable).with_name("ratsnlp")
    where = ["--nnodes=2", f"--node_rank={node}", "--nproc_per_node=1", "--master_addr=127.0.0.1"]
    command = ["-m", "torch.distributed.run", *where, f"--master_port={port}", "--no-python", ratsnlp]
    return subprocess.Popen(
        [sys.executable, *command, "train", "classification", settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="both nodes would take the same GPU")
@pytest.mark.notebook
def test_two_nodes_train_to_the_metrics_of_one_process(make_args, tmp_path):
    alone = make_args(downstream_model_dir=str(tmp_path / "one"), batch_size=16, **STEADY)
    one = pipeline.train("classification", alone)
    args = make_args(downstream_model_dir=str(tmp_path / "two"), num_nodes=2, strategy="ddp", **STEADY)
    (tmp_path / "two.json").write_text(json.dumps(args.to_dict()), encoding="utf-8")
    port = free_port()
    nodes = [start_node(node, port, tmp_path / "two.json") for node in (0, 1)]
    try:
        said = [node.communicate(timeout=SECONDS) for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], said[0][1][-3000:] + said[1][1][-3000:]
    assert ["best checkpoint: " in out for out, _ in said] == [True, False]
    assert ["GLOBAL_RANK: 0, MEMBER: 1/2" in said[0][1], "GLOBAL_RANK: 1, MEMBER: 2/2" in said[1][1]] == [True, True]
    before, after = (read_description(path)["metrics"] for path in (one, select_checkpoint(tmp_path / "two")))
    for name in ("val_loss", "val_acc", "val_macro_f1"):
        assert after[name] == pytest.approx(before[name], abs=1e-4)


@pytest.mark.parametrize(
    ("ranks", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"GROUP_RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"GROUP_RANK": "1", "LOCAL_RANK": "0"}, False),
    ],
)
def test_one_process_of_all_nodes_speaks(monkeypatch, ranks, first):
    for name in ("NODE_RANK", "GROUP_RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, rank in ranks.items():
        monkeypatch.setenv(name, rank)
    assert logs.is_first_process() is first


# processes forked from a notebook's kernel


@pytest.fixture
def forking(make_args, monkeypatch):
    """Return settings that fork a kernel, on a machine that seems to have a GPU."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    return make_args(strategy="ddp_notebook", precision="auto", devices=2)


def test_a_kernel_that_used_a_gpu_is_not_forked(forking):
    with pytest.raises(
        ArgumentError, match=r"kernel has used a GPU already, .* Restart the kernel, and put nothing on"
    ):
        hardware.refuse_fork(forking)


def test_no_gpu_is_asked_before_a_kernel_is_forked(forking, monkeypatch, caplog):
    caplog.set_level("INFO", "ratsnlp")
    monkeypatch.setattr(hardware, "bf16_is_faster", lambda accelerator: pytest.fail("the GPU was asked"))
    assert hardware.select_precision(forking, "gpu") == "32-true"
    assert caplog.messages == [
        "ddp_notebook trains in float32: asking a GPU what it is good at uses it; or give precision='bf16'"
    ]


FORKED_CELLS = [
    """
import json
from pathlib import Path

from transformers import AutoTokenizer, BertForSequenceClassification

from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import ClassificationDataset, ClassificationTask, ClassificationTrainArguments
from ratsnlp.nlpbook.classification import NsmcCorpus
""",
    """
args = ClassificationTrainArguments(**json.loads(Path("two.json").read_text()))
nlpbook.set_seed(args)
tokenizer = AutoTokenizer.from_pretrained(args.pretrained_model_name)
datasets = [ClassificationDataset(args, tokenizer, NsmcCorpus(), mode) for mode in ("train", "test")]
""",
    """
model = BertForSequenceClassification.from_pretrained(args.pretrained_model_name, num_labels=2)
trainer = nlpbook.get_trainer(args)
trainer.fit(ClassificationTask(model, args), *nlpbook.get_dataloaders(args, *datasets))
""",
    "print(type(trainer.strategy.launcher).__name__, trainer.world_size)",
]
"""A training as a notebook spells it out."""


@pytest.mark.skipif(torch.cuda.is_available(), reason="a fork of the kernel would take each process's own GPU")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.notebook
def test_a_notebook_forks_and_trains_to_the_metrics_of_one_process(make_args, tmp_path):
    alone = make_args(downstream_model_dir=str(tmp_path / "one"), batch_size=16, validate_on="test", **STEADY)
    one = pipeline.train("classification", alone)
    args = make_args(downstream_model_dir=str(tmp_path / "two"), devices=2, strategy="ddp_notebook", **STEADY)
    (tmp_path / "two.json").write_text(json.dumps(args.to_dict()), encoding="utf-8")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in FORKED_CELLS])
    run_cells(notebook, tmp_path)
    assert notebook.cells[-1].outputs[0].text == "_MultiProcessingLauncher 2\n"
    before, after = (read_description(path)["metrics"] for path in (one, select_checkpoint(tmp_path / "two")))
    for name in ("val_loss", "val_acc", "val_macro_f1"):
        assert after[name] == pytest.approx(before[name], abs=1e-4)


# XLA

XLA_PYTHON = os.environ.get("RATSNLP_XLA_PYTHON")


@pytest.mark.notebook
@pytest.mark.skipif(not XLA_PYTHON, reason="RATSNLP_XLA_PYTHON does not name a Python that has torch_xla and ratsnlp")
def test_xla_trains_on_a_few_shapes(make_args, tmp_path):
    args = make_args(tpu_cores=1, **STEADY | {"epochs": 5})
    (tmp_path / "settings.json").write_text(json.dumps(args.to_dict()), encoding="utf-8")
    script = Path(__file__).parents[1] / "xla_fit.py"
    done = subprocess.run(
        [XLA_PYTHON, script, tmp_path / "settings.json"],
        env=os.environ | {"PJRT_DEVICE": "CPU"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(re.search("SEEN (.*)", done.stdout).group(1))
    assert seen["devices"] == ["xla"]
    assert {tuple(shape) for shape in seen["shapes"]} <= {(8, 16), (8, 32)}
    first, *_, before, last = seen["compilations"]
    assert first > 0
    assert last == before
    tenth = len(seen["losses"]) // 3
    assert sum(seen["losses"][-tenth:]) < sum(seen["losses"][:tenth])
    best = select_checkpoint(tmp_path / "model")
    weights = torch.load(best, weights_only=True)["state_dict"]
    assert {weight.device.type for weight in weights.values()} == {"cpu"}
    assert nlpbook.load_predictor(tmp_path / "model")("정말 재미있는 영화")["prediction"]
