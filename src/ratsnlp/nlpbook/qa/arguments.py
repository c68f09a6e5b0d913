"""Settings of question answering: how passages are cut into windows, and which spans may be answers."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ratsnlp.nlpbook.arguments import Count, DeployArguments, NotNegative, TrainArguments, model_dir
from ratsnlp.nlpbook.settings import arg, defaults_of

STRIDE_HELP = "tokens by which the window slides over the passage; windows overlap by what is left of their room"


def _gaps(args: "QATrainArguments | QADeployArguments") -> list[str]:
    lengths: tuple[Any, Any, Any] = args.max_seq_length, args.doc_stride, args.max_query_length
    if not all(type(length) is int and length > 0 for length in lengths):
        return []  # each is refused by itself
    # [CLS] question [SEP] passage [SEP]; RoBERTa has one more, which is checked where the tokenizer is known
    gap = describe_gap(*lengths, 3)
    return [gap] if gap else []


@dataclass(kw_only=True)
class QATrainArguments(TrainArguments):
    """Settings to train question answering. Lengths and strides count tokens."""

    downstream_task_name: str = arg("question-answering", "what is learned; the model folder remembers it")
    downstream_corpus_name: str | None = arg("korquad-v1", "corpus to read")
    downstream_model_dir: str | None = model_dir("checkpoint-qa")
    monitor: str = arg(
        "min val_loss",
        "what makes a checkpoint better: 'min val_loss', 'max val_f1', 'max val_em', or 'max epoch': the last",
    )

    doc_stride: Count = arg(64, STRIDE_HELP, answering=True)
    max_query_length: Count = arg(32, "tokens of the question; the rest is left out", answering=True)
    threads: Count = arg(4, "accepted and unused: the tokenizer uses all cores by itself", local=True)
    tqdm_enabled: bool = arg(True, "accepted and unused: there is one bar, and it takes no time", local=True)

    negative_window_ratio: NotNegative = arg(
        0.5, "windows without the answer to train on, for each window with it; drawn with the seed"
    )
    max_answer_length: Count = arg(30, "tokens of an answer", answering=True)
    no_answer_threshold: float = arg(
        0.0,
        "log odds by which 'no answer' must beat the best span to be given; higher answers more often",
        answering=True,
    )
    josa_cut: bool = arg(True, "cut the josa off the end of an answer (서울에서 -> 서울)", answering=True)

    def problems(self) -> list[str]:
        """Return the rules between settings that are broken, windows that would skip part of a passage among them."""
        return [*super().problems(), *_gaps(self)]


@dataclass(kw_only=True)
class QADeployArguments(DeployArguments):
    """Settings to serve question answering. What is left out is as trained."""

    max_query_length: Count | None = arg(None, "tokens of the question; default: as trained, else 32")
    max_answer_length: Count | None = arg(None, "tokens of an answer; default: as trained, else 30")
    doc_stride: Count | None = arg(None, f"{STRIDE_HELP}; default: as trained, else 64")
    no_answer_threshold: float | None = arg(None, "see the training setting; default: as trained, else 0")
    josa_cut: bool | None = arg(None, "cut the josa off the end of an answer; default: as trained, else yes")
    downstream_task_name: str | None = arg(None, "accepted and unused: the checkpoint knows its task")
    downstream_model_labelmap_path: str | None = arg(None, "accepted and unused: answers are spans, not labels")

    as_trained: ClassVar[dict[str, Any]] = DeployArguments.as_trained | defaults_of(QATrainArguments, answering=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.raise_for(_gaps(self))


def describe_gap(max_seq_length: int, doc_stride: int, max_query_length: int, special_tokens: int) -> str:
    """Return, with the arithmetic, why windows of these lengths would skip part of a passage; empty if they do not."""
    room = max_seq_length - max_query_length - special_tokens
    shown = (
        f"max_seq_length {max_seq_length} - max_query_length {max_query_length} - {special_tokens} special tokens "
        f"= {room} tokens of the passage in a window"
    )
    if room < 1:
        return f"{shown}: nothing of it would be read. Raise max_seq_length or lower max_query_length."
    if doc_stride > room:
        return (
            f"{shown}, but doc_stride slides the window by {doc_stride}: {doc_stride - room} tokens between two "
            f"windows would never be read. Give doc_stride <= {room}, or more max_seq_length, or less max_query_length."
        )
    return ""
