"""Write the generated parts of READMEs, docs and notebooks: settings, notebooks, install lines, published figures.

    python tools/readme.py            write them
    python tools/readme.py --check    exit with status 1 where a file is not as it would be written

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`. The project has no public address yet: the
placeholder in `tools/address.txt` is the only place that names one.
"""

import json
import re
import sys
from pathlib import Path

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.evaluation.published import SPLITS, figures_for
from ratsnlp.nlpbook.settings import settings_of
from ratsnlp.nlpbook.tasks import TASKS

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
ADDRESS = (ROOT / "tools" / "address.txt").read_text(encoding="utf-8").strip()
TOPICS = {
    "classification_by_hand": (
        "The training loop by hand, and why one stayed at 0.50",
        "손으로 쓰는 학습 반복문, 0.50에 머문 까닭",
    ),
    "classification_with_trainer": (
        "BERT's parts, padding, transformers' Trainer",
        "BERT의 부품, 패딩, transformers의 Trainer",
    ),
    "tokenization": ("Vocabularies: WordPiece, BPE, Unigram, and traps of Hangul", "어휘 만들기와 한글의 함정"),
    "embeddings": ("Sentence vectors: near reviews, a map", "문장 벡터로 비슷한 후기 찾기"),
    "bring_your_own_data": ("A table of yours, from Excel to a page", "엑셀에서 저장한 내 표로 페이지까지"),
}
TASK_HEADS = (
    ("task", "train", "minutes: T4, CPU", "serve", "minutes: T4, CPU"),
    ("과제", "학습", "몇 분: T4, CPU", "실전 투입", "몇 분: T4, CPU"),
)
TOPIC_HEADS = (("topic", "notebook", "minutes: T4, CPU"), ("주제", "노트북", "몇 분: T4, CPU"))
COLAB_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
READMES = {
    "README.md": (False, "notebooks/"),
    "README.ko.md": (True, "notebooks/"),
    "notebooks/README.md": (True, ""),
    "docs/results.md": (False, ""),
}
"""The files with generated parts: whether they are Korean, and where notebooks are from there."""


def settings_table() -> str:
    """Return the settings that all tasks share, then what a task adds, one row each."""
    classes = {name: settings_of(spec.load("arguments")) for name, spec in TASKS.items()}
    rows = ["| setting | default | what it does |", "|---|---|---|"]
    shared = settings_of(TrainArguments)
    for setting in shared.values():
        rows.append(table_row(setting.name, setting.default, setting.help))
    for name, settings in classes.items():
        for setting in settings.values():
            if setting.name not in shared:
                rows.append(table_row(setting.name, setting.default, f"({name}) {setting.help}"))
    return "\n".join(rows)


def table_row(name: str, default: str, text: str) -> str:
    """Return one row, its bars escaped."""
    return f"| `{name}` | {default or '-'} | {text} |".replace("\n", " ")


def notebooks_table(korean: bool, folder: str) -> str:
    """Return the notebooks by task, then those on one topic, each with a badge that opens it in Colab."""
    rows = [table_head(TASK_HEADS[korean])]
    for spec in TASKS.values():
        pair = [cell for name in spec.notebooks for cell in notebook_cells(name, folder)]
        rows.append(f"| {' | '.join((spec.page.title if korean else spec.title, *pair))} |")
    rows += ["", table_head(TOPIC_HEADS[korean])]
    for name, titles in TOPICS.items():
        if (NOTEBOOKS / f"{name}.ipynb").exists():
            rows.append(f"| {' | '.join((titles[korean], *notebook_cells(name, folder)))} |")
    return "\n".join(rows)


def table_head(names: tuple[str, ...]) -> str:
    """Return the first two lines of a table."""
    return f"| {' | '.join(names)} |\n{'|---' * len(names)}|"


def notebook_cells(name: str, folder: str) -> tuple[str, str]:
    """Return a link to a notebook with its Colab badge, and the minutes that its first cell names."""
    colab = ADDRESS.replace("https://github.com", "https://colab.research.google.com/github")
    badge = f"[![Colab]({COLAB_BADGE})]({colab}/blob/main/notebooks/{name}.ipynb)"
    return f"[{name}]({folder}{name}.ipynb) {badge}", ", ".join(read_minutes(name))


def read_minutes(name: str) -> list[str]:
    """Return what a notebook says of its minutes on a T4 and on a CPU; `-` where it does not use the machine."""
    goal = "".join(json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"][1]["source"])
    found = (re.search(rf"^\| {machine} \| [^|\d]*(\d+)분", goal, re.MULTILINE) for machine in ("T4 GPU", "CPU"))
    return [minutes[1] if minutes else "-" for minutes in found]


def install_line() -> str:
    """Return the command that installs the newest state."""
    return f'```bash\npip install "ratsnlp @ git+{ADDRESS}"\n```'


def published_table(corpus: str) -> str:
    """Return the published figures on a corpus, best first, in per cent, as its sources have them."""
    split = SPLITS[corpus]
    rows = [f"| model | {' | '.join(split.headings)} | split | source |"]
    rows.append("|" + "---|" * (len(split.headings) + 3))
    for found in sorted(figures_for(corpus), key=lambda found: -found.scores[split.metrics[0]]):
        shown = " | ".join(f"{value * split.divisor:.2f}" for value in found.scores.values())
        rows.append(f"| {found.model} | {shown} | {found.split or 'not named'} | {found.source} |")
    return "\n".join(rows)


def fill(text: str, korean: bool, folder: str) -> str:
    """Return a README with its generated parts written anew."""
    parts = {"settings": settings_table(), "notebooks": notebooks_table(korean, folder), "install": install_line()}
    parts |= {f"published {corpus}": published_table(corpus) for corpus in SPLITS}
    for name, content in parts.items():
        pattern = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
        text = re.sub(pattern, lambda found, content=content: f"{found[1]}{content}\n{found[2]}", text, flags=re.DOTALL)
    return text


def fill_install_cell(text: str) -> str:
    """Return a notebook whose install cell names the address."""
    line = f'INSTALL_FROM = \\"ratsnlp @ git+{ADDRESS}\\"'
    return re.sub(r'INSTALL_FROM = \\"[^"\\]*\\"', lambda _: line, text)


def main() -> None:
    """Write or check the READMEs, the results, and the notebooks' install cells."""
    stale = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        written = path.read_text(encoding="utf-8")
        if (wanted := fill_install_cell(written)) != written:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    for name, (korean, folder) in READMES.items():
        path = ROOT / name
        written = path.read_text(encoding="utf-8")
        wanted = fill(written, korean, folder)
        if written != wanted:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"not as generated: {', '.join(stale)}; run python tools/readme.py")


if __name__ == "__main__":
    main()
