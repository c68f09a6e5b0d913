"""How long the notebooks take as a reader runs them, cell by cell, and what they end on.

    python benchmarks/notebooks.py [NAME ...]
    python benchmarks/notebooks.py --model FOLDER --corpora FOLDER classification_by_hand classification_with_trainer

Each runs from top to bottom in a kernel and an empty folder of its own, with nothing changed: on the built-in model
where there is no network. To be sure that there is none (Linux):

    unshare --net sh -c 'ip link set lo up; python benchmarks/notebooks.py'

With `--model` and `--corpora` the folder stands in the place of the hub's model, and the first `--train_rows` rows of
`nsmc/ratings_train.txt` in that of the whole corpus: only for notebooks that learn NSMC; `--until CELL` ends one after
that cell. Printed: seconds of each
notebook and of its slowest cell, what its last cell showed, and the sum.
"""

import argparse
import tempfile
import time
from datetime import datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[1] / "notebooks"
REPLACED = """
import dataclasses

args = dataclasses.replace(args, **{settings!r})
"""


def settings(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    return {
        "pretrained_model_name": options.model,
        "downstream_corpus_name": "nsmc",
        "downstream_corpus_root_dir": options.corpora,
        "feature_cache_dir": str(folder),
        "max_train_examples": options.train_rows,
        "learning_rate": options.learning_rate,
    }


def run(path: Path, folder: Path, options: argparse.Namespace) -> NotebookNode:
    """Run a notebook in a folder and return it with its outputs and times."""
    notebook = nbformat.read(path, as_version=4)
    if options.model:
        cell = next(cell for cell in notebook.cells if cell.id == "settings")
        cell.source = cell.source.replace("USE_BUILTIN = True", "USE_BUILTIN = False")
        cell.source += REPLACED.format(settings=settings(options, folder))
    if options.until:
        ids = [cell.id for cell in notebook.cells]
        del notebook.cells[ids.index(options.until) + 1 :]
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=1800, resources=resources, record_timing=True).execute()
    return notebook


def seconds_of(cell: NotebookNode) -> float:
    times = cell.metadata.get("execution", {})
    names = ("iopub.status.busy", "shell.execute_reply")
    start, end = (datetime.fromisoformat(times[name]) for name in names)
    return (end - start).total_seconds()


def last_words(notebook: NotebookNode) -> str:
    """Return what the last cell that printed anything printed."""
    shown = (
        "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")
        for cell in reversed(notebook.cells)
        if cell.cell_type == "code"
    )
    return next(filter(str.strip, shown), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", default=sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    )
    parser.add_argument("--model")
    parser.add_argument("--corpora")
    parser.add_argument("--train_rows", type=int, default=3000)
    parser.add_argument("--learning_rate", type=float, default=2e-4)
    parser.add_argument("--until", metavar="CELL", help="the id of the last cell to run")
    options = parser.parse_args()
    total, slowest = 0.0, (0.0, "")
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            notebook = run(FOLDER / f"{name}.ipynb", Path(folder), options)
            seconds = time.perf_counter() - start
        longest = max((cell for cell in notebook.cells if cell.cell_type == "code"), key=seconds_of)
        total, slowest = total + seconds, max(slowest, (seconds_of(longest), f"{name}, cell {longest.id}"))
        print(f"{name}: {seconds:.0f} s, slowest cell {longest.id}: {seconds_of(longest):.0f} s", flush=True)
        print("".join(f"    {line}\n" for line in last_words(notebook).splitlines()[-6:]), end="", flush=True)
    print(f"all {len(options.names)}: {total:.0f} s, slowest cell: {slowest[1]}, {slowest[0]:.0f} s")


if __name__ == "__main__":
    main()
