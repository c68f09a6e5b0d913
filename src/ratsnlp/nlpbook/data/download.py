"""Put a published corpus in place: each file from the first address that gives it, verified, by one process at a time.

Bytes go to `FILE.part`, which takes the file's name only if it has the published digest: a half or wrong file is never
in place. docs/downloads.md lists what each fault of a server costs, and where the digests in `catalog.json` come from.
"""

import email.utils
import errno
import json
import os
import random
import re
import shutil
import time
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Never

import httpx2
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, CORPORA
from ratsnlp.nlpbook.errors import ArgumentError, DownloadError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.model_folder import file_digest

MIRRORS = "RATSNLP_MIRRORS"
"""Environment variable: addresses, spaces between, that hold CORPUS/FILE and are asked before the published ones."""
OFFLINE = "RATSNLP_OFFLINE"
"""Environment variable: where it is set, the published addresses are not asked at all; mirrors are."""
PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses that say "later", not "never"
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
PAGE = "it answers a web page, not the file: a login page of the network may stand in between"


@dataclass(frozen=True)
class RemoteFile:
    """A file of a published corpus. Whatever an address answers, only content with this digest is put in place."""

    name: str  # in the corpus's folder
    size: int  # bytes
    sha256: str
    addresses: tuple[str, ...]  # asked in this order; the first is pinned to a commit


@dataclass(frozen=True)
class RemoteCorpus:
    """A published corpus: its licence and its files."""

    licence: str
    files: tuple[RemoteFile, ...]


def _read_catalog() -> dict[str, RemoteCorpus]:
    catalog = {}
    for name, corpus in json.loads((files(__package__) / "catalog.json").read_text(encoding="utf-8")).items():
        remote = []
        for file in corpus["files"]:
            published = file.pop("published", file["name"])  # what its publishers call the file
            addresses = tuple(f"{folder}/{published}" for folder in corpus["folders"])
            remote.append(RemoteFile(**file, addresses=addresses))
        catalog[name] = RemoteCorpus(corpus["licence"], tuple(remote))
    return catalog


CATALOG = _read_catalog()
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


@dataclass(frozen=True)
class Patience:
    """Limits of retrying; times are in seconds."""

    tries: int = 4  # requests in a row that bring nothing new, until an address is given up
    first_wait: float = 1.0  # doubles with each further failure
    longest_wait: float = 60.0
    silence: float = 20.0  # without an answer or a byte, until a connection is given up

    def wait_after(self, failures: int) -> float:
        """Return the seconds to wait: by chance up to half as long, so that a class does not ask in step."""
        return min(self.first_wait * 2.0 ** (failures - 1), self.longest_wait) * random.uniform(0.5, 1)


PATIENCE = Patience()


class _AddressError(Exception):
    """This address does not give the file. Another one may."""


class _RetryError(Exception):
    """This request failed, the next one may not. The server asks to be left alone for `wait` seconds."""

    def __init__(self, reason: str, wait: float = 0):
        super().__init__(reason)
        self.wait = wait


def download_downstream_dataset(args: TrainArguments) -> None:
    """Fetch the files of `args.downstream_corpus_name` into its folder, unless they are there.

    A file already in place is used as it is, whoever put it there; `force_download=True` fetches it again.

    Raises:
        ArgumentError: The corpus is not in the catalog.
        DownloadError: A file could not be fetched, or is not the published one. What was in place stays.
    """
    download_corpus(args.downstream_corpus_name or "", args.downstream_corpus_root_dir, args.force_download)


def download_corpus(name: str, root_dir: str | Path, force: bool = False, patience: Patience = PATIENCE) -> list[Path]:
    """Put the files of a corpus in `root_dir/name`, and return their paths. See `download_downstream_dataset`."""
    if name.startswith(BUILTIN):
        logger.info("%s comes with the package, nothing to fetch", name)
        return []
    folder = Path(root_dir).expanduser() / name
    if name in NOT_FETCHED:
        if any(folder.glob("*")):
            logger.info("cache folder(%s) exists, using what is there", folder)
            return sorted(folder.iterdir())
        raise ArgumentError(f"{name}: {NOT_FETCHED[name].format(folder=folder)}")
    if name not in CATALOG:
        raise ArgumentError(
            f"not valid data name({name}): the catalog holds {', '.join(CATALOG)}; put own files in place"
        )
    remotes = {folder / remote.name: remote for remote in CATALOG[name].files}
    for path, remote in remotes.items():
        put_in_place(remote, name, path, force, patience)
    return list(remotes)


