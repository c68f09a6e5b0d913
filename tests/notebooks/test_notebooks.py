"""The notebooks and examples: their form, and what a reader is told to look at when they run in small form."""

import ast
import itertools
import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import types
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from conftest import REVIEWS, write_nsmc
from notebook_runner import (
    CLOSE,
    LARGE,
    NOTEBOOKS,
    ROOT,
    cell_of,
    code_cells,
    execute,
    pictures,
    printed,
    quiet_environment,
    read,
    read_named,
    replace_settings,
    result,
    run_script,
    small_settings,
    warnings_shown,
)
from ratsnlp.nlpbook.data.batches import fitting_multiple
from ratsnlp.nlpbook.tasks import TASKS

EXAMPLES = ROOT / "examples"
CONFIG = EXAMPLES / "classification.yaml"
TRAIN, DEPLOY = ([spec.notebooks[place] for spec in TASKS.values()] for place in (0, 1))
"""The notebooks that train and that deploy, one of each for every task."""
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
HANGUL = re.compile("[가-힣]")

# One worker runs the whole module where xdist groups tests: the notebooks build on each other.
pytestmark = pytest.mark.xdist_group("notebooks")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


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


def test_most_cells_are_very_short():
    cells = (cell.source for path in NOTEBOOKS for cell in code_cells(read(path)))
    assert statistics.median(len(source.splitlines()) for source in cells) <= 3


@every_notebook
def test_one_cell_holds_the_settings(path):
    assert sum("arguments" in cell.metadata.get("tags", []) for cell in code_cells(read(path))) == 1


@every_notebook
def test_one_cell_chooses_between_a_model_of_the_hub_and_the_builtin_one(path):
    assert sum("USE_BUILTIN = " in cell.source for cell in code_cells(read(path))) == 1


@every_notebook
def test_notebooks_begin_with_what_comes_out_and_how_long_it_takes(path):
    title, goal, *_ = read(path).cells
    assert re.fullmatch("# .+", title.source)
    assert "끝까지 실행하면" in goal.source
    assert "| 모델 | " in goal.source
    assert re.search(r"^\| CPU \| [^|]*\d+분", goal.source, re.MULTILINE)
    assert re.search(r"^\| T4 GPU \| .*(어림|쓰지 않)", goal.source, re.MULTILINE)  # no T4 was at hand


@every_notebook
def test_prose_is_korean(path):
    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert HANGUL.search(cell.source), cell.source
    assert len(HANGUL.findall("".join(cell.source for cell in notebook.cells))) > 1000


@every_notebook
def test_notebooks_open_with_the_same_install_and_version_cells(path):
    notebook, other = read(path), read(NOTEBOOKS[0])
    assert code_cells(notebook)[0].id == "install"
    assert cell_of(notebook, "install").metadata.tags == ["colab-only"]
    for name in ("install", "versions"):
        assert cell_of(notebook, name).source == cell_of(other, name).source


# --- what depends on the machine --------------------------------------------------------------------------------------


def run_cell(name, cell_id, **names):
    """Run one cell of a notebook with these names; return what it defined, and what it would show."""
    *lines, last = ast.parse(TransformerManager().transform_cell(cell_of(read_named(name), cell_id).source)).body
    exec(compile(ast.Module(lines, []), cell_id, "exec"), names)
    if isinstance(last, ast.Expr):
        return names, eval(compile(ast.Expression(last.value), cell_id, "eval"), names)
    exec(compile(ast.Module([last], []), cell_id, "exec"), names)
    return names, None


@pytest.mark.parametrize("name", TRAIN)
@pytest.mark.parametrize("machine", list(itertools.product((True, False), repeat=3)))
def test_the_large_model_is_taken_where_there_are_a_network_and_an_accelerator(name, machine, capsys):
    has_internet, has_gpu, has_tpu = machine
    names, _ = run_cell(name, "choice", has_internet=has_internet, has_gpu=has_gpu, has_tpu=has_tpu)
    large = has_internet and (has_gpu or has_tpu)
    assert names["USE_BUILTIN"] is not large
    assert names["model_name"] == ("beomi/kcbert-base" if large else "builtin")
    assert names["corpus_name"].startswith("builtin-") is not large
    assert names["model_name"] in capsys.readouterr().out


