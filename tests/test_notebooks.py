"""The notebooks and examples: their form, and what a reader is told to look at when they run in small form."""

import ast
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import types
import urllib.request
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient

from conftest import REVIEWS, write_nsmc

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
CONFIG = EXAMPLES / "classification.yaml"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXECUTED = {"classification_train", "classification_deploy", "paircls_train", "paircls_deploy"}
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
HANGUL = re.compile("[가-힣]")

# One worker runs the whole module where xdist groups tests: the notebooks build on each other.
pytestmark = pytest.mark.xdist_group("notebooks")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cell_of(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


# --- form -------------------------------------------------------------------------------------------------------------


def test_every_notebook_is_executed_by_a_test():
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    called = re.findall(r'\bexecute\(\s*"(\w+)"', tests)
    assert {path.stem for path in NOTEBOOKS} - set(called) == set()


@every_notebook
def test_notebooks_are_kept_without_outputs(path):
    for cell in code_cells(read(path)):
        assert cell.outputs == []
        assert cell.execution_count is None


@every_notebook
def test_notebooks_carry_no_stray_metadata(path):
    notebook = read(path)
    nbformat.validate(notebook)
    metadata = dict(notebook.metadata)
    assert metadata.pop("accelerator", "GPU") == "GPU"  # Colab then offers a GPU by itself
    assert metadata == KERNEL
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
        assert set(cell.metadata.get("tags", [])) <= {"arguments", "colab-only"}


@every_notebook
def test_cells_have_ids_that_say_what_they_do(path):
    names = [cell.id for cell in read(path).cells]
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) for name in names)
    assert len(set(names)) == len(names)


@every_notebook
def test_cells_are_short(path):
    sizes = [len(cell.source.splitlines()) for cell in code_cells(read(path)) if "def inference_fn" not in cell.source]
    assert max(sizes) <= 12
    assert statistics.median(sizes) <= 4


@every_notebook
def test_one_cell_holds_the_settings(path):
    assert sum("arguments" in cell.metadata.get("tags", []) for cell in code_cells(read(path))) == 1


@every_notebook
def test_notebooks_begin_with_what_comes_out_and_how_long_it_takes(path):
    title, goal, *_ = read(path).cells
    assert re.fullmatch("# .+", title.source)
    assert all(word in goal.source for word in ("끝까지 실행하면", "beomi/kcbert-base", "T4 GPU", "CPU"))


@every_notebook
def test_prose_is_korean(path):
    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert HANGUL.search(cell.source), cell.source
    assert len(HANGUL.findall("".join(cell.source for cell in notebook.cells))) > 1000


@every_notebook
def test_notebooks_open_with_the_same_install_and_version_cells(path):
    install, versions = code_cells(read(path))[:2]
    assert [install.source, versions.source] == [cell.source for cell in code_cells(read(NOTEBOOKS[0]))[:2]]
    assert install.metadata.tags == ["colab-only"]


# --- what only Colab does ---------------------------------------------------------------------------------------------


def run_as_on_colab(monkeypatch, name, **names):
    """Run a cell with a stand-in for Colab; return what it defined, the magics it called and the folders it mounted."""
    magics, mounted = [], []
    drive = types.SimpleNamespace(mount=mounted.append)
    monkeypatch.setitem(sys.modules, "google.colab", types.SimpleNamespace(drive=drive))
    monkeypatch.setitem(sys.modules, "google", types.SimpleNamespace(colab=sys.modules["google.colab"]))
    shell = types.SimpleNamespace(run_line_magic=lambda *call: magics.append(call))
    source = TransformerManager().transform_cell(
        cell_of(read(ROOT / "notebooks/classification_train.ipynb"), name).source
    )
    namespace = {"get_ipython": lambda: shell, **names}
    exec(source, namespace)
    return namespace, magics, mounted


def test_install_cell_installs_the_checkout_when_it_runs_inside_one(monkeypatch):
    monkeypatch.chdir(ROOT / "notebooks")
    namespace, magics, _ = run_as_on_colab(monkeypatch, "install")
    assert namespace["INSTALL_FROM"] == str(ROOT)
    assert magics == [("pip", 'install -q "{INSTALL_FROM}"')]