def put_in_place(remote: RemoteFile, corpus: str, path: Path, force: bool, patience: Patience) -> None:
    """Fetch one file to `path`, unless it is there. Where another process is fetching it, wait and use that file."""
    try:
        if not force and is_in_place(path, remote):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            acquired = lock.acquire(blocking=False)
        except Timeout:
            logger.info("another process is fetching %s: waiting for it", path)
            acquired = lock.acquire()
        with acquired:
            if force or not is_in_place(path, remote):
                _fetch(remote, corpus, path, patience)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(explain_disk(error, path, remote)) from None


def is_in_place(path: Path, remote: RemoteFile) -> bool:
    """Return whether there is a file to use. An empty one, or a web page saved under the corpus's name, is not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begin = file.read(256).strip()
    if not begin or begin.startswith(b"<"):
        logger.warning("%s is %s, not a corpus: fetching it again", path, "a web page" if begin else "empty")
        return False
    size = path.stat().st_size
    note = (
        f" It has {size:,} bytes, the published one {remote.size:,}: your own, or cut short by another program; "
        "force_download fetches the published one."
    )
    logger.info("cache file(%s) exists, using cache!%s", path, "" if size == remote.size else note)
    return True


def _fetch(remote: RemoteFile, corpus: str, path: Path, patience: Patience) -> None:
    part = _name_part(path)
    if shutil.disk_usage(path.parent).free < remote.size - _count_bytes(part):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    addresses = [f"{mirror.rstrip('/')}/{corpus}/{remote.name}" for mirror in os.environ.get(MIRRORS, "").split()]
    addresses += [] if os.environ.get(OFFLINE) else remote.addresses
    failures = []
    plain = {"Accept-Encoding": "identity"}  # a range counts the bytes of the file, not of a compressed answer
    try:
        client = httpx2.Client(timeout=patience.silence, follow_redirects=True, headers=plain)
    except (httpx2.InvalidURL, ValueError, ImportError) as error:
        raise DownloadError(
            f"the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used: {error}. Set it to "
            "http://HOST:PORT, or unset it."
        ) from None
    with client:
        for address in addresses:
            try:
                _fetch_from(client, address, remote, part, patience)
            except _AddressError as error:
                failures.append(f"  {address}: {error}")
            else:
                part.replace(path)
                logger.info("fetched %s (%s)", path, CATALOG[corpus].licence)
                return
    raise DownloadError("\n".join([f"{remote.name} could not be fetched:", *failures, *_advise(remote, corpus, path)]))


def _fetch_from(client: httpx2.Client, address: str, remote: RemoteFile, part: Path, patience: Patience) -> None:
    """Fill `part` with the published content, or raise `_AddressError`; what is there is kept unless it is wrong."""
    for _ in range(2):
        if _count_bytes(part) > remote.size:
            part.unlink()
        pieced = _fill(client, address, remote, part, patience)
        found = file_digest(part)
        if found == remote.sha256:
            return
        part.unlink()
        if not pieced:
            break
        # the file changed between two answers: worth one more round
        logger.info("%s: the pieces do not make the published file, fetching the whole", remote.name)
    raise _AddressError(f"what it answers is not the published file: sha256 {found}, expected {remote.sha256}")


def _fill(client: httpx2.Client, address: str, remote: RemoteFile, part: Path, patience: Patience) -> bool:
    """Ask an address until `part` has the published size. Return whether more than one answer made it."""
    furthest = _count_bytes(part)
    version, ranges, pieced, failures = "", True, furthest > 0, 0
    with tqdm(desc=remote.name, total=remote.size, initial=furthest, unit="B", unit_scale=True) as bar:
        while (held := _count_bytes(part)) < remote.size:
            start = held if ranges else 0
            headers = {"Range": f"bytes={start}-"} if start else {}
            if start and version:
                headers["If-Range"] = version  # answered with the whole file where that has changed
            try:
                with client.stream("GET", address, headers=headers) as answer:
                    begin = _check_answer(answer, remote)
                    if answer.status_code == httpx2.codes.PARTIAL_CONTENT and begin != start:
                        ranges = False  # from now on the whole is asked for
                        said = answer.headers.get("Content-Range")
                        raise _RetryError(f"asked for the bytes from {start:,} on, it answers {said}")
                    tag = answer.headers.get("ETag", "")
                    # a weak tag (W/"...") is the same for files that differ in bytes
                    version = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
                    pieced = bool(begin)
                    _write(answer, begin or 0, remote.size, part, bar)
                if (held := _count_bytes(part)) < remote.size:
                    raise _RetryError(f"the answer ended after {held:,} of {remote.size:,} bytes")
            except (httpx2.UnsupportedProtocol, httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
                raise _AddressError(str(error)) from None
            except (_RetryError, httpx2.TransportError) as error:
                # a failure that brought the file forward starts the count again
                failures = 1 if _count_bytes(part) > furthest else failures + 1
                furthest = max(furthest, _count_bytes(part))
                _wait(error, failures, remote.name, patience)
    return pieced


def _check_answer(answer: httpx2.Response, remote: RemoteFile) -> int | None:
    """Look at an answer before a byte of it is read. Return the byte of the file at which it says it begins."""
    status = f"status {answer.status_code} {answer.reason_phrase}"
    if answer.status_code in PASSING:
        raise _RetryError(status, _read_retry_after(answer))
    if answer.status_code not in (httpx2.codes.OK, httpx2.codes.PARTIAL_CONTENT):
        raise _AddressError(status)
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise _AddressError(PAGE)
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise _AddressError(f"it answers {answer.headers['Content-Encoding']} though the plain file was asked for")
    begin, size = "0", answer.headers.get("Content-Length", "")
    if answer.status_code == httpx2.codes.PARTIAL_CONTENT:
        said = CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
        begin, size = said.groups() if said else ("", "")
    if size.isdecimal() and int(size) != remote.size:
        raise _AddressError(f"it has {int(size):,} bytes, the published file {remote.size:,}")
    return int(begin) if begin else None


def _read_retry_after(answer: httpx2.Response) -> float:
    given = answer.headers.get("Retry-After", "")
    if given.isdecimal():
        return float(given)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
    except ValueError:
        return 0.0


def _write(answer: httpx2.Response, start: int, size: int, part: Path, bar: "tqdm[Never]") -> None:
    blocks = answer.iter_raw()
    first = next(blocks, b"")
    if start == 0 and first.lstrip().startswith(b"<"):
        raise _AddressError(PAGE)
    bar.n = start
    with part.open("ab" if start else "wb") as file:
        for block in chain([first], blocks):
            bar.update(file.write(block))
            if file.tell() > size:
                break
    if _count_bytes(part) > size:
        part.unlink()
        raise _AddressError(f"it answers more than the {size:,} bytes of the published file")


def _wait(error: Exception, failures: int, name: str, patience: Patience) -> None:
    reason = str(error) or type(error).__name__
    asked = error.wait if isinstance(error, _RetryError) else 0
    if failures >= patience.tries:
        raise _AddressError(f"{reason} ({failures} requests in a row brought nothing new)")
    if asked > patience.longest_wait:
        raise _AddressError(f"{reason}; it asks to be left alone for {asked:,.0f} seconds")
    seconds = max(asked, patience.wait_after(failures))
    logger.info("%s: %s; asking again in %.1f seconds", name, reason, seconds)
    time.sleep(seconds)


def _name_part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _count_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _advise(remote: RemoteFile, corpus: str, path: Path) -> list[str]:
    lines = [f"  {OFFLINE} is set: the published addresses were not asked"] if os.environ.get(OFFLINE) else []
    if held := _count_bytes(_name_part(path)):
        lines.append(f"{held:,} of {remote.size:,} bytes are here; run the same again and it goes on from there.")
    samples = [corpus] if (CORPORA / corpus).is_dir() else sorted(sample.name for sample in CORPORA.iterdir())
    return [
        *lines,
        f"Check the connection, or put the file at {path} by hand (fetched elsewhere, from {remote.addresses[0]}),",
        f"or set {MIRRORS} to a server that has {corpus}/{remote.name},",
        "or learn without a network: " + " or ".join(f"downstream_corpus_name='{BUILTIN}{name}'" for name in samples),
    ]


def explain_disk(error: OSError, path: Path, remote: RemoteFile) -> str:
    """Say what the disk refuses, and what can be done about it."""
    other = "give another folder (downstream_corpus_root_dir, or ratsnlp download --root DIR)"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return f"{path} cannot be written: {error.strerror or error}. Nothing was put in place; {other}."
    folder = next(parent for parent in path.parents if parent.is_dir())
    return (
        f"no room for {path}: the file has {remote.size:,} bytes, {shutil.disk_usage(folder).free:,} are free there. "
        f"Nothing was put in place; the {_count_bytes(_name_part(path)):,} bytes that came are kept in "
        f"{_name_part(path).name}. Make room and run the same again, or {other}."
    )
