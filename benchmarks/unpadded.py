"""A batch without padding: all texts of a batch in one long row, each of which attends to itself alone.

Tried for `training.py`, not a part of the library. A BERT reads the row with positions that start anew at every text;
attention is torch's `varlen_attn`, which takes the texts' ends and needs a GPU and half precision.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface

from ratsnlp.nlpbook.classification import ClassificationTask


def attend(module, query, key, value, attention_mask, scaling=None, dropout=0.0, ends=None, longest=None, **options):
    """Attend within each text. `query`, `key`, `value`: `(1, heads, tokens, D)`; `ends`: `(texts + 1,)` int32."""
    from torch.nn.attention.varlen import varlen_attn  # torch 2.10 and newer

    rows = [part.squeeze(0).transpose(0, 1) for part in (query, key, value)]  # (tokens, heads, D)
    return varlen_attn(*rows, ends, ends, longest, longest, scale=scaling).unsqueeze(0), None


AttentionInterface.register("unpadded", attend)
AttentionMaskInterface.register("unpadded", lambda *args, **options: None)


def collate_unpadded(features) -> dict[str, Any]:
    """Return one long row of all texts of a batch, with each token's position in its text, and the texts' ends."""
    lengths = torch.tensor([len(row.input_ids) for row in features])
    return {
        "input_ids": torch.tensor([[token for row in features for token in row.input_ids]]),
        "position_ids": torch.cat([torch.arange(length) for length in lengths.tolist()])[None],
        "ends": torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]).int(),
        "longest": int(lengths.max()),
        "labels": torch.tensor([row.label for row in features]),
    }


class UnpaddedTask(ClassificationTask):
    """Train a BERT classifier on unpadded batches."""

    def forward(self, labels: Tensor, ends: Tensor, **batch: Any) -> Any:
        """Run the model's parts one by one: its pooler reads a text's first token, which is not the row's."""
        states = self.model.bert(ends=ends, **batch).last_hidden_state  # (1, tokens, H)
        firsts = states[0, ends[:-1].long()]  # (B, H): [CLS]
        pooled = self.model.dropout(self.model.bert.pooler(firsts[:, None]))
        logits = self.model.classifier(pooled)  # (B, K)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        return type("Outputs", (), {"loss": loss, "logits": logits})
