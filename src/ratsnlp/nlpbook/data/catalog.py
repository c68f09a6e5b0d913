"""Which corpora can be fetched: their files, addresses pinned to a commit, sizes where known, digests, licences."""

from dataclasses import dataclass

NSMC = "https://raw.githubusercontent.com/e9t/nsmc/cc0670e872d4ac27bfe36c87456783004b39ef6c"

KLUE = "https://raw.githubusercontent.com/KLUE-benchmark/KLUE/3efd98708a40ff49251fddde35453f8fbb11f536/klue_benchmark"

KORQUAD = "https://raw.githubusercontent.com/korquad/korquad.github.io/61d7d6682948375dd8f06ef27e788fd19982af38/dataset"


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
    "klue-nli": RemoteCorpus(
        files=(
            RemoteFile(
                "klue_nli_train.json",
                f"{KLUE}/klue-nli-v1.1/klue-nli-v1.1_train.json",
                "git-sha1:a7903d15f09a3663d8f1d78e68d8d6c10dbd8618",
            ),
            RemoteFile(
                "klue_nli_dev.json",
                f"{KLUE}/klue-nli-v1.1/klue-nli-v1.1_dev.json",
                "sha256:0699db82be17766b26e199864e6260443e17ec6e91d1870e876419e388f245b1",
            ),
        ),
        licence="CC BY-SA 4.0",
    ),
    "korquad-v1": RemoteCorpus(
        files=(
            RemoteFile(
                "KorQuAD_v1.0_train.json",
                f"{KORQUAD}/KorQuAD_v1.0_train.json",
                "git-sha1:82e3c5939e5e61a1c4ae94e42676800e88ec52a6",
            ),
            RemoteFile(
                "KorQuAD_v1.0_dev.json",
                f"{KORQUAD}/KorQuAD_v1.0_dev.json",
                "sha256:25ffeb51e6c51ec02c071b60a10188e10005c144110f0d876b26079d80a35bdf",
            ),
        ),
        licence="CC BY-ND 2.0 KR",
    ),
}
