"""Tokens for entities, the same in training, prediction and every engine: cut before a josa, each with one label."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
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
        vocabulary: dict[str, int] = tokenizer.get_vocab()
        prefix = getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None) or ""
        special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
        plain = {piece: number for piece, number in vocabulary.items() if number not in special}
        rights = {josa: plain[prefix + josa] for josa in JOSA if prefix + josa in plain}
        size = max(vocabulary.values(), default=0) + 1
        self.left, self.right, self.josa_length = (np.zeros(size, np.int32) for _ in range(3))
        for piece, number in plain.items():
            for josa in (piece[-2:], piece[-1:]):
                left = piece[: -len(josa)]
                if josa in rights and left in plain and left not in ("", prefix, "▁"):
                    self.left[number], self.right[number] = plain[left], rights[josa]
                    self.josa_length[number] = len(josa)
                    break
        self.splits = int(np.count_nonzero(self.josa_length))  # how many pieces of the vocabulary can be split
        self.usable = self.splits > 0  # if not, splitting changes nothing


@lru_cache(maxsize=1)
def _signs() -> tuple[np.ndarray, np.ndarray]:
    signs = [chr(code) for code in range(0x33480)]  # up to the last letter or space that may be
    return np.array([s.isalpha() for s in signs]), np.array([s.isspace() for s in signs])


def tokenize_entities(
    tokenizer: "PreTrainedTokenizerBase", texts: Iterable[str], splitter: JosaSplitter | None = None
) -> list[TokenizedText]:
    """Return the tokens of texts in NFC, in order, without special ones; a text that comes again is tokenised once.

    A token that counts the space before a word as its own (SentencePiece) begins after it. Without a `splitter`, pieces
    stay whole. The tokenizer must be a fast one.
    """
    texts = list(texts)
    whole = tokenize(tokenizer, texts)
    if not any(map(len, whole.values())):
        return [whole[text] for text in texts]
    codes = np.frombuffer("".join(f"{text}\n" for text in whole).encode("utf-32-le", "surrogatepass"), np.uint32)
    letter, space = _signs()
    codes = np.minimum(codes, len(letter) - 1)
    counts = np.array([len(tokens) for tokens in whole.values()])  # of tokens, by text
    offsets = np.cumsum([0, *(len(text) + 1 for text in whole)])[:-1]
    places = np.repeat(offsets, counts)  # (M,): where the text of each token begins in `codes`
    ids = np.concatenate([tokens.ids for tokens in whole.values()])
    characters = np.concatenate([tokens.characters for tokens in whole.values()])  # (M, 2)
    characters[:, 0] += space[codes[characters[:, 0] + places]] & (characters[:, 1] - characters[:, 0] > 1)
    ends = np.cumsum(counts)
    if splitter:
        length = splitter.josa_length[ids]
        split = (length > 0) & (characters[:, 1] - characters[:, 0] > length)
        split &= ~letter[codes[characters[:, 1] + places]]
        total = np.concatenate([[0], np.cumsum(1 + split)])
        left, ends = total[:-1][split], total[ends]  # where the left halves come to stand, where texts end
        cut = characters[split, 1] - length[split]
        halves = splitter.left[ids[split]], splitter.right[ids[split]]
        ids, characters = np.repeat(ids, 1 + split), np.repeat(characters, 1 + split, axis=0)
        ids[left], ids[left + 1] = halves
        characters[left, 1] = characters[left + 1, 0] = cut
    bounds = zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)
    parts = [TokenizedText(ids[start:end], characters[start:end]) for start, end in bounds]
    found = dict(zip(whole, parts, strict=True))
    return [found[text] for text in texts]


def label_texts(
    tokenized: Sequence[TokenizedText], entities: Sequence[Sequence[Entity]], label_number: Mapping[str, int]
) -> list[np.ndarray]:
    """Return the label of each token, `(T_i,)` int32 for each text.

    A token that shares characters with an entity (they stand by position) gets its label; with several, that of the one
    which holds most of its characters, the first where they hold as many. The first token of an entity is its B-.
    Raises `ArgumentError` if O or an entity's tag has no label.
    """
    counts = np.array([len(tokens) for tokens in tokenized], np.intp)
    bounds = np.cumsum([0, *counts])
    flat = [(i, entity) for i, found in enumerate(entities) for entity in found]
    names = dict.fromkeys(f"{prefix}-{e.tag}" for _, e in flat for prefix in "BI")
    missing = [label for label in names if label not in label_number]
    if missing or "O" not in label_number:
        raise ArgumentError(
            f"no label {', '.join(missing[:10]) or 'O'} among {', '.join(label_number)}: the data holds tags that the "
            "model does not know. Train on data with these tags, or take a model made for them."
        )
    labels = np.full(bounds[-1], label_number["O"], np.int32)
    if flat and len(labels):
        # one axis for all texts: positions grow from each to the next
        characters = np.concatenate([tokens.characters for tokens in tokenized]).astype(np.int64)
        step = 1 + max(int(characters.max()), max(e.end for _, e in flat))
        starts, ends = (characters + np.repeat(np.arange(len(counts)) * step, counts)[:, None]).T
        first_characters, last_characters = np.array([(i * step + e.start, i * step + e.end) for i, e in flat]).T
        first = np.searchsorted(ends, first_characters, side="right")
        shared = np.maximum(np.searchsorted(starts, last_characters, side="left") - first, 0)  # tokens of each entity
        entity = np.repeat(np.arange(len(flat)), shared)
        token = np.arange(len(entity)) - np.repeat(np.cumsum(shared) - shared - first, shared)
        overlap = np.minimum(ends[token], last_characters[entity]) - np.maximum(starts[token], first_characters[entity])
        order = np.lexsort((entity, -overlap, token))
        entity, token = entity[order], token[order]
        kept = np.diff(token, prepend=-1) != 0  # the entity that holds most of a token comes first
        entity, token = entity[kept], token[kept]
        begins, inside = (np.array([label_number[f"{p}-{e.tag}"] for _, e in flat])[entity] for p in "BI")
        labels[token] = np.where(np.diff(entity, prepend=-1) != 0, begins, inside)
    return [labels[start:end] for start, end in zip(bounds[:-1], bounds[1:], strict=True)]


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
    groups: dict[int, list[tuple[int, np.ndarray]]] = {}
    for (text, start, _), found in zip(windows, values, strict=True):
        groups.setdefault(text, []).append((start, found))
    return [_merge(parts) if len(parts) > 1 else parts[0][1] for parts in groups.values()]


def _merge(parts: Sequence[tuple[int, np.ndarray]]) -> np.ndarray:
    length = parts[-1][0] + len(parts[-1][1])
    merged = np.empty((length, *parts[0][1].shape[1:]), parts[0][1].dtype)
    best = np.full(length, -1)
    for start, values in parts:
        end = start + len(values)
        place = np.arange(start, end)
        left = place - start if start else np.full(len(place), length)  # the ends of the text are no cuts
        distance = np.minimum(left, end - 1 - place if end < length else length)
        better = distance > best[start:end]
        merged[start:end][better], best[start:end][better] = values[better], distance[better]
    return merged
