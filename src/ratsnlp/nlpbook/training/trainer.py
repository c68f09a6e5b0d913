"""What runs the steps: `get_trainer` for a CPU, GPUs or TPU cores, and `set_seed`."""

import logging
import math
import warnings
from collections import deque
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor

from ratsnlp.nlpbook.arguments import LAST_EPOCH, TrainArguments
from ratsnlp.nlpbook.environment import cache_folder, on_drive
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.figures import History, draw_curves, read_history, save_figure, show_in_notebook
from ratsnlp.nlpbook.hardware import refuse_fork, select_hardware
from ratsnlp.nlpbook.model_folder import LAST
from ratsnlp.nlpbook.models import class_count
from ratsnlp.nlpbook.training.saving import BestCheckpoint, checkpoint_io, tell_places
from ratsnlp.nlpbook.training.task import Task

logger = logging.getLogger("ratsnlp")
NOT_MOVED = 0.97
"""A mean loss above this share of ln k has not moved."""


class StuckLoss(pl.Callback):
    """Warn once, after some steps, where a classifier's loss has stayed at ln k. Tasks of other kinds pass.

    Args:
        steps: Optimizer steps to wait.
        window: How many of the last steps the mean is of.
    """

    def __init__(self, steps: int = 200, window: int = 100):
        self.steps, self.window = steps, window
        self.losses: deque[Tensor] = deque()
        self.done = False

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin anew."""
        self.losses = deque(maxlen=self.window * trainer.accumulate_grad_batches)
        self.done = class_count(getattr(pl_module, "model", None)) is None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss, and look at the mean when it is time."""
        if self.done:
            return
        self.losses.append(outputs["loss"].detach() * trainer.accumulate_grad_batches)  # still on the device
        if trainer.global_step < self.steps or len(self.losses) < (self.losses.maxlen or 0):
            return
        self.done = True
        self.compare(class_count(pl_module.model) or 0, trainer)
        self.losses.clear()

    def compare(self, classes: int, trainer: pl.Trainer) -> None:
        """Compare the mean loss with that of guessing, and say so where they are alike."""
        mean, guessing = float(torch.stack(list(self.losses)).float().mean()), math.log(classes)
        if trainer.is_global_zero and not mean <= NOT_MOVED * guessing:  # not-a-number has not moved either
            logger.warning(
                "after %d steps the loss is %.3f, and guessing among %d labels gives ln %d = %.3f: the model does not "
                "learn. Look at the tokenizer and the model (are they of the same name? see ratsnlp check), the "
                "learning rate (%g; try 2e-5 to 5e-5), and the labels (do they fit the texts?)",
                *(trainer.global_step, mean, classes, classes, guessing, trainer.optimizers[0].param_groups[0]["lr"]),
            )


