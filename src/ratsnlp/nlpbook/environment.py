"""Where this runs: Colab, a notebook, a terminal, Google Drive, one of several training processes. Asked here only."""

import os
import sys
from pathlib import Path

import platformdirs

DRIVE_FOLDERS = {"drive", "gdrive"}
"""Where cells mount Google Drive: as /content/drive, /content/gdrive or, in the published ones, /gdrive."""
DRIVE_ROOTS = {"MyDrive", "My Drive", "Shareddrives", "Shared drives"}
"""What a mounted Drive holds, whatever the mount is called."""


def in_colab() -> bool:
    """Return whether the code runs in a Colab runtime, in a cell or in a command started from one."""
    return "COLAB_RELEASE_TAG" in os.environ or in_colab_notebook()


def in_colab_notebook() -> bool:
    """Return whether the code runs in the kernel of a Colab notebook, which alone can ask the browser for something."""
    return "google.colab" in sys.modules


def in_notebook() -> bool:
    """Return whether the code runs in a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def is_interactive() -> bool:
    """Return whether somebody is there to answer a question: at a terminal or in a notebook."""
    return in_notebook() or bool(sys.stdin and sys.stdin.isatty())


def is_first_process() -> bool:
    """Return whether this is the only training process, or the one that writes and logs for all."""
    node = os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", "0"))  # torchrun gives the second name only
    return int(os.environ.get("LOCAL_RANK", "0")) == 0 and int(node) == 0


def on_drive(folder: str | Path) -> bool:
    """Return whether a folder is on a Google Drive mounted into Colab: slow for small writes, and it may vanish."""
    _, *parts = Path(folder).expanduser().absolute().parts
    first = parts[1:2] if parts[:1] == ["content"] else parts[:1]
    return in_colab() and bool(DRIVE_FOLDERS.intersection(first) or DRIVE_ROOTS.intersection(parts))


def cache_folder(*names: str) -> Path:
    """Return the user's cache folder of this library, or a folder in it. It is not made."""
    return platformdirs.user_cache_path("ratsnlp").joinpath(*names)


CORPUS_ROOT = "/content/Korpora" if in_colab() else str(cache_folder("corpora"))
"""Where corpora lie unless told otherwise."""


def read_secret(name: str) -> str | None:
    """Return one of the secrets that the user keeps in Colab, or None where there is none for this notebook."""
    if not in_colab_notebook():
        return None
    try:
        from google.colab import userdata

        return userdata.get(name) or None
    except Exception:  # unknown, not for this notebook, a Colab without secrets: each has an error class of its own
        return None
