"""Make the model that comes with the package: six layers, distilled from twelve, that have seen the tasks in kind.

    python tools/builtin_model/build.py teacher --corpora FOLDER --work WORK   the teacher, the undistilled student
    python tools/builtin_model/build.py rows --corpora FOLDER --work WORK      texts and examples as numbers
    python tools/builtin_model/build.py tutor --work WORK                      the teacher learns the tasks
    python tools/builtin_model/build.py student --work WORK                    the distillation
    python tools/builtin_model/build.py ship --work WORK                       float16 weights into the package


`tutor` and `student` want a GPU: minutes there, a day on two cores. Roads can be left out (`--without`), to see what
each gives.
"""

import json
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import (
    cosine_similarity,
    cross_entropy,
    dropout,
    gelu,
    kl_div,
    log_softmax,
    mse_loss,
    scaled_dot_product_attention,
    softmax,
)
from transformers import BertModel

SEED = 7
LAYERS = [0, 2, 4, 7, 9, 11]
STATES = {3: 6, 6: 12}  # the student's states after this layer learn the tutor's after that one
SPECIAL = 5  # the first words of the vocabulary: [PAD], [UNK], [CLS], [SEP], [MASK]
CLS, SEP, MASK = 2, 3, 4
MASKED, WARMUP = 0.15, 0.04
NEIGHBOURS = 32
TEMPERATURE = 2.0
torch.backends.cuda.enable_cudnn_sdp(False)  # it makes a plan for each new shape, which takes longer than a step
PACKAGE_FOLDER = Path(__file__).parents[2] / "src" / "ratsnlp" / "nlpbook" / "builtin" / "model"

BATCHES = {  # tokens of a batch, and how many of a hundred batches are of this kind: for the tutor and for the student
    "text": (16384, 30, 42),
    "likeness": (12288, 16, 14),
    "comparison": (12288, 8, 8),
    "entailment": (4096, 16, 9),
    "span": (16384, 16, 14),
    "tags": (6144, 8, 7),
    "feeling": (8192, 6, 6),
}
HEADS = {"feeling": 2, "entailment": 3, "likeness": 1, "comparison": 3, "span": 2}  # and one for each tag
folder = click.Path(file_okay=False, path_type=Path)


