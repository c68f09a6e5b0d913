"""Make the model that comes with the package: four layers distilled from twelve.

    python tools/builtin_model/build.py teacher --corpora FOLDER --work WORK   the teacher, the undistilled student
    python tools/builtin_model/build.py targets --corpora FOLDER --work WORK   what the teacher makes of the texts
    python tools/builtin_model/build.py student --work WORK                    the distillation
    python tools/builtin_model/build.py ship --work WORK                       float16 weights into the package

`targets` and `student` may run at the same time, each on a core of its own: the student waits for the files it needs.
The student sees a text with 15 % of its words masked and learns, from every position, the hidden states that the
teacher, who sees all words, has there after its 6th and 12th layer; from the masked ones also the word itself; and for
`[CLS]`'s pooled vector, which classifiers read, the direction of the teacher's mean over the whole text.
"""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import torch
from e5 import E5File, embeddings, fetch, missing_characters, used_pieces, wordpieces, write_model, write_vocabulary
from safetensors.torch import load_file, save_file
from texts import read_texts
from torch.nn.functional import cosine_similarity, cross_entropy
from tqdm import tqdm
from transformers import AutoTokenizer, BertForMaskedLM, BertModel, get_linear_schedule_with_warmup

SEED = 7
LAYERS = [0, 3, 7, 11]
MATCHED = {2: 6, 4: 12}  # hidden states: the student's after this layer, the teacher's after that one
BATCH_TOKENS, BATCHES_A_SHARD = 2048, 40
SHORT_LENGTH, LONG_LENGTH, STRIDE = 128, 256, 64
MASKED = 0.15
LEARNING_RATE, WARMUP = 5e-4, 0.03
PACKAGE_FOLDER = Path(__file__).parents[2] / "src" / "ratsnlp" / "nlpbook" / "builtin" / "model"

folder = click.Path(file_okay=False, path_type=Path)


@click.group(help=__doc__)
def main() -> None: ...


@main.command()
@click.option("--corpora", type=folder, required=True)
@click.option("--work", type=folder, required=True)
@click.option("--at-least", default=3, help="how often a piece must occur to be kept")
def teacher(corpora: Path, work: Path, at_least: int) -> None:
    """Decode the teacher and choose the vocabulary."""
    short, long = read_texts(corpora)
    texts = [part for text in short + long for part in text if part]
    e5 = E5File(fetch())
    rows = wordpieces(e5, used_pieces(e5, texts, at_least))
    words, table = embeddings(e5, rows, missing_characters(rows, texts, at_least=2))
    write_model(e5, words, table, list(range(e5.size["layers"])), work / "teacher")
    write_model(e5, words, table, LAYERS, work / "undistilled")
    click.echo(f"{len(words)} words, {len(words) - len(rows)} of them without an embedding of their own before")


def encode(corpora: Path, tokenizer: Any) -> list[tuple[list[int], list[int]]]:
    """Return `(input_ids, token_type_ids)` of all texts, long passages in overlapping windows."""
    short, long = read_texts(corpora)
    rows = []
    for start in range(0, len(short), 1000):
        part = short[start : start + 1000]
        for pairs in ([t for t in part if t[1] is None], [t for t in part if t[1] is not None]):
            if pairs:
                a, b = [t[0] for t in pairs], [t[1] for t in pairs]
                found = tokenizer(a, b if b[0] else None, truncation=True, max_length=SHORT_LENGTH)
                rows += zip(found["input_ids"], found["token_type_ids"], strict=True)
    windows = tokenizer(
        [t[0] for t in long],
        [t[1] for t in long],
        truncation="only_second",
        max_length=LONG_LENGTH,
        stride=STRIDE,
        return_overflowing_tokens=True,
    )
    return rows + list(zip(windows["input_ids"], windows["token_type_ids"], strict=True))


