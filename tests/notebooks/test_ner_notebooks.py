"""The notebooks and the example of named entity recognition.

The train notebook runs as a reader without a network runs it, with all of its training: what its text says of scores
is held against what comes out.
"""

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
    result,
    run_script,
    warnings_shown,
)
from ratsnlp import nlpbook
from ratsnlp.nlpbook.ner import KlueNERCorpus, NERTrainArguments
from ratsnlp.nlpbook.ner.corpus import parse_tagged

pytestmark = [pytest.mark.xdist_group("ner notebooks"), pytest.mark.notebook]

TAGS = ("PS", "LC", "OG", "DT", "TI", "QT")
SCORES = """
for report in (card, card.baselines["dictionary"]):
    found = entity_scores(entity_counts(report.gold, report.predicted, corpus.tags).sum(axis=0))
    print(*(f"{found[f'micro_{name}']:.1f}" for name in ("precision", "recall", "f1")))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder in which both notebooks run, one after the other."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def train_notebook(folder):
    return execute("ner_train", folder, after={"evaluate": SCORES})


@pytest.fixture(scope="module")
def deploy_notebook(folder, train_notebook):
    return execute("ner_deploy", folder, after=CLOSE)


def said(notebook, cell_id, *numbers):
    """Return whether the text before a cell names these numbers."""
    text = cell_of(notebook, f"{cell_id}-why").source
    return all(number in text for number in numbers)


def entities_in(mode):
    """Return how many entities the built-in sentences hold."""
    return sum(len(row.entities) for row in KlueNERCorpus().get_examples(nlpbook.builtin_corpus("klue-ner"), mode))


def illegal(labels):
    """Return the places of labels `I-X` that follow no `B-X` or `I-X`."""
    before = ["O", *labels]
    return [i for i, label in enumerate(labels) if label.startswith("I-") and before[i][2:] != label[2:]]


@pytest.mark.parametrize("fixture", ["train_notebook", "deploy_notebook"])
def test_notebooks_show_no_warnings(request, fixture):
    assert warnings_shown(request.getfixturevalue(fixture)) == []


# --- training: the data -----------------------------------------------------------------------------------------------


def test_train_notebook_shows_entities_as_text_and_as_places(train_notebook):
    assert printed(train_notebook, "seed") == "set seed: 7\n"
    lines = printed(train_notebook, "corpus").splitlines()
    assert len(lines) == 5
    text, entities = parse_tagged(lines[0])
    rows = [line.split(" ", 3) for line in printed(train_notebook, "entities").splitlines()]
    assert rows == [[str(e.start), str(e.end), e.tag, text[e.start : e.end]] for e in entities]
    tags = printed(train_notebook, "tags").splitlines()
    assert [line.split()[0] for line in tags] == list(TAGS)
    assert sum(int(re.search(r": ([\d,]+)개", line)[1].replace(",", "")) for line in tags) == entities_in("train")


def test_train_notebook_splits_a_token_before_its_josa(train_notebook):
    assert printed(train_notebook, "josa").splitlines() == [
        "한국의/B-LC 수도/O 는/O 서울/B-LC 이다/O ./O",
        "한국/B-LC 의/O 수도/O 는/O 서울/B-LC 이다/O ./O",
    ]


def test_train_notebook_explains_the_metric(train_notebook):
    assert printed(train_notebook, "metrics").splitlines() == [
        *("<한국:LC>의: 100", "<한국의:LC>: 0", "<한국:OG>의: 0", "한국의: 0")
    ]


def test_train_notebook_measures_what_josa_cost(train_notebook):
    _, whole, split = (line.split() for line in printed(train_notebook, "ceiling").splitlines())
    assert (whole[-2], split[-2]) == ("90.7", "98.7")
    assert said(train_notebook, "ceiling", "90.7", "98.7")
    assert 0.5 < float(split[-1]) - float(whole[-1]) < 1.5  # 문장마다 토큰이 한 개쯤 늘어납니다


def test_train_notebook_shows_labels_and_that_special_tokens_have_none(train_notebook):
    assert printed(train_notebook, "labels").startswith("13 ['O', 'B-PS', ")
    assert re.search(r"label_ids=\[-100, \d+, .+, -100\], window=None\)", printed(train_notebook, "feature"))
    _, first, second, *_ = result(train_notebook, "feature-tokens").splitlines()
    assert first.split()[1] == "[CLS]"
    assert first.split()[-1] == "0"  # of token_type_ids: no label
    opening = printed(train_notebook, "corpus").startswith("<")
    assert second.startswith("*") is opening
    assert second.split()[-1].startswith("B-") is opening
    shapes = dict(line.split(" ", 1) for line in printed(train_notebook, "batch").splitlines())
    assert shapes["labels"] == shapes["input_ids"]
    assert "reach max_seq_length 96" in printed(train_notebook, "lengths")
    assert len(pictures(train_notebook, "lengths")) == 1
    assert "out_features=13" in printed(train_notebook, "model-head")


def test_train_notebook_logs_five_sentences(train_notebook):
    lines = printed(train_notebook, "train-dataset", "stderr")
    assert lines.count("INFO:ratsnlp:*** Example ***") == 5
    for name in ("sentence", "target", "tokens", "label"):
        assert f"INFO:ratsnlp:{name}: " in lines


# --- training: the scores ---------------------------------------------------------------------------------------------


def test_train_notebook_shows_that_accuracy_flatters(train_notebook):
    share, nothing = printed(train_notebook, "flatter").splitlines()
    assert 70 < float(re.search(r"([\d.]+)%", share)[1]) < 72  # 0.7은 언제나 `O`라고만 해도 얻는 값
    assert nothing.endswith(": 0.0")


def test_train_notebook_learns_what_it_says(train_notebook):
    assert len(pictures(train_notebook, "fit")) == 1
    head, *rows = (line.split() for line in printed(train_notebook, "history").splitlines())
    assert head == ["step", "val_loss", "val_acc", "val_f1", "val_macro_f1"]
    assert len(rows) == 4
    (first_accuracy, first_f1), (last_accuracy, last_f1) = (map(float, rows[i][2:4]) for i in (0, -1))
    assert 0.86 < first_accuracy < 0.94  # 정확도는 벌써 0.9 안팎이라
    assert first_f1 < 75  # F1은 아직 75에도 못 미칩니다
    assert 0.02 < last_accuracy - first_accuracy < 0.09  # 정확도는 0.05쯤 오를 뿐인데
    assert last_f1 - first_f1 > 10  # F1은 10 넘게 오릅니다


def test_train_notebook_beats_the_dictionary(train_notebook):
    assert "dictionary" in printed(train_notebook, "evaluate")
    model, dictionary = (line.split() for line in printed(train_notebook, "after-evaluate").splitlines())
    assert dictionary == ["79.9", "34.3", "48.0"]
    assert said(train_notebook, "evaluate", *dictionary)
    assert 79 < float(model[2]) < 88  # 84쯤입니다; another processor rounds in other places
    assert float(model[1]) > 75 > float(dictionary[1])  # what it has not seen, a dictionary does not find


def test_train_notebook_shows_faults_of_every_kind(train_notebook):
    assert len(pictures(train_notebook, "confusion")) == 1
    assert result(train_notebook, "confusion").splitlines()[-1].startswith("none")
    shown = printed(train_notebook, "faults").splitlines()
    kinds = ["missed", "invented", "wrong length", "wrong tag", "wrong both"]
    assert list(dict.fromkeys(line.partition(":")[0] for line in shown)) == kinds
    assert all(re.match(r"[a-z ]+: 정답 .+ / 모델 .+ \| .", line) for line in shown)
    assert all(kind in printed(train_notebook, "evaluate") for kind in kinds)
    lines = [line for line in printed(train_notebook, "worst").splitlines() if line]
    assert [line.partition(":")[0] for line in lines] == ["정답", "모델"] * 5


def test_train_notebook_reads_three_tokens_in_two_ways(train_notebook):
    assert printed(train_notebook, "decoding-by-hand").splitlines() == [
        "argmax: ['O', 'I-PS', 'O'] 확률의 곱 0.284",
        "비터비: ['B-PS', 'I-PS', 'O'] 확률의 곱 0.252",
    ]


def test_train_notebook_finds_illegal_labels_that_viterbi_avoids(train_notebook):
    labels, sentences, holding = map(int, re.findall(r"\d+", printed(train_notebook, "illegal")))
    assert labels >= holding > 0
    assert sentences == 150
    greedy, legal = (line.split()[1:] for line in printed(train_notebook, "illegal-example").splitlines())
    greedy, legal = ([piece.rpartition("/")[2] for piece in pieces] for pieces in (greedy, legal))
    assert [i for i in illegal(greedy) if i > 0]
    assert not [i for i in illegal(legal) if i > 0]  # the first label shown may go on


def test_train_notebook_gains_by_viterbi_what_it_says(train_notebook):
    rows = printed(train_notebook, "decoded-scores").splitlines()
    f1 = [float(re.search(r"F1 ([\d.]+)", row)[1]) for row in rows]
    kinds = [ast.literal_eval(row[row.index("{") :]) for row in rows]
    assert 1 < f1[1] - f1[0] < 6  # 2점에서 3점쯤 오릅니다; another processor rounds in other places
    assert kinds[1]["invented"] < kinds[0]["invented"]


def test_train_notebook_finds_entities_of_own_sentences(train_notebook):
    lines = printed(train_notebook, "try").splitlines()
    tagged = [line for line in lines if not line.startswith("    ")]
    assert len(tagged) == 3
    expected = (("김서연:PS", "부산:LC", "2위:QT"), ("한국은행:OG",), ("제주도:LC",))
    for sentence, entities in zip(tagged, expected, strict=True):
        assert all(f"<{entity}>" in sentence for entity in entities)
    assert all(re.fullmatch(r"    .+ [가-힣]+ [01]\.\d\d", line) for line in lines if line not in tagged)


# --- deploying --------------------------------------------------------------------------------------------------------


def test_deploy_notebook_knows_what_the_train_notebook_left(deploy_notebook, folder):
    checkpoint, label_map = printed(deploy_notebook, "settings").splitlines()
    assert checkpoint.startswith("downstream_model_checkpoint_fpath: checkpoint-ner/epoch=")
    assert label_map == "downstream_model_labelmap_fpath: checkpoint-ner/label_map.txt"
    assert printed(deploy_notebook, "choice") == "폴더: checkpoint-ner / 내장 모델을 학습할까: 아니요\n"
    assert printed(deploy_notebook, "settings-found").splitlines()[1:] == [
        *("max_seq_length 96", "josa_split True", "legal_decoding True")
    ]
    assert printed(deploy_notebook, "config") == "13\n"
    assert result(deploy_notebook, "load") == "<All keys matched successfully>"
    names = ast.literal_eval(printed(deploy_notebook, "label-map"))
    labels = (folder / "checkpoint-ner" / "label_map.txt").read_text(encoding="utf-8").split()
    assert list(names) == list(range(13)) == list(range(len(labels)))
    assert (labels[7], names[7]) == ("I-PS", "인명")


def test_deploy_notebook_answers_token_by_token_by_hand(deploy_notebook):
    rows = [line.split("\t") for line in printed(deploy_notebook, "inference-try").splitlines()]
    assert rows[0][:2] == ["김", "인명"]
    assert rows[-1][:2] == [".", "O"]
    assert all(0 < float(probability) <= 1 for _, _, probability in rows)
    three, josa = printed(deploy_notebook, "weak").splitlines()
    names = three.partition(" ##이/")[0].split()
    assert {name.rpartition("/")[2] for name in names} == {"인명"}  # one person or three?
    assert josa.startswith("한국의/")


def test_deploy_notebook_answers_in_characters_with_the_predictor(deploy_notebook):
    three, josa = printed(deploy_notebook, "predictor").splitlines()
    assert three == "<김서연:PS> <이민준:PS> <박하늘:PS>이 왔다."
    assert josa.startswith("<한국:LC>의 수도는 <서울:LC>")
    _, *entities = printed(deploy_notebook, "entities").splitlines()
    assert entities
    assert all(line.endswith(" 같음") for line in entities)
    without, split = printed(deploy_notebook, "josa").splitlines()
    assert "<한국:" not in without
    assert "<한국:LC>의" in split


def test_deploy_notebook_reads_a_long_text_to_its_end(deploy_notebook):
    whole, seen, found, place, behind = map(int, re.findall(r"\d+", printed(deploy_notebook, "long")))
    assert seen == place < whole
    assert found > behind > found / 2
    lines = printed(deploy_notebook, "many").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["정답", "모델"] * 5
    texts = [parse_tagged(line.partition(": ")[2])[0] for line in lines]
    assert texts[::2] == texts[1::2]


def test_deploy_notebook_serves_two_pages_and_closes_them(deploy_notebook):
    by_hand = re.fullmatch(r"page: (http://127\.0\.0\.1:\d+)\n", printed(deploy_notebook, "app-by-hand"))[1]
    address = re.fullmatch(r"page: (http://127\.0\.0\.1:\d+)\n", printed(deploy_notebook, "run"))[1]
    assert f'src="{by_hand}"' in result(deploy_notebook, "page-by-hand", "text/html")
    assert f'src="{address}"' in result(deploy_notebook, "page", "text/html")
    tagged = printed(deploy_notebook, "entities").splitlines()[0]
    assert printed(deploy_notebook, "api-answer") == f"200 {tagged}\n"
    assert result(deploy_notebook, "after-close") == f"<Server {address} (closed)>"


def test_deploy_notebook_exports_a_model_that_answers_alike(deploy_notebook):
    assert {"README.md", "config.json", "model.safetensors"} <= set(printed(deploy_notebook, "export").split())
    assert printed(deploy_notebook, "exported-predictor") == "같음\n"
    rows = printed(deploy_notebook, "pipeline").splitlines()
    assert rows[0].startswith("PS 김서연 ")
    assert rows[-1].startswith("QT 2위를 ")  # without the split, a josa comes along


# --- example ----------------------------------------------------------------------------------------------------------


def test_example_settings_are_those_of_the_notebook():
    args = nlpbook.load_arguments(NERTrainArguments, ROOT / "examples" / "ner.yaml")
    names = LARGE | {"model_dir": args.downstream_model_dir, "corpus_name": args.downstream_corpus_name}
    names["NERTrainArguments"] = NERTrainArguments
    exec(cell_of(read_named("ner_train"), "settings").source, names)
    assert names["args"] == args


def test_train_example_leaves_a_scored_model(tmp_path):
    settings = {
        "pretrained_model_name": "builtin",
        "downstream_corpus_name": "builtin-klue-ner",
        "downstream_model_dir": "from-script",
        "precision": "32",
        "test_mode": True,
    }
    script, config = (str(ROOT / "examples" / name) for name in ("ner_train.py", "ner.yaml"))
    done = run_script(script, config, *(f"--{name}={value}" for name, value in settings.items()), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "from-script" / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["examples"] == 150
