"""Where an answer ends and its josa begins. Korean writes particles onto the noun, so a token often holds both.

A josa is cut from an answer where four things agree: the syllables are in a short list of josa; they fit the sound
before them (을 after a consonant, 를 after a vowel); something of the answer is left; and the texts do not show that
the syllables belong to the word (`고양이는` says that the 이 of `고양이` is no josa).
"""

import re

AFTER_CONSONANT = frozenset(
    ("을", "은", "이", "과", "과의", "과는", "과도", "이나", "이라도")
    + ("으로", "으로서", "으로써", "으로부터", "으로는", "으로도", "으로만", "으로의")
)
AFTER_VOWEL = frozenset(
    ("를", "는", "가", "와", "와의", "와는", "와도", "나", "라도")
    + ("로", "로서", "로써", "로부터", "로는", "로도", "로만", "로의")
    + ("다", "라", "라고", "라는", "라고도", "란", "며", "고", "였다", "였고", "였으며", "였던", "였으나", "였는데")
)
AFTER_ANY = frozenset(
    ("의", "에", "에서", "에서는", "에서의", "에서도", "에서만", "에는", "에도", "에만", "엔")
    + ("에게", "에게는", "에게도", "에게서", "에게로", "한테", "께서")
    + ("까지", "까지의", "까지는", "까지도", "까지만", "부터", "부터는", "부터의")
    + ("도", "만", "만을", "만이", "만의", "만에", "마다", "처럼", "보다", "보다는", "밖에", "조차", "마저")
    + ("뿐", "뿐만", "뿐이다", "뿐이라는", "뿐이었다", "인", "인데", "임을")
    + ("이다", "이라", "이라고", "이라는", "이라고도", "이란", "이며", "이고", "이지만", "이므로")
    + ("이었다", "이었고", "이었으며", "이었던", "이었으나", "이었는데")
)
KNOWN = AFTER_CONSONANT | AFTER_VOWEL | AFTER_ANY
LONGEST_FIRST = sorted(KNOWN, key=lambda josa: (-len(josa), josa))
DOUBTFUL = frozenset(("인", "라", "나", "다"))
"""More often the end of a noun (법인, 하나, 바다) than a josa: cut only where the texts show the word without it."""
FINALS, RIEUL = 28, 8  # final consonants of a syllable, none included; the place of ㄹ, which 로 and not 으로 follows


def is_hangul(character: str) -> bool:
    """Return whether a character is a whole Hangul syllable."""
    return "가" <= character <= "힣"


def fits(josa: str, before: str) -> bool:
    """Return whether a josa can follow a character by its sound; what is no syllable (a digit, a quote) fits any."""
    if not is_hangul(before):
        return True
    final = (ord(before) - ord("가")) % FINALS
    if josa in AFTER_CONSONANT:
        return final != 0 and not (josa.startswith("으로") and final == RIEUL)
    if josa in AFTER_VOWEL:
        return final == 0 or (josa.startswith("로") and final == RIEUL)
    return True


def cut_josa(passage: str, start: int, end: int, question: str = "") -> int:
    """Return where in a passage (in NFC) the answer `start..end` ends without its josa; `end` where none is to be cut.

    `end` may be in the middle of an eojeol, where a token ended there. The answer's words may occur without their josa
    in the passage and in `question`.
    """
    close = end
    while close < len(passage) and is_hangul(passage[close]):
        close += 1
    for josa in LONGEST_FIRST:
        place = close - len(josa)
        if start < place < end and passage.startswith(josa, place) and fits(josa, passage[place - 1]):
            word = place
            while word > start and is_hangul(passage[word - 1]):
                word -= 1
            if not _belongs_to_word(passage[word:place], josa, f"{passage}\n{question}"):
                return place
    return end


def _belongs_to_word(stem: str, josa: str, text: str) -> bool:
    """Return whether the text shows that these syllables are the end of a word, and no josa.

    They are where the whole word is seen with a josa of its own more often than the word without the syllables is seen;
    doubtful ones also where the word is never seen without them.
    """
    if not stem:
        return False
    whole = sum(rest in KNOWN and fits(rest, josa[-1]) for rest in _endings(text, stem + josa))
    bare = sum(not rest or (rest in KNOWN and fits(rest, stem[-1])) for rest in _endings(text, stem) if rest != josa)
    return whole > bare or (josa in DOUBTFUL and bare <= whole)


def _endings(text: str, word: str) -> list[str]:
    """Return the syllables that are written onto each occurrence of a word."""
    return re.findall(f"(?<![가-힣]){re.escape(word)}([가-힣]*)", text)
