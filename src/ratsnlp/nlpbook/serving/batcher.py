"""One thread asks the model. What is asked while it is busy waits, and then goes together.

There is no waiting for company: a question that finds the model free goes at once, so a single user waits for nothing,
and the more users there are, the more of their questions share a forward pass. Knows no model and imports none: it
takes any function from many questions to as many answers.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any

Question = tuple[str, ...]
IDLE_SECONDS = 10.0  # for which the thread outlives the last question; then it does not keep an unused app's model


class Overloaded(Exception):  # noqa: N818
    """A question was not answered because others are ahead of it; asking again in `retry_after` seconds may help."""

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class AnswerTimeout(Exception):  # noqa: N818
    """A question is being answered for longer than allowed."""


@dataclass(frozen=True, eq=False)
class Work:
    """What is done with the questions of one kind."""

    answer: Callable[[Sequence[Question]], Sequence[Any]]  # returns as many answers, in the order of the questions
    most: int = 1  # questions that go together; with 1, `answer` gets them one at a time


@dataclass(frozen=True, eq=False)
class _Job:
    work: Work
    question: Question
    answer: "Future[Any]" = field(default_factory=Future)


class Batcher:
    """Answers questions from many threads in one thread of its own, those of one kind together.

    At most `max_pending` wait or are answered at a time. It counts its `batches`, and the `questions` in them.
    """

    def __init__(self, max_pending: int = 48) -> None:
        self.max_pending = max_pending
        self.batches = self.questions = 0
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._running: list[_Job] = []
        self._working = False
        self._seconds_each = 0.0

    @property
    def pending(self) -> int:
        """How many questions wait or are being answered."""
        return len(self._waiting) + len(self._running)

    def ask(self, work: Work, question: Question, seconds: float) -> Any:
        """Return the answer to a question; blocks until it is there, for `seconds` at most.

        Raises:
            Overloaded: Too many questions are pending, or the time passed while this one waited in the queue.
            AnswerTimeout: The time passed while this one was being answered.
            Exception: What `work.answer` raised for this question.
        """
        job = _Job(work, question)
        with self._changed:
            if self.pending >= self.max_pending:
                text = f"{self.pending} questions are pending; at most {self.max_pending} may"
                raise Overloaded(text, self._retry_after())
            self._waiting.append(job)
            self._changed.notify()
            if not self._working:
                self._working = True
                threading.Thread(target=self._work, name="ratsnlp answers", daemon=True).start()
        wait([job.answer], seconds)  # not `result(seconds)`: the function itself may raise TimeoutError
        if not job.answer.done():
            with self._changed:
                if job in self._waiting:
                    self._waiting.remove(job)
                    raise Overloaded(f"timed out in the queue after {seconds:g} seconds", self._retry_after())
            if not job.answer.done():
                raise AnswerTimeout(f"no answer in {seconds:g} seconds")
        return job.answer.result()

    def _retry_after(self) -> int:
        return min(60, max(1, math.ceil(self.pending * self._seconds_each)))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._working = self._changed.wait_for(lambda: bool(self._waiting), IDLE_SECONDS)
                if not self._working:
                    return
                work = self._waiting[0].work  # the longest waiting job, and those that can go with it
                self._running = [job for job in self._waiting if job.work is work][: work.most]
                self._waiting = [job for job in self._waiting if job not in self._running]
            start = time.monotonic()
            _answer_jobs(self._running)
            self.batches += 1
            self.questions += len(self._running)
            self._seconds_each = (time.monotonic() - start) / len(self._running)
            self._running = []


def _answer_jobs(jobs: Sequence[_Job]) -> None:
    """Answer jobs of one kind together. Where that fails, answer halves, so that only the question at fault fails.

    It also saves a batch that is too large for the memory of a GPU.
    """
    try:
        answers = jobs[0].work.answer([job.question for job in jobs])
        if len(answers) != len(jobs):
            raise ValueError(f"{len(answers)} answers were returned to {len(jobs)} questions")
    except BaseException as error:  # SystemExit too: the thread has to live on
        if len(jobs) > 1:
            _answer_jobs(jobs[: len(jobs) // 2])
            _answer_jobs(jobs[len(jobs) // 2 :])
        elif isinstance(error, Exception):
            jobs[0].answer.set_exception(error)
        else:
            jobs[0].answer.set_exception(RuntimeError(f"inference_fn raised {type(error).__name__}: {error}"))
    else:
        for job, answer in zip(jobs, answers, strict=True):
            job.answer.set_result(answer)
