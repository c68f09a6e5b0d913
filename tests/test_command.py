import json
import subprocess
import sys
import threading
import urllib.request

import pytest

from ratsnlp import __version__
from ratsnlp.nlpbook import settings
from ratsnlp.nlpbook.classification import ClassificationTrainArguments


def run(*arguments, **options):
    command = [sys.executable, "-c", "from ratsnlp.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8", **options)


def test_help_lists_the_verbs_and_every_setting_without_loading_torch():
    code = "import sys; sys.modules['torch'] = None; from ratsnlp.cli import main; main()"
    for arguments in (["--help"], ["train", "classification", "--help"], ["serve", "--help"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    help_text = subprocess.run(
        [sys.executable, "-c", code, "train", "classification", "--help"], capture_output=True, text=True, check=False
    ).stdout
    for name in settings.settings_of(ClassificationTrainArguments):
        assert f"--{name}" in help_text


def test_the_version_is_told(call):
    assert __version__ in call("--version")[1]


def test_train_evaluate_and_predict_from_the_command_line(tiny_bert, corpora, tmp_path):
    (tmp_path / "run.yaml").write_text("epochs: 1\nlearning_rate: 1e-3\nbatch_size: 8\n", encoding="utf-8")
    model = tmp_path / "model"
    trained = run(
        *("train", "classification", tmp_path / "run.yaml", "--pretrained_model_name", tiny_bert, "--seed", "7"),
        *("--downstream_corpus_root_dir", corpora, "--downstream_model_dir", model, "--max_seq_length", "32"),
    )
    assert trained.returncode == 0, trained.stderr
    assert "best checkpoint: " in trained.stdout
    assert f"next: ratsnlp evaluate {model}" in trained.stdout
    again = run("train", "classification", tmp_path / "run.yaml", "--downstream_model_dir", model)
    assert again.returncode == 2
    assert "holds a training with other settings" in again.stderr

    evaluated = run("evaluate", model)
    assert evaluated.returncode == 0, evaluated.stderr
    assert "accuracy   " in evaluated.stdout
    scores = json.loads((model / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert scores["examples"] == 24

    answered = run("predict", model, "정말 재미있는 영화", "최악")
    assert [json.loads(line)["sentence"] for line in answered.stdout.splitlines()] == ["정말 재미있는 영화", "최악"]
    piped = run("predict", model, input="정말 재미있는 영화\n\n최악\n")
    assert piped.stdout == answered.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "classification", "--epochs", "0"], "epochs must be a whole number >= 1, got 0"),
        (["train", "classification", "none.json"], "the settings file none.json does not exist"),
        (["train", "classification", "--batch_size", "0"], "batch_size must be a whole number >= 1, got 0"),
        (["train", "classification", "--epoch", "3"], "No such option"),
        (["train", "juggling"], "No such command 'juggling'"),
        (["evaluate", "none"], "the folder none does not exist"),
        (["predict", "none", "text"], "the folder none does not exist"),
        (["serve", "none"], "the folder none does not exist"),
    ],
)
def test_a_users_mistake_is_one_message_and_status_2(call, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, _, errors = call(*arguments)
    assert status == 2
    assert message in errors
    assert "Traceback" not in errors


def test_a_missing_corpus_is_a_users_mistake(call, tiny_bert, tmp_path, monkeypatch):
    monkeypatch.setenv("RATSNLP_OFFLINE", "1")
    status, _, errors = call(
        *("train", "classification", "--pretrained_model_name", tiny_bert),
        *("--downstream_corpus_root_dir", tmp_path, "--downstream_model_dir", tmp_path / "model"),
    )
    assert status == 2
    assert "ratings_train.txt could not be fetched" in errors


def test_serve_answers_on_its_port(trained):
    command = [sys.executable, "-u", "-c", "from ratsnlp.cli import main; main()", "serve", str(trained), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        try:
            address = next(line for line in process.stdout if line.startswith("page: ")).removeprefix("page: ").strip()
            request = urllib.request.Request(f"{address}/api", json.dumps("정말 재미있는 영화").encode(), method="POST")
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert json.load(answer)["prediction"] in ("부정 (negative)", "긍정 (positive)")
        finally:
            timer.cancel()
            process.terminate()
            process.communicate()


@pytest.mark.notebook
@pytest.mark.parametrize(
    ("task", "examples", "metric", "at_least"),
    [("classification", 400, "accuracy", 0.85), ("paircls", 300, "accuracy", 0.5), ("qa", 209, "f1", 62)],
)
def test_the_demo_trains_evaluates_and_answers(call, tmp_path, task, examples, metric, at_least):
    folder = tmp_path / "demo"
    status, shown, errors = call("demo", task, "--folder", folder)
    assert status == 0, errors
    scores = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert scores["examples"] == examples
    assert scores[metric] > at_least
    assert sum(line.startswith("{") for line in shown.splitlines()) == 3
    assert f"open the page: ratsnlp serve {folder}" in shown
    assert str(folder / "curves.png") in shown
    assert call("demo", task, "--folder", folder)[0] == 0
