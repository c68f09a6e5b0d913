"""A font that knows Hangul, for the pictures: one of the system's, else the small one that comes with the package."""

from collections.abc import Callable, Sequence
from functools import cache, wraps
from importlib.resources import files
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

SYSTEM_FONTS = (
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "Noto Sans CJK KR",
    "Noto Sans KR",
)
BUILTIN_FONT = Path(str(files("ratsnlp.nlpbook.builtin"))) / "fonts" / "RatsnlpHangul.ttf"
"""Colab and most servers have no Hangul font. This one holds the 2,350 usual syllables; tools/font.py makes it."""


@cache
def hangul_font() -> str:
    """Return the name of a font that knows Hangul, registered with matplotlib."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    found = next((name for name in SYSTEM_FONTS if name in installed), None)
    return found or register_builtin_font()


def register_builtin_font() -> str:
    """Make matplotlib know the font that comes with the package, and return its name."""
    from matplotlib import font_manager

    font_manager.fontManager.addfont(BUILTIN_FONT)
    return font_manager.get_font(BUILTIN_FONT).family_name


def with_hangul(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a drawing function use the Hangul font, falling back to matplotlib's own for signs that it lacks."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with mpl.rc_context({"font.family": [hangul_font(), "DejaVu Sans"]}):
            return draw(*args, **kwargs)

    return drawn


@cache
def drawable_characters(hangul: str) -> frozenset[str]:
    """Return the characters that the fonts of the pictures have, given the Hangul font."""
    from matplotlib import font_manager

    fonts = [font_manager.get_font(font_manager.findfont(name)) for name in (hangul, "DejaVu Sans")]
    return frozenset(chr(code) for font in fonts for code in font.get_charmap())


def drawable(texts: Sequence[str]) -> list[str]:
    """Return the texts with `?` for what no font has."""
    known = drawable_characters(hangul_font())
    return ["".join(sign if sign in known else "?" for sign in text) for text in texts]
