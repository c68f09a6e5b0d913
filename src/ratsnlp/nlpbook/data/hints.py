"""What tells the columns of an own table: the names that such columns have, and how their contents look."""

from collections.abc import Sequence

TEXTS = (
    *("text", "sentence", "document", "review", "content", "comment", "body"),
    *("텍스트", "문장", "문서", "리뷰", "내용", "본문", "댓글", "후기", "발화"),
)
LABELS = (
    *("label", "gold_label", "class", "category", "rating", "score", "sentiment", "target", "intent", "topic"),
    *("라벨", "레이블", "분류", "평점", "별점", "점수", "감정", "감성", "정답", "주제", "의도", "카테고리", "클래스"),
)
PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("question1", "question2"),
    ("question", "answer"),
    ("전제", "가설"),
    ("문장1", "문장2"),
    ("질문1", "질문2"),
    ("질문", "답변"),
    ("질문", "답"),
)

TEXT_LENGTH = 6
"""Mean characters from which a column may be one of texts."""
LABEL_LENGTH = 20
"""Mean characters up to which a column may be one of labels."""


def looks_like_text(values: Sequence[str]) -> bool:
    """Tell whether values may be texts: longer ones, mostly different, in words or in Hangul."""
    if not values or sum(map(len, values)) < TEXT_LENGTH * len(values) or 2 * len(set(values)) <= len(values):
        return False
    worded = sum(any(c.isalpha() for c in value) and (" " in value or has_hangul(value)) for value in values)
    return 2 * worded > len(values)


def has_hangul(value: str) -> bool:
    """Tell whether a text holds a Hangul syllable."""
    return any("가" <= character <= "힣" for character in value)


def looks_like_labels(values: Sequence[str]) -> bool:
    """Tell whether values may be labels: short ones, few different, each of them again and again."""
    different = len(set(values))
    short = sum(map(len, values)) <= LABEL_LENGTH * len(values)
    return short and 2 <= different <= max(2, min(100, len(values) // 3))
