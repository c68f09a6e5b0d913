"""Pairs of a tokenizer and a model as they are published: tiny layers, true relations of vocabulary and ids."""

import unicodedata

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
KOBERT_SPECIALS = ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]")
KLUE_SPECIALS = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")
ALBERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def fill(tokens, size):
    """Return `size` tokens: the given ones, then ones that no text holds."""
    return [*tokens, *(f"[unused{i}]" for i in range(size - len(tokens)))][:size]


def word_pieces(letters, specials=BERT_SPECIALS, size=200, lowercase=False):
    """Return a tokenizer of BERT's kind; its padding is [PAD]'s place among the special tokens."""
    letters = sorted(set(letters))
    vocabulary = fill([*specials, *letters, *(f"##{letter}" for letter in letters)], size)
    backend = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return finish(backend, ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"), 1)


def sentence_pieces(letters, specials, size=200, second=1):
    """Return a tokenizer of SentencePiece's kind, each letter a piece."""
    vocabulary = fill([*specials, "\u2581", *sorted(set(letters))], size)
    pieces = [(piece, 0.0 if i < 5 else -2.0) for i, piece in enumerate(vocabulary)]
    unknown = next(i for i, piece in enumerate(vocabulary) if piece in ("[UNK]", "<unk>"))
    backend = Tokenizer(models.Unigram(pieces, unk_id=unknown))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    names = ("<s>", "</s>", "<pad>", "<unk>", "<mask>") if "<s>" in specials else ("[CLS]", "[SEP]", "[PAD]", "[UNK]")
    return finish(backend, names, second)


def finish(backend, names, second):
    first, last, padding, unknown, *mask = names
    ids = [(name, backend.token_to_id(name)) for name in (first, last)]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", pair=f"{first} $A {last} $B:{second} {last}:{second}", special_tokens=ids
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        cls_token=first,
        sep_token=last,
        pad_token=padding,
        unk_token=unknown,
        **({"mask_token": mask[0]} if mask else {}),
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def build_model(config_class, rows=200, labels=2, **changes):
    config = config_class(
        **{"vocab_size": rows, "num_labels": labels, "max_position_embeddings": 64, **SIZES} | changes
    )
    return AutoModelForSequenceClassification.from_config(config)


def add_tokens(tokenizer, model, tokens):
    tokenizer.add_tokens(tokens)
    model.resize_token_embeddings(len(tokenizer))
    return tokenizer, model


def split_letters(letters):
    return unicodedata.normalize("NFD", "".join(letters))


LEGAL = {
    "BERT": lambda s: (word_pieces(s), build_model(BertConfig)),
    "BERT, rows padded to 64": lambda s: (word_pieces(s), build_model(BertConfig, 256)),
    "BERT, 905 spare rows": lambda s: (word_pieces(s, size=50_295), build_model(BertConfig, 51_200)),
    "BERT, a few added tokens": lambda s: add_tokens(word_pieces(s), build_model(BertConfig), ["ㅋㅋ", "[영화]"]),
    "KcBERT, 300 positions": lambda s: (
        word_pieces(s, size=30_000),
        build_model(BertConfig, 30_000, max_position_embeddings=300),
    ),
    "mBERT": lambda s: (word_pieces(s, size=119_547), build_model(BertConfig, 119_547)),
    "mBERT uncased, with jamo": lambda s: (word_pieces(split_letters(s), lowercase=True), build_model(BertConfig)),
    "KoBERT, pad 1": lambda s: (
        sentence_pieces(s, KOBERT_SPECIALS, 8002),
        build_model(BertConfig, 8002, pad_token_id=1),
    ),
    "KoBERT, pad untold": lambda s: (sentence_pieces(s, KOBERT_SPECIALS, 8002), build_model(BertConfig, 8002)),
    "KoBERT, pad untold, rows padded to 64": lambda s: (
        sentence_pieces(s, KOBERT_SPECIALS, 8002),
        build_model(BertConfig, 8064),
    ),
    "RoBERTa, one token type": lambda s: (
        sentence_pieces(s, ROBERTA_SPECIALS, second=0),
        build_model(RobertaConfig, type_vocab_size=1, max_position_embeddings=66),
    ),
    "klue/roberta: BERT's tokenizer": lambda s: (
        word_pieces(s, KLUE_SPECIALS, 32_000),
        build_model(RobertaConfig, 32_000, type_vocab_size=1, max_position_embeddings=66),
    ),
    "XLM-R": lambda s: (
        sentence_pieces(s, ROBERTA_SPECIALS, second=0),
        build_model(XLMRobertaConfig, type_vocab_size=1, max_position_embeddings=66),
    ),
    "ELECTRA": lambda s: (word_pieces(s, size=35_000), build_model(ElectraConfig, 35_000, embedding_size=8)),
    "ALBERT": lambda s: (sentence_pieces(s, ALBERT_SPECIALS), build_model(AlbertConfig, embedding_size=8)),
    "DistilBERT": lambda s: (
        word_pieces(s),
        build_model(DistilBertConfig, dim=8, n_layers=1, n_heads=2, hidden_dim=16),
    ),
    "GPT-2 with a padding token": lambda s: (
        sentence_pieces(s, ROBERTA_SPECIALS, second=0),
        build_model(GPT2Config, n_embd=8, n_layer=1, n_head=2, pad_token_id=1, bos_token_id=0, eos_token_id=2),
    ),
}
