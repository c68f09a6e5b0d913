"""A BERT with random weights and a vocabulary learnt from NSMC's training reviews: for measuring speed, which does not
depend on the weights, with reviews as short as the vocabularies of published Korean models make them.

    python benchmarks/make_model.py OUT --corpora FOLDER [--vocabulary 30000] [--layers 12] [--hidden 384]
"""

import argparse
import json
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel

from ratsnlp.nlpbook.classification import NsmcCorpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--corpora", required=True, type=Path)
    parser.add_argument("--vocabulary", type=int, default=30000)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=384)
    options = parser.parse_args()
    texts = [example.text_a for example in NsmcCorpus().get_examples(options.corpora / "nsmc", "train")]
    tokenizer = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    tokenizer.train_from_iterator(texts, vocab_size=options.vocabulary, show_progress=False)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=12,
        intermediate_size=4 * options.hidden,
    )
    BertModel(config).save_pretrained(options.out)
    tokenizer.save_model(str(options.out))
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 512}
    (options.out / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(texts[:20000])]
    print(f"{options.out}: {config.vocab_size} words, {sum(lengths) / len(lengths):.1f} tokens a review")


if __name__ == "__main__":
    main()
