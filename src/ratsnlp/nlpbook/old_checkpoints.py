"""What checkpoints of ratsnlp 1.x hold beside weights, and how it is read without running any of it.

Lightning 1 named callbacks by their class, and a training could leave its settings as an object. Reading an object is
running code; so each such class, by its full name, is read as one that only holds values, and any other is refused.
"""

import re
from typing import Any

OLD_BUFFERS = re.compile(r"embeddings\.position_ids$|\.h\.\d+\.attn\.(masked_)?bias$")
"""Constants that earlier versions of transformers stored among the weights of BERT's and GPT-2's kind."""


class OldObject:
    """Stands for an object of an earlier version: has its values as attributes, and none of its code."""


OLD_CLASSES: list[Any] = [
    *(
        (OldObject, f"ratsnlp.nlpbook.{task}.arguments.{prefix}{use}Arguments")
        for task, prefix in {
            "classification": "Classification",
            "qa": "QA",
            "ner": "NER",
            "generation": "Generation",
        }.items()
        for use in ("Train", "Deploy")
    ),
    (OldObject, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"),
    (OldObject, "pytorch_lightning.callbacks.early_stopping.EarlyStopping"),
]
"""The classes that a checkpoint of 1.x may name, as `torch.serialization.safe_globals` takes them."""


def is_old_buffer(name: str) -> bool:
    """Tell whether a weight's name is that of a constant which models no longer store."""
    return OLD_BUFFERS.search(name) is not None
