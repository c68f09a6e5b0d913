"""What a corpus is: the file of each split, the labels in order, and how rows become examples."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, builtin_corpus
from ratsnlp.nlpbook.errors import ArgumentError, CorpusMissingError

ExampleT = TypeVar("ExampleT")


class Corpus(Generic[ExampleT]):
    """Base of all corpora. A corpus class names its files and labels and says how to read one file.

    Args:
        files: Own files by split, instead of the published ones: `NsmcCorpus({"train": "my_reviews.txt"})`.
    """

    files: Mapping[str, str | Path] = {}
    labels: ClassVar[tuple[str, ...]] = ()
    label_names: ClassVar[tuple[str, ...]] = ()
    """How to show each label, as `한국어 (english)`; empty where the labels speak for themselves."""

    def __init__(self, files: Mapping[str, str | Path] | None = None):
        self.files = {**type(self).files, **(files or {})}

    def read(self, path: Path) -> Iterator[ExampleT]:
        """Yield the examples of one file."""
        raise NotImplementedError

    def path(self, data_root_path: str | Path, mode: str) -> Path:
        """Return the file of a split.

        Raises:
            ArgumentError: The corpus has no such split.
            CorpusMissingError: The file is not there.
        """
        if mode not in self.files:
            raise ArgumentError(f"{type(self).__name__} has no split {mode!r}; it has {', '.join(sorted(self.files))}")
        path = Path(data_root_path) / Path(self.files[mode]).expanduser()
        if not path.is_file():
            held = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else None
            there = (
                "that folder does not exist" if held is None else f"in that folder: {', '.join(held[:10]) or 'nothing'}"
            )
            raise CorpusMissingError(
                f"{path} is missing ({there}). Run nlpbook.download_downstream_dataset(args) first."
            )
        return path

    def iterate_examples(self, data_root_path: str | Path, mode: str) -> Iterator[ExampleT]:
        """Yield the examples of a split one by one, so that memory does not grow with the corpus."""
        return self.read(self.path(data_root_path, mode))

    def get_examples(self, data_root_path: str | Path, mode: str) -> list[ExampleT]:
        """Return all examples of a split."""
        return list(self.iterate_examples(data_root_path, mode))

    def get_labels(self) -> list[str]:
        """Return the labels in the order of the model's outputs."""
        return list(self.labels)

    @property
    def num_labels(self) -> int:
        """How many labels there are."""
        return len(self.get_labels())


def corpus_folder(args: TrainArguments) -> Path:
    """Return the corpus's folder: under the root, or inside the package for `builtin-...`."""
    name = args.downstream_corpus_name or ""
    if name.startswith(BUILTIN):
        return Path(builtin_corpus(name.removeprefix(BUILTIN)))
    return Path(args.downstream_corpus_root_dir).expanduser() / name