def test_install_cell_installs_the_published_package_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    namespace, magics, _ = run_as_on_colab(monkeypatch, "install")
    address = (ROOT / "tools" / "address.txt").read_text(encoding="utf-8").strip()
    assert namespace["INSTALL_FROM"] == f"ratsnlp @ git+{address}"
    assert len(magics) == 1


def test_folder_cell_keeps_the_model_on_drive(monkeypatch):
    namespace, _, mounted = run_as_on_colab(monkeypatch, "folder", IN_COLAB=True)
    assert namespace["model_dir"] == "/gdrive/My Drive/nlpbook/checkpoint-doccls"
    assert mounted == ["/gdrive"]


# --- run in small form ------------------------------------------------------------------------------------------------


class RunningInterpreter(KernelSpecManager):
    """Kernels of the interpreter that runs the tests, whatever kernels are registered on this machine."""

    def get_kernel_spec(self, kernel_name):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="running interpreter", language="python")


def execute(name, folder, *, after=None):
    """Run a notebook in `folder`; `after` gives, by cell id, code to run behind a cell."""
    notebook = read(ROOT / "notebooks" / f"{name}.ipynb")
    for cell_id, source in (after or {}).items():
        place = notebook.cells.index(cell_of(notebook, cell_id))
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source, id=f"after-{cell_id}"))
    manager = AsyncKernelManager(kernel_spec_manager=RunningInterpreter())
    client = NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute(env=quiet_environment(folder), cleanup_kc=True)  # it would leave a kernel that it was given
    return notebook


def quiet_environment(folder):
    env = os.environ | {"HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONUTF8": "1"}
    env["OMP_NUM_THREADS"] = "1"  # threads that wait for each other take most of the time of a model this small
    env.pop("MPLBACKEND", None)  # the notebook's own shall show the figures
    return env


def small_settings(pretrained, folder):
    return {
        "pretrained_model_name": pretrained,
        "downstream_corpus_root_dir": str(folder / "corpora"),
        "epochs": 1,
        "max_seq_length": 32,
        "batch_size": 8,
        "learning_rate": 5e-3,
        "precision": "32",
    }


def write_corpus(folder):
    for name, count in (("train", 60), ("test", 24)):
        rows = [(" ".join([REVIEWS[i % 6]] * (1 + i % 4)), str((i + 1) % 2)) for i in range(count)]
        rows[-1] = (rows[0][0], rows[-1][1])  # one text under both labels: no model is right on all
        write_nsmc(folder / "corpora" / "nsmc" / f"ratings_{name}.txt", rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder in which both notebooks run, one after the other, as on a reader's machine."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def train_notebook(folder, tiny_bert):
    settings = small_settings(tiny_bert, folder)
    return execute(
        "classification_train",
        folder,
        after={"settings": f"import dataclasses\n\nargs = dataclasses.replace(args, **{settings!r})"},
    )


@pytest.fixture(scope="module")
def deploy_notebook(folder, train_notebook):
    return execute("classification_deploy", folder, after={"close": "server.close()\nserver"})


def printed(notebook, cell_id, stream="stdout"):
    outputs = cell_of(notebook, cell_id).outputs
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == stream)


def result(notebook, cell_id):
    outputs = cell_of(notebook, cell_id).outputs
    return next(output.data["text/plain"] for output in outputs if output.output_type == "execute_result")


def pictures(notebook, cell_id):
    return [output for output in cell_of(notebook, cell_id).outputs if "image/png" in output.get("data", {})]


def warnings_shown(notebook):
    lines = "".join(printed(notebook, cell.id, "stderr") for cell in code_cells(notebook)).splitlines()
    # tqdm misses ipywidgets, which Colab and full Jupyter installations have
    return [line for line in lines if "Warning" in line and "IProgress not found" not in line]


@pytest.mark.notebook
@pytest.mark.parametrize("fixture", ["train_notebook", "deploy_notebook"])
def test_notebooks_print_versions_first(request, fixture):
    notebook = request.getfixturevalue(fixture)
    names = [line.split()[0] for line in printed(notebook, "versions").splitlines()]
    assert names == ["python", "torch", "transformers", "pytorch_lightning", "ratsnlp"]


