"""Examples -> features: one dataset for all tasks. A task says how its examples become numbers."""

import copy
import dataclasses
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.data.batches import Features, Padding, as_mapping, fitting_multiple, xla_in_use
from ratsnlp.nlpbook.data.corpus import adopt_corpus, corpus_folder, share_out
from ratsnlp.nlpbook.data.features import (
    Chunk,
    FeatureStore,
    GivenStore,
    cache_folder,
    fingerprint,
    tokenizer_identity,
    write_features,
    write_once,
)
from ratsnlp.nlpbook.environment import is_first_process
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError
from ratsnlp.nlpbook.logs import LOGGED_EXAMPLES, log_example, logger
from ratsnlp.nlpbook.model_folder import file_digest
from ratsnlp.nlpbook.texts import plain_label, plain_labels

CHUNK_ROWS = 4096
ExampleT = TypeVar("ExampleT")
FeaturesT = TypeVar("FeaturesT", bound="Features")


@dataclass(frozen=True)
class RightAnswer:
    """What a model should answer to one row, in words."""

    text: str
    marked: Collection[int] = ()  # the tokens that it speaks of, by place
    labels: Sequence[str] = ()  # the label of each token, where each has one


class FeatureDataset(Dataset[FeaturesT], Generic[ExampleT, FeaturesT]):
    """Base of all datasets: makes or finds the feature file of a corpus's split, and gives its rows as `Features`.

    A task's dataset says how examples become numbers (`convert_examples`), how a stored row becomes `Features`
    (`read_row`), how an example is logged (`describe_example`) and what a model should answer (`right_answer`). Where
    one example becomes several rows (windows of a long text), rows say which `example` they are of; where examples are
    not independent, which `group`: both are values of every row, numbered from 0.

    Args:
        args: The training settings.
        tokenizer: The tokenizer of the model that will read the ids.
        corpus: Where examples come from: a corpus of ours, a subclass that overrides any of its reading methods, or any
            object with `get_examples(folder, mode)` and, where there are labels, `get_labels()`.
        mode: The split: "train", "val" or "test".
        convert_examples_to_features_fn: Your own way to features: a function of (examples, tokenizer, args), and
            `label_list` where there are labels, which returns a list of features. They stay in memory.

    Raises:
        ArgumentError: The corpus has no such split; or your own features have no `input_ids`.
        CorpusMissingError: The corpus file is not there.
        CorpusFormatError: The corpus file breaks its format.
    """

    creating_line = "Creating features from dataset file at %s"
    example_class: Any
    """The task's example, a dataclass."""
    cuts_texts = True
    """Whether texts longer than `max_seq_length` are cut off there, and not read in several windows."""

    def __init__(
        self,
        args: TrainArguments,
        tokenizer: PreTrainedTokenizerBase,
        corpus: Any,
        mode: str = "train",
        convert_examples_to_features_fn: Callable[..., Sequence[Any]] | None = None,
    ):
        self.args, self.tokenizer, self.corpus, self.mode = args, tokenizer, adopt_corpus(corpus), mode
        self.opening: list[ExampleT] = []  # the first examples, as long as they are to be logged
        self.loaded: list[ExampleT] = []  # all of them, once one is asked for; shared with what `select` makes
        self.scored = mode != "train"  # whether rows say where they are stored, so that scores find their examples
        self.converted = 0  # examples so far
        self.labels_said = False
        self.folder = corpus_folder(args)
        self.padding = Padding(tokenizer.pad_token_id or 0, args.max_seq_length, xla_in_use(), fitting_multiple())
        if convert_examples_to_features_fn is not None:
            self.store: FeatureStore = GivenStore(self.convert_by(convert_examples_to_features_fn))
        else:
            self.file = self.file_name()
            path = cache_folder(args.feature_cache_dir, self.source.parent) / self.file
            start = time.perf_counter()
            if not write_once(path, lambda: self.make_features(path), args.overwrite_cache):
                logger.info("Loading features from cached file %s [took %.3f s]", path, time.perf_counter() - start)
            self.store = FeatureStore(path)
        self.selected = torch.arange(len(self.store))  # (N,) which rows of the store are rows of this dataset

    def convert_by(self, function: Callable[..., Sequence[Any]]) -> list[Any]:
        """Return the features that the user's own function makes of the split."""
        name = getattr(function, "__name__", "your function")
        logger.info("features (%s) come from %s: they stay in memory and are made again each time", self.mode, name)
        examples = list(self.examples())
        labels = {"label_list": labels} if (labels := self.get_labels()) else {}
        features = list(function(examples, self.tokenizer, self.args, **labels))
        if not features or any("input_ids" not in as_mapping(row) for row in features):
            raise ArgumentError(f"{name} must return features that have input_ids, one or more; got {features[:1]!r}")
        for row in features:
            if isinstance(row, Features):
                row.padding = self.padding
        return features

    def convert_examples(self, examples: Sequence[ExampleT]) -> Chunk:
        """Turn examples into numbers."""
        raise NotImplementedError

    def read_row(self, row: int) -> FeaturesT:
        """Return a stored row as features; `shared_fields` has those that are not the task's own."""
        raise NotImplementedError

    def shared_fields(self, row: int, second: int | None = None) -> dict[str, Any]:
        """Return the fields of a stored row that all features have; `second` is where a pair's second text begins."""
        ids = self.store.tokens_of("input_ids", row).tolist()
        first = len(ids) if second is None else second
        typed = "token_type_ids" in self.tokenizer.model_input_names
        types = [0] * first + [1] * (len(ids) - first) if typed else None  # models without types get none
        return {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": types, "padding": self.padding}

    def describe_example(self, example: ExampleT, features: FeaturesT) -> dict[str, str]:
        """Return what is logged about one of the first examples, by line name."""
        raise NotImplementedError

    def right_answer(self, features: FeaturesT) -> RightAnswer:
        """Return what a model should answer to a row."""
        raise NotImplementedError

    def identity(self) -> list[str]:
        """Return the settings, beside tokenizer and corpus file, that decide the numbers."""
        return [str(self.args.max_seq_length), *self.get_labels()]

    @property
    def sources(self) -> list[Path]:
        """The corpus files of the split, or the corpus's folder where files do not decide the examples."""
        return self.corpus.paths(self.folder, self.mode) if self.corpus.is_read_from_files else [self.folder]

    @property
    def source(self) -> Path:
        """The first of `sources`."""
        return self.sources[0]

    def file_name(self) -> str:
        """Return the name of the feature file: readable parts, and the hash that makes it right."""
        if self.source.is_file():
            content = "".join(map(file_digest, self.sources)).encode()
        else:
            content = "\n".join(map(repr, self.examples())).encode()
        parts = [type(self).__name__, self.corpus.identity, *self.identity()]
        code = fingerprint(tokenizer_identity(self.tokenizer), content, *parts)
        corpus, task = self.args.downstream_corpus_name or type(self.corpus).__name__, self.args.downstream_task_name
        name = f"cached_{self.mode}_{type(self.tokenizer).__name__}_{self.args.max_seq_length}_{corpus}_{task}_{code}"
        return f"{name.replace('/', '-')}.safetensors"

    def make_features(self, path: Path) -> None:
        """Read the corpus, convert it, log the first examples, write the feature file."""
        logger.info(self.creating_line, self.source.parent if self.source.is_file() else self.folder)
        logger.info("loading %s data... LOOKING AT %s", self.mode, ", ".join(map(str, self.sources)))
        logger.info("tokenize sentences, it could take a lot of time...")
        start = time.perf_counter()
        write_features(self.convert_all(), path)
        logger.info("tokenize sentences [took %.3f s]", time.perf_counter() - start)
        self.store = FeatureStore(path)
        for number, example in enumerate(self.opening if is_first_process() else ()):
            log_example(self.describe_example(example, self.read_row(self.first_row(number))))
        logger.info("Saving features into cached file, it could take a lot of time...")
        start = time.perf_counter()
        logger.info("Saving features into cached file %s [took %.3f s]", path, time.perf_counter() - start)

    def examples(self) -> Iterator[ExampleT]:
        """Yield the examples of the split, each as an example of the task, with texts for texts and for labels.

        A CorpusFormatError names an example whose text is none, such as the empty cell of a table.
        """
        fields = dataclasses.fields(self.example_class)
        texts = [(declared.name, declared.type is not str) for declared in fields if declared.type in (str, str | None)]
        for number, example in enumerate(self.corpus.examples(self.folder, self.mode), start=1):
            if not isinstance(example, self.example_class):
                names = [declared.name for declared in fields if hasattr(example, declared.name)]
                example = self.example_class(**{name: getattr(example, name) for name in names})
            for name, optional in texts:
                value = getattr(example, name)
                if type(value) is str or (optional and value is None):
                    continue
                if name == "label":
                    example.label = plain_label(value)
                elif not isinstance(value, str):
                    raise CorpusFormatError(
                        f"{self.mode}: {name} of example {number} must be text, got {value!r}. "
                        "Leave such rows out, or write str(...) around the value"
                    )
            yield example

    def convert_all(self) -> Iterator[Chunk]:
        """Yield the features of the whole split chunk by chunk, with a progress bar."""
        examples = self.examples()
        with tqdm(desc=f"features ({self.mode})", unit=" examples", disable=not is_first_process()) as bar:
            while chunk := list(islice(examples, CHUNK_ROWS)):
                self.opening = self.opening or chunk[:LOGGED_EXAMPLES]
                yield self.convert_examples(chunk)
                self.converted += len(chunk)
                bar.update(len(chunk))

    def __getitem__(self, index: int) -> FeaturesT:
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of a dataset of {len(self)} rows")
        row = int(self.selected[index])
        given: Sequence[FeaturesT] | None = self.store.given
        return self.read_row(row) if given is None else given[row]

    @property
    def features(self) -> list[FeaturesT]:
        """All rows, as a list: for looking at; a loader asks for row by row."""
        return [self[row] for row in range(len(self))]

    def __len__(self) -> int:
        return len(self.selected)

    @property
    def lengths(self) -> Tensor:
        """Tokens in each row, `(N,)`."""
        return self.store.lengths[self.selected]

    def row_values(self, name: str) -> Tensor:
        """Return a value that is stored per row, such as `label`, for all rows of this dataset: `(N,)` int32."""
        return self.store.rows[name][self.selected]

    def select(self, rows: Iterable[int]) -> Self:
        """Return a dataset of these rows only; the features are shared, not copied."""
        return self._stored(self.selected[torch.as_tensor(list(rows), dtype=torch.int64)])

    def _stored(self, rows: Tensor) -> Self:
        other = copy.copy(self)
        other.selected = rows
        return other

    @property
    def example_numbers(self) -> Tensor:
        """The number of each row's example, `(N,)`."""
        return self.row_values("example")

    @property
    def example_count(self) -> int:
        """How many examples the rows are made of: as many as rows, unless one example becomes several rows."""
        return len(torch.unique(self.example_numbers))

    def example_of(self, row: int) -> int:
        """Return the number of the example of a stored row."""
        return int(self.store.rows["example"][row])

    def example(self, number: int) -> ExampleT:
        """Return an example by its number. The corpus is read again, once, when the first one is asked for."""
        if not self.loaded:
            self.loaded += self.examples()
        return self.loaded[number]

    def first_row(self, example: int) -> int:
        """Return the stored row that stands for an example, given by its number, in the log."""
        return int(torch.nonzero(self.store.rows["example"] == example)[0])

    def split_after(self, count: int) -> tuple[Self, Self]:
        """Return the rows of the first `count` examples, and the rows after them."""
        numbers = self.example_numbers
        first = torch.isin(numbers, torch.unique(numbers)[:count])
        return self.select(torch.nonzero(first).flatten()), self.select(torch.nonzero(~first).flatten())

    def split_held_out(self, count: int, seed: int) -> tuple[Self, Self]:
        """Return the rows to train on, and all stored rows of about `count` examples held out to score.

        Whole groups are held out where there are some, so that nothing of one is in both; else each label with its
        share. See `hold_out`.
        """
        numbers = self.example_numbers
        if "label" in self.store.rows:
            held = hold_out(self.row_values("label"), count, seed)
        else:
            groups = self.row_values("group") if "group" in self.store.rows else numbers
            groups = groups if len(torch.unique(groups)) > 1 else numbers
            held = _hold_out_groups(groups, numbers, count, seed)
        chosen = torch.unique(numbers[held])
        others = self._stored(torch.nonzero(torch.isin(self.store.rows["example"], chosen)).flatten())
        others.scored = True
        return self.select(torch.nonzero(~held).flatten()), others

    def get_labels(self) -> list[str]:
        """Return the corpus's labels, as texts, in the order of the model's outputs; `0` and `"0"` are one label."""
        given = self.corpus.get_labels()
        labels = plain_labels(given)
        if len(labels) < len(given) and not self.labels_said:
            logger.warning("labels that read alike are one label: %s stand for %s", labels, given)
            self.labels_said = True
        return labels


def hold_out(labels: Tensor, count: int, seed: int) -> Tensor:
    """Return which of the rows with these labels, `(N,)`, to hold out, `(N,)` bool: of each label its share.

    These are about `count` rows: no label gives its last one. Same seed, same rows, in every process.
    """
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(labels), dtype=torch.bool)
    groups = [torch.nonzero(labels == label).flatten() for label in sorted(set(labels.tolist()))]
    for rows, share in zip(groups, share_out(list(map(len, groups)), count), strict=True):
        held[rows[torch.randperm(len(rows), generator=generator)[:share]]] = True
    return held


def _hold_out_groups(groups: Tensor, examples: Tensor, count: int, seed: int) -> Tensor:
    """Return which rows to hold out: whole groups, but for the last one, until they hold `count` examples."""
    held = torch.zeros(len(groups), dtype=torch.bool)
    order = torch.unique(groups)
    for group in order[torch.randperm(len(order), generator=torch.Generator().manual_seed(seed))][:-1]:
        if len(torch.unique(examples[held])) >= count:
            break
        held |= groups == group
    return held
