"""How a checkpoint reaches the disk: whole or not at all, and first where writing is safe.

A file is written under another name, read back, and renamed: a process that is killed in between leaves the older file
as it was. Where the model folder is on Google Drive, it is written to a local folder first, then copied and compared; a
Drive that vanishes costs nothing that was already saved.
"""

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.apply_func import move_data_to_device
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO, XLACheckpointIO
from torch import Tensor

from ratsnlp.nlpbook.checkpoints import load_raw
from ratsnlp.nlpbook.environment import cache_folder, on_drive
from ratsnlp.nlpbook.errors import CheckpointError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.model_folder import LAST, PARTIAL, file_digest, held_in, write_whole


def local_folder(folder: Path) -> Path | None:
    """Return where checkpoints of a model folder are written first; None where the folder itself is local."""
    if not on_drive(folder):
        return None
    return cache_folder("checkpoints", f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}")


class BestCheckpoint(ModelCheckpoint):
    """Lightning's choice of the best checkpoints, but on a tie the later one: accuracies on a few rows often tie, and
    the model that trained longer generalises better."""

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Return whether a checkpoint with this value of the monitored metric is kept."""
        better = super().check_monitor_top_k(trainer, current)
        return better or (current is not None and current == self.best_k_models.get(self.kth_best_model_path))


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's way to write checkpoints into a model folder, made safe."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder.resolve()  # Lightning names files by their real place
        self.local = local_folder(folder)

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint; a CheckpointError says that it cannot be written, what is safe, and where."""
        place = Path(path)
        if place.parent.resolve() != self.folder:
            # not a checkpoint: forked processes hand weights to the notebook by a file elsewhere
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        first = self.local / place.name if self.local else place
        self._put(first, lambda partial: torch.save(checkpoint, partial))
        if first != place:
            self._put(place, lambda partial: _copy_and_compare(first, partial))

    def _put(self, place: Path, write: Callable[[Path], Any]) -> None:
        def write_and_check(partial: Path) -> None:
            write(partial)
            _read_whole(partial)

        try:
            if place.parent != self.folder:
                # the model folder itself is not made: on a Drive that vanished it would be an ordinary folder
                place.parent.mkdir(parents=True, exist_ok=True)
            write_whole(place, write_and_check)
        except (OSError, RuntimeError, CheckpointError) as error:  # torch.save reports a full disk as a RuntimeError
            safe = "; ".join(
                f"{', '.join(sorted(path.name for path in folder.glob('*.ckpt')))} in {folder}"
                for folder in (self.local, self.folder)
                if folder and any(folder.glob("*.ckpt"))
            )
            advice = " Make room, or mount the drive again, and run the same command or cell again: it resumes."
            if "Weights only" in str(error):  # torch's word for what it would not open again
                advice = " Something in it is of a kind that torch.load refuses; keep text, numbers and tensors there."
            raise CheckpointError(
                f"{place} could not be written ({str(error).splitlines()[0]}). "
                + (f"Safe is what was saved before: {safe}." if safe else "Nothing was saved before it.")
                + advice
            ) from None

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint that a better one replaced, in both places."""
        super().remove_checkpoint(path)
        if self.local:
            (self.local / Path(path).name).unlink(missing_ok=True)


class SafeXLACheckpointIO(SafeCheckpointIO, XLACheckpointIO):
    """The same for XLA: its strategies take their own kind only, and its tensors are written from the CPU."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint. See `SafeCheckpointIO.save_checkpoint`."""
        super().save_checkpoint(move_data_to_device(checkpoint, torch.device("cpu")), path, storage_options)


def _copy_and_compare(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    if file_digest(source) != file_digest(target):
        raise OSError(f"the copy of {source} differs from it")


def _read_whole(path: Path) -> dict[str, Any]:
    """Return a checkpoint as `load_raw` does, but refuse one with any damage."""
    raw = load_raw(path)
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()  # reads everything, and compares checksums
    if damaged:
        raise CheckpointError(f"the checkpoint {path} is damaged at {damaged}")
    return raw


def select_resumable(folder: Path) -> Path | None:
    """Return the checkpoint from which a training in this folder goes on: the later of those that are whole, or None.

    What a killed process left half written is removed.
    """
    found = []
    for place in filter(None, (folder, local_folder(folder))):
        for partial in place.glob(f"*{PARTIAL}"):
            partial.unlink(missing_ok=True)
        path = place / LAST
        if path.exists():
            try:
                found.append((int(_read_whole(path)["global_step"]), path))
            except CheckpointError as error:
                logger.warning("not resumed from: %s", error)
    return max(found)[1] if found else None


def forget(folder: Path) -> None:
    """Remove the local copies of a model folder's checkpoints: the training is over, and all are in their place."""
    if local := local_folder(folder):
        shutil.rmtree(local, ignore_errors=True)


def tell_places(folder: Path) -> str:
    """Say where checkpoints go, and which the last safe one is."""
    local = local_folder(folder)
    way = f"{folder} (written to {local} first, then copied and compared)" if local else str(folder)
    last = next((place / LAST for place in (folder, local) if place and (place / LAST).exists()), None)
    return f"checkpoints go to {way}; last safe copy: {last or 'none yet, ' + held_in(folder)}"