@pytest.mark.notebook
@pytest.mark.parametrize("fixture", ["train_notebook", "deploy_notebook"])
def test_notebooks_show_no_warnings(request, fixture):
    assert warnings_shown(request.getfixturevalue(fixture)) == []


@pytest.mark.notebook
def test_train_notebook_logs_the_published_lines(train_notebook):
    assert printed(train_notebook, "seed") == "set seed: 7\n"
    logged = printed(train_notebook, "logger", "stderr")
    assert logged.startswith(
        "INFO:ratsnlp:Training/evaluation parameters ClassificationTrainArguments(pretrained_model_"
    )
    assert "ratings_train.txt) exists, using cache!" in printed(train_notebook, "download", "stderr")
    lines = printed(train_notebook, "train-dataset", "stderr")
    assert lines.count("INFO:ratsnlp:*** Example ***") == 5
    assert "INFO:ratsnlp:tokens: [CLS] 정 ##말 재 ##미" in lines


@pytest.mark.notebook
def test_train_notebook_shows_a_feature_and_a_batch(train_notebook):
    assert printed(train_notebook, "tokenize").startswith("['배', '##우', ")
    assert printed(train_notebook, "feature").startswith("ClassificationFeatures(input_ids=[2, ")
    assert "label=1)" in printed(train_notebook, "feature")
    assert printed(train_notebook, "feature-tokens").startswith("['[CLS]', ")
    shapes = dict(line.split(" ", 1) for line in printed(train_notebook, "batch").splitlines())
    assert shapes == {
        "input_ids": "(4, 32)",
        "attention_mask": "(4, 32)",
        "token_type_ids": "(4, 32)",
        "labels": "(4,)",
    }


@pytest.mark.notebook
def test_train_notebook_draws_the_lengths(train_notebook):
    assert len(pictures(train_notebook, "lengths")) == 1


@pytest.mark.notebook
def test_train_notebook_shows_that_grouping_saves_padding(train_notebook):
    shares = [int(re.search(r"(\d+)%", printed(train_notebook, name))[1]) for name in ("padding", "fast-loaders")]
    assert shares[1] < shares[0]


@pytest.mark.notebook
def test_train_notebook_draws_curves_and_keeps_the_best_checkpoint(train_notebook, folder):
    assert len(pictures(train_notebook, "fit")) == 1
    model = folder / "checkpoint-doccls"
    assert (model / "curves.png").is_file()
    assert [path.name for path in model.glob("epoch=0-val_loss=*.ckpt")]


@pytest.mark.notebook
def test_train_notebook_scores_the_model(train_notebook):
    card = printed(train_notebook, "evaluate")
    assert card.startswith("examples   24\naccuracy   0.")
    assert "95 % interval" in card
    assert "always the most frequent label: 0.5000" in card
    assert len(pictures(train_notebook, "confusion")) == 1
    mistakes = printed(train_notebook, "mistakes").splitlines()
    assert 0 < len(mistakes) <= 10
    assert all(re.match(r"정답 (긍정|부정) \(\w+\), 모델 (긍정|부정) \(\w+\) 0\.\d\d: .", line) for line in mistakes)


@pytest.mark.notebook
def test_train_notebook_holds_rows_out(train_notebook):
    assert printed(train_notebook, "held-out") == "학습에 쓸 문장 54개, 떼어 둘 문장 6개\n"


@pytest.mark.notebook
def test_deploy_notebook_finds_what_the_train_notebook_left(deploy_notebook, tiny_bert):
    found = printed(deploy_notebook, "settings")
    assert found.startswith("downstream_model_checkpoint_fpath: checkpoint-doccls/epoch=0-val_loss=")
    assert printed(deploy_notebook, "settings-found") == f"{tiny_bert} 32\n"
    assert result(deploy_notebook, "load") == "<All keys matched successfully>"


@pytest.mark.notebook
def test_deploy_notebook_answers_by_hand_and_in_one_line_alike(deploy_notebook):
    by_hand = ast.literal_eval(result(deploy_notebook, "inference-try"))
    in_one_line = ast.literal_eval(result(deploy_notebook, "predictor"))
    assert by_hand == {key: in_one_line[key] for key in by_hand}
    lines = printed(deploy_notebook, "compare").splitlines()
    assert len(lines) == 3
    assert all(re.match(r"같음 (긍정 [\d.]+) / \1 \| ", line) for line in lines)


