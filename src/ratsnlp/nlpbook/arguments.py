"""The settings of every task: one base for training, one for deploying. A task adds only its differences."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from ratsnlp.nlpbook.builtin import BUILTIN_MODEL, builtin_model
from ratsnlp.nlpbook.environment import CORPUS_ROOT, in_colab
from ratsnlp.nlpbook.settings import Arguments, Range, arg
from ratsnlp.nlpbook.tasks import tasks_of

Count = Annotated[int, Range(1)]
Whole = Annotated[int, Range(0)]
Length = Annotated[int, Range(4)]  # tokens: room for [CLS], [SEP] and a text or two
Positive = Annotated[float, Range(0, open_low=True)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1, open_high=True)]


def model_dir(name: str) -> Any:
    """Declare `downstream_model_dir` with a default: the folder `name`, in Colab on Drive."""
    drive, help = f"/gdrive/My Drive/nlpbook/{name}", "folder to which checkpoints, curves and scores go"
    return arg(drive if in_colab() else name, help, shown=f"{drive} on Colab, else {name}", local=True)


class ModelArguments(Arguments):
    """Settings that name a pretrained model. `builtin` reads as that model's folder, and is stored as the word."""

    pretrained_model_name: str | None

    def find_model(self) -> None:
        """Put the built-in model's folder, which `from_pretrained` can read, in the place of its name."""
        if self.pretrained_model_name == BUILTIN_MODEL:
            self.pretrained_model_name = builtin_model()

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name; never a path that only this machine knows in the place of `builtin`."""
        named = {"pretrained_model_name": BUILTIN_MODEL} if self.pretrained_model_name == builtin_model() else {}
        return super().to_dict() | named


LAST_EPOCH = "max epoch"
"""What `monitor` reads where nothing is chosen: the last epoch counts, which validation on few rows cannot better."""


@dataclass(kw_only=True)
class TrainArguments(ModelArguments):
    """Settings shared by every training notebook, the published ones first. Lengths count tokens."""

    pretrained_model_name: str = arg("beomi/kcbert-base", "Hugging Face model name, a local folder, or builtin")
    downstream_task_name: str = arg("document-classification", "what is learnt; the model folder remembers it")
    downstream_corpus_name: str | None = arg(None, "corpus to read, for example nsmc")
    downstream_corpus_root_dir: str = arg(
        CORPUS_ROOT,
        "folder that holds one folder per corpus",
        shown="/content/Korpora on Colab, else the user cache",
        local=True,
    )
    downstream_model_dir: str | None = arg(None, "folder to which checkpoints, curves and scores go", local=True)
    max_seq_length: Length = arg(128, "tokens per example, [CLS] and [SEP] included")
    save_top_k: Count = arg(1, "how many of the best checkpoints to keep")
    monitor: str = arg(
        "min val_loss",
        "what makes a checkpoint better: 'min val_loss', 'max val_acc', 'max val_macro_f1', or 'max epoch': the last",
    )
    seed: Annotated[int, Range(0, 2**32 - 1)] | None = arg(None, "same seed, same run")
    overwrite_cache: bool = arg(False, "make the features again even where a fitting file exists", local=True)
    force_download: bool = arg(False, "fetch the corpus even where it is already in place", local=True)
    test_mode: bool = arg(False, "rehearse: a few batches of one epoch, everything saved as in a full run")
    learning_rate: Positive = arg(5e-5, "highest learning rate of the schedule")
    epochs: Count = arg(3, "passes over the training data")
    batch_size: Count = arg(32, "examples per step and device")
    cpu_workers: Whole = arg(0, "loader processes; 0 reads in the main one: features are memory-mapped", local=True)
    fp16: bool = arg(False, "half precision: float16 on a GPU, bfloat16 on a TPU or CPU")
    tpu_cores: Whole = arg(0, "TPU cores to use where there is a TPU", local=True, effect=True)

    scheduler: Literal["exponential", "linear", "cosine", "constant"] = arg(
        "exponential", "learning rate over time; exponential: x 0.9 after each epoch"
    )
    warmup_ratio: Share = arg(0.0, "share of all steps in which the rate climbs")
    weight_decay: NotNegative = arg(0.01, "AdamW's decay; never on biases and norms")
    hidden_dropout: Share | None = arg(
        None, "dropout of everything but attention weights; 0 learns faster in a short training; default: the model's"
    )
    attention_dropout: Share | None = arg(
        None, "dropout of attention weights; 0 trains up to twice as fast on a CPU; default: the model's own"
    )
    max_grad_norm: NotNegative = arg(1.0, "longest gradient kept; 0: no clipping")
    accumulate_grad_batches: Count = arg(1, "batches whose gradients make one step")
    patience: Whole = arg(0, "stop after this many epochs without a better one; 0: never")
    precision: Literal["auto", "32", "bf16", "16"] = arg(
        "auto", "auto: bf16 where the hardware is faster with it, else 32"
    )
    devices: Whole = arg(0, "devices per node; 0: all GPUs or TPU cores there are, one CPU process")
    num_nodes: Count = arg(1, "machines that train together")
    strategy: Literal["auto", "ddp", "ddp_spawn", "ddp_notebook"] = arg("auto", "how several devices work together")
    validate_on: Literal["held_out", "test"] = arg(
        "held_out", "rows the command validates on: held out of train, or test"
    )
    validation_ratio: Annotated[float, Range(0, 0.5, open_low=True)] = arg(
        0.1, "held-out share of the training rows, at most 5,000 rows; of an own table, as many again to score on"
    )
    max_train_examples: Count | None = arg(
        None, "train on the first rows only; validation comes from the rows after them"
    )
    train_file: str | None = arg(
        None,
        "own training file: in the corpus's format, or a table (CSV, TSV, JSON, XLSX) with labels of its own",
        file=True,
    )
    validation_file: str | None = arg(None, "own validation file; default: rows held out of train", file=True)
    test_file: str | None = arg(None, "own test file; default for an own table: rows held out of it", file=True)
    feature_cache_dir: str | None = arg(
        None, "folder for feature files; default: beside the corpus where writable, else the user cache", local=True
    )
    text_column: str | None = arg(
        None, "own table: its column of texts; default: told by its name or contents, or asked", column=True
    )
    pair_column: str | None = arg(None, "own table: its column of second texts, where pairs are learnt", column=True)
    label_column: str | None = arg(None, "own table: its column of labels; default: as text_column", column=True)
    skip_bad_rows: bool = arg(
        False, "own table: leave out rows that cannot be used, instead of refusing the file", column=True
    )

    def __post_init__(self) -> None:
        if self.downstream_model_dir == "":
            self.raise_for(["downstream_model_dir is empty; '.' is the folder in which Python runs"])
        super().__post_init__()
        self.find_model()

    def problems(self) -> list[str]:
        """Return the rules between settings that are broken."""
        found = super().problems()
        way, _, metric = str(self.monitor).partition(" ")
        if way not in ("min", "max") or not metric.strip() or " " in metric:
            found.append(f"monitor must read 'min NAME' or 'max NAME', got {self.monitor!r}")
        if self.monitor == LAST_EPOCH and self.patience:
            found.append(f"patience waits for a better epoch, monitor={LAST_EPOCH!r} takes the last: drop one of them")
        if self.fp16 is True and self.precision not in ("auto", "16"):
            found.append(f"fp16=True asks for half precision, but precision is {self.precision!r}: give one of them")
        return found

    @property
    def monitor_mode(self) -> str:
        """`min` or `max`."""
        return self.monitor.split()[0]

    @property
    def monitor_metric(self) -> str:
        """The metric's name, for example `val_loss`."""
        return self.monitor.split()[1]


