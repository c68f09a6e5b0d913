"""The notebooks, the example and the pictures of question answering, run in small form."""

import ast
import json
import re
import shutil

import pytest

from conftest import build_bert
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
from qa_samples import build_vocabulary, builtin_examples
from ratsnlp import nlpbook
from ratsnlp.nlpbook import figures
from ratsnlp.nlpbook.qa import QATrainArguments
from ratsnlp.nlpbook.qa.display import draw_span_logits, draw_windows
from ratsnlp.nlpbook.qa.josa import is_hangul

pytestmark = [pytest.mark.xdist_group("qa notebooks"), pytest.mark.notebook]

SMALL = {"max_seq_length": 64, "doc_stride": 24, "max_query_length": 24, "batch_size": 32, "learning_rate": 5e-3}


def glued_tokens():
    """Return tokens that hold the end of an answer and the josa behind it, as vocabularies of real models do."""
    ends = ((example.context_text, example.end_position_character) for example in builtin_examples())
    return sorted(
        {
            f"##{text[end - 1 : end + 1]}"
            for text, end in ends
            if is_hangul(text[end - 1]) and is_hangul(text[end : end + 1])
        }
    )


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Return the folder of a tiny BERT that knows every sign of the built-in questions, and some signs glued."""
    vocabulary = dict.fromkeys([*build_vocabulary(), *glued_tokens()])
    return build_bert(tmp_path_factory.mktemp("models") / "tiny-qa-bert", list(vocabulary))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder in which both notebooks run, one after the other; the built-in corpus stands for KorQuAD."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(nlpbook.builtin_corpus("korquad-v1"), folder / "corpora" / "korquad-v1")
    return folder


@pytest.fixture(scope="module")
def train_notebook(folder, pretrained):
    settings = {"downstream_corpus_name": "korquad-v1"} | small_settings(pretrained, folder, **SMALL)
    return execute("qa_train", folder, after=replace_settings(**settings))


@pytest.fixture(scope="module")
def deploy_notebook(folder, train_notebook):
    return execute("qa_deploy", folder, after=CLOSE)


@pytest.mark.parametrize("fixture", ["train_notebook", "deploy_notebook"])
def test_notebooks_show_no_warnings(request, fixture):
    assert warnings_shown(request.getfixturevalue(fixture)) == []


# --- training ---------------------------------------------------------------------------------------------------------


def test_train_notebook_shows_an_answer_as_a_place(train_notebook):
    assert printed(train_notebook, "seed") == "set seed: 7\n"
    assert "KorQuAD_v1.0_train.json) exists, using cache!" in printed(train_notebook, "download", "stderr")
    answer = re.search("답: (.+)", printed(train_notebook, "corpus"))[1]
    places, cut = printed(train_notebook, "answer-place").splitlines()
    start, end = map(int, places.split())
    assert end - start == len(answer)
    assert cut.startswith(f"답: {answer} / 바로 뒤: ")


def test_train_notebook_shows_where_tokens_stand(train_notebook):
    assert printed(train_notebook, "offsets").splitlines()[:2] == ["세 (0, 1) 세", "##종이 (1, 3) 종이"]


def test_train_notebook_logs_five_questions(train_notebook):
    lines = printed(train_notebook, "train-dataset", "stderr")
    assert lines.count("INFO:ratsnlp:*** Example ***") == 5
    assert "INFO:ratsnlp:question & context: " in lines
    used = r"training uses all \d+ that hold the answer or whose question has none, and \d+ of \d+ others"
    assert re.search(rf"train: \d+ questions in \d+ windows; {used}", lines)


def test_train_notebook_prints_and_draws_the_windows_of_one_question(train_notebook):
    tokens = printed(train_notebook, "windows").split()
    assert (tokens[0], tokens[-1], tokens.count("[SEP]")) == ("[CLS]", "[SEP]", 2)
    _, *lines = printed(train_notebook, "stretches").splitlines()
    assert len(lines) > 5
    stretches = [tuple(map(int, re.search(r"characters (\d+) to (\d+)", line).groups())) for line in lines]
    assert all(before[1] > after[0] for before, after in zip(stretches, stretches[1:], strict=False))
    start, end = map(int, printed(train_notebook, "answer-place").splitlines()[0].split())
    holding = [first <= start and end <= last for first, last in stretches]
    assert [line.endswith("<- holds the answer") for line in lines] == holding
    assert any(holding)
    assert len(pictures(train_notebook, "windows-picture")) == 1


def test_train_notebook_counts_the_passages_that_need_more_than_one_window(train_notebook):
    passages = len({example.context_text for example in builtin_examples("train")})
    counted = printed(train_notebook, "window-count")
    assert counted == f"지문 {passages}개 가운데 {passages}개(100%)가 37토큰을 넘는다\n"


def test_train_notebook_shows_a_window_as_numbers(train_notebook):
    assert "start_positions=" in printed(train_notebook, "feature")
    table = result(train_notebook, "feature-tokens").splitlines()
    assert any(line.startswith("*") for line in table)
    assert re.fullmatch(r"start_positions \d+, end_positions \d+: \* .+", table[-1])
    assert "reach max_seq_length 64" in printed(train_notebook, "lengths")
    assert len(pictures(train_notebook, "lengths")) == 1
    shapes = dict(line.split(" ", 1) for line in printed(train_notebook, "batch").splitlines())
    assert shapes == {
        **dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), "(4, 64)"),
        **dict.fromkeys(("start_positions", "end_positions"), "(4,)"),
    }
    assert printed(train_notebook, "model-head") == "Linear(in_features=16, out_features=2, bias=True)\n"


def test_train_notebook_explains_the_metrics(train_notebook):
    assert printed(train_notebook, "metrics").splitlines() == [
        "세종대왕: EM 100, F1 100.0",
        "세종대왕이: EM 0, F1 88.9",
        "세종: EM 0, F1 66.7",
        "집현전: EM 0, F1 0.0",
    ]


def test_train_notebook_scores_the_model_with_and_without_the_josa_cut(train_notebook, folder):
    assert len(pictures(train_notebook, "fit")) == 1
    assert [path.name for path in (folder / "checkpoint-qa").glob("epoch=0-val_loss=*.ckpt")]
    assert printed(train_notebook, "history").split()[:3] == ["step", "val_loss", "val_em"]
    card = printed(train_notebook, "evaluate")
    assert re.match(rf"questions +{len(builtin_examples('val'))}\b", card)
    assert re.search(r"^EM +[\d.]+ +95 % interval [\d.]+ to [\d.]+\nF1 +[\d.]+ +95 % interval", card, re.MULTILINE)
    assert re.search(r"^josa cut   EM [\d.]+, F1 [\d.]+   <- as answered\njosa kept  EM [\d.]+", card, re.MULTILINE)
    mistakes = printed(train_notebook, "mistakes").splitlines()
    assert 0 < len(mistakes) <= 20
    assert re.fullmatch(r"    정답 .+ / 모델 .* \(\d\.\d{4}\)", mistakes[1])


def test_train_notebook_shows_what_josa_do_to_exact_match(train_notebook):
    answered = sum(bool(example.answer_text) for example in builtin_examples("train"))
    shared = printed(train_notebook, "josa-share").replace(",", "")
    assert re.match(rf"답이 있는 질문 {answered}개 가운데 \d+개\(\d+%\)는 정답 바로 뒤에", shared)
    without_cut, with_cut = map(float, re.findall(r"\d+\.\d", printed(train_notebook, "ceiling")))
    assert without_cut < with_cut
    assert printed(train_notebook, "josa-by-hand").splitlines() == [
        "세종대왕이 -> 세종대왕",
        "1395년에 -> 1395년",
        "제주도 -> 제주도",
        "제주도 -> 제주",
    ]
    counted, moved, *rows = printed(train_notebook, "josa-changed").splitlines()
    changed = int(
        re.fullmatch(rf"질문 {len(builtin_examples('val'))}개 가운데 답에서 조사를 뗀 것 (\d+)개", counted)[1]
    )
    assert re.fullmatch(r"EM이 오른 것 \d+개, 내린 것 \d+개", moved)
    assert len(rows) == min(changed, 8)
    assert all(re.fullmatch(r"(?s)정답 .+: .+ \(\d+\) -> .+ \(\d+\)", row) for row in rows)


# --- deploying --------------------------------------------------------------------------------------------------------


def test_deploy_notebook_knows_what_the_train_notebook_left(deploy_notebook, pretrained):
    assert printed(deploy_notebook, "settings").startswith("downstream_model_checkpoint_fpath: checkpoint-qa/epoch=0-")
    assert printed(deploy_notebook, "settings-found").splitlines() == [
        pretrained,
        "max_seq_length 64",
        "doc_stride 24",
        "max_query_length 24",
        "max_answer_length 30",
    ]
    assert printed(deploy_notebook, "choice") == "폴더: checkpoint-qa / 내장 모델을 학습할까: 아니요\n"
    assert "doc_stride 24\n" in printed(deploy_notebook, "stored")
    assert result(deploy_notebook, "load") == "<All keys matched successfully>"


def test_deploy_notebook_looks_at_the_output_by_name(deploy_notebook):
    tokens = ast.literal_eval(printed(deploy_notebook, "encode-try"))
    names, shape = map(ast.literal_eval, printed(deploy_notebook, "outputs").splitlines())
    assert names == ["start_logits", "end_logits"]
    assert shape == (1, len(tokens)) == (1, 64)
    assert len(pictures(deploy_notebook, "logits")) == 1


def test_deploy_notebook_shows_that_the_hand_written_function_misses_the_end_of_a_passage(deploy_notebook):
    told = printed(deploy_notebook, "long").splitlines()
    whole, seen, place = map(int, re.findall(r"\d+", told[1]))
    assert seen < place < whole
    answer, first, *others = printed(deploy_notebook, "windows").splitlines()
    assert answer.startswith(f"answer: characters {place} to ")
    assert first == f"window 0: 64 tokens, characters 0 to {seen}"
    assert any(line.endswith("<- holds the answer") for line in others)
    assert len(pictures(deploy_notebook, "windows")) == 1
    assert ast.literal_eval(result(deploy_notebook, "inference-try")) in context_of(deploy_notebook)


def context_of(notebook):
    assignment = ast.parse(cell_of(notebook, "encode-try").source).body[1]
    return ast.literal_eval(assignment.value)


def test_deploy_notebook_reads_all_windows_and_shows_the_best_answers(deploy_notebook):
    told, *best = printed(deploy_notebook, "long-again").splitlines()
    assert told.startswith("정답: ")
    assert 1 < len(best) <= 5
    assert all(line.endswith("같음") for line in best)
    scores = [float(line.split()[0]) for line in best]
    assert scores == sorted(scores, reverse=True)
    assert len(printed(deploy_notebook, "many").splitlines()) > 1


def test_deploy_notebook_shows_josa_and_scores(deploy_notebook):
    names = [line.partition(":")[0] for line in printed(deploy_notebook, "josa").splitlines()]
    assert names == ["그대로", "조사를 떼면"]
    scores = printed(deploy_notebook, "scores").splitlines()
    assert len(scores) == len(printed(deploy_notebook, "many").splitlines())
    assert all(re.match(r"EM +(0|100) F1 +\d+\.\d \| .", line) for line in scores)


def test_deploy_notebook_says_no_answer_by_the_threshold(deploy_notebook):
    low, _, high = printed(deploy_notebook, "no-answer").splitlines()
    assert low == "-50.0 (답 없음)"
    assert high.removeprefix("50.0 ") in context_of(deploy_notebook)


def test_deploy_notebook_serves_the_page_and_closes_it(deploy_notebook):
    address = re.fullmatch(r"page: (http://127\.0\.0\.1:\d+)\n", printed(deploy_notebook, "run"))[1]
    assert f'src="{address}"' in result(deploy_notebook, "page", "text/html")
    answer = ast.literal_eval(result(deploy_notebook, "predictor"))
    assert printed(deploy_notebook, "api-answer").startswith(f"200 {answer} ")
    assert result(deploy_notebook, "after-close") == f"<Server {address} (closed)>"


# --- example ----------------------------------------------------------------------------------------------------------


def test_example_settings_are_those_of_the_notebook():
    args = nlpbook.load_arguments(QATrainArguments, ROOT / "examples" / "qa.yaml")
    names = LARGE | {"model_dir": args.downstream_model_dir, "corpus_name": args.downstream_corpus_name}
    names["QATrainArguments"] = QATrainArguments
    exec(cell_of(read_named("qa_train"), "settings").source, names)
    assert names["args"] == args


def test_train_example_leaves_a_scored_model(folder, pretrained):
    settings = small_settings(pretrained, folder, **SMALL) | {"downstream_model_dir": "from-script", "test_mode": True}
    script, config = (str(ROOT / "examples" / name) for name in ("qa_train.py", "qa.yaml"))
    done = run_script(script, config, *(f"--{name}={value}" for name, value in settings.items()), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "josa kept" in done.stdout
    metrics = json.loads((folder / "from-script" / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["examples"] == len(builtin_examples("val"))


# --- pictures ---------------------------------------------------------------------------------------------------------


def bar_widths(axes):
    return [bar.get_width() for bar in axes.patches[: sum(len(bars) for bars in axes.containers)]]


def test_windows_are_drawn_as_one_bar_each(tmp_path, recwarn):
    figure = draw_windows([(0, 90), (60, 150), (120, 200)], (70, 80))
    figures.save_figure(figure, tmp_path / "windows.png")
    (axes,) = figure.axes
    assert bar_widths(axes) == [90, 90, 80]
    colours = [bars[0].get_facecolor() for bars in axes.containers]
    assert colours[0] == colours[1] != colours[2]
    assert not recwarn.list


def test_span_logits_are_drawn_as_two_bars_a_token_without_missing_signs(tmp_path, recwarn):
    tokens = ["세종", "##이", "$x$", "漢", "😀", "\U0001f9ff", "[UNK]"]
    figure = draw_span_logits(tokens, [2.0, *[-1.0] * 6], [*[-1.0] * 6, 3.0], (0, 6))
    figures.save_figure(figure, tmp_path / "logits.png")
    (axes,) = figure.axes
    assert [len(bars) for bars in axes.containers] == [7, 7]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[:3] == ["세종", "##이", "$x$"]
    assert len(axes.patches) == 15
    assert not recwarn.list


def test_crossed_ends_are_not_shaded():
    figure = draw_span_logits(["가", "나"], [0.0, 1.0], [1.0, 0.0], (1, 0))
    assert len(figure.axes[0].patches) == 4


def test_curves_draw_training_scores_in_the_unit_of_validation():
    found = {"acc": ([1.0], [0.5]), "val_em": ([2.0], [0.8]), "val_f1": ([2.0], [40.0]), "val_loss": ([2.0], [3.0])}
    (_, scores, _) = figures.draw_curves(found).axes
    assert {line.get_label(): list(line.get_ydata()) for line in scores.lines} == {
        "acc x 100": [50.0],
        "val_em": [0.8],
        "val_f1": [40.0],
    }
