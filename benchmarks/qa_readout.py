"""The best score that read-out allows: every gold answer sent through features and back, with and without the josa cut.

    python benchmarks/qa_readout.py --model FOLDER --corpora FOLDER [--vocabulary 32000]

`--corpora` holds `korquad-v1/KorQuAD_v1.0_dev.json`. Printed, for all questions and for those of the last 30 articles
(the cut's rules were chosen on the first 110): the share of reachable answers, and EM and F1 with plain token ends and
with the cut. With `--vocabulary`, also for a WordPiece vocabulary of that size learnt from the passages at run time:
the more of a text its tokens hold, the more josa are glued to answers.
"""

import argparse
import json
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, BertTokenizer

from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QADataset, QATrainArguments
from ratsnlp.nlpbook.qa.dataset import NO_ANSWER
from ratsnlp.nlpbook.qa.josa import cut_josa
from ratsnlp.nlpbook.qa.metrics import korquad_exact_match, korquad_f1

TUNED_ARTICLES = 110


def learn_vocabulary(texts, size, folder):
    """Return a WordPiece tokenizer of `size` tokens learnt from the texts."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return BertTokenizer.from_pretrained(folder, do_lower_case=False)


def read_back(dataset):
    """Yield `(example, plain answer, cut answer)` of every question; empty where no window holds the gold one."""
    rows = dataset.store.rows
    holding = {}
    for window in range(len(dataset)):
        if int(rows["start_positions"][window]) != NO_ANSWER:
            holding.setdefault(dataset.example_of(window), window)
    for number in range(dataset.example_count):
        example = dataset.example(number)
        if number not in holding:
            yield example, "", ""
            continue
        window = holding[number]
        first, last = int(rows["start_positions"][window]), int(rows["end_positions"][window])
        start, end = dataset.characters_of(window, first, last)
        cut = cut_josa(example.context_text, start, end, example.question_text)
        yield example, example.context_text[start:end], example.context_text[start:cut]


def score(found):
    """Return the figures of some questions, in percent."""
    share = {"questions": len(found), "reachable": 100 * sum(bool(plain) for _, plain, _ in found) / len(found)}
    for name, place in (("plain", 1), ("cut", 2)):
        pairs = [(row[place], row[0].answers) for row in found]
        share[f"em_{name}"] = 100 * sum(korquad_exact_match(*pair) for pair in pairs) / len(pairs)
        share[f"f1_{name}"] = 100 * sum(korquad_f1(*pair) for pair in pairs) / len(pairs)
    return {name: round(value, 2) for name, value in share.items()}


def measure(tokenizer, options):
    with tempfile.TemporaryDirectory() as cache:
        args = QATrainArguments(
            downstream_corpus_root_dir=str(options.corpora),
            feature_cache_dir=cache,
            max_seq_length=options.max_seq_length,
            doc_stride=options.doc_stride,
        )
        dataset = QADataset(args=args, corpus=KorQuADV1Corpus(), tokenizer=tokenizer, mode="val")
        found = list(read_back(dataset))
    tuned = set(list(dict.fromkeys(example.article for example, _, _ in found))[:TUNED_ARTICLES])
    held_out = [row for row in found if row[0].article not in tuned]
    return {"windows": len(dataset), "all": score(found), "held_out": score(held_out)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpora", required=True, type=Path)
    parser.add_argument("--max_seq_length", type=int, default=128)
    parser.add_argument("--doc_stride", type=int, default=64)
    parser.add_argument("--vocabulary", type=int, default=32_000)
    options = parser.parse_args()
    result = {options.model: measure(AutoTokenizer.from_pretrained(options.model), options)}
    if options.vocabulary:
        examples = KorQuADV1Corpus().get_examples(options.corpora / "korquad-v1", "val")
        texts = dict.fromkeys(example.context_text for example in examples)
        with tempfile.TemporaryDirectory() as folder:
            learnt = learn_vocabulary(texts, options.vocabulary, Path(folder))
            result[f"WordPiece of {options.vocabulary} learnt here"] = measure(learnt, options)
    print(json.dumps(result, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
