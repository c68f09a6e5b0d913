"""What 1.x, and the tutorials before it, called things. What can work works; what cannot says what to write now.

The rest of the library knows nothing of it, but for the lines that ask here: `nlpbook.__getattr__`, the `__getattr__`
of the task folders and their `corpus` modules, and `add_encode_plus()` where transformers is loaded.
"""

import copy
import dataclasses
import sys
import tempfile
import types
import warnings
from collections.abc import Callable
from functools import partial
from pkgutil import resolve_name
from typing import Any

NLPBOOK = "ratsnlp.nlpbook"

NAMES = {
    "seed_setting": "training.trainer:set_seed",
    "TrainArguments": "arguments:TrainArguments",
    "DeployArguments": "arguments:DeployArguments",
    "get_tokenizer": "old_names:get_tokenizer",
    "get_pretrained_model": "old_names:get_pretrained_model",
    "download_pretrained_model": "old_names:download_pretrained_model",
    "check_exist_checkpoints": "old_names:check_exist_checkpoints",
}
"""Names of `nlpbook` that answer, with what they are now."""

MODULES = {
    "data_utils": ("data_collator", "download_downstream_dataset"),
    "trainer": ("get_trainer", "set_seed"),
    "utils": ("set_seed", "set_logger", "load_arguments", "download_downstream_dataset"),
}
"""Modules of 1.x that are no longer there, with names of `nlpbook` that they held."""

MOVED = {
    "classification.corpus": {
        "ClassificationDataset": "classification.dataset:ClassificationDataset",
        "ClassificationFeatures": "classification.dataset:ClassificationFeatures",
        "_convert_examples_to_classification_features": "old_names:convert_classification",
    },
    "qa.corpus": {
        "QADataset": "qa.dataset:QADataset",
        "QAFeatures": "qa.dataset:QAFeatures",
        "_squad_convert_examples_to_features": "old_names:convert_qa",
    },
    "ner.corpus": {
        "NERDataset": "ner.dataset:NERDataset",
        "NERFeatures": "ner.dataset:NERFeatures",
        "_convert_examples_to_ner_features": "old_names:convert_ner",
    },
    "classification": {"_convert_examples_to_classification_features": "old_names:convert_classification"},
    "qa": {"_squad_convert_examples_to_features": "old_names:convert_qa"},
    "ner": {"_convert_examples_to_ner_features": "old_names:convert_ner"},
}
"""Names that are in another module of a task's folder now."""

NOT_YET = (f"{NLPBOOK}.generation",)
"""Tasks of 1.x that this version does not have yet."""

SETTINGS = {
    "do_eval": "validation runs whenever fit() gets a validation loader; leave do_eval out",
    "eval": "validation runs whenever fit() gets a validation loader; leave eval out",
}
"""Settings that are gone, with what to do instead."""


def find(name: str, module: str = "") -> Any:
    """Return what an old name of `nlpbook`, or of one of its modules, stands for now; else raise `AttributeError`."""
    place = MOVED.get(module, {}).get(name) if module else NAMES.get(name)
    if place is None:
        where = f"{NLPBOOK}.{module}" if module else NLPBOOK
        _refuse_absent(f"{where}.{name}", AttributeError)
        raise AttributeError(f"module {where!r} has no attribute {name!r}")
    if not module:
        warnings.warn(f"nlpbook.{name} is an old name; it still works: {place.replace(':', '.')}", stacklevel=3)
    return resolve_name(f"{NLPBOOK}.{place}")


