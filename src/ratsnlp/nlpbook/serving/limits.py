"""How much a page takes on: lengths, numbers and times beyond which it refuses with a reason."""

from dataclasses import dataclass
from typing import Annotated

from ratsnlp.nlpbook.settings import Arguments, AtLeast, Range, arg

CHARACTER_BYTES = 12  # of one character in JSON at most: an emoji written as \ud83d\ude00
SPARE_BYTES = 4096  # for the JSON around the texts
SPARE_THREADS = 16  # for the page, its health and its refusals while every question allowed is pending


@dataclass(kw_only=True)
class Limits(Arguments):
    """Limits of a page. Given to `get_web_service_app` by name, and to `ratsnlp serve` as flags."""

    max_text_length: Annotated[int, AtLeast(1)] = arg(10_000, "characters in one text of a question")
    max_pending: Annotated[int, AtLeast(1)] = arg(48, "questions that may wait or be answered at a time")
    max_seconds: Annotated[float, Range(0, open_low=True)] = arg(60.0, "seconds a question may take, waiting included")
    max_batch: Annotated[int, AtLeast(1)] = arg(32, "questions that are answered together")

    def body_bytes(self, texts: int) -> int:
        """Return the size of a request with that many texts at most."""
        return CHARACTER_BYTES * self.max_text_length * texts + SPARE_BYTES

    @property
    def threads(self) -> int:
        """Server threads with which refusals and health still get through when all pending places are taken."""
        return self.max_pending + SPARE_THREADS
