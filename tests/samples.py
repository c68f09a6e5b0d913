"""Small corpora that tests of several folders write."""

import json

from conftest import REVIEWS

OWN_LABELS = ("나쁨", "보통", "좋음")
NLI_LABELS = ("entailment", "contradiction", "neutral")


def write_reviews(path, count=40, encoding="cp949", labels=OWN_LABELS):
    lines = ["번호,리뷰,평가\n", *(f"{i},{REVIEWS[i % 6]} {i},{labels[i % len(labels)]}\n" for i in range(count))]
    path.write_bytes("".join(lines).encode(encoding))
    return path


def write_klue_nli(folder):
    """Write a small KLUE-NLI: 36 training and 18 development pairs whose label is the distance between two reviews."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", 36), ("dev", 18)):
        rows = [
            {
                "guid": f"{name}_{i:05d}",
                "source": "test",
                "premise": " ".join([REVIEWS[i % 6]] * (1 + i % 3)),
                "hypothesis": REVIEWS[(i + i // 6) % 6],
                "gold_label": NLI_LABELS[i // 6 % 3],
            }
            for i in range(count)
        ]
        (folder / f"klue_nli_{name}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
