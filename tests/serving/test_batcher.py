"""Questions from many threads: which of them go together, and what happens to the one that fails."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ratsnlp.nlpbook.classification import ClassificationPredictor
from ratsnlp.nlpbook.inference.predictor import split_into_passes
from ratsnlp.nlpbook.serving import batcher as batcher_module
from ratsnlp.nlpbook.serving.batcher import AnswerTimeout, Batcher, Overloaded, Work


class Gate:
    """A function of many questions that waits to be let on, and remembers what came together."""

    def __init__(self, open_at_first=False):
        self.opened = threading.Event()
        self.entered = threading.Event()
        self.batches = []
        if open_at_first:
            self.opened.set()

    def __call__(self, questions):
        self.batches.append([text for (text,) in questions])
        self.entered.set()
        assert self.opened.wait(10)
        if any(text.startswith("bad") for (text,) in questions):
            raise ValueError("a bad text")
        return [f"answer to {text}" for (text,) in questions]


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(40) as executor:
        yield executor


def wait_until(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it never came to be")


def ask_behind(gate, pool, batcher, work, texts):
    """Ask a first question that holds the model up, then `texts` one after another; return all futures."""
    asked = [pool.submit(batcher.ask, work, ("first",), 10)]
    assert gate.entered.wait(10)
    for text in texts:
        before = batcher.pending
        asked.append(pool.submit(batcher.ask, work, (text,), 10))
        wait_until(lambda before=before: batcher.pending == before + 1)
    return asked


def test_a_single_user_s_questions_go_alone_and_at_once():
    gate, batcher = Gate(open_at_first=True), Batcher()
    work = Work(gate, 32)
    assert [batcher.ask(work, (text,), 10) for text in "가나다"] == ["answer to 가", "answer to 나", "answer to 다"]
    assert gate.batches == [["가"], ["나"], ["다"]]


def test_what_is_asked_while_the_model_is_busy_goes_together(gate, pool):
    batcher = Batcher()
    asked = ask_behind(gate, pool, batcher, Work(gate, 32), ["가", "나", "다"])
    gate.opened.set()
    assert [future.result() for future in asked] == [f"answer to {text}" for text in ("first", "가", "나", "다")]
    assert gate.batches == [["first"], ["가", "나", "다"]]
    wait_until(lambda: (batcher.batches, batcher.questions, batcher.pending) == (2, 4, 0))


def test_no_more_go_together_than_allowed(gate, pool):
    asked = ask_behind(gate, pool, Batcher(), Work(gate, 2), ["가", "나", "다"])
    gate.opened.set()
    assert [future.result() for future in asked]
    assert gate.batches == [["first"], ["가", "나"], ["다"]]


def test_questions_of_one_kind_pass_those_of_another_only_to_join_the_first(gate, pool):
    batcher, work, other = Batcher(), Work(gate, 32), Work(gate, 1)
    asked = ask_behind(gate, pool, batcher, work, ["가"])
    for kind, text in ((other, "나"), (work, "다"), (other, "라")):
        before = batcher.pending
        asked.append(pool.submit(batcher.ask, kind, (text,), 10))
        wait_until(lambda before=before: batcher.pending == before + 1)
    gate.opened.set()
    assert [future.result() for future in asked]
    assert gate.batches == [["first"], ["가", "다"], ["나"], ["라"]]


def test_one_bad_question_fails_by_itself(gate, pool):
    texts = ["가", "나", "bad", "다", "라"]
    _, *asked = ask_behind(gate, pool, Batcher(), Work(gate, 32), texts)
    gate.opened.set()
    for text, future in zip(texts, asked, strict=True):
        if text == "bad":
            with pytest.raises(ValueError, match="a bad text"):
                future.result()
        else:
            assert future.result() == f"answer to {text}"


def test_a_question_too_many_is_refused_at_once(gate, pool):
    batcher, work = Batcher(max_pending=2), Work(gate, 32)
    asked = ask_behind(gate, pool, batcher, work, ["가"])
    with pytest.raises(Overloaded, match="2 questions are pending; at most 2 may") as refusal:
        batcher.ask(work, ("나",), 10)
    assert 1 <= refusal.value.retry_after <= 60
    gate.opened.set()
    assert [future.result() for future in asked] == ["answer to first", "answer to 가"]


def test_a_question_that_waited_too_long_leaves_the_queue(gate, pool):
    batcher, work = Batcher(), Work(gate, 32)
    (first,) = ask_behind(gate, pool, batcher, work, [])
    with pytest.raises(Overloaded, match="timed out in the queue after 0.01 seconds"):
        batcher.ask(work, ("late",), 0.01)
    gate.opened.set()
    assert first.result() == "answer to first"
    assert gate.batches == [["first"]]


def test_a_question_answered_for_too_long_is_given_up(gate):
    with pytest.raises(AnswerTimeout, match="no answer in 0.01 seconds"):
        Batcher().ask(Work(gate), ("가",), 0.01)


def test_the_thread_survives_a_function_that_ends_the_program():
    def leave(questions):
        raise SystemExit(3)

    batcher = Batcher()
    with pytest.raises(RuntimeError, match="inference_fn raised SystemExit: 3"):
        batcher.ask(Work(leave), ("가",), 10)
    assert batcher.ask(Work(Gate(open_at_first=True)), ("나",), 10) == "answer to 나"


def test_a_time_out_of_the_function_itself_is_its_own_error():
    def give_up(questions):
        raise TimeoutError("the database is slow")

    with pytest.raises(TimeoutError, match="the database is slow"):
        Batcher().ask(Work(give_up), ("가",), 10)


def test_a_function_that_loses_an_answer_is_named():
    with pytest.raises(ValueError, match="0 answers were returned to 1 questions"):
        Batcher().ask(Work(lambda questions: []), ("가",), 10)


def test_an_idle_thread_ends_and_a_new_question_starts_one(monkeypatch):
    monkeypatch.setattr(batcher_module, "IDLE_SECONDS", 0.01)
    before, threads = set(threading.enumerate()), []
    work = Work(lambda questions: threads.append(threading.current_thread()) or questions)
    batcher = Batcher()
    for text in "가나":
        assert batcher.ask(work, (text,), 10) == (text,)
        wait_until(lambda: set(threading.enumerate()) <= before)
    assert threads[0] is not threads[1]


def test_answers_that_went_together_are_those_given_alone(trained, pool):
    predictor = ClassificationPredictor.load(trained)
    texts = ["정말 재미있는 영화", "최악", "배우 연기가 좋다 " * 6, "실망했다 별로", "감동 " * 11] * 6
    alone = [predictor(text) for text in texts]
    batcher, work = Batcher(), Work(predictor.answer_many, 32)
    together = list(pool.map(lambda text: batcher.ask(work, (text,), 30), texts))
    for one, many in zip(alone, together, strict=True):
        assert (many["sentence"], many["prediction"]) == (one["sentence"], one["prediction"])
        probabilities = [row["probability"] for row in many["probabilities"]]
        assert probabilities == pytest.approx([row["probability"] for row in one["probabilities"]], abs=1.01e-4)


# --- passes -----------------------------------------------------------------------------------------------------------


def test_rows_of_like_length_share_a_pass():
    assert split_into_passes([5, 60, 6, 58, 5, 59], most=64) == [[1, 5, 3], [2, 0, 4]]


def test_a_few_short_rows_ride_along_where_a_pass_of_their_own_costs_more():
    assert split_into_passes([12, 20, 16], most=64, pass_tokens=32) == [[1, 2, 0]]
    assert split_into_passes([12, 20, 16], most=64, pass_tokens=8) == [[1, 2], [0]]


def test_a_pass_holds_no_more_rows_than_allowed():
    assert [len(rows) for rows in split_into_passes([7] * 10, most=4)] == [4, 4, 2]
    assert split_into_passes([], most=4) == []
