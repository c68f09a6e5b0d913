"""Make the Hangul font of the package: NanumGothic cut down to what pictures need, under a name of its own.

    python tools/font.py /usr/share/fonts/truetype/nanum/NanumGothic.ttf

NanumGothic (c) NAVER Corporation, SIL Open Font License 1.1. The licence keeps the name Nanum for unchanged fonts, so
the cut one is called otherwise; the licence lies beside it.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

ROOT = Path(__file__).parent.parent
BUILTIN = ROOT / "src" / "ratsnlp" / "nlpbook" / "builtin"
FAMILY = "Ratsnlp Hangul"
FULL_NAMES = {1: FAMILY, 3: f"{FAMILY} 1.0", 4: FAMILY, 6: FAMILY.replace(" ", ""), 16: FAMILY}
KEPT_NAMES = (0, 2, 5, 8, 9, 13, 14, 17)  # copyright, style, version, makers, licence
PUNCTUATION = "·…‘’“”「」『』《》〈〉、。～₩℃"


def usual_syllables() -> set[str]:
    """Return the 2,350 Hangul syllables of the standard KS X 1001, which nearly all text keeps to."""
    return {chr(code) for code in range(0xAC00, 0xD7A4) if len(chr(code).encode("euc_kr", "ignore")) == 2}


def corpus_syllables() -> set[str]:
    """Return the Hangul of the built-in corpora."""
    texts = (path.read_text(encoding="utf-8") for path in sorted((BUILTIN / "corpora").rglob("*.*")))
    return {sign for text in texts for sign in text if "가" <= sign <= "힣"}


def cut(source: str) -> TTFont:
    """Return the font with the signs that pictures need, without hinting and layout rules."""
    options = subset.Options(hinting=False, layout_features=[], glyph_names=False, name_IDs=list(KEPT_NAMES))
    options.drop_tables += [f"TSI{number}" for number in (0, 1, 2, 3, 5)]  # notes of the hinting tool
    font = TTFont(source, recalcTimestamp=False)
    jamo, ascii_signs = map(chr, range(0x3131, 0x318F)), map(chr, range(32, 127))
    cutter = subset.Subsetter(options)
    cutter.populate(text="".join({*usual_syllables(), *corpus_syllables(), *jamo, *ascii_signs, *PUNCTUATION}))
    cutter.subset(font)
    return font


def rename(font: TTFont) -> None:
    """Give the font its own name, in English."""
    names = font["name"]
    names.names = [name for name in names.names if name.nameID in KEPT_NAMES and name.langID in (0, 0x409)]
    for number, text in FULL_NAMES.items():
        names.setName(text, number, 3, 1, 0x409)


def main() -> None:
    """Write the font."""
    font = cut(sys.argv[1])
    rename(font)
    path = BUILTIN / "fonts" / "RatsnlpHangul.ttf"
    font.save(path)
    print(f"{path.relative_to(ROOT)}: {len(font.getBestCmap()):,} signs, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
