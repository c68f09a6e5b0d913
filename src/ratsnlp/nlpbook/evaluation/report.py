"""The score card as a page: one file with its pictures in it, no script, nothing fetched from elsewhere."""

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

NAMES = {
    "confusion.png": "혼동 행렬 (confusion matrix)",
    "calibration.png": "확률 보정 (calibration)",
    "lengths.png": "길이별 점수 (score by length)",
}
"""What each picture shows, in the order in which they stand on the page."""


@cache
def load_template() -> Template:
    """Return the page's template. Everything put into it is escaped."""
    loader = PackageLoader("ratsnlp.nlpbook.evaluation", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("report.html")


def data_address(path: Path) -> str:
    """Return a PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def write_report(
    path: Path, found: Mapping[str, Any], worst: Sequence[Mapping[str, Any]], pictures: Mapping[str, Path]
) -> None:
    """Write the page.

    Args:
        path: Where to.
        found: What the score card measured.
        worst: Its worst mistakes, by column.
        pictures: Its pictures' files, by name.
    """
    shown = [(title, data_address(pictures[name])) for name, title in NAMES.items() if name in pictures]
    page = load_template().render(found=found, worst=worst, pictures=shown)
    path.write_text(page + "\n", encoding="utf-8")
