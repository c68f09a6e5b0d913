"""Fetch a corpus: to FILE.part, verified by its digest, then renamed.

A half or wrong file never stands in the right one's place.
"""

import hashlib
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm.auto import tqdm

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN
from ratsnlp.nlpbook.data.catalog import CATALOG, RemoteFile
from ratsnlp.nlpbook.data.corpus import corpus_folder
from ratsnlp.nlpbook.errors import ArgumentError, DownloadError

logger = logging.getLogger("ratsnlp")

TIMEOUT_SECONDS = 20
BLOCK = 1 << 16
BASE_ADDRESS = "RATSNLP_BASE_URL"
"""Environment variable: fetch `$RATSNLP_BASE_URL/CORPUS/FILE` instead (a school's own server)."""


def download_downstream_dataset(args: TrainArguments) -> None:
    """Fetch the files of `args.downstream_corpus_name` into its folder, unless they are there.

    A file already in place is used as it is, whoever put it there; `force_download=True` fetches it anew.

    Raises:
        ArgumentError: The corpus is not in the catalog.
        DownloadError: A file could not be fetched, or is not the published one. What was in place stays.
    """
    name = args.downstream_corpus_name or ""
    if name.startswith(BUILTIN):
        logger.info("%s comes with the package, nothing to fetch", name)
        return
    if name not in CATALOG:
        raise ArgumentError(
            f"not valid data name({name}): the catalog holds {', '.join(CATALOG)}; put own files in place"
        )
    folder = corpus_folder(args)
    for remote in CATALOG[name].files:
        path = folder / remote.name
        if path.exists() and not args.force_download:
            logger.info("cache file(%s) exists, using cache!", path)
        else:
            fetch(remote, name, path)


def fetch(remote: RemoteFile, corpus: str, path: Path) -> None:
    """Fetch one file to `path`, through `path` + ".part", verifying its digest before it takes its name.

    Raises:
        DownloadError: It could not be fetched, or is not the published one.
    """
    base = os.environ.get(BASE_ADDRESS)
    address = f"{base.rstrip('/')}/{corpus}/{remote.name}" if base else remote.address
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with FileLock(path.with_name(f".{path.name}.lock")):
        try:
            receive(address, part)
        except (urllib.error.URLError, OSError) as error:
            part.unlink(missing_ok=True)
            raise DownloadError(
                f"{remote.name} could not be fetched from {address}: {error}. Check the connection, "
                f"or put the file at {path} by hand, or set {BASE_ADDRESS} to a server that has it; "
                f"without any of these, use a built-in corpus (downstream_corpus_name='{BUILTIN}{corpus}')."
            ) from None
        verify(part, remote, address)
        part.replace(path)
    logger.info("fetched %s (%s)", path, CATALOG[corpus].licence)


def receive(address: str, part: Path) -> None:
    """Write what an address answers to a file, with a progress bar."""
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:
        size = int(answer.headers.get("Content-Length") or 0)
        with part.open("wb") as file, tqdm(desc=part.stem, total=size or None, unit="B", unit_scale=True) as bar:
            while block := answer.read(BLOCK):
                file.write(block)
                bar.update(len(block))
    if size and part.stat().st_size != size:
        raise OSError(f"the connection ended after {part.stat().st_size:,} of {size:,} bytes")


def verify(part: Path, remote: RemoteFile, address: str) -> None:
    """Compare a fetched file with its published digest.

    Raises:
        DownloadError: They differ; the fetched file is removed.
    """
    kind, _, wanted = remote.digest.partition(":")
    found = DIGESTS[kind](part.read_bytes())
    if found != wanted:
        part.unlink()
        raise DownloadError(
            f"what {address} answers is not the published {remote.name}: its {kind} is {found}, expected {wanted}. "
            "A login page of the network may stand in between; nothing was put in place."
        )


def git_name(content: bytes) -> str:
    """Return the name that git gives a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


DIGESTS: dict[str, Callable[[bytes], Any]] = {
    "sha256": lambda content: hashlib.sha256(content).hexdigest(),
    "git-sha1": git_name,
}
