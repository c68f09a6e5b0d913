"""Features of question answering beside the word-by-word way in which they used to be made, in one run.

    python benchmarks/qa_features.py --model FOLDER --corpora FOLDER [--rounds 3]

`--corpora` holds `korquad-v1/KorQuAD_v1.0_dev.json`. Printed: seconds of each (interleaved, median) and their ratio.
Both read the file, tokenise, cut the windows of 128/64/32 and label them, in one process; ours also writes its file.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from transformers import AutoTokenizer

from ratsnlp.nlpbook.qa import KorQuADV1Corpus, QADataset, QATrainArguments


def split_words(context):
    """Return the words of a passage, and for each character the number of its word."""
    words, word_of, after_space = [], [], True
    for character in context:
        if character.isspace():
            after_space = True
        else:
            if after_space:
                words.append("")
            words[-1] += character
            after_space = False
        word_of.append(len(words) - 1)
    return words, word_of


def improve_span(tokens, first, last, answer):
    """Return the first narrower span whose tokens, joined, are the answer's; the given one where there is none."""
    for start in range(first, last + 1):
        for end in range(last, start - 1, -1):
            if " ".join(tokens[start : end + 1]) == answer:
                return start, end
    return first, last


def convert_word_by_word(tokenizer, example, max_length=128, doc_stride=64, max_query_length=32):
    """Return the padded windows of one question, each with the answer's tokens: each word is tokenised by itself."""
    words, word_of = split_words(example.context_text)
    tokens, first_token = [], []
    for word in words:
        first_token.append(len(tokens))
        tokens += tokenizer.tokenize(word)
    start_word = word_of[example.start_position_character]
    end_word = word_of[min(example.end_position_character, len(word_of)) - 1]
    last = first_token[end_word + 1] - 1 if end_word + 1 < len(words) else len(tokens) - 1
    answer = " ".join(tokenizer.tokenize(example.answer_text))
    first, last = improve_span(tokens, first_token[start_word], last, answer)
    question = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(example.question_text))[:max_query_length]
    ids = tokenizer.convert_tokens_to_ids(tokens)
    room = max_length - len(question) - 3
    windows = []
    for start in range(0, max(1, len(ids) - room + doc_stride), doc_stride):
        part = ids[start : start + room]
        row = [tokenizer.cls_token_id, *question, tokenizer.sep_token_id, *part, tokenizer.sep_token_id]
        blank = [0] * (max_length - len(row))
        types = [0] * (len(question) + 2) + [1] * (len(part) + 1) + blank
        move = len(question) + 2 - start
        inside = start <= first and last < start + room
        span = (first + move, last + move) if inside else (0, 0)
        windows.append((row + blank, [1] * len(row) + blank, types, *span))
    return windows


def make_word_by_word(tokenizer, folder):
    examples = KorQuADV1Corpus().get_examples(folder, "val")
    return sum(len(convert_word_by_word(tokenizer, example)) for example in examples)


def make_ours(tokenizer, corpora):
    with tempfile.TemporaryDirectory() as cache:
        args = QATrainArguments(downstream_corpus_root_dir=str(corpora), feature_cache_dir=cache)
        return len(QADataset(args=args, corpus=KorQuADV1Corpus(), tokenizer=tokenizer, mode="val"))


def timed(work):
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpora", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    ours, published, ratios = [], [], []
    for _ in range(options.rounds):
        seconds, windows = timed(lambda: make_ours(tokenizer, options.corpora))
        slow, published_windows = timed(lambda: make_word_by_word(tokenizer, options.corpora / "korquad-v1"))
        ours.append(seconds)
        published.append(slow)
        ratios.append(slow / seconds)
    result = {
        "windows": windows,
        "windows_word_by_word": published_windows,
        "seconds": round(statistics.median(ours), 2),
        "seconds_word_by_word": round(statistics.median(published), 2),
        "ratio": round(statistics.median(ratios), 1),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
