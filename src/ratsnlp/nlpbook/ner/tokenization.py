"""Tokens for entities, the same in training, prediction and every engine: cut before a josa, each with one label."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ratsnlp.nlpbook.data.encoding import TokenizedText, tokenize
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.ner.decoding import group_tags
from ratsnlp.nlpbook.ner.formats import Entity

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What is cut off, longest first: 97 % of what KLUE-NER's development file has glued to the ends of entities.
JOSA = ("부터", "까지", "에서", *"의는이에가을를은로도와과나만")


class JosaSplitter:
    """Splits a piece before its last josa, so that a label can end where an entity does: `한국의` as `한국`, `##의`.

    A piece is split where it ends an eojeol or stands before a character that is no letter, and where both halves are
    in the vocabulary: the left one spelled as the piece is, the right one as the continuation of a word. The model
    reads the halves like any other pieces. Special tokens are never split. Byte-level vocabularies have no pieces that
    can be split: see `usable`. The tokenizer must be a fast one.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase"):
        tokenize(tokenizer, [])
        prefix = getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None) or ""
        special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
        plain = {piece: number for piece, number in tokenizer.get_vocab().items() if number not in special}
        rights = {josa: plain[prefix + josa] for josa in JOSA if prefix + josa in plain}
        self.halves: dict[int, tuple[int, int, int]] = {}  # of a piece: its halves, and the length of the josa
        for piece, number in plain.items():
            for josa in (piece[-2:], piece[-1:]):
                left = piece[: -len(josa)]
                if josa in rights and left in plain and left not in ("", prefix, "▁"):
                    self.halves[number] = plain[left], rights[josa], len(josa)
                    break
        self.usable = bool(self.halves)  # if not, splitting changes nothing


def tokenize_entities(
    tokenizer: "PreTrainedTokenizerBase", texts: Iterable[str], splitter: JosaSplitter | None = None
) -> list[TokenizedText]:
    """Return the tokens of texts in NFC, in order, without special ones; a text that comes again is tokenised once.

    A token that counts the space before a word as its own (SentencePiece) begins after it. Without a `splitter`, pieces
    stay whole. The tokenizer must be a fast one.
    """
    texts = list(texts)
    halves = splitter.halves if splitter else {}
    found = {}
    for text, whole in tokenize(tokenizer, texts).items():
        ids: list[int] = []
        characters: list[tuple[int, int]] = []
        for number, (start, end) in zip(whole.ids.tolist(), whole.characters.tolist(), strict=True):
            if end - start > 1 and text[start].isspace():
                start += 1
            left, right, josa = halves.get(number, (0, 0, 0))
            if 0 < josa < end - start and not text[end : end + 1].isalpha():
                ids += left, right
                characters += (start, end - josa), (end - josa, end)
            else:
                ids.append(number)
                characters.append((start, end))
        found[text] = TokenizedText(np.array(ids, np.int32), np.array(characters, np.int32).reshape(-1, 2))
    return [found[text] for text in texts]


def label_texts(
    tokenized: Sequence[TokenizedText], entities: Sequence[Sequence[Entity]], label_number: Mapping[str, int]
) -> list[np.ndarray]:
    """Return the label of each token, `(T_i,)` int32 for each text.

    A token that shares characters with an entity (they stand by position) gets its label; with several, that of the one
    which holds most of its characters, the first where they hold as many. The first token of an entity is its B-.
    Raises `ArgumentError` if O or an entity's tag has no label.
    """
    names = dict.fromkeys(f"{prefix}-{e.tag}" for found in entities for e in found for prefix in "BI")
    missing = [label for label in names if label not in label_number]
    if missing or "O" not in label_number:
        raise ArgumentError(
            f"no label {', '.join(missing[:10]) or 'O'} among {', '.join(label_number)}: the data holds tags that the "
            "model does not know. Train on data with these tags, or take a model made for them."
        )
    labels = [np.full(len(tokens), label_number["O"], np.int32) for tokens in tokenized]
    for row, tokens, found in zip(labels, tokenized, entities, strict=True):
        most: dict[int, int] = {}  # the characters of its entity that a token holds
        for e in found:
            first, last = tokens.tokens_over(e.start, e.end) or (0, -1)
            label = label_number[f"B-{e.tag}"]
            for token in range(first, last + 1):
                start, end = tokens.characters[token].tolist()
                shared = min(end, e.end) - max(start, e.start)
                if shared > most.get(token, -1):
                    most[token] = shared
                    row[token], label = label, label_number[f"I-{e.tag}"]
    return labels


def label_tokens(tokenized: TokenizedText, entities: Sequence[Entity], label_number: Mapping[str, int]) -> np.ndarray:
    """Return the label of each token of one text, `(T,)` int32. See `label_texts`, which does many at a time."""
    return label_texts([tokenized], [entities], label_number)[0]


def reachable(tokenized: Sequence[TokenizedText], entities: Sequence[Sequence[Entity]]) -> list[list[Entity]]:
    """Return the entities that a model without a fault would say: gold, to labels of tokens, to spans.

    Scored against the gold ones they are the ceiling of this tokenisation.
    """
    tags = dict.fromkeys(entity.tag for found in entities for entity in found)
    names = ["O", *(f"{prefix}-{tag}" for tag in tags for prefix in "BI")]
    labels = label_texts(tokenized, entities, {name: i for i, name in enumerate(names)})
    reached = []
    for tokens, numbers in zip(tokenized, labels, strict=True):
        ends, grouped = tokens.characters.tolist(), group_tags(names[number] for number in numbers.tolist())
        reached.append([Entity(ends[first][0], ends[end - 1][1], tag) for first, end, tag in grouped])
    return reached


def cut_windows(lengths: Sequence[int], room: int, stride: int) -> list[tuple[int, int, int]]:
    """Return stretches of tokens, `(text, start, end)`, half-open, that cover every text with at most `room` tokens.

    `lengths` are the tokens of each text; one without tokens has one empty stretch. A stretch starts `stride` tokens
    (in 1..room, else some would never be read) after the one before; the last one ends with its text and is full.
    """
    if not 1 <= stride <= room:
        raise ArgumentError(f"stride must be in 1..{room}, the tokens of a window, got {stride}")
    return [
        (i, start, min(start + room, length))
        for i, length in enumerate(lengths)
        for start in dict.fromkeys(
            min(s, max(0, length - room)) for s in range(0, max(1, length - room + stride), stride)
        )
    ]


def merge_windows(windows: Sequence[tuple[int, int, int]], values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return what belongs to each text's tokens, `(T_i, ...)`, from that of its windows, `(end - start, ...)` each.

    Each token's comes from the window in which it is farthest from where the text was cut, the first of equals. Texts
    stand in the order in which they come in `windows`, which are as `cut_windows` gives them.
    """
    lengths = {text: end for text, _, end in windows}  # the last window of a text ends with it
    merged: dict[int, np.ndarray] = {}
    best = {text: np.full(length, -1) for text, length in lengths.items()}  # how far from a cut the merged tokens were
    for (text, start, end), found in zip(windows, values, strict=True):
        length, place = lengths[text], np.arange(start, end)
        merged.setdefault(text, np.empty((length, *found.shape[1:]), found.dtype))
        left = place - start if start else np.full(len(place), length)  # the ends of the text are no cuts
        distance = np.minimum(left, end - 1 - place if end < length else length)
        better = distance > best[text][start:end]
        merged[text][start:end][better], best[text][start:end][better] = found[better], distance[better]
    return list(merged.values())
