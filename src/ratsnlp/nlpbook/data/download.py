"""Put a published corpus in place: from a mirror or its published address, one process at a time, verified, at once.

A half or wrong file never stands in the right one's place. One address is `fetch.py`'s; docs/downloads.md lists faults.
"""

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, CORPORA
from ratsnlp.nlpbook.data.answers import AddressError
from ratsnlp.nlpbook.data.catalog import CATALOG, RemoteFile
from ratsnlp.nlpbook.data.fetch import PATIENCE, Patience, fetch_from, open_client
from ratsnlp.nlpbook.errors import ArgumentError, DownloadError

logger = logging.getLogger("ratsnlp")

MIRRORS = "RATSNLP_MIRRORS"
"""Environment variable: addresses, spaces between, that hold CORPUS/FILE and are asked before the published ones."""
OFFLINE = "RATSNLP_OFFLINE"
"""Environment variable: where it is set, the published addresses are not asked at all; mirrors are."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def download_downstream_dataset(args: TrainArguments) -> None:
    """Fetch the files of `args.downstream_corpus_name` into its folder, unless they are there.

    A file already in place is used as it is, whoever put it there; `force_download=True` fetches it anew.

    Raises:
        ArgumentError: The corpus is not in the catalog.
        DownloadError: A file could not be fetched, or is not the published one. What was in place stays.
    """
    download_corpus(args.downstream_corpus_name or "", args.downstream_corpus_root_dir, args.force_download)


def download_corpus(name: str, root_dir: str | Path, force: bool = False, patience: Patience = PATIENCE) -> list[Path]:
    """Put the files of a corpus in `root_dir/name`, unless they are there, and return their paths.

    Raises:
        ArgumentError: The corpus is not in the catalog.
        DownloadError: A file could not be fetched, or is not the published one. What was in place stays.
    """
    if name.startswith(BUILTIN):
        logger.info("%s comes with the package, nothing to fetch", name)
        return []
    if name not in CATALOG:
        raise ArgumentError(
            f"not valid data name({name}): the catalog holds {', '.join(CATALOG)}; put own files in place"
        )
    folder = Path(root_dir).expanduser() / name
    for remote in CATALOG[name].files:
        put_in_place(remote, name, folder / remote.name, force, patience)
    return [folder / remote.name for remote in CATALOG[name].files]


def put_in_place(remote: RemoteFile, corpus: str, path: Path, force: bool, patience: Patience) -> None:
    """Fetch one file to `path`, unless it is there; where another process is at it, wait and use what that fetched.

    Raises:
        DownloadError: It could not be fetched, is not the published one, or cannot be written.
    """
    try:
        if not force and is_in_place(path, remote):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with only_one(path):
            if force or not is_in_place(path, remote):
                fetch(remote, corpus, path, patience)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(explain_disk(error, path, remote)) from None


def is_in_place(path: Path, remote: RemoteFile) -> bool:
    """Tell whether there is a file to use. An empty one, or a web page saved under the corpus's name, is none."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begin = file.read(256).strip()
    if not begin or begin.startswith(b"<"):
        logger.warning("%s is %s, not a corpus: fetching it anew", path, "a web page" if begin else "empty")
        return False
    size = path.stat().st_size
    note = (
        f" It has {size:,} bytes, the published one {remote.size:,}: your own, or cut short by another program; "
        "force_download fetches the published one."
    )
    logger.info("cache file(%s) exists, using cache!%s", path, "" if size == remote.size else note)
    return True


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Keep other processes from fetching the same file."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        logger.info("another process is fetching %s: waiting for it", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def fetch(remote: RemoteFile, corpus: str, path: Path, patience: Patience) -> None:
    """Fetch one file to `path`, through `path` + ".part", from the first address that gives it.

    Raises:
        DownloadError: None does; the message says what each answered, and what else can be done.
        OSError: The disk failed.
    """
    part = name_part(path)
    if shutil.disk_usage(path.parent).free < remote.size - count_bytes(part):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    failures = []
    with open_client(patience) as client:
        for address in list_addresses(remote, corpus):
            try:
                fetch_from(client, address, remote, part, patience)
            except AddressError as error:
                failures.append(f"{address}: {error}")
            else:
                part.replace(path)
                logger.info("fetched %s (%s)", path, CATALOG[corpus].licence)
                return
    raise DownloadError(explain_failures(failures, remote, corpus, path))


def list_addresses(remote: RemoteFile, corpus: str) -> list[str]:
    """Return where to ask for a file: mirrors first, then the published addresses unless `RATSNLP_OFFLINE` is set."""
    mirrors = [f"{mirror.rstrip('/')}/{corpus}/{remote.name}" for mirror in os.environ.get(MIRRORS, "").split()]
    return mirrors + ([] if os.environ.get(OFFLINE) else [*remote.addresses])


def name_part(path: Path) -> Path:
    """Return the half file of `path`: it stands beside it and is kept until it is whole."""
    return path.with_name(f"{path.name}.part")


def count_bytes(path: Path) -> int:
    """Return the size of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def explain_failures(failures: list[str], remote: RemoteFile, corpus: str, path: Path) -> str:
    """Say what each address answered, and what can be done about it."""
    lines = [f"{remote.name} could not be fetched:", *(f"  {failure}" for failure in failures)]
    if os.environ.get(OFFLINE):
        lines.append(f"  {OFFLINE} is set: the published addresses were not asked")
    if held := count_bytes(name_part(path)):
        lines.append(f"{held:,} of {remote.size:,} bytes are here; run the same again and it goes on from there.")
    samples = [corpus] if (CORPORA / corpus).is_dir() else sorted(sample.name for sample in CORPORA.iterdir())
    lines += [
        f"Check the connection, or put the file at {path} by hand (fetched elsewhere, from {remote.addresses[0]}),",
        f"or set {MIRRORS} to a server that has {corpus}/{remote.name},",
        "or learn without a network: " + " or ".join(f"downstream_corpus_name='{BUILTIN}{name}'" for name in samples),
    ]
    return "\n".join(lines)


def explain_disk(error: OSError, path: Path, remote: RemoteFile) -> str:
    """Say what the disk refuses, and what can be done about it."""
    other = "give another folder (downstream_corpus_root_dir, or ratsnlp download --root DIR)"
    if error.errno not in NO_ROOM:
        return f"{path} cannot be written: {error.strerror or error}. Nothing was put in place; {other}."
    folder = next(parent for parent in path.parents if parent.is_dir())
    return (
        f"no room for {path}: the file has {remote.size:,} bytes, {shutil.disk_usage(folder).free:,} are free there. "
        f"Nothing was put in place; the {count_bytes(name_part(path)):,} bytes that came are kept in "
        f"{name_part(path).name}. Make room and run the same again, or {other}."
    )