@pytest.mark.parametrize("name", TRAIN)
def test_the_network_is_there_when_the_hub_answers(name, monkeypatch):
    def refuse(*args, **options):
        raise urllib.error.URLError("no route to host")

    answers = types.SimpleNamespace(status=200)
    found = {}
    for offline, urlopen in (("", lambda *args, **options: answers), ("", refuse), ("1", None)):
        monkeypatch.setenv("HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(urllib.request, "urlopen", urlopen)
        names, _ = run_cell(name, "internet", os=os)
        found[offline, urlopen is refuse] = bool(names["has_internet"])
    assert found == {("", False): True, ("", True): False, ("1", False): False}


@pytest.mark.parametrize("name", TRAIN)
@pytest.mark.parametrize("variable", ["TPU_NAME", "TPU_ACCELERATOR_TYPE"])
def test_a_tpu_is_found_by_what_its_runtime_says(name, variable, monkeypatch, capsys):
    assert run_cell(name, "hardware")[0]["has_tpu"] is False
    monkeypatch.setenv(variable, "v5e-1")
    assert run_cell(name, "hardware")[0]["has_tpu"] is True
    assert "TPU: 있음" in capsys.readouterr().out


@pytest.mark.parametrize("name", DEPLOY)
def test_the_page_is_framed_once(name):
    server = types.SimpleNamespace(url="http://127.0.0.1:5000")
    assert run_cell(name, "page", server=server, IN_COLAB=True)[1] is None  # `app.run()` framed it there
    assert 'src="http://127.0.0.1:5000"' in run_cell(name, "page", server=server, IN_COLAB=False)[1]._repr_html_()


def run_as_on_colab(monkeypatch, name, **names):
    """Run a cell with a stand-in for Colab; return what it defined, the magics it called and the folders it mounted."""
    magics, mounted = [], []
    drive = types.SimpleNamespace(mount=mounted.append)
    monkeypatch.setitem(sys.modules, "google.colab", types.SimpleNamespace(drive=drive))
    monkeypatch.setitem(sys.modules, "google", types.SimpleNamespace(colab=sys.modules["google.colab"]))
    shell = types.SimpleNamespace(run_line_magic=lambda *call: magics.append(call))
    namespace, _ = run_cell("classification_train", name, get_ipython=lambda: shell, **names)
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
    settings = {"downstream_corpus_name": "nsmc", **small_settings(tiny_bert, folder, learning_rate=5e-3)}
    return execute("classification_train", folder, after=replace_settings(**settings))


@pytest.fixture(scope="module")
def deploy_notebook(folder, train_notebook):
    return execute("classification_deploy", folder, after=CLOSE)


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
    table = result(train_notebook, "feature-tokens").splitlines()
    assert table[0].split() == ["token", "input_ids", "attention_mask", "token_type_ids"]
    assert table[1].split() == ["0", "[CLS]", "2", "1", "0"]
    assert table[-1] == "label 1: 긍정 (positive)"
    assert "<td style=" in result(train_notebook, "feature-tokens", "text/html")
    shapes = dict(line.split(" ", 1) for line in printed(train_notebook, "batch").splitlines())
    longest = math.ceil(30 / fitting_multiple()) * fitting_multiple()
    assert shapes == {
        "input_ids": f"(4, {longest})",
        "attention_mask": f"(4, {longest})",
        "token_type_ids": f"(4, {longest})",
        "labels": "(4,)",
    }


@pytest.mark.notebook
def test_train_notebook_draws_the_lengths_and_tells_them(train_notebook):
    assert len(pictures(train_notebook, "lengths")) == 1
    assert re.match(
        r"60 rows of \d+ to \d+ tokens; half .+ reach max_seq_length 32", printed(train_notebook, "lengths")
    )


@pytest.mark.notebook
def test_train_notebook_shows_that_grouping_saves_padding(train_notebook):
    shares = [int(re.search(r"(\d+)%", printed(train_notebook, name))[1]) for name in ("padding", "fast-loaders")]
    assert shares[1] < shares[0]


@pytest.mark.notebook
def test_train_notebook_draws_curves_and_keeps_the_best_checkpoint(train_notebook, folder):
    assert len(pictures(train_notebook, "fit")) == 1
    head, *rows = (line.split() for line in printed(train_notebook, "history").splitlines())
    assert head == ["step", "val_loss", "val_acc", "val_macro_f1"]
    assert [row[0] for row in rows] == ["7"]  # steps count from 0: 60 rows in batches of 8, once
    model = folder / "checkpoint-doccls"
    assert (model / "curves.png").is_file()
    assert [path.name for path in model.glob("epoch=0-val_loss=*.ckpt")]


@pytest.mark.notebook
def test_train_notebook_scores_the_model(train_notebook):
    card = printed(train_notebook, "evaluate")
    assert re.match(r"examples   24 .*\naccuracy   0\.", card)
    assert "95 % interval" in card
    assert "always the most frequent label: 0.5000" in card
    assert len(pictures(train_notebook, "confusion")) == 1
    assert result(train_notebook, "confusion").splitlines()[0].split() == [
        *("true", "/", "predicted", "부정", "(negative)", "긍정", "(positive)")
    ]
    mistakes = printed(train_notebook, "mistakes").splitlines()
    assert 0 < len(mistakes) <= 10
    assert all(re.match(r"정답 (긍정|부정) \(\w+\), 모델 (긍정|부정) \(\w+\) 0\.\d\d: .", line) for line in mistakes)


@pytest.mark.notebook
def test_train_notebook_holds_rows_out(train_notebook):
    assert printed(train_notebook, "held-out") == "학습에 쓸 문장 54개, 떼어 둘 문장 6개\n"


@pytest.mark.notebook
def test_deploy_notebook_finds_what_the_train_notebook_left(deploy_notebook, tiny_bert):
    assert printed(deploy_notebook, "choice") == "폴더: checkpoint-doccls / 내장 모델을 학습할까: 아니요\n"
    assert cell_of(deploy_notebook, "first-training").outputs == []
    found = printed(deploy_notebook, "settings")
    assert found.startswith("downstream_model_checkpoint_fpath: checkpoint-doccls/epoch=0-val_loss=")
    assert printed(deploy_notebook, "settings-found") == f"{tiny_bert} 32\n"
    assert printed(deploy_notebook, "stored").splitlines() == [
        *("downstream_corpus_name nsmc", "max_seq_length 32", "epochs 1")
    ]
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
    assert f'src="{address}"' in result(deploy_notebook, "page", "text/html")
    status, answer = printed(deploy_notebook, "api-answer").split(" ", 1)
    assert status == "200"
    assert ast.literal_eval(answer)["sentence"] == "돈이 아깝다 최악"
    assert ast.literal_eval(answer)["prediction"] in ("긍정 (positive)", "부정 (negative)")
    assert result(deploy_notebook, "close") == f"<Server {address}>"
    assert result(deploy_notebook, "after-close") == f"<Server {address} (closed)>"


# --- a reader who opens a deploy notebook first, and presses "Run all" ------------------------------------------------

REHEARSED = ("seed=7,", 'seed=7, test_mode=True, max_train_examples=48, precision="32",')


@pytest.mark.notebook
@pytest.mark.parametrize("name", DEPLOY)
def test_deploy_notebooks_train_the_builtin_model_where_there_is_none(name, tmp_path):
    notebook = execute(name, tmp_path, after=CLOSE, instead={"first-training": REHEARSED})
    assert "내장 모델을 학습할까: 예" in printed(notebook, "choice")
    assert "training on 48 examples" in printed(notebook, "first-training", "stderr")
    assert warnings_shown(notebook) == []
    address = re.match(r"page: (http://127\.0\.0\.1:\d+)\n", printed(notebook, "run"))[1]
    assert f'src="{address}"' in result(notebook, "page", "text/html")
    assert printed(notebook, "api-answer").startswith("200 ")
    assert result(notebook, "after-close") == f"<Server {address} (closed)>"
    assert len(list(tmp_path.glob("checkpoint-*-builtin/epoch=0-*.ckpt"))) == 1


# --- examples ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example(tmp_path_factory, tiny_bert):
    """Return the folder in which the training example ran with its settings made small, and what it printed."""
    folder = tmp_path_factory.mktemp("examples")
    write_corpus(folder)
    flags = [f"--{name}={value}" for name, value in small_settings(tiny_bert, folder, learning_rate=5e-3).items()]
    done = run_script(str(EXAMPLES / "classification_train.py"), str(CONFIG), *flags, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_example_settings_are_known_and_match_the_notebook():
    from ratsnlp.nlpbook import load_arguments
    from ratsnlp.nlpbook.classification import ClassificationTrainArguments

    args = load_arguments(ClassificationTrainArguments, CONFIG)
    cell = cell_of(read_named("classification_train"), "settings").source
    names = LARGE | {"model_dir": args.downstream_model_dir, "corpus_name": args.downstream_corpus_name}
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
    assert {"metrics.json", "predictions.tsv", "worst.tsv", "confusion.png", "report.html"} <= held


@pytest.mark.notebook
def test_example_settings_serve_the_command_too(example, tiny_bert):
    folder, _ = example
    settings = small_settings(tiny_bert, folder, learning_rate=5e-3) | {
        "downstream_model_dir": "by-command",
        "test_mode": "true",
    }
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