def names_of(module: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module that once held more names: `names_of("qa.corpus")`."""
    return lambda name: find(name, module)


def after(look_up: Callable[[str], Any], module: str = "") -> Callable[[str], Any]:
    """Return the `__getattr__` of a package: a name of today where `look_up` finds one, else an old one."""

    def look_up_both(name: str) -> Any:
        try:
            return look_up(name)
        except AttributeError:
            return find(name, module)

    return look_up_both


class _OldModule(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name in MODULES[self.__name__.rpartition(".")[2]]:
            return getattr(sys.modules[NLPBOOK], name)
        raise AttributeError(f"module {self.__name__!r} of ratsnlp 1.x is gone, and {name!r} with it; see `nlpbook.*`")


def _refuse_absent(name: str, kind: type[Exception] = ModuleNotFoundError) -> None:
    """Raise an error that says which tasks there are, where a name stands for one that is not there yet."""
    if name in NOT_YET:
        there = ", ".join(resolve_name(f"{NLPBOOK}.tasks:TASKS"))
        raise kind(f"{name} is not part of this version of ratsnlp yet; its tasks are {there}")


def install() -> None:
    """Let the modules of 1.x be imported that are no longer there, and say which are not there yet."""
    for name in MODULES:
        sys.modules.setdefault(f"{NLPBOOK}.{name}", _OldModule(f"{NLPBOOK}.{name}"))
    sys.meta_path.append(types.SimpleNamespace(find_spec=lambda name, *_: _refuse_absent(name)))  # asked last


def get_tokenizer(args: Any) -> Any:
    """Return the tokenizer of a pretrained model, lower-casing off, as `BertTokenizer.from_pretrained` does today."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(args.pretrained_model_name, do_lower_case=False)


def get_pretrained_model(args: Any, num_labels: int) -> Any:
    """Return a pretrained classifier with a head of `num_labels` outputs."""
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(args.pretrained_model_name, num_labels=num_labels)


def download_pretrained_model(args: Any, config_only: bool = False) -> None:
    """Do nothing: `from_pretrained` fetches what is not there yet."""


def check_exist_checkpoints(args: Any) -> None:
    """Do nothing: `fit` says what the model folder holds, and goes on with the same training."""


def _convert(dataset: str, examples: Any, tokenizer: Any, args: Any, label_list: Any = ()) -> list[Any]:
    """Return the features of examples, as a list; of a long passage, those of all its windows."""

    class Given:
        def get_examples(self, folder: str, mode: str) -> Any:
            return examples

        def get_labels(self) -> Any:
            return label_list

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        args = dataclasses.replace(args, feature_cache_dir=folder)
        made = resolve_name(f"{NLPBOOK}.{dataset}")(args, tokenizer, Given(), "train")
        return [made.read_row(row) for row in range(len(made.store))]


convert_classification = partial(_convert, "classification.dataset:ClassificationDataset")
convert_qa = partial(_convert, "qa.dataset:QADataset")
convert_ner = partial(_convert, "ner.dataset:NERDataset")


def add_encode_plus() -> None:
    """Put `encode_plus`, which transformers 5 no longer has, back on tokenizers: the published cells call it.

    Ids given for a text, as those cells do, and tokens stay as they are: none is read back and cut again.
    """
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerBase

    def encode_plus(self: Any, text: Any, text_pair: Any = None, **options: Any) -> Any:
        warnings.warn("tokenizer.encode_plus(...) is called tokenizer(...) now", FutureWarning, stacklevel=2)
        given = [each for each in (text, text_pair) if each is not None]
        if all(isinstance(each, str) for each in given) or not self.is_fast:  # one in Python takes ids as they are
            return self(*given, **options)
        tokens = [self.tokenize(each) if isinstance(each, str) else list(each) for each in given]
        tokens = [[t if isinstance(t, str) else self.convert_ids_to_tokens(int(t)) for t in each] for each in tokens]
        known = {t: self.convert_tokens_to_ids(t) for each in (*tokens, self.all_special_tokens) for t in each}
        whole = copy.copy(self)  # the same tokenizer, but that each of these tokens is a word
        whole._tokenizer = Tokenizer(models.WordLevel(known, unk_token=""))
        whole._tokenizer.post_processor = self.backend_tokenizer.post_processor
        return whole(*tokens, **options | {"is_split_into_words": True})

    if not hasattr(PreTrainedTokenizerBase, "encode_plus"):
        PreTrainedTokenizerBase.encode_plus = encode_plus  # type: ignore[attr-defined]
