"""Write the generated parts of the READMEs and notebooks: settings table, notebooks table, install lines.

    python tools/readme.py            write them
    python tools/readme.py --check    exit with status 1 where a README is not as it would be written

A part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`. The project has no public address yet: the
placeholder in `tools/address.txt` is the only place that names one.
"""

import re
import sys
from pathlib import Path

from ratsnlp.nlpbook.recipes import RECIPES
from ratsnlp.nlpbook.settings import settings_of

ROOT = Path(__file__).parent.parent
ADDRESS = (ROOT / "tools" / "address.txt").read_text(encoding="utf-8").strip()
TASKS = {
    "classification": ("Document classification", "문서 분류"),
    "paircls": ("Pair classification (NLI)", "문장 쌍 분류"),
    "qa": ("Question answering", "질의응답"),
}


def settings_table() -> str:
    """Return the settings that all tasks share, then what a task adds, one row each."""
    classes = {name: settings_of(recipe.load("arguments")) for name, recipe in RECIPES.items()}
    rows = ["| setting | default | what it does |", "|---|---|---|"]
    for setting in classes["classification"].values():
        rows.append(table_row(setting.name, setting.default, setting.help))
    for name, settings in classes.items():
        for setting in settings.values():
            if setting.name not in classes["classification"]:
                rows.append(table_row(setting.name, setting.default, f"({name}) {setting.help}"))
    return "\n".join(rows)


def table_row(name: str, default: str, text: str) -> str:
    """Return one row, its bars escaped."""
    return f"| `{name}` | {default or '-'} | {text} |".replace("\n", " ")


def notebooks_table(korean: bool) -> str:
    """Return the notebooks by task, each with a link that opens it in Colab."""
    head = ["| 과제 | 학습 | 실전 투입 |" if korean else "| task | train | serve |", "|---|---|---|"]
    for name, titles in TASKS.items():
        if (ROOT / "notebooks" / f"{name}_train.ipynb").exists():
            cells = [notebook_links(f"{name}_{step}") for step in ("train", "deploy")]
            head.append(f"| {titles[korean]} | {cells[0]} | {cells[1]} |")
    return "\n".join(head)


def notebook_links(name: str) -> str:
    """Return a link to a notebook here and one that opens it in Colab."""
    colab = ADDRESS.replace("https://github.com", "https://colab.research.google.com/github")
    return f"[{name}](notebooks/{name}.ipynb) ([Colab]({colab}/blob/main/notebooks/{name}.ipynb))"


def install_line() -> str:
    """Return the command that installs the newest state."""
    return f'```bash\npip install "ratsnlp @ git+{ADDRESS}"\n```'


def fill(text: str, korean: bool) -> str:
    """Return a README with its generated parts written anew."""
    parts = {"settings": settings_table(), "notebooks": notebooks_table(korean), "install": install_line()}
    for name, content in parts.items():
        pattern = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
        text = re.sub(pattern, lambda found, content=content: f"{found[1]}{content}\n{found[2]}", text, flags=re.DOTALL)
    return text


def fill_install_cell(text: str) -> str:
    """Return a notebook whose install cell names the address."""
    line = f'INSTALL_FROM = \\"ratsnlp @ git+{ADDRESS}\\"'
    return re.sub(r'INSTALL_FROM = \\"[^"\\]*\\"', lambda _: line, text)


def main() -> None:
    """Write or check both READMEs and the notebooks' install cells."""
    stale = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        written = path.read_text(encoding="utf-8")
        if (wanted := fill_install_cell(written)) != written:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    for name, korean in (("README.md", False), ("README.ko.md", True)):
        path = ROOT / name
        written, wanted = path.read_text(encoding="utf-8"), fill(path.read_text(encoding="utf-8"), korean)
        if written != wanted:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"not as generated: {', '.join(stale)}; run python tools/readme.py")


if __name__ == "__main__":
    main()