logger = logging.getLogger("ratsnlp")
# Lightning advertises its logging service in every cell that makes a trainer, tells each loader it looks into, and
# proposes a float32 of less precision on newer GPUs, where `precision="auto"` has taken bfloat16 already.
NOISE = ("Tip:", "Loading `train_dataloader`", "To properly utilize them")
logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(
    lambda record: not any(words in record.getMessage() for words in NOISE)
)
REHEARSAL_BATCHES = 3
EXPECTED_WARNINGS = (
    "Checkpoint directory .* exists and is not empty",  # resuming, or a second run of the cell
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

    def fit(
        self,
        model: pl.LightningModule,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        *args: Any,
        train_dataloader: Any = None,
        **kwargs: Any,
    ) -> None:
        """Train `model`. See `pytorch_lightning.Trainer.fit`; `train_dataloader` is the older name of
        `train_dataloaders`.

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
        if isinstance(model, Task):
            _refuse_unknown_metric(model)
            refuse_fork(model.args)
            model.match_head(train_dataloaders)
        with warnings.catch_warnings():
            for message in EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", message)
            super().fit(model, train_dataloaders, val_dataloaders, *args, **kwargs)


def _refuse_unknown_metric(task: Task) -> None:
    """Refuse a `monitor` that nothing will be logged for.

    Raises:
        ArgumentError: That is so.
    """
    known = task.validation_metrics
    if task.args.monitor != LAST_EPOCH and task.args.monitor_metric not in known:
        raise ArgumentError(
            f"monitor names {task.args.monitor_metric!r}, which {type(task).__name__} does not log; "
            f"it logs {', '.join(known)}"
        )


class Curves(Callback):
    """Draw the curves into the model folder when training ends or is interrupted, and under the cell."""

    def __init__(self, folder: Path):
        self.folder = folder

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Draw what there is when the training is interrupted."""
        if isinstance(exception, KeyboardInterrupt) and trainer.global_step:
            self.on_fit_end(trainer, pl_module)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write `curves.png`, and show it in a notebook."""
        if not trainer.is_global_zero:
            return
        figure = draw_curves(read_run(trainer))
        save_figure(figure, self.folder / "curves.png")
        show_in_notebook(figure)


def read_run(trainer: pl.Trainer) -> History:
    """Return the metrics that a trainer has logged, and those of the runs that it resumed."""
    csv_logger = next(found for found in trainer.loggers if isinstance(found, CSVLogger))
    csv_logger.save()
    return read_history(*_find_logs(csv_logger, resumed=bool(trainer.ckpt_path)))


def _find_logs(csv_logger: CSVLogger, *, resumed: bool) -> list[Path]:
    this = Path(csv_logger.log_dir) / "metrics.csv"
    return sorted(this.parents[1].glob("version_*/metrics.csv"), key=_log_number) if resumed else [this]


def _log_number(path: Path) -> int:
    return int(path.parent.name.removeprefix("version_"))


class ProgressBar(TQDMProgressBar):
    """Lightning's progress bar, without the number of its log folder."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Return what the bar shows."""
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


def get_trainer(args: TrainArguments, return_trainer_only: bool = True) -> Any:
    """Return the trainer that the settings ask for.

    It keeps the `save_top_k` best checkpoints by `monitor` (weights only), and `last.ckpt` with the optimizer, to
    resume from. Each is written whole or not at all, and first to a local folder where the model folder is on Google
    Drive; the log says where the last safe copy is. Curves go to the model folder; the CSV and TensorBoard logs go to
    `logs/` in it, or beside Google Drive where that is mounted.

    Args:
        args: The training settings; `downstream_model_dir` must be given.
        return_trainer_only: False returns `(checkpoint callback, trainer)`.

    Raises:
        ArgumentError: No model folder is given, or it cannot be made.
    """
    folder = make_model_folder(args)
    best = BestCheckpoint(
        dirpath=folder,
        filename=f"{{epoch}}-{{{'val_loss' if args.monitor == LAST_EPOCH else args.monitor_metric}:.2f}}",
        monitor=args.monitor_metric,
        mode=args.monitor_mode,
        save_top_k=args.save_top_k,
        save_weights_only=True,
        enable_version_counter=False,  # an epoch that is repeated after a kill replaces its own file
    )
    logger.info(tell_places(folder))
    hardware = select_hardware(args)
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
        plugins=[checkpoint_io(folder, tpu=hardware["accelerator"] == "tpu")],
        **hardware,
    )
    return trainer if return_trainer_only else (best, trainer)


def make_model_folder(args: TrainArguments) -> Path:
    """Make and return the model folder.

    Raises:
        ArgumentError: None is given, or it cannot be made.
    """
    if not args.downstream_model_dir:
        raise ArgumentError("downstream_model_dir is not given; name the folder that checkpoints shall go to")
    folder = Path(args.downstream_model_dir).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"downstream_model_dir {folder} cannot be made: {error.strerror}") from None
    return folder


def more_callbacks(args: TrainArguments, folder: Path) -> list[Callback]:
    """Return what runs along beside the best checkpoints: the last one, curves, rate, stuck loss, early stopping."""
    callbacks: list[Callback] = [
        # `save_last` would do without a file of its own, but is skipped where nothing else is saved
        ModelCheckpoint(dirpath=folder, filename=LAST.removesuffix(".ckpt"), enable_version_counter=False),
        ProgressBar(),
        LearningRateMonitor("step"),
        Curves(folder),
        StuckLoss(),
    ]
    if args.patience:
        callbacks.append(EarlyStopping(args.monitor_metric, mode=args.monitor_mode, patience=args.patience))
    return callbacks


def build_loggers(folder: Path) -> list[Logger]:
    """Return the CSV and the TensorBoard logger. Drive is slow for small writes: logs of a folder there stay local."""
    root = cache_folder("logs", folder.name) if on_drive(folder) else folder / "logs"
    return [CSVLogger(root, name=None), TensorBoardLogger(root, name=None)]
