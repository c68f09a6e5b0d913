"""What a cell prints: the logger `ratsnlp`, its published line format, and the first examples of a dataset."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

from ratsnlp.nlpbook.environment import is_first_process

logger = logging.getLogger("ratsnlp")
FORMAT = "%(levelname)s:%(name)s:%(message)s"
LOGGED_EXAMPLES = 5


def set_logger(args: Any) -> None:
    """Show the library's messages in the cell or terminal, and log the settings.

    Calling it again (a cell run twice) does not double the lines. Of several training processes only the first speaks.
    """
    show_messages()
    logger.info("Training/evaluation parameters %s", args)


def show_messages() -> None:
    """Send the library's messages to the cell or terminal, once."""
    for handler in [handler for handler in logger.handlers if getattr(handler, "ratsnlp", False)]:
        logger.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.ratsnlp = True  # type: ignore[attr-defined]  # how the next call finds it
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if is_first_process() else logging.ERROR)
    logger.propagate = False  # Colab's root logger has a handler of its own: every line would come twice


def log_example(lines: Mapping[str, str]) -> None:
    """Log one example as the published notebooks show it: a heading and one `name: value` line each."""
    logger.info("*** Example ***")
    for name, value in lines.items():
        logger.info("%s: %s", name, value)
