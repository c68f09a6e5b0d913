"""The notebooks of reviews, pairs and questions as a reader without a network runs them, with all of their training.

What they say of scores, answers and contrasts is held against what comes out of the built-in model. Bounds leave room
for processors that round in other places. The notebooks of entities run in this way in `test_ner_notebooks`.
"""

import ast
import re

import pytest

from notebook_runner import CLOSE, execute, printed, result, warnings_shown


def group(name):
    """Return the marks of tests that share the runs of one task: a worker runs them all."""
    return lambda test: pytest.mark.notebook(pytest.mark.xdist_group(f"learning {name}")(test))


reviews, pairs, questions = map(group, ("reviews", "pairs", "questions"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that runs a notebook once; a deploy notebook finds what the train notebook left."""
    folders, done = {}, {}

    def run_once(name):
        if name not in done:
            task, what = name.split("_", 1)
            if task not in folders:
                folders[task] = tmp_path_factory.mktemp(task)
            if what == "deploy":
                run_once(f"{task}_train")
            done[name] = execute(name, folders[task], after=CLOSE if what == "deploy" else None)
            assert warnings_shown(done[name]) == []
        return done[name]

    return run_once


def history(notebook):
    """Return the rows of a notebook's history, each by name of column."""
    head, *rows = (line.split() for line in printed(notebook, "history").splitlines())
    return [dict(zip(head, map(float, row), strict=True)) for row in rows]


def number(pattern, text):
    return float(re.search(pattern, text)[1])


# --- reviews ----------------------------------------------------------------------------------------------------------


@reviews
def test_reviews_are_learnt(run):
    notebook = run("classification_train")
    rows = history(notebook)
    assert all(row["val_acc"] > 0.8 for row in rows)
    assert rows[-1]["val_loss"] < 0.45
    card = printed(notebook, "evaluate")
    assert number(r"accuracy +(0\.\d+)", card) >= 0.84  # chance: 0.5
    assert "always the most frequent label: 0.5000" in card


@reviews
def test_reviews_are_rarely_cut_and_padded_less_when_grouped(run):
    notebook = run("classification_train")
    assert "0.0% reach max_seq_length 128" in printed(notebook, "lengths")  # 0에 가까우면 128은 넉넉한 값
    loose, grouped = (number(r"(\d+)%", printed(notebook, name)) for name in ("padding", "fast-loaders"))
    assert grouped < loose / 3


@reviews
def test_surest_mistakes_of_reviews_are_sure(run):
    lines = printed(run("classification_train"), "mistakes").splitlines()
    assert len(lines) == 10
    assert number(r"모델 \S+ \(\w+\) (0\.\d\d)", lines[0]) > 0.8


@reviews
def test_page_of_reviews_answers_rightly(run):
    notebook = run("classification_deploy")
    assert ast.literal_eval(result(notebook, "inference-try"))["prediction"] == "긍정 (positive)"
    positive = [float(found) for found in re.findall(r"^같음 긍정 ([\d.]+) /", printed(notebook, "compare"), re.M)]
    assert [chance > 0.5 for chance in positive] == [True, False, True]
    status, answer = printed(notebook, "api-answer").split(" ", 1)
    assert (status, ast.literal_eval(answer)["prediction"]) == ("200", "부정 (negative)")


# --- pairs ------------------------------------------------------------------------------------------------------------


@pairs
def test_pairs_are_learnt(run):
    notebook = run("paircls_train")
    assert max(row["val_acc"] for row in history(notebook)) > 0.5
    assert number(r"accuracy +(0\.\d+)", printed(notebook, "evaluate")) >= 0.48  # chance: a third


@pairs
def test_pairs_are_learnt_by_more_than_the_hypotheses(run):
    blind, both = (
        number(r"(0\.\d{4})", line) for line in printed(run("paircls_train"), "hypothesis-only").splitlines()
    )
    assert 0.28 < blind < 0.42  # 0.37쯤에 그칩니다
    assert both > blind + 0.08


@pairs
def test_pairs_are_mistaken_as_the_notebook_says(run):
    _, *rows = result(run("paircls_train"), "confusion").splitlines()
    true, false, neutral = ([int(count) for count in row.split()[-3:]] for row in rows)
    assert neutral[2] > max(true[0], false[1])  # 중립을 가장 잘 알아보고
    assert true[1] + false[0] > true[2] + false[2]  # 참과 거짓은 서로 자주 맞바꿉니다


@pairs
def test_page_of_pairs_answers_rightly(run):
    notebook = run("paircls_deploy")
    assert ast.literal_eval(result(notebook, "inference-try"))["prediction"] == "참 (entailment)"
    lines = printed(notebook, "compare").splitlines()
    assert all(re.match(r"같음 (참 [\d.]+) / \1 \| ", line) for line in lines[::2])
    answers = [line.split()[0] for line in lines[1::2]]
    assert answers == ["참", "중립", "거짓"]  # the second is the first with its places exchanged
    status, answer = printed(notebook, "api-answer").split(" ", 1)
    assert (status, ast.literal_eval(answer)["prediction"]) == ("200", "중립 (neutral)")


# --- questions --------------------------------------------------------------------------------------------------------


@questions
def test_questions_are_learnt(run):
    notebook = run("qa_train")
    assert history(notebook)[-1]["val_f1"] > 50
    card = printed(notebook, "evaluate")
    assert number(r"(?m)^EM +([\d.]+)", card) >= 45
    assert number(r"(?m)^F1 +([\d.]+)", card) >= 52


@questions
def test_some_questions_have_no_answer_and_the_model_says_so(run):
    card = printed(run("qa_train"), "evaluate")
    assert "no answer" in card


@questions
def test_josa_cut_raises_exact_match(run):
    notebook = run("qa_train")
    card = printed(notebook, "evaluate")
    cut, kept = (number(rf"(?m)^josa {how} +EM ([\d.]+)", card) for how in ("cut", "kept"))
    assert cut > kept + 1
    risen, fallen = map(int, re.findall(r"것 (\d+)개", printed(notebook, "josa-changed").splitlines()[1]))
    assert risen > fallen
    assert number(r"\((\d+)%\)", printed(notebook, "josa-share")) > 50  # 다른 한글이 이어지는 질문이 많습니다


@questions
def test_page_of_questions_answers_rightly(run):
    notebook = run("qa_deploy")
    assert "1900년" in ast.literal_eval(result(notebook, "inference-try"))
    assert ast.literal_eval(result(notebook, "predictor")) == "1900년"
    assert printed(notebook, "api-answer").startswith("200 1900년 ")
    kept, cut = (line.partition(": ")[2].split(" / ")[0] for line in printed(notebook, "josa").splitlines())
    assert (kept, cut) == ("1900년에", "1900년")


@questions
def test_windows_find_what_one_window_cannot_read(run):
    notebook = run("qa_deploy")
    gold, by_hand = re.search(r"정답: (.+) / 손으로 쓴 함수의 답: (.*)", printed(notebook, "long")).groups()
    assert by_hand != gold
    assert printed(notebook, "long-again").splitlines()[0] == f"정답: {gold} / 모델: {gold}"
    scores = [line.split()[1] for line in printed(notebook, "scores").splitlines()]
    assert scores.count("100") > len(scores) / 3


@questions
def test_the_threshold_decides_whether_there_is_an_answer(run):
    low, middle, high = (line.split(" ", 1)[1] for line in printed(run("qa_deploy"), "no-answer").splitlines())
    assert low == middle == "(답 없음)"  # 지문에 없는 것
    assert high != "(답 없음)"
