"""Which corpora can be fetched: their files, addresses pinned to a commit, sizes, digests, licences.

Where each digest comes from is said in docs/downloads.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """One file of a corpus."""

    name: str  # in the corpus's folder
    size: int  # bytes
    sha256: str  # of its content: whatever an address answers, nothing else is put in place
    addresses: tuple[str, ...]  # where it is published, asked in this order; the first is pinned to a commit


@dataclass(frozen=True)
class RemoteCorpus:
    """A published corpus: its licence and its files."""

    licence: str
    files: tuple[RemoteFile, ...]


_GITHUB = "https://raw.githubusercontent.com"
_PUBLISHED = f"""
nsmc (CC0)
{_GITHUB}/e9t/nsmc/cc0670e872d4ac27bfe36c87456783004b39ef6c
e03b7d14e9e41be8d464a28057cd25d7396c53e67aa7fd5f7e552c59b0ee2940 14628807 ratings_train.txt
8ac9f64052f11dbf6ae0acb5e038f03d90a76f0eda7820cfb3a92d02edfcebda  4893335 ratings_test.txt

klue-nli (CC BY-SA 4.0)
{_GITHUB}/KLUE-benchmark/KLUE/3efd98708a40ff49251fddde35453f8fbb11f536/klue_benchmark/klue-nli-v1.1
8d32e7e4ff97804a23f277fee8740f1341ac82e1c0c7b34f1be21952e4813996 12576683 klue-nli-v1.1_train.json klue_nli_train.json
0699db82be17766b26e199864e6260443e17ec6e91d1870e876419e388f245b1  1498298 klue-nli-v1.1_dev.json klue_nli_dev.json

kornli (CC BY-SA 4.0)
{_GITHUB}/kakaobrain/kor-nlu-datasets/0df0fe7d496eb61b092e022e238c2230b29f1cbc/KorNLI
dca5bf65597af45b139a5fbc8aa3587b612b391446475617b8faa09e5dfcd349 83550821 multinli.train.ko.tsv
aaf12d8955fcda2b14319e5cabb9b31824c6f504aede460c975b518911f484c0 78486224 snli_1.0_train.ko.tsv
821fb1c1c2e538ac2724a6132da36ffa379eb9a542ceb89243b3cf711377382c   511383 xnli.dev.ko.tsv
0db53cf8e182283a0d0404ec3fe1b15d1e29236d23d22082dc20d43067254b3e  1032430 xnli.test.ko.tsv

korquad-v1 (CC BY-ND 2.0 KR)
{_GITHUB}/korquad/korquad.github.io/61d7d6682948375dd8f06ef27e788fd19982af38/dataset
https://korquad.github.io/dataset
40d5115879a701751781df721d901abfa736d8db5f89000f2619433f39bf2dd2 38527475 KorQuAD_v1.0_train.json
25ffeb51e6c51ec02c071b60a10188e10005c144110f0d876b26079d80a35bdf  3881058 KorQuAD_v1.0_dev.json

klue-ner (CC BY-SA 4.0)
{_GITHUB}/KLUE-benchmark/KLUE/3efd98708a40ff49251fddde35453f8fbb11f536/klue_benchmark/klue-ner-v1.1
34b9d3d9f9ce9e064abc6ba4c27af43b4b70f2d6cde62c076a28e8aaa17cc544 10570302 klue-ner-v1.1_train.tsv
0f4d5e818f7b82d299c3a87856fc40a706f5943207580ddb252397e387050a54  2635045 klue-ner-v1.1_dev.tsv
"""
"""Of each corpus: name and licence, the addresses that hold it, `sha256 bytes name` of each file, and the name that the
file gets here, where that is another one."""


def _read_published() -> dict[str, RemoteCorpus]:
    catalog = {}
    for block in _PUBLISHED.strip().split("\n\n"):
        heading, *lines = block.split("\n")
        name, licence = heading.rstrip(")").split(" (")
        folders = [line for line in lines if line.startswith("https://")]
        files = []
        for sha256, size, published, *own in (line.split() for line in lines if line not in folders):
            addresses = tuple(f"{folder}/{published}" for folder in folders)
            files.append(RemoteFile(own[0] if own else published, int(size), sha256, addresses))
        catalog[name] = RemoteCorpus(licence, tuple(files))
    return catalog


CATALOG = _read_published()

NOT_FETCHED = {
    "ner": "the book's entities were shared from a personal Drive, and their source, kmounlp/NER, allows no commercial "
    "use, so they cannot be fetched. Learn with downstream_corpus_name='builtin-klue-ner' (in the package) or "
    "'klue-ner' (fetched), or put train.txt and val.txt with lines 'text\u241e<김환희:PER>가 ...' into {folder}",
}
"""Corpora that cells name and nobody can fetch, with the reason and what to do."""


def describe_catalog() -> str:
    """List the corpora with their licences, and each file with its size and where it is published."""
    lines = []
    for name, corpus in CATALOG.items():
        lines.append(f"{name} ({corpus.licence})")
        lines += [f"  {file.name:26}{file.size / 1e6:7.1f} MB  {file.addresses[0]}" for file in corpus.files]
    return "\n".join(lines)
