"""A training that is cut loses nothing that was saved, says what is safe, and ends as one that was not cut."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from ratsnlp.nlpbook import pipeline
from ratsnlp.nlpbook.checkpoints import load_raw, select_checkpoint
from ratsnlp.nlpbook.errors import CheckpointError
from ratsnlp.nlpbook.training import saving
from ratsnlp.nlpbook.training import trainer as trainer_module
from ratsnlp.nlpbook.training.saving import SafeCheckpointIO, select_resumable

CAMPAIGN = Path(__file__).parents[2] / "benchmarks" / "resume.py"


@pytest.fixture
def drive(tmp_path, monkeypatch):
    """Return a model folder that counts as one on Google Drive."""
    folder = tmp_path / "gdrive" / "model"
    folder.mkdir(parents=True)
    for module in (saving, trainer_module):
        monkeypatch.setattr(module, "on_drive", lambda path: path == folder)
    return folder


def write_checkpoint(path: Path, step: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {"model.weight": torch.ones(1000)}, "global_step": step}, path)


@pytest.mark.notebook
def test_trainings_killed_anywhere_end_as_an_uncut_one():
    """One kill at each kind of moment; the whole campaign is a benchmark."""
    done = subprocess.run(
        [sys.executable, CAMPAIGN, "--kills", "4"], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.endswith("| yes |")]
    assert len(rows) == 4, done.stdout


def test_a_checkpoint_cut_short_is_not_resumed_from(tmp_path, caplog):
    write_checkpoint(tmp_path / "last.ckpt", 5)
    assert select_resumable(tmp_path) == tmp_path / "last.ckpt"
    os.truncate(tmp_path / "last.ckpt", 2000)
    assert select_resumable(tmp_path) is None
    assert f"not resumed from: the checkpoint {tmp_path / 'last.ckpt'} cannot be read" in caplog.text


def test_a_checkpoint_with_changed_bytes_is_not_resumed_from(tmp_path, caplog):
    path = tmp_path / "last.ckpt"
    write_checkpoint(path, 5)
    content = bytearray(path.read_bytes())
    place = content.index(torch.ones(10).numpy().tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert select_resumable(tmp_path) is None
    assert f"the checkpoint {path} is damaged at" in caplog.text


def test_a_half_written_checkpoint_is_neither_chosen_nor_kept(tmp_path):
    write_checkpoint(tmp_path / "last.ckpt", 5)
    (tmp_path / "last.ckpt.partial").write_bytes(b"half")
    assert select_resumable(tmp_path) == tmp_path / "last.ckpt"
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_checkpoints_for_drive_are_written_locally_first(drive):
    local = saving.local_folder(drive)
    SafeCheckpointIO(drive).save_checkpoint({"state_dict": {}, "global_step": 3}, drive / "last.ckpt")
    assert (local / "last.ckpt").read_bytes() == (drive / "last.ckpt").read_bytes()
    SafeCheckpointIO(drive).remove_checkpoint(drive / "last.ckpt")
    assert not (local / "last.ckpt").exists()
    assert not (drive / "last.ckpt").exists()


def test_the_later_of_both_copies_resumes(drive):
    local = saving.local_folder(drive)
    write_checkpoint(drive / "last.ckpt", 5)
    write_checkpoint(local / "last.ckpt", 8)
    assert select_resumable(drive) == local / "last.ckpt"
    os.truncate(local / "last.ckpt", 100)
    assert select_resumable(drive) == drive / "last.ckpt"


def test_a_copy_that_differs_is_not_put_in_place(drive, monkeypatch):
    write_checkpoint(drive / "last.ckpt", 5)
    before = (drive / "last.ckpt").read_bytes()
    monkeypatch.setattr(saving.shutil, "copyfile", lambda source, target: target.write_bytes(b"other"))
    with pytest.raises(CheckpointError, match=r"last\.ckpt could not be written \(the copy of .* differs from it\)"):
        SafeCheckpointIO(drive).save_checkpoint({"state_dict": {}, "global_step": 9}, drive / "last.ckpt")
    assert (drive / "last.ckpt").read_bytes() == before


def test_a_vanished_drive_says_what_is_safe_and_resumes_from_there(make_args, drive, tmp_path, monkeypatch):
    args = make_args(downstream_model_dir=str(drive), epochs=3)

    class Vanish(trainer_module.Curves):
        def on_train_epoch_start(self, trainer, task):
            if trainer.current_epoch == 1:
                shutil.move(drive, tmp_path / "gone")

        def on_exception(self, *_):
            """Draw nothing: there is no folder."""

    with monkeypatch.context() as patched:
        patched.setattr(trainer_module, "Curves", Vanish)
        with pytest.raises(CheckpointError) as caught:
            pipeline.train("classification", args)
    local = saving.local_folder(drive)
    message = str(caught.value)
    assert f"in {local}" in message
    assert "Safe is what was saved before" in message
    assert "mount the drive again, and run the same command or cell again" in message
    assert not drive.exists()
    shutil.move(tmp_path / "gone", drive)
    pipeline.train("classification", args)
    assert load_raw(drive / "last.ckpt")["epoch"] == 2
    assert select_checkpoint(drive).is_file()
    assert not local.exists()


FULL = """
import resource, signal, sys
from pathlib import Path
import torch
from ratsnlp.nlpbook.errors import CheckpointError
from ratsnlp.nlpbook.training.saving import SafeCheckpointIO
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
saver = SafeCheckpointIO(folder)
saver.save_checkpoint({"state_dict": {}, "global_step": 1}, folder / "last.ckpt")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))  # as a full disk does: writing fails half-way
try:
    saver.save_checkpoint({"state_dict": {"w": torch.rand(100_000)}, "global_step": 2}, folder / "last.ckpt")