class Rows:
    """Rows of one kind on the device, and batches of rows of similar length in random order."""

    def __init__(self, packed: dict[str, np.ndarray], tokens: int, device: str):
        self.device, self.tokens = device, tokens
        self.length = torch.from_numpy(packed["length"].astype(np.int64)).to(device)
        self.offset = torch.cumsum(self.length, 0) - self.length
        self.flat = {n: torch.from_numpy(a.astype(np.int64)).to(device) for n, a in packed.items() if n != "length"}
        self.cpu_length = packed["length"]

    def __len__(self) -> int:
        return len(self.cpu_length)

    def pad(self, rows: Tensor, name: str = "ids", fill: int = 0) -> tuple[Tensor, Tensor]:
        """Return values of tokens, `(B, T)`, and the mask of what is there."""
        length = self.length[rows]
        places = torch.arange(-(-int(length.max()) // 8) * 8, device=self.device)  # fast kernels want eights
        mask = places < length[:, None]
        at = (self.offset[rows, None] + places).clamp(max=len(self.flat[name]) - 1)
        return torch.where(mask, self.flat[name][at], fill), mask

    def take(self, rows: Tensor) -> dict[str, Tensor]:
        ids, mask = self.pad(rows)
        batch = {"ids": ids, "mask": mask}
        if "second" in self.flat:
            types = torch.arange(ids.shape[1], device=self.device) >= self.flat["second"][rows, None]
            batch["types"] = (types & mask).long()
        for name in set(self.flat) - {"ids", "second"}:
            whole = len(self.flat[name]) == len(self)
            batch[name] = self.flat[name][rows] if whole else self.pad(rows, name, -100)[0]
        return batch

    def batches(self) -> Iterator[dict[str, Tensor]]:
        """Yield batches for ever."""
        while True:
            order = np.lexsort((np.random.random(len(self)), self.cpu_length // 4))
            cuts, start = [], 0
            while start < len(order):
                end = start + max(1, self.tokens // int(self.cpu_length[order[min(start + 63, len(order) - 1)]]))
                cuts.append(order[start:end])
                start = end
            random.shuffle(cuts)
            for cut in cuts:
                yield self.take(torch.from_numpy(cut).to(self.device))


class Likeness:
    """Pairs of sentences with the cosine of their vectors, as the teacher had them before it learnt any task.

    A sentence's partner is one of its neighbours among a random part of all, or any sentence at all.
    """

    def __init__(self, sentences: Rows, teacher: BertModel):
        self.sentences, vectors = sentences, []
        order = torch.argsort(sentences.length)
        with torch.inference_mode(), torch.autocast(sentences.device, torch.bfloat16):
            for rows in order.split(1024):
                ids, mask = sentences.pad(rows)
                states = teacher(ids, mask.long()).last_hidden_state.float() * mask[..., None]
                vectors.append(states.sum(1) / mask.sum(1, keepdim=True))
        table = torch.empty(len(sentences), vectors[0].shape[1], device=sentences.device)
        table[order] = torch.cat(vectors)
        table -= table.mean(0)
        self.vectors = torch.nn.functional.normalize(table, dim=1)  # (S, H)

    def batches(self, tokens: int) -> Iterator[dict[str, Tensor]]:
        device, count, number = self.sentences.device, len(self.sentences), max(8, tokens // 48)
        while True:
            pool = torch.randperm(count, device=device)[: min(count, 20_000)]
            for rows in torch.randperm(count, device=device)[: 8 * number].split(number):
                near = (self.vectors[rows] @ self.vectors[pool].T).topk(min(NEIGHBOURS, len(pool)), dim=1).indices
                pick = torch.randint(near.shape[1], (len(rows), 1), device=device)
                partner = pool[near.gather(1, pick).squeeze(1)]
                anywhere = torch.rand(len(rows), device=device) < 0.3
                partner = torch.where(anywhere, torch.randint(count, (len(rows),), device=device), partner)
                cosine = (self.vectors[rows] * self.vectors[partner]).sum(1)
                yield join(self.sentences, rows, partner) | {"cosine": cosine}


def join(sentences: Rows, first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """Return pairs as one row each, `[CLS] first [SEP] second [SEP]`; both are stored with their special tokens."""
    a, b = sentences.length[first], sentences.length[second] - 1  # the second's [CLS] goes
    places = torch.arange(-(-int((a + b).max()) // 8) * 8, device=first.device)
    inside = places >= a[:, None]
    mask = places < (a + b)[:, None]
    at = torch.where(
        inside, sentences.offset[second, None] + 1 + places - a[:, None], sentences.offset[first, None] + places
    )
    ids = torch.where(mask, sentences.flat["ids"][at.clamp(max=len(sentences.flat["ids"]) - 1)], 0)
    return {"ids": ids, "mask": mask, "types": (inside & mask).long()}


def make_comparisons(packed: dict[str, np.ndarray], begins: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Return pairs of a sentence and what was made of it: 0 a part of it, 1 a word changed, 2 two words swapped.

    To tell them apart, both texts have to be compared word by word. `begins` says which ids begin a word.
    """
    offset = np.cumsum(packed["length"]) - packed["length"]
    chooser = np.random.default_rng(SEED)
    ids, lengths, seconds, labels = [], [], [], []
    sentences = [packed["ids"][o + 1 : o + n - 1] for o, n in zip(offset, packed["length"], strict=True)]

    def words_of(sentence: np.ndarray) -> list[np.ndarray]:
        return np.split(sentence, np.nonzero(begins[sentence])[0][1:])

    while len(labels) < count:
        sentence, other = (sentences[i] for i in chooser.integers(len(sentences), size=2))
        words, kind = words_of(sentence), int(chooser.integers(3))
        if len(words) < 4 or not len(other):
            continue
        made = list(words)
        for _ in range(int(chooser.integers(0, max(1, len(words) // 3)))):  # in every kind some words are left out
            made.pop(int(chooser.integers(len(made))))
        i, j = sorted(chooser.choice(len(made), 2, replace=False)) if len(made) > 2 else (0, 1)
        if kind == 1:
            new = words_of(other)
            made[i] = new[int(chooser.integers(len(new)))]
        elif kind == 2:
            if np.array_equal(made[i], made[j]):
                continue
            made[i], made[j] = made[j], made[i]
        row = np.concatenate([[CLS], sentence, [SEP], *made, [SEP]])
        ids.append(row)
        lengths.append(len(row))
        seconds.append(len(sentence) + 2)
        labels.append(kind)
    return {
        "ids": np.concatenate(ids),
        "length": np.array(lengths),
        "second": np.array(seconds),
        "label": np.array(labels),
    }


@dataclass
class Reading:
    """What an encoder makes of a batch: the states after each layer, `(B, T, H)`, and the pooled vectors, `(B, H)`."""

    states: list[Tensor]
    pooled: Tensor


def drop(values: Tensor, share: float) -> Tensor:
    return dropout(values, share) if share else values


class Network(nn.Module):
    """An encoder with a head for each kind of lesson; the heads are dropped in the end."""

    def __init__(self, source: Path, tags: int):
        super().__init__()
        self.bert = BertModel.from_pretrained(source, dtype=torch.float32, attn_implementation="sdpa")
        wide, words = self.bert.config.hidden_size, self.bert.config.vocab_size
        self.words = nn.Sequential(nn.Linear(wide, wide), nn.GELU(), nn.LayerNorm(wide))
        self.word_bias = nn.Parameter(torch.zeros(words))
        self.heads = nn.ModuleDict({name: nn.Linear(wide, n) for name, n in (HEADS | {"tags": tags}).items()})

    def read(self, batch: dict[str, Tensor], hidden: Tensor | None = None, share: float = 0.0) -> Reading:
        """Return what BertModel returns, by few kernels: with its own modules a step waits for the processor."""
        bert, ids = self.bert, batch["ids"] if hidden is None else hidden
        table, mask = bert.embeddings, batch["mask"][:, None, None, :]
        types = batch.get("types")
        first, second = table.token_type_embeddings.weight
        state = table.word_embeddings(ids) + table.position_embeddings.weight[: ids.shape[1]] + first
        if types is not None:  # no look-up: its gradient would add up thousands of rows one after the other
            state = state + types[..., None] * (second - first)
        state = drop(table.LayerNorm(state), share)
        states = [state]
        for layer in bert.encoder.layer:
            own, out = layer.attention.self, layer.attention.output
            shape = (*state.shape[:2], own.num_attention_heads, own.attention_head_size)
            q, k, v = (part(state).view(shape).transpose(1, 2) for part in (own.query, own.key, own.value))
            mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=share)
            mixed = drop(out.dense(mixed.transpose(1, 2).flatten(2)), share)
            state = out.LayerNorm(state + mixed)
            wide = drop(layer.output.dense(gelu(layer.intermediate.dense(state))), share)
            state = layer.output.LayerNorm(state + wide)
            states.append(state)
        return Reading(states, torch.tanh(bert.pooler.dense(state[:, 0])))

    def guess_words(self, states: Tensor) -> Tensor:
        return self.words(states) @ self.bert.embeddings.word_embeddings.weight.T + self.word_bias

    def answer(self, kind: str, found: Reading) -> Tensor:
        return self.heads[kind](found.states[-1] if kind in ("tags", "span") else found.pooled).float()


def hide_words(batch: dict[str, Tensor], vocabulary: int, share: float = MASKED) -> tuple[Tensor, Tensor]:
    """Return the ids with some words masked (8 of 10), changed (1) or left (1), and where they are, `(B, T)`."""
    ids = batch["ids"]
    chosen = (torch.rand(ids.shape, device=ids.device) < share) & (ids >= SPECIAL)
    dice = torch.rand(ids.shape, device=ids.device)
    hidden = torch.where(chosen & (dice < 0.8), MASK, ids)
    other = torch.randint(SPECIAL, vocabulary, ids.shape, device=ids.device)
    return torch.where(chosen & (dice >= 0.9), other, hidden), chosen


def mean_states(found: Reading, batch: dict[str, Tensor]) -> Tensor:
    mask = batch["mask"][..., None]
    return (found.states[-1].float() * mask).sum(1) / mask.sum(1)


def task_loss(kind: str, scores: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Return the loss of one kind of lesson; `scores` are what the kind's head says."""
    if kind == "likeness":
        return mse_loss(scores.squeeze(-1), 3 * batch["cosine"])
    if kind == "tags":
        return cross_entropy(scores.flatten(0, 1), batch["tags"].flatten())
    if kind == "span":
        scores = scores.masked_fill(~batch["mask"][..., None], -1e4)
        return (cross_entropy(scores[..., 0], batch["start"]) + cross_entropy(scores[..., 1], batch["end"])) / 2
    return cross_entropy(scores, batch["label"])


def copied_loss(kind: str, mine: Tensor, its: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Return how far the student's answers are from the tutor's."""
    if kind == "likeness":
        return mse_loss(mine, its)
    if kind == "span":
        hide = ~batch["mask"][..., None]
        mine, its = (x.masked_fill(hide, -1e4).transpose(1, 2).flatten(0, 1) for x in (mine, its))
    if kind == "tags":
        mine, its = mine[batch["mask"]], its[batch["mask"]]
    goal = softmax(its / TEMPERATURE, -1)
    return kl_div(log_softmax(mine / TEMPERATURE, -1), goal, reduction="batchmean") * TEMPERATURE**2


class Lessons:
    """Batches of every kind, in the shares of `BATCHES`."""

    def __init__(self, work: Path, teacher: BertModel, device: str, column: int, without: tuple[str, ...]):
        stored = np.load(work / "rows.npz")
        packed: dict[str, dict[str, np.ndarray]] = {}
        for name in stored.files:
            kind, field = name.split(".")
            packed.setdefault(kind, {})[field] = stored[name]
        words = (work / "teacher" / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
        begins = np.array([not word.startswith("##") for word in words])
        packed["comparison"] = make_comparisons(packed["sentence"], begins, 60_000 if device == "cuda" else 500)
        self.streams = {
            kind: Rows(packed[kind], BATCHES[kind][0], device).batches() for kind in BATCHES if kind != "likeness"
        }
        likeness = Likeness(Rows(packed["sentence"], 0, device), teacher)
        self.streams["likeness"] = likeness.batches(BATCHES["likeness"][0])
        self.kinds = [kind for kind in BATCHES if kind not in without]
        self.shares = [BATCHES[kind][column] for kind in self.kinds]

    def __iter__(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        while True:
            kind = random.choices(self.kinds, self.shares)[0]
            yield kind, next(self.streams[kind])


def lessons_loss(network: Network, kind: str, batch: dict[str, Tensor], tutor: Network | None, scale: Any) -> dict:
    """Return the parts of a lesson's loss by name."""
    vocabulary = network.bert.config.vocab_size
    if kind == "text":
        hidden, chosen = hide_words(batch, vocabulary)
    else:  # now and then a word is hidden in the tasks too: small corpora are seen many times
        hidden, chosen = hide_words(batch, vocabulary, 0.08 if random.random() < 0.5 else 0.0)
    found = network.read(batch, hidden, 0.1 if tutor is None else 0.0)
    parts = {}
    if kind == "text":
        places = chosen.flatten().nonzero().squeeze(1)
        states = found.states[-1].flatten(0, 1)[places]
        parts["words"] = cross_entropy(network.guess_words(states).float(), batch["ids"].flatten()[places])
    else:
        parts[kind] = task_loss(kind, network.answer(kind, found), batch)
    if tutor is None:
        return parts
    with torch.no_grad():
        its = tutor.read(batch)
    seen = batch["mask"]
    for mine, other in STATES.items():
        far = (found.states[mine].float() - its.states[other].float())[seen] / scale[other]
        parts[f"states {mine}"] = far.square().mean() * 0.5
    also = {"text": ["tags"], "likeness": ["entailment"]}  # the tutor's opinion where nobody wrote an answer
    for name in also.get(kind, []) + ([] if kind == "text" else [kind]):
        parts[f"{name} copied"] = copied_loss(name, network.answer(name, found), tutor.answer(name, its), batch)
    if kind == "text":
        goal = (mean_states(its, batch) - scale["center"]) / scale["width"]
        parts["pooled"] = (1 - cosine_similarity(found.pooled.float(), goal)).mean()
    return parts


@torch.no_grad()
def measure_scale(tutor: Network, lessons: Lessons) -> dict[Any, Tensor]:
    """Return the spread of each dimension of the tutor's states, and centre and spread of its texts' means.

    Without them a few large dimensions, the same for every word, would make up most of the distance.
    """
    states: dict[int, list[Tensor]] = {other: [] for other in STATES.values()}
    means = []
    for _ in range(20):
        batch = next(lessons.streams["text"])
        found = tutor.read(batch)
        for other, kept in states.items():
            kept.append(found.states[other].float()[batch["mask"]])
        means.append(mean_states(found, batch))
    scale: dict[Any, Tensor] = {other: torch.cat(kept).std(0) for other, kept in states.items()}
    return scale | {"center": torch.cat(means).mean(0), "width": torch.cat(means).std(0)}


def get_optimizer(model: nn.Module, rate: float) -> torch.optim.AdamW:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def learn(
    network: Network, lessons: Lessons, minutes: float, rate: float, log: Path, tutor: Network | None = None
) -> None:
    """Run the lessons for so many minutes; the means of every hundred steps go into `log`.

    The rate follows the clock: time is what a lent machine has little of.
    """
    device = next(network.parameters()).device.type
    scale = None
    if tutor is not None:
        with torch.autocast(device, torch.bfloat16):
            scale = measure_scale(tutor, lessons)
    optimizer = get_optimizer(network, rate)
    began, sums, counts = time.time(), {}, {}
    with log.open("w", encoding="utf-8") as file:
        for step, (kind, batch) in enumerate(lessons, start=1):
            done = (time.time() - began) / 60 / minutes  # 0 to 1
            for group in optimizer.param_groups:
                group["lr"] = rate * min(done / WARMUP, 0.5 + 0.5 * math.cos(math.pi * max(0.0, done - WARMUP)))
            with torch.autocast(device, torch.bfloat16):
                parts = lessons_loss(network, kind, batch, tutor, scale)
            sum(parts.values()).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0) + value.detach()
                counts[name] = counts.get(name, 0) + 1
            if step % 100 == 0 or done >= 1:
                means = {name: round(float(value) / counts[name], 4) for name, value in sorted(sums.items())}
                line = json.dumps({"step": step, "minutes": round((time.time() - began) / 60, 2)} | means)
                file.write(line + "\n")
                file.flush()
                if step % 1000 == 0 or done >= 1:
                    print(log.name, line, flush=True)
                sums, counts = {}, {}
            if done >= 1:
                return


def start(work: Path, device: str, column: int, without: tuple[str, ...]) -> tuple[Lessons, int]:
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    teacher = BertModel.from_pretrained(work / "teacher", dtype=torch.float32).to(device).eval()
    lessons = Lessons(work, teacher, device, column, without)
    return lessons, int(np.load(work / "rows.npz")["tags.tags"].max()) + 1


@click.group(help=__doc__)
def main() -> None: ...


@main.command()
@click.option("--corpora", type=folder, required=True)
@click.option("--work", type=folder, required=True)
@click.option("--at-least", default=10, help="how often a piece must occur to be kept")
def teacher(corpora: Path, work: Path, at_least: int) -> None:
    """Decode the teacher and choose the vocabulary."""
    from e5 import E5File, embeddings, fetch, missing_characters, used_pieces, wordpieces, write_model
    from material import read_examples, read_texts

    short, long = read_texts(read_examples(corpora))
    texts = [part for text in short + long for part in text if part]
    e5 = E5File(fetch())
    rows = wordpieces(e5, used_pieces(e5, texts, at_least))
    words, table = embeddings(e5, rows, missing_characters(rows, texts, at_least=2))
    write_model(e5, words, table, list(range(e5.size["layers"])), work / "teacher")
    write_model(e5, words, table, LAYERS, work / "undistilled")
    click.echo(f"{len(words)} words, {len(words) - len(rows)} of them without an embedding of their own before")


@main.command()
@click.option("--corpora", type=folder, required=True)
@click.option("--work", type=folder, required=True)
def rows(corpora: Path, work: Path) -> None:
    """Write texts and examples as numbers."""
    from material import write_rows

    click.echo(write_rows(corpora, work / "teacher", work))


@main.command()
@click.option("--work", type=folder, required=True)
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option("--minutes", default=4.5)
@click.option("--rate", default=1e-4)
@click.option("--without", multiple=True, type=click.Choice(list(BATCHES)))
def tutor(work: Path, device: str, minutes: float, rate: float, without: tuple[str, ...]) -> None:
    """Teach the teacher the tasks; writes `tutor.pt`."""
    lessons, tags = start(work, device, 1, without)
    network = Network(work / "teacher", tags).to(device).train()
    learn(network, lessons, minutes, rate, work / "tutor.jsonl")
    torch.save(network.state_dict(), work / "tutor.pt")


@main.command()
@click.option("--work", type=folder, required=True)
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option("--minutes", default=8.5)
@click.option("--rate", default=6e-4)
@click.option("--without", multiple=True, type=click.Choice(list(BATCHES)))
@click.option("--layers", default=len(LAYERS), help="4: the shallower student, for comparison")
@click.option("--name", default="student")
@click.option("--tutored/--untutored", default=True, help="learn from the tutor, or from the teacher without tasks")
def student(
    work: Path,
    device: str,
    minutes: float,
    rate: float,
    without: tuple[str, ...],
    layers: int,
    name: str,
    tutored: bool,
) -> None:
    """Distil; writes the student and its loss curve."""
    lessons, tags = start(work, device, 2, without)
    guide = Network(work / "teacher", tags).to(device).eval()
    if tutored:
        guide.load_state_dict(torch.load(work / "tutor.pt", map_location=device, weights_only=True))
    network = Network(work / "undistilled", tags)
    if layers == 4:
        network.bert.encoder.layer = nn.ModuleList(network.bert.encoder.layer[i] for i in (0, 2, 3, 5))
        network.bert.config.num_hidden_layers = 4
        STATES.clear()
        STATES.update({2: 6, 4: 12})
    if tutored and "text" not in without:  # the tutor's way to guess words is a good beginning
        network.words.load_state_dict(guide.words.state_dict())
        network.word_bias.data.copy_(guide.word_bias.data)
    network.to(device).train()
    learn(network, lessons, minutes, rate, work / f"{name}.jsonl", guide)
    network.bert.half().save_pretrained(work / name)


@main.command()
@click.option("--work", type=folder, required=True)
@click.option("--source", default="student", help="which of the models in WORK")
@click.option("--out", type=folder, default=PACKAGE_FOLDER, show_default=True)
def ship(work: Path, source: str, out: Path) -> None:
    """Write the weights as float16, to be loaded as float32."""
    from e5 import write_vocabulary

    model = BertModel.from_pretrained(work / source, dtype=torch.float16)
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.1
    model.save_pretrained(out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8")) | {"dtype": "float32"}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    write_vocabulary((work / "teacher" / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1], out)
    click.echo(f"{out}: {sum(path.stat().st_size for path in out.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
