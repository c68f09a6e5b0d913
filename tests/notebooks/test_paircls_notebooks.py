"""The notebooks and the example of pair classification, run in small form."""

import ast
import json
import re

import pytest

from notebook_runner import (
    CLOSE,
    LARGE,
    ROOT,
    cell_of,
    execute,
    pictures,
    printed,
    read_named,
    replace_settings,
    result,
    run_script,
    small_settings,
    warnings_shown,
)
from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import ClassificationTrainArguments
from samples import write_klue_nli

pytestmark = [pytest.mark.xdist_group("paircls notebooks"), pytest.mark.notebook]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder in which both notebooks run, one after the other, as on a reader's machine."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_klue_nli(folder / "corpora" / "klue-nli")
    return folder


@pytest.fixture(scope="module")
def train_notebook(folder, tiny_bert):
    settings = {"downstream_corpus_name": "klue-nli"} | small_settings(tiny_bert, folder)
    return execute("paircls_train", folder, after=replace_settings(**settings))


@pytest.fixture(scope="module")
def deploy_notebook(folder, train_notebook):
    return execute("paircls_deploy", folder, after=CLOSE)


@pytest.mark.parametrize("fixture", ["train_notebook", "deploy_notebook"])
def test_notebooks_show_no_warnings(request, fixture):
    assert warnings_shown(request.getfixturevalue(fixture)) == []


def test_train_notebook_reads_pairs_and_shows_the_order_of_labels(train_notebook):
    assert printed(train_notebook, "seed") == "set seed: 7\n"
    assert "klue_nli_train.json) exists, using cache!" in printed(train_notebook, "download", "stderr")
    assert printed(train_notebook, "corpus").startswith("ClassificationExample(text_a='정말 재미있는 영화', text_b=")
    assert printed(train_notebook, "labels").splitlines() == [
        "0 entailment 참 (entailment)",
        "1 contradiction 거짓 (contradiction)",
        "2 neutral 중립 (neutral)",
    ]


def test_train_notebook_logs_both_texts_as_published(train_notebook):
    lines = printed(train_notebook, "train-dataset", "stderr")
    assert lines.count("INFO:ratsnlp:*** Example ***") == 5
    assert "INFO:ratsnlp:sentence A, B: 정말 재미있는 영화 + 정말 재미있는 영화\n" in lines


def test_train_notebook_shows_what_a_pair_becomes(train_notebook):
    tokens, types = map(ast.literal_eval, printed(train_notebook, "pair").splitlines())
    assert tokens.count("[SEP]") == 2
    assert types == sorted(types)
    assert set(types) == {0, 1}
    assert "token_type_ids=[0, 0" in printed(train_notebook, "feature")
    shapes = dict(line.split(" ", 1) for line in printed(train_notebook, "batch").splitlines())
    assert set(shapes) == {"input_ids", "attention_mask", "token_type_ids", "labels"}
    assert result(train_notebook, "feature-tokens").splitlines()[-1] == "label 0: 참 (entailment)"
    assert len(pictures(train_notebook, "lengths")) == 1
    assert printed(train_notebook, "lengths").endswith("reach max_seq_length 32\n")


def test_train_notebook_scores_the_model_beside_the_hypothesis_only_one(train_notebook, folder):
    assert len(pictures(train_notebook, "fit")) == 1
    card = printed(train_notebook, "evaluate")
    assert re.match(r"examples   18 .*\naccuracy   0\.", card)
    assert printed(train_notebook, "history").split()[:4] == ["step", "val_loss", "val_acc", "val_macro_f1"]
    assert len(pictures(train_notebook, "confusion")) == 1
    assert len(result(train_notebook, "confusion").splitlines()) == 4
    assert re.match(
        r"정답 \S+ \(\w+\), 모델 \S+ \(\w+\) 0\.\d\d\n    전제: .+\n    가설: ", printed(train_notebook, "mistakes")
    )
    accuracy = re.search(r"accuracy   (0\.\d{4})", card)[1]
    blind, model = printed(train_notebook, "hypothesis-only").splitlines()
    assert re.fullmatch(r"가설만 본 분류기 0\.\d{4}", blind)
    assert model.split() == ["둘", "다", "본", "모델", accuracy]
    assert [path.name for path in (folder / "checkpoint-paircls").glob("epoch=0-val_loss=*.ckpt")]


def test_deploy_notebook_knows_what_the_train_notebook_left(deploy_notebook, tiny_bert):
    assert printed(deploy_notebook, "settings-found") == f"{tiny_bert} 32\n"
    assert printed(deploy_notebook, "choice") == "폴더: checkpoint-paircls / 내장 모델을 학습할까: 아니요\n"
    assert printed(deploy_notebook, "stored") == "downstream_corpus_name klue-nli\nmax_seq_length 32\nepochs 1\n"
    assert printed(deploy_notebook, "labels") == "['entailment', 'contradiction', 'neutral']\n"
    assert result(deploy_notebook, "load") == "<All keys matched successfully>"


def test_deploy_notebook_answers_by_hand_and_in_one_line_alike(deploy_notebook):
    by_hand = ast.literal_eval(result(deploy_notebook, "inference-try"))
    in_one_line = ast.literal_eval(result(deploy_notebook, "predictor"))
    assert by_hand == {key: in_one_line[key] for key in by_hand}
    lines = printed(deploy_notebook, "compare").splitlines()
    assert len(lines) == 6
    assert all(re.match(r"같음 (참 [\d.]+) / \1 \| ", line) for line in lines[::2])


def test_deploy_notebook_serves_the_page_and_closes_it(deploy_notebook):
    assert "<iframe" in result(deploy_notebook, "page", "text/html")
    status, answer = printed(deploy_notebook, "api-answer").split(" ", 1)
    assert status == "200"
    assert ast.literal_eval(answer)["hypothesis"] == "할머니는 손자에게 줄 선물을 샀다."
    assert re.fullmatch(r"<Server http://127\.0\.0\.1:\d+ \(closed\)>", result(deploy_notebook, "after-close"))


def test_example_settings_are_those_of_the_notebook():
    args = nlpbook.load_arguments(ClassificationTrainArguments, ROOT / "examples" / "paircls.yaml")
    names = LARGE | {"model_dir": args.downstream_model_dir, "corpus_name": args.downstream_corpus_name}
    names["ClassificationTrainArguments"] = ClassificationTrainArguments
    exec(cell_of(read_named("paircls_train"), "settings").source, names)
    assert names["args"] == args


def test_train_example_leaves_a_scored_model(folder, tiny_bert):
    settings = small_settings(tiny_bert, folder) | {"downstream_model_dir": "from-script", "test_mode": True}
    script, config = (str(ROOT / "examples" / name) for name in ("paircls_train.py", "paircls.yaml"))
    done = run_script(script, config, *(f"--{name}={value}" for name, value in settings.items()), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "hypothesis only: 0." in done.stdout
    assert json.loads((folder / "from-script" / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
