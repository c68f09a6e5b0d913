"""What comes with the package, to learn offline: a small pretrained model, and self-written corpora."""

from importlib.resources import files
from pathlib import Path

from ratsnlp.nlpbook.errors import ArgumentError

BUILTIN = "builtin-"
"""`downstream_corpus_name="builtin-nsmc"` names the built-in sample of a corpus."""

BUILTIN_MODEL = "builtin"
"""`pretrained_model_name="builtin"` names the built-in model; settings and checkpoints are written with this word."""

FOLDER = Path(str(files("ratsnlp.nlpbook.builtin")))
CORPORA = FOLDER / "corpora"


def builtin_model() -> str:
    """Return the folder of the built-in model, a small pretrained Korean BERT: config, weights and vocabulary.

    `BertTokenizer.from_pretrained(builtin_model(), do_lower_case=False)` and `BertModel.from_pretrained(...)` read it
    as they read any folder. How it was made and what it reaches stands in its MODEL_CARD.md.
    """
    return str(FOLDER / "model")


def builtin_corpus(name: str) -> str:
    """Return the folder of a built-in sample corpus, for example `builtin_corpus("nsmc")`.

    Raises:
        ArgumentError: There is no built-in sample of that corpus.
    """
    if not name or not (CORPORA / name).is_dir():
        held = ", ".join(sorted(path.name for path in CORPORA.iterdir() if path.is_dir()))
        raise ArgumentError(f"there is no built-in corpus {name!r}; there is {held}")
    return str(CORPORA / name)
