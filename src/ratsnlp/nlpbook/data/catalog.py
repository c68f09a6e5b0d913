"""Which corpora can be fetched: their files, addresses pinned to a commit, sizes where known, digests, licences."""

from dataclasses import dataclass

NSMC = "https://raw.githubusercontent.com/e9t/nsmc/cc0670e872d4ac27bfe36c87456783004b39ef6c"


@dataclass(frozen=True)
class RemoteFile:
    """One file of a corpus.

    Attributes:
        name: Its name in the corpus's folder.
        address: Where it is published, pinned to a commit.
        digest: `sha256:...`, or `git-sha1:...`, the name that git gives a file's content.
    """

    name: str
    address: str
    digest: str


@dataclass(frozen=True)
class RemoteCorpus:
    """A published corpus."""

    files: tuple[RemoteFile, ...]
    licence: str


CATALOG = {
    "nsmc": RemoteCorpus(
        files=(
            RemoteFile(
                "ratings_train.txt", f"{NSMC}/ratings_train.txt", "git-sha1:ac0dba272895dc1d0b3dd5f11afbeaeb7abe7876"
            ),
            RemoteFile(
                "ratings_test.txt", f"{NSMC}/ratings_test.txt", "git-sha1:b6cfcd8cd1557bcd9bf06617b0e429ed73e9a367"
            ),
        ),
        licence="CC0",
    ),
}
