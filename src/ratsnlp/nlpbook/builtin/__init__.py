"""What comes with the package: small, self-written corpora in the published formats, to learn offline."""

from importlib.resources import files
from pathlib import Path

from ratsnlp.nlpbook.errors import ArgumentError

BUILTIN = "builtin-"
"""`downstream_corpus_name="builtin-nsmc"` names the built-in sample of a corpus."""

CORPORA = Path(str(files("ratsnlp.nlpbook.builtin"))) / "corpora"


def builtin_corpus(name: str) -> str:
    """Return the folder of a built-in sample corpus, for example `builtin_corpus("nsmc")`.

    Raises:
        ArgumentError: There is no built-in sample of that corpus.
    """
    if not name or not (CORPORA / name).is_dir():
        held = ", ".join(sorted(path.name for path in CORPORA.iterdir() if path.is_dir()))
        raise ArgumentError(f"there is no built-in corpus {name!r}; there is {held}")
    return str(CORPORA / name)
