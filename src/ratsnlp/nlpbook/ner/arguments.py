"""Settings of named entity recognition: how tokens are cut, and which sequences of labels are allowed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ratsnlp.nlpbook.arguments import DeployArguments, TrainArguments, model_dir
from ratsnlp.nlpbook.environment import cache_folder
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.model_folder import ModelFolder, write_whole
from ratsnlp.nlpbook.settings import arg, defaults_of


@dataclass(kw_only=True)
class NERTrainArguments(TrainArguments):
    """Settings to train named entity recognition. Lengths count tokens; longer texts are read in windows."""

    downstream_task_name: str = arg("named-entity-recognition", "what is learned; the model folder remembers it")
    downstream_corpus_name: str | None = arg("ner", "corpus to read: klue-ner, or ner for own files in the book's form")
    downstream_model_dir: str | None = model_dir("checkpoint-ner")
    monitor: str = arg(
        "min val_loss",
        "what makes a checkpoint better: 'min val_loss', 'max val_f1', 'max val_macro_f1', or 'max epoch': the last",
    )

    josa_split: bool = arg(
        True, "cut pieces before their josa (한국의 -> 한국 ##의), so that entities can end there", answering=True
    )
    legal_decoding: bool = arg(
        True, "only sequences in which I-X follows B-X or I-X; else each token's best label", answering=True
    )


@dataclass(kw_only=True)
class NERDeployArguments(DeployArguments):
    """Settings to serve named entity recognition. What is left out is as trained.

    The label map, one label on each line in the order of the model's outputs, is the checkpoint's own, written where
    `downstream_model_labelmap_fpath` says; a map is read only where the checkpoint, of ratsnlp 1.x, holds no labels.
    """

    downstream_model_labelmap_fpath: str | None = arg(None, "label map; default: label_map.txt next to the checkpoint")
    downstream_model_labelmap_path: str | None = arg(None, "older name of downstream_model_labelmap_fpath")
    downstream_task_name: str | None = arg(None, "accepted and unused: the checkpoint knows its task")
    josa_split: bool | None = arg(None, "see the training setting; default: as trained, else yes")
    legal_decoding: bool | None = arg(None, "see the training setting; default: as trained, else yes")

    as_trained: ClassVar[dict[str, Any]] = DeployArguments.as_trained | defaults_of(NERTrainArguments, answering=True)

    def take_over(self, checkpoint: Path, described: Mapping[str, Any]) -> None:
        """Write or find the checkpoint's label map; `ArgumentError` if there are neither labels nor a map."""
        given = self.downstream_model_labelmap_fpath or self.downstream_model_labelmap_path
        path = Path(given).expanduser() if given else ModelFolder(checkpoint.parent).label_map
        text = "".join(f"{label}\n" for label in described.get("labels") or ())
        if not text and not path.is_file():
            raise ArgumentError(
                f"{checkpoint} holds no labels, as those of ratsnlp 1.x, and there is no label map {path}: give the "
                "file with one label on each line as downstream_model_labelmap_fpath"
            )
        if text and not (path.is_file() and path.read_text(encoding="utf-8") == text):
            try:
                write_whole(path, text)
            except OSError:  # a folder that may only be read
                # by its contents, since other read-only folders may have the same name
                digest = hashlib.sha256(text.encode()).hexdigest()[:16]
                path = cache_folder("label-maps", digest, path.name)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, text)
        self.downstream_model_labelmap_fpath = self.downstream_model_labelmap_path = str(path)
        print(f"downstream_model_labelmap_fpath: {path}")
