"""Settings of question answering: how passages are cut into windows, and which spans may be answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from ratsnlp.nlpbook.arguments import IN_COLAB, Count, DeployArguments, TrainArguments
from ratsnlp.nlpbook.data.windows import describe_gap
from ratsnlp.nlpbook.settings import AtLeast, arg

MODEL_DIR = "/gdrive/My Drive/nlpbook/checkpoint-qa" if IN_COLAB else "checkpoint-qa"
STRIDE_HELP = "tokens by which the window slides over the passage; windows overlap by what is left of their room"
BERT_SPECIAL_TOKENS = 3
"""[CLS] question [SEP] passage [SEP]; RoBERTa has one more, which is checked where the tokenizer is known."""


def gaps(max_seq_length: Any, doc_stride: Any, max_query_length: Any) -> list[str]:
    """Return what is wrong with these lengths taken together, if anything."""
    if not all(type(length) is int and length > 0 for length in (max_seq_length, doc_stride, max_query_length)):
        return []  # each is refused by itself
    gap = describe_gap(max_seq_length, doc_stride, max_query_length, BERT_SPECIAL_TOKENS)
    return [gap] if gap else []


@dataclass(kw_only=True)
class QATrainArguments(TrainArguments):
    """Settings to train question answering. Lengths and strides count tokens."""

    downstream_task_name: str = arg("question-answering", "what is learnt; the model folder remembers it")
    downstream_corpus_name: str | None = arg("korquad-v1", "corpus to read")
    downstream_model_dir: str | None = arg(
        MODEL_DIR,
        "folder to which checkpoints, curves and scores go",
        shown="/gdrive/My Drive/nlpbook/checkpoint-qa on Colab, else checkpoint-qa",
    )
    monitor: str = arg(
        "min val_loss",
        "what makes a checkpoint better: 'min val_loss', 'max val_f1', 'max val_em', or 'max epoch': the last",
    )

    doc_stride: Count = arg(64, STRIDE_HELP)
    max_query_length: Count = arg(32, "tokens of the question; the rest is left out")
    threads: Count = arg(4, "accepted and unused: the tokenizer uses all cores by itself")
    tqdm_enabled: bool = arg(True, "accepted and unused: there is one bar, and it takes no time")

    negative_window_ratio: Annotated[float, AtLeast(0)] = arg(
        0.5, "windows without the answer to train on, for each window with it; drawn with the seed"
    )
    max_answer_length: Count = arg(30, "tokens of an answer")
    no_answer_threshold: float = arg(
        0.0, "log odds by which 'no answer' must beat the best span to be given; higher answers more often"
    )
    josa_cut: bool = arg(True, "cut the josa off the end of an answer (서울에서 -> 서울)")

    def problems(self) -> list[str]:
        """Return the rules between settings that are broken, windows that would skip part of a passage among them."""
        return [*super().problems(), *gaps(self.max_seq_length, self.doc_stride, self.max_query_length)]


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

    as_trained: ClassVar[Mapping[str, Any]] = {
        **DeployArguments.as_trained,
        "max_query_length": 32,
        "max_answer_length": 30,
        "doc_stride": 64,
        "no_answer_threshold": 0.0,
        "josa_cut": True,
    }

    def __post_init__(self) -> None:
        """Check the settings, choose the checkpoint, fill in what was left out, and check the windows.

        Raises:
            ArgumentError: See `DeployArguments`; or the windows would skip part of a passage.
            CheckpointError: No checkpoint can be chosen there.
        """
        super().__post_init__()
        self.raise_for(gaps(self.max_seq_length, self.doc_stride, self.max_query_length))
