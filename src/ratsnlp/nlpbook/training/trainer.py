"""What runs the steps: `get_trainer` for a CPU, GPUs or TPU cores, and `set_seed`."""

import logging
import math
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor

from ratsnlp.nlpbook.arguments import LAST_EPOCH, TrainArguments
from ratsnlp.nlpbook.environment import cache_folder, is_first_process, on_drive
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.figures import History, draw_curves, read_history, save_figure, show_in_notebook
from ratsnlp.nlpbook.hardware import refuse_fork, select_hardware
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.model_folder import LAST, ModelFolder
from ratsnlp.nlpbook.models import class_count
from ratsnlp.nlpbook.old_names import SETTINGS
from ratsnlp.nlpbook.training import saving
from ratsnlp.nlpbook.training.task import Task

STUCK_STEPS = 200
"""Steps to wait before looking, at most; the mean is of the second half of them. A short training: half its own."""
NOT_MOVED = 0.97
"""A mean loss above this share of ln k has not moved."""


class StuckLoss(Callback):
    """Warn once, after some steps, where the loss of a model that chooses among k labels has stayed at ln k."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to watch, where there are labels."""
        self.wait = max(2, int(min(STUCK_STEPS, trainer.estimated_stepping_batches / 2)))
        self.losses: deque[Tensor] = deque(maxlen=self.wait // 2 * trainer.accumulate_grad_batches)
        self.watched = class_count(getattr(pl_module, "model", None)) or 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss; when it is time, compare the mean with the loss of guessing."""
        if not self.watched:
            return
        self.losses.append(outputs["loss"].detach() * trainer.accumulate_grad_batches)  # still on the device
        if trainer.global_step < self.wait or len(self.losses) < (self.losses.maxlen or 0):
            return
        classes, self.watched = self.watched, 0
        mean, guessing = float(torch.stack(list(self.losses)).float().mean()), math.log(classes)
        self.losses.clear()
        if trainer.is_global_zero and not mean <= NOT_MOVED * guessing:  # not-a-number has not moved either
            logger.warning(
                "after %d steps the loss is %.3f, and guessing among %d labels gives ln %d = %.3f: the model does not "
                "learn. Look at the tokenizer and the model (are they of the same name? see ratsnlp check), the "
                "learning rate (%g; try 2e-5 to 5e-5), and the labels (do they fit the texts?)",
                *(trainer.global_step, mean, classes, classes, guessing, trainer.optimizers[0].param_groups[0]["lr"]),
            )


# Lightning advertises its logging service in every cell that makes a trainer, names each loader it looks into, and
# proposes a float32 of less precision on newer GPUs, where `precision="auto"` has taken bfloat16 already.
NOISE = ("Tip:", "Loading `train_dataloader`", "To properly utilize them")
logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(
    lambda record: not any(words in record.getMessage() for words in NOISE)
)
REHEARSAL_BATCHES = 3
EXPECTED_WARNINGS = (
    "Checkpoint directory .* exists and is not empty",  # resuming, or a second run of the cell
    "You defined a `validation_step` but have no `val_dataloader`",  # our own line says so
    ".*does not have many workers",  # features are memory-mapped: the main process reads them fastest
    ".*is not supported by the model summary",
    ".*treespec, LeafSpec",  # Lightning's own use of torch
    "The number of training batches .* is smaller than the logging interval",
    "Starting from v1.9.0, `tensorboardX` has been removed",
    ".* attention defaults to a non-deterministic algorithm",  # on a GPU; its last digits may differ from run to run
)


def set_seed(args: TrainArguments) -> None:
    """Make runs repeatable: seed Python, numpy, torch and loader processes. Without a seed, say so."""
    if args.seed is None:
        print("not fixed seed")
        return
    logging.getLogger("lightning_fabric.utilities.seed").setLevel(logging.WARNING)
    pl.seed_everything(args.seed, workers=True)
    print(f"set seed: {args.seed}")


class Trainer(pl.Trainer):
    """Lightning's trainer; `fit` also takes the older keyword, and refuses an unknown `monitor` at once."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the checkpoint callback and the trainer: `_, trainer = get_trainer(args)` is an older way."""
        warnings.warn("write trainer = nlpbook.get_trainer(args), without the _", FutureWarning, stacklevel=2)
        return iter((self.checkpoint_callback, self))

    def fit(
        self,
        model: pl.LightningModule,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        *args: Any,
        train_dataloader: Any = None,
        **kwargs: Any,
    ) -> None:
        """Train `model`: see `pytorch_lightning.Trainer.fit`. `train_dataloader` is an older name.

        Raises:
            TypeError: Both names of the training loader are given.
            ArgumentError: `monitor` names a metric that the task does not log, or `ddp_notebook` comes too late.
        """
        if train_dataloader is not None:
            if train_dataloaders is not None:
                raise TypeError(
                    "fit() got both train_dataloaders and its older name train_dataloader; give one of them"
                )
            warnings.warn("train_dataloader is now called train_dataloaders", FutureWarning, stacklevel=2)
            train_dataloaders = train_dataloader
        started = None
        if isinstance(model, Task):
            known, metric = model.validation_metrics, model.args.monitor_metric
            if model.args.monitor != LAST_EPOCH and metric not in known:
                raise ArgumentError(
                    f"monitor names {metric!r}, which {type(model).__name__} does not log; it logs {', '.join(known)}"
                )
            refuse_fork(model.args)
            model.prepare(train_dataloaders)
            if val_dataloaders is None and kwargs.get("datamodule") is None:
                self._go_without_validation(model.args)
            started = self._take_up(model, train_dataloaders, kwargs)
        with warnings.catch_warnings():
            for message in EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", message)
            super().fit(model, train_dataloaders, val_dataloaders, *args, **kwargs)
        if started and self.state.finished and not self.interrupted and is_first_process():
            started(finished=True)
            saving.forget(Path(self.default_root_dir))

    def _go_without_validation(self, args: TrainArguments) -> None:
        if args.patience:
            raise ArgumentError("patience waits for a better epoch, and there is no validation loader to tell which is")
        logger.warning("there is no validation loader: nothing is measured, and the last epoch is what is kept")
        for callback in self.checkpoint_callbacks:
            if isinstance(callback, saving.BestCheckpoint):
                callback.monitor, callback.mode, callback.filename = "epoch", "max", "{epoch}"
                callback.kth_value = torch.tensor(-torch.inf)

    def _take_up(self, task: Task, train_dataloader: Any, options: dict[str, Any]) -> Callable[..., None]:
        """Find out what the model folder holds, and go on with it where it is this training. Return what records it."""
        path = Path(self.default_root_dir)
        folder, data = ModelFolder(path), str(getattr(getattr(train_dataloader, "dataset", None), "file", ""))
        record = folder.read_training()
        try:
            folder.refuse_other_training(task.args)
            other = bool(record.get("data") and data and record["data"] != data)
        except ArgumentError as error:
            logger.info("%s", error)
            other = True
        # files without a record are of a version that kept none in notebooks
        other = other or (not record and bool(folder.checkpoints or folder.last.exists()))
        if other and is_first_process() and options.get("ckpt_path") is None:
            logger.warning("%s held another training; its files are kept in %s", path, folder.set_aside())
            saving.forget(path)
        last = None if other else saving.select_resumable(path)
        if last and options.get("ckpt_path") is None:
            done = " (finished: there is nothing left to train)" if record.get("finished") else ""
            logger.info("resuming from %s%s", last, done)
            options["ckpt_path"] = str(last)
        write = partial(folder.write_training, task.args, data=data)
        if is_first_process():
            write(finished=False)
        return write


class Curves(Callback):
    """Draw the curves into the model folder when training ends or is interrupted, and under the cell."""

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Draw what there is when the training is interrupted."""
        if isinstance(exception, KeyboardInterrupt) and trainer.global_step:
            self.on_fit_end(trainer, pl_module)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write `curves.png`, and show it in a notebook."""
        if trainer.is_global_zero:
            figure = draw_curves(read_run(trainer))
            save_figure(figure, ModelFolder(trainer.default_root_dir).curves)
            show_in_notebook(figure)


def read_run(trainer: pl.Trainer) -> History:
    """Return the metrics that a trainer has logged, and those of the runs that it resumed."""
    csv_logger = next(found for found in trainer.loggers if isinstance(found, CSVLogger))
    csv_logger.save()
    log = Path(csv_logger.log_dir) / "metrics.csv"
    if not trainer.ckpt_path:
        return read_history(log)
    logs = log.parents[1].glob(f"version_*/{log.name}")
    return read_history(*sorted(logs, key=lambda path: int(path.parent.name.removeprefix("version_"))))


class _ProgressBar(TQDMProgressBar):
    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        # without the number of the log folder
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


def get_trainer(args: TrainArguments, return_trainer_only: bool = True, eval: bool | None = None) -> Any:
    """Return the trainer that the settings ask for.

    It keeps the `save_top_k` best checkpoints by `monitor` (weights only), and `last.ckpt` with the optimizer, to
    resume from. Each is written whole or not at all, and first to a local folder where the model folder is on Google
    Drive; the log says where the last safe copy is. Curves go to the model folder; CSV and TensorBoard logs go to
    `logs/` in it, or to the user's cache where it is on Google Drive.

    Args:
        args: The training settings; `downstream_model_dir` must be given.
        return_trainer_only: False returns `(checkpoint callback, trainer)`.
        eval: An older name, and without effect: validation runs whenever `fit` gets a validation loader.

    Raises:
        ArgumentError: No model folder is given, or it cannot be made.
    """
    if eval is not None:
        warnings.warn(f"get_trainer(eval=...): {SETTINGS['eval']}", FutureWarning, stacklevel=2)
    folder = make_model_folder(args)
    best = saving.BestCheckpoint(
        dirpath=folder,
        filename=f"{{epoch}}-{{{'val_loss' if args.monitor == LAST_EPOCH else args.monitor_metric}:.2f}}",
        monitor=args.monitor_metric,
        mode=args.monitor_mode,
        save_top_k=args.save_top_k,
        save_weights_only=True,
        enable_version_counter=False,  # an epoch that is repeated after a kill replaces its own file
    )
    logger.info(saving.tell_places(folder))
    hardware = select_hardware(args)
    checkpoint_io = saving.SafeXLACheckpointIO if hardware["accelerator"] == "tpu" else saving.SafeCheckpointIO
    trainer = Trainer(
        default_root_dir=folder,
        callbacks=[best, *more_callbacks(args, folder)],
        logger=build_loggers(folder),
        max_epochs=1 if args.test_mode else args.epochs,
        limit_train_batches=REHEARSAL_BATCHES if args.test_mode else None,
        limit_val_batches=REHEARSAL_BATCHES if args.test_mode else None,
        num_sanity_val_steps=2,  # a fault in validation shows before an epoch is spent
        gradient_clip_val=args.max_grad_norm or None,
        accumulate_grad_batches=args.accumulate_grad_batches,
        deterministic="warn" if args.seed is not None and torch.cuda.is_available() else None,
        log_every_n_steps=1,
        plugins=[checkpoint_io(folder)],
        **hardware,
    )
    return trainer if return_trainer_only else (best, trainer)


def make_model_folder(args: TrainArguments) -> Path:
    """Make and return the model folder; an ArgumentError where none is given, or it cannot be made."""
    if not args.downstream_model_dir:
        raise ArgumentError("downstream_model_dir is not given; name the folder that checkpoints shall go to")
    folder = Path(args.downstream_model_dir).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"downstream_model_dir {folder} cannot be made: {error.strerror}") from None
    return folder


def more_callbacks(args: TrainArguments, folder: Path) -> list[Callback]:
    """Return the callbacks besides the best checkpoints: last one, progress, rate, curves, stuck loss, patience."""
    callbacks: list[Callback] = [
        # `save_last` would do without a file of its own, but is skipped where nothing else is saved
        ModelCheckpoint(dirpath=folder, filename=LAST.removesuffix(".ckpt"), enable_version_counter=False),
        _ProgressBar(),
        LearningRateMonitor("step"),
        Curves(),
        StuckLoss(),
    ]
    if args.patience:
        callbacks.append(EarlyStopping(args.monitor_metric, mode=args.monitor_mode, patience=args.patience))
    return callbacks


def build_loggers(folder: Path) -> list[Logger]:
    """Return the CSV and the TensorBoard logger."""
    # Drive is slow for small writes
    root = cache_folder("logs", folder.name) if on_drive(folder) else folder / "logs"
    return [CSVLogger(root, name=None), TensorBoardLogger(root, name=None)]
