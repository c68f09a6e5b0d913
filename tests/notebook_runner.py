"""Runs notebooks as a reader does, offline and small, and reads what they showed: for all tests of notebooks.

A notebook runs in a kernel of the interpreter that runs the tests. A test makes it small in two ways: code that runs
behind a cell (`after`, by cell id), and words of a cell put in the place of others (`instead`, by cell id).
"""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGE = {"USE_BUILTIN": False, "model_name": "beomi/kcbert-base", "has_gpu": True, "has_tpu": False}
"""What the cells before the settings cell found where there are a network and a GPU."""

CLOSE = {"close": "server.close()\nserver"}
"""Code for `after` that ends the page of a deploy notebook."""


def small_settings(pretrained, folder, **more):
    """Return settings that make a notebook, a script or a command small."""
    return {
        "pretrained_model_name": pretrained,
        "downstream_corpus_root_dir": str(folder / "corpora"),
        "epochs": 1,
        "max_seq_length": 32,
        "batch_size": 8,
        "precision": "32",
    } | more


class RunningInterpreter(KernelSpecManager):
    """Kernels of the interpreter that runs the tests, whatever kernels are registered on this machine."""

    def get_kernel_spec(self, kernel_name):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="running interpreter", language="python")


def read(path):
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def read_named(name):
    return read(FOLDER / f"{name}.ipynb")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cell_of(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


def execute(name, folder, *, after=None, instead=None, env=None):
    """Run a notebook in `folder` and return it with its outputs.

    Args:
        name: The notebook's file name without its ending.
        folder: Where it runs, and where it leaves what it writes.
        after: By cell id, code to run behind a cell; it shows its outputs in a cell `after-ID`.
        instead: By cell id, `(old, new)` text of a cell; the old one must be there.
        env: Variables to set for the kernel.
    """
    notebook = read_named(name)
    for cell_id, (old, new) in (instead or {}).items():
        cell = cell_of(notebook, cell_id)
        assert old in cell.source, f"{name}, cell {cell_id}: no {old!r}"
        cell.source = cell.source.replace(old, new)
    for cell_id, source in (after or {}).items():
        place = notebook.cells.index(cell_of(notebook, cell_id))
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source, id=f"after-{cell_id}"))
    run_cells(notebook, folder, env)
    return notebook


def run_cells(notebook, folder, env=None):
    """Run a notebook's cells in a kernel of its own, and leave their outputs in it. See `execute`."""
    manager = AsyncKernelManager(kernel_spec_manager=RunningInterpreter())
    client = NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": str(folder)}})
    # without cleanup_kc it would leave a kernel that it was given
    client.execute(env=quiet_environment(folder) | (env or {}), cleanup_kc=True)


def replace_settings(**settings):
    """Return code for `after` that changes settings behind a notebook's settings cell."""
    return {"settings": f"import dataclasses\n\nargs = dataclasses.replace(args, **{settings!r})"}


def quiet_environment(folder):
    env = os.environ | {"HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONUTF8": "1"}
    env["OMP_NUM_THREADS"] = "1"  # threads that wait for each other take most of the time of a model this small
    env.pop("MPLBACKEND", None)  # the notebook's own shall show the figures
    return env


def run_script(*words, cwd):
    command, env = [sys.executable, *words], quiet_environment(cwd)
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8", timeout=300)


# --- what an executed notebook showed ---------------------------------------------------------------------------------


def printed(notebook, cell_id, stream="stdout"):
    outputs = cell_of(notebook, cell_id).outputs
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == stream)


def result(notebook, cell_id, kind="text/plain"):
    outputs = cell_of(notebook, cell_id).outputs
    return next(output.data[kind] for output in outputs if output.output_type == "execute_result")


def pictures(notebook, cell_id):
    return [output for output in cell_of(notebook, cell_id).outputs if "image/png" in output.get("data", {})]


def warnings_shown(notebook):
    lines = "".join(printed(notebook, cell.id, "stderr") for cell in code_cells(notebook)).splitlines()
    # tqdm misses ipywidgets, which Colab and full Jupyter installations have
    return [line for line in lines if "Warning" in line and "IProgress not found" not in line]