except CheckpointError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
def test_a_full_disk_leaves_the_older_checkpoint_and_says_so(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, check=True)
    assert f"{tmp_path / 'last.ckpt'} could not be written (" in done.stdout
    assert f"Safe is what was saved before: last.ckpt in {tmp_path}. Make room" in done.stdout
    assert "Traceback" not in done.stderr
    assert load_raw(tmp_path / "last.ckpt")["global_step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_nothing_saved_is_said_too(tmp_path):
    gone = tmp_path / "gone"
    with pytest.raises(CheckpointError, match=r"could not be written .* Nothing was saved before it\."):
        SafeCheckpointIO(gone).save_checkpoint({"state_dict": {}}, gone / "last.ckpt")


def test_get_trainer_says_where_the_last_safe_copy_is(make_args, tmp_path, caplog):
    caplog.set_level("INFO", "ratsnlp")
    args = make_args()
    trainer_module.get_trainer(args)
    folder = Path(args.downstream_model_dir)
    assert f"checkpoints go to {folder}; last safe copy: none yet" in caplog.text
    write_checkpoint(folder / "last.ckpt", 5)
    trainer_module.get_trainer(args)
    assert f"last safe copy: {folder / 'last.ckpt'}" in caplog.text


def test_a_resumed_training_draws_its_whole_curve(make_args, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        trainer_module,
        "draw_curves",
        lambda history: drawn.append(history) or pytest.importorskip("matplotlib.figure").Figure(),
    )
    args = make_args(downstream_model_dir=str(tmp_path / "model"), epochs=3)

    class Cut(pl.Callback):
        def on_train_epoch_start(self, trainer, task):
            if trainer.current_epoch == 2:
                raise KeyError

    callbacks = trainer_module.more_callbacks
    with monkeypatch.context() as patched:
        patched.setattr(trainer_module, "more_callbacks", lambda *given: [*callbacks(*given), Cut()])
        with pytest.raises(KeyError):
            pipeline.train("classification", args)
    pipeline.train("classification", args)
    steps, values = drawn[-1]["val_loss"]
    assert len(values) == 3
    assert steps == sorted(steps)