@dataclass(kw_only=True)
class DeployArguments(ModelArguments):
    """Settings shared by every deploying notebook: which checkpoint to serve, and how long its texts may be."""

    pretrained_model_name: str | None = arg(
        None, "Hugging Face model name, local folder, or builtin; default: as trained"
    )
    downstream_model_dir: str | None = arg(None, "model folder; its best checkpoint by the monitored metric is taken")
    downstream_model_checkpoint_fpath: str | None = arg(None, "one checkpoint file, instead of a folder")
    max_seq_length: Length | None = arg(None, "tokens per example; default: as trained, else 128")
    downstream_model_checkpoint_path: str | None = arg(None, "older name of downstream_model_checkpoint_fpath")

    as_trained: ClassVar[dict[str, Any]] = {"pretrained_model_name": None, "max_seq_length": 128}
    """Settings that are as at training where left out, each with its value where the checkpoint does not tell."""

    def __post_init__(self) -> None:
        """Check the settings, choose the checkpoint (else a CheckpointError), and fill in the rest as was trained."""
        super().__post_init__()
        # Reading a checkpoint needs torch; declaring settings must not.
        from ratsnlp.nlpbook.checkpoints import find_fine_tuned, make_readable, read_description, select_checkpoint

        given = self.downstream_model_checkpoint_fpath or self.downstream_model_checkpoint_path
        place, tasks = given or str(self.downstream_model_dir), tasks_of("deploy_arguments", type(self))
        found = find_fine_tuned(place, tasks)  # a folder only where one was exported, which says how it is loaded
        path = make_readable(select_checkpoint(found, tasks) if found.is_dir() else found)
        self.downstream_model_checkpoint_fpath = self.downstream_model_checkpoint_path = str(path)
        print(f"downstream_model_checkpoint_fpath: {path}")
        described = read_description(path)
        trained = described.get("settings", {})
        for name, otherwise in self.as_trained.items():
            if getattr(self, name) is None:
                setattr(self, name, trained.get(name, otherwise))
        self.find_model()
        self.take_over(path, described)

    def take_over(self, checkpoint: Path, described: Mapping[str, Any]) -> None:
        """Take over what a task's checkpoint says beyond its settings."""

    def problems(self) -> list[str]:
        """Return the rules between settings that are broken."""
        found = super().problems()
        names = {self.downstream_model_checkpoint_fpath, self.downstream_model_checkpoint_path} - {None}
        if len(names) > 1:
            found.append(
                "downstream_model_checkpoint_fpath and its older name name two different files; give one of them"
            )
        if not names and not self.downstream_model_dir:
            found.append("give downstream_model_dir (a model folder) or downstream_model_checkpoint_fpath (one file)")
        return found


CHARACTER_BYTES = 12  # of one character in JSON at most: an emoji written as \ud83d\ude00
SPARE_BYTES = 4096  # for the JSON around the texts
SPARE_THREADS = 16  # for the page, its health and its refusals while every question allowed is pending


@dataclass(kw_only=True)
class Limits(Arguments):
    """Limits of a page. Given to `get_web_service_app` by name, and to `ratsnlp serve` as flags."""

    max_text_length: Count = arg(10_000, "characters in one text of a question")
    max_pending: Count = arg(48, "questions that may wait or be answered at a time")
    max_seconds: Positive = arg(60.0, "seconds a question may take, waiting included")
    max_batch: Count = arg(32, "questions that are answered together")

    def body_bytes(self, texts: int) -> int:
        """Return the size of a request with that many texts at most."""
        return CHARACTER_BYTES * self.max_text_length * texts + SPARE_BYTES

    @property
    def threads(self) -> int:
        """Server threads with which refusals and health still get through when all pending places are taken."""
        return self.max_pending + SPARE_THREADS