@pytest.mark.notebook
def test_deploy_notebook_serves_the_page_and_closes_it(deploy_notebook):
    address = re.fullmatch(r"page: (http://127\.0\.0\.1:\d+)\n", printed(deploy_notebook, "run"))[1]
    status, answer = printed(deploy_notebook, "api-answer").split(" ", 1)
    assert status == "200"
    assert ast.literal_eval(answer)["sentence"] == "돈이 아깝다 최악"
    assert ast.literal_eval(answer)["prediction"] in ("긍정 (positive)", "부정 (negative)")
    assert result(deploy_notebook, "close") == f"<Server {address}>"
    assert result(deploy_notebook, "after-close") == f"<Server {address} (closed)>"


# --- examples ---------------------------------------------------------------------------------------------------------


def run_script(*words, cwd):
    command, env = [sys.executable, *words], quiet_environment(cwd)
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8", timeout=300)


@pytest.fixture(scope="module")
def example(tmp_path_factory, tiny_bert):
    """Return the folder in which the training example ran with its settings made small, and what it printed."""
    folder = tmp_path_factory.mktemp("examples")
    write_corpus(folder)
    flags = [f"--{name}={value}" for name, value in small_settings(tiny_bert, folder).items()]
    done = run_script(str(EXAMPLES / "classification_train.py"), str(CONFIG), *flags, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_example_settings_are_known_and_match_the_notebook():
    from ratsnlp.nlpbook import load_arguments
    from ratsnlp.nlpbook.classification import ClassificationTrainArguments

    args = load_arguments(ClassificationTrainArguments, CONFIG)
    cell = cell_of(read(ROOT / "notebooks" / "classification_train.ipynb"), "settings").source
    names = {"model_dir": args.downstream_model_dir, "has_gpu": True, "has_tpu": False}
    names["ClassificationTrainArguments"] = ClassificationTrainArguments
    exec(cell, names)
    assert names["args"] == args


@pytest.mark.notebook
@pytest.mark.parametrize("name", ["classification_train.py", "classification_serve.py"])
def test_examples_explain_their_flags(name, tmp_path):
    done = run_script(str(EXAMPLES / name), "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--downstream_model_dir" in done.stdout


@pytest.mark.notebook
def test_train_example_leaves_a_scored_model(example):
    folder, done = example
    assert "set seed: 7" in done.stdout
    assert "accuracy   0." in done.stdout
    held = {path.name for path in (folder / "checkpoint-doccls" / "evaluation").iterdir()}
    assert held == {"metrics.json", "predictions.tsv", "mistakes.tsv", "confusion.png"}


@pytest.mark.notebook
def test_example_settings_serve_the_command_too(example, tiny_bert):
    folder, _ = example
    settings = small_settings(tiny_bert, folder) | {"downstream_model_dir": "by-command", "test_mode": "true"}
    flags = [f"--{name}={value}" for name, value in settings.items()]
    command = ["-c", "from ratsnlp.cli import main; main()", "train", "classification", str(CONFIG)]
    done = run_script(*command, *flags, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "best checkpoint: by-command/epoch=0-val_loss=" in done.stdout.replace("\\", "/")


@pytest.mark.notebook
@pytest.mark.skipif(sys.platform == "win32", reason="a console program there gets no Ctrl-C of its own")
def test_serve_example_answers_until_interrupted(example):
    folder, _ = example
    command = [sys.executable, "-u", str(EXAMPLES / "classification_serve.py")]
    flags = ["--downstream_model_dir", "checkpoint-doccls"]
    env = quiet_environment(folder) | {"PORT": "0"}
    with subprocess.Popen([*command, *flags], cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stdout if line.startswith("page: "))
            body = json.dumps("배우 연기가 좋다").encode()
            with urllib.request.urlopen(f"{line.split()[1]}/api", body, timeout=30) as response:
                assert json.load(response)["sentence"] == "배우 연기가 좋다"
            process.send_signal(signal.SIGINT)
            assert "page closed" in process.stdout.read()
            assert process.wait(30) == 0
        finally:
            process.kill()
