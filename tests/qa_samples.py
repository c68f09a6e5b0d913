"""What the tests of question answering share: a vocabulary of syllables, small files, a fake model."""

import json
from pathlib import Path
from types import SimpleNamespace

import torch

from ratsnlp.nlpbook.builtin import builtin_corpus
from ratsnlp.nlpbook.qa import KorQuADV1Corpus

PASSAGE = "세종이 한글을 만들었다. 글자는 모두 스물여덟 자였고 이름은 훈민정음"
QUESTIONS = (("누가 한글을 만들었나?", "세종"), ("글자는 몇 자였나?", "스물여덟"), ("이름은 무엇인가?", "훈민정음"))


def builtin_examples(*modes):
    """Return the built-in questions of these splits, by default of both."""
    corpus, folder = KorQuADV1Corpus(), builtin_corpus("korquad-v1")
    return [example for mode in modes or ("train", "val") for example in corpus.get_examples(folder, mode)]


def build_vocabulary():
    """Return special tokens, every sign of the built-in questions at a word's beginning and inside, and glued josa."""
    texts = [PASSAGE, *(question for question, _ in QUESTIONS)]
    texts += [text for example in builtin_examples() for text in (example.context_text, example.question_text)]
    signs = sorted({sign for text in texts for sign in text if not sign.isspace()})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return [*special, *signs, *(f"##{sign}" for sign in signs), "##종이", "##을를"]


def squad(passages, title="글"):
    """Return SQuAD-shaped content: `passages` are `(context, [(question, [(answer, start), ...]), ...])`.

    None for the answers marks a question that has none.
    """
    paragraphs = [
        {
            "context": context,
            "qas": [
                {
                    "id": f"{p}-{q}",
                    "question": question,
                    "answers": [{"text": text, "answer_start": start} for text, start in answers or ()],
                    **({"is_impossible": True} if answers is None else {}),
                }
                for q, (question, answers) in enumerate(questions)
            ],
        }
        for p, (context, questions) in enumerate(passages)
    ]
    return {"version": "KorQuAD_v1.0_dev", "data": [{"title": title, "paragraphs": paragraphs}]}


def write_json(path: Path, content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def placed(context, answer):
    return answer, context.index(answer)


class FakeModel(torch.nn.Module):
    """Gives the logits that `score(tokens)` returns for each row: `{place: (start, end)}`, 0 elsewhere."""

    device = torch.device("cpu")

    def __init__(self, tokenizer, score, type_vocab_size=2):
        super().__init__()
        self.tokenizer, self.score = tokenizer, score
        self.config = SimpleNamespace(type_vocab_size=type_vocab_size)
        self.batches = []

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        self.batches.append({"input_ids": input_ids, "token_type_ids": token_type_ids})
        logits = torch.zeros(*input_ids.shape, 2)
        for row, ids in enumerate(input_ids.tolist()):
            for place, values in self.score(self.tokenizer.convert_ids_to_tokens(ids)).items():
                logits[row, place] = torch.tensor(values, dtype=torch.float32)
        return SimpleNamespace(start_logits=logits[..., 0], end_logits=logits[..., 1])


def point_at(*wanted, where=9.0, nothing=4.0):
    """Return a `score` that likes the tokens `wanted`, one after another after the question, and else [CLS]."""

    def score(tokens):
        found = {0: (nothing, nothing)}
        for place in range(tokens.index("[SEP]") + 1, len(tokens) - len(wanted) + 1):
            if tuple(tokens[place : place + len(wanted)]) == wanted:
                found |= {place: (where, 0.0)} | {place + len(wanted) - 1: (0.0, where)}
                if len(wanted) == 1:
                    found[place] = (where, where)
        return found

    return score