def plan_batches(lengths: list[int]) -> list[list[int]]:
    """Return batches of rows of like length, each of about `BATCH_TOKENS` tokens, in random order."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], random.random()))
    batches, batch = [], []
    for i in order:
        if batch and (len(batch) + 1) * lengths[i] > BATCH_TOKENS:
            batches.append(batch)
            batch = []
        batch.append(i)
    batches.append(batch)
    random.shuffle(batches)
    return batches


def pad(rows: list[list[int]]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


@main.command()
@click.option("--corpora", type=folder, required=True)
@click.option("--work", type=folder, required=True)
@torch.inference_mode()
def targets(corpora: Path, work: Path) -> None:
    """Write the teacher's hidden states, in files of some batches each."""
    random.seed(SEED)
    rows = encode(corpora, AutoTokenizer.from_pretrained(work / "teacher"))
    batches = plan_batches([len(ids) for ids, _ in rows])
    shards = [batches[i : i + BATCHES_A_SHARD] for i in range(0, len(batches), BATCHES_A_SHARD)]
    out = work / "targets"
    out.mkdir(parents=True, exist_ok=True)
    plan = {
        "rows": len(rows),
        "tokens": sum(len(ids) for ids, _ in rows),
        "batches": len(batches),
        "shards": len(shards),
    }
    (out / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    model = BertModel.from_pretrained(work / "teacher", dtype=torch.float32, add_pooling_layer=False).eval()
    for number, shard in enumerate(tqdm(shards, desc="targets")):
        path = out / f"{number:04}.safetensors"
        if path.exists():
            continue
        tensors = {}
        for i, batch in enumerate(shard):
            ids, types = pad([rows[k][0] for k in batch]), pad([rows[k][1] for k in batch])
            mask = pad([[1] * len(rows[k][0]) for k in batch])
            with torch.autocast("cpu", torch.bfloat16):
                states = model(ids, mask, types, output_hidden_states=True).hidden_states
            tensors |= {f"{i}.ids": ids.short(), f"{i}.types": types.to(torch.int8), f"{i}.mask": mask.to(torch.int8)}
            tensors |= {f"{i}.states.{k}": states[k].bfloat16() for k in MATCHED.values()}
        save_file(tensors, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)


def read_shard(path: Path) -> Iterator[dict[str, Any]]:
    """Yield a file's batches, once it is there."""
    while not path.exists():
        time.sleep(2)
    tensors = load_file(path)
    for i in range(sum(name.endswith(".ids") for name in tensors)):
        states = {k: tensors[f"{i}.states.{k}"].float() for k in MATCHED.values()}  # (B, T, H)
        yield {name: tensors[f"{i}.{name}"].long() for name in ("ids", "types", "mask")} | {"states": states}


class Scale:
    """Mean and spread of each dimension of the teacher's states and sentence vectors, over the first file.

    Without them a few large dimensions, the same for every word, would make up most of the distance.
    """

    def __init__(self, path: Path) -> None:
        batches = list(read_shard(path))
        self.spread = {}
        for k in MATCHED.values():
            states = torch.cat([batch["states"][k][batch["mask"] > 0] for batch in batches])
            self.spread[k] = states.std(0)
        vectors = torch.cat([mean_states(batch) for batch in batches])
        self.center, self.width = vectors.mean(0), vectors.std(0)

    def sentences(self, batch: dict[str, Any]) -> torch.Tensor:
        """Return the texts' standardised vectors, `(B, H)`."""
        return (mean_states(batch) - self.center) / self.width


def mean_states(batch: dict[str, Any]) -> torch.Tensor:
    """Return the mean of the teacher's last states over each text's words, `(B, H)`."""
    mask = batch["mask"].unsqueeze(-1)
    return (batch["states"][max(MATCHED.values())] * mask).sum(1) / mask.sum(1)


def hide_words(ids: torch.Tensor, mask_id: int, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ids with some words masked (8 of 10), changed (1) or left (1), and where they are, `(B, T)`."""
    chosen = (torch.rand(ids.shape) < MASKED) & (ids >= 5)  # the first five are the special tokens
    dice = torch.rand(ids.shape)
    hidden = torch.where(chosen & (dice < 0.8), mask_id, ids)
    return torch.where(chosen & (dice >= 0.9), torch.randint(5, vocabulary, ids.shape), hidden), chosen


def losses(model: BertForMaskedLM, batch: dict[str, Any], scale: Scale, mask_id: int) -> dict[str, torch.Tensor]:
    hidden, chosen = hide_words(batch["ids"], mask_id, model.config.vocab_size)
    outputs = model.bert(hidden, batch["mask"], batch["types"], output_hidden_states=True)
    seen = batch["mask"] > 0
    states = [
        ((outputs.hidden_states[mine].float() - batch["states"][its])[seen] / scale.spread[its]).square().mean()
        for mine, its in MATCHED.items()
    ]
    words = model.cls(outputs.last_hidden_state[chosen])  # (masked words, V)
    pooled = outputs.pooler_output.float()
    return {
        "states": torch.stack(states).sum(),
        "words": cross_entropy(words.float(), batch["ids"][chosen]),
        "pooled": 1 - cosine_similarity(pooled, scale.sentences(batch)).mean(),
    }


def build_student(source: Path) -> BertForMaskedLM:
    """Return the undistilled student with a pooler and a head for words, both untrained, and no dropout."""
    model = BertForMaskedLM.from_pretrained(source, dtype=torch.float32)
    model.bert = BertModel.from_pretrained(source, dtype=torch.float32)
    model.tie_weights()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.train()


def get_optimizer(model: torch.nn.Module) -> torch.optim.AdamW:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.98), fused=True)


@main.command()
@click.option("--work", type=folder, required=True)
@click.option("--epochs", default=3.0, help="passes over the texts; parts of one are allowed")
def student(work: Path, epochs: float) -> None:
    """Distil; writes the student and its loss curve as it goes."""
    random.seed(SEED)
    torch.manual_seed(SEED)
    while not (work / "targets" / "plan.json").exists():
        time.sleep(2)
    plan = json.loads((work / "targets" / "plan.json").read_text(encoding="utf-8"))
    model = build_student(work / "undistilled")
    mask_id = AutoTokenizer.from_pretrained(work / "teacher").mask_token_id
    optimizer, steps = get_optimizer(model), int(plan["batches"] * epochs)
    schedule = get_linear_schedule_with_warmup(optimizer, int(steps * WARMUP), steps)
    scale = Scale(work / "targets" / "0000.safetensors")
    began, sums = time.time(), dict.fromkeys(("states", "words", "pooled"), 0.0)
    with (work / "curve.jsonl").open("w", encoding="utf-8") as curve, tqdm(total=steps, desc="student") as bar:
        for step, batch in enumerate(passes(work / "targets", plan["shards"], steps), start=1):
            with torch.autocast("cpu", torch.bfloat16):
                parts = losses(model, batch, scale, mask_id)
            sum(parts.values()).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            sums = {name: sums[name] + float(value.detach()) for name, value in parts.items()}
            bar.update()
            if step % 50 == 0:
                means = {name: round(value / 50, 4) for name, value in sums.items()}
                curve.write(json.dumps({"step": step, "minutes": round((time.time() - began) / 60, 1)} | means) + "\n")
                curve.flush()
                sums = dict.fromkeys(sums, 0.0)
            if step % 500 == 0 or step == steps:
                model.bert.save_pretrained(work / "student")
    words = (work / "teacher" / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    write_vocabulary(words, work / "student")


def passes(targets: Path, shards: int, steps: int) -> Iterator[dict[str, Any]]:
    """Yield so many batches: the files in order first, in which they are made, then in a new random order each time."""
    order = list(range(shards))
    while True:
        for number in order:
            for batch in read_shard(targets / f"{number:04}.safetensors"):
                if steps == 0:
                    return
                steps -= 1
                yield batch
        random.shuffle(order)


@main.command()
@click.option("--work", type=folder, required=True)
@click.option("--source", default="student", help="which of the models in WORK")
@click.option("--out", type=folder, default=PACKAGE_FOLDER, show_default=True)
def ship(work: Path, source: str, out: Path) -> None:
    """Write the weights as float16, to be loaded as float32."""
    model = BertModel.from_pretrained(work / source, dtype=torch.float16)
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.1
    model.save_pretrained(out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8")) | {"dtype": "float32"}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    write_vocabulary((work / "teacher" / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1], out)
    click.echo(f"{out}: {sum(path.stat().st_size for path in out.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
