"""Put a published corpus in place: from a mirror or its published address, one process at a time, verified, at once.

A half or wrong file never stands in the right one's place. One address is `fetch.py`'s; docs/downloads.md lists faults.
"""

import email.utils
import errno
import logging
import os
import random
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Never

import httpx2
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.builtin import BUILTIN, CORPORA
from ratsnlp.nlpbook.data.catalog import CATALOG, NOT_FETCHED, RemoteFile
from ratsnlp.nlpbook.errors import ArgumentError, DownloadError
from ratsnlp.nlpbook.model_folder import file_digest

PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Statuses that say "later", not "never"."""
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
PAGE = "it answers a web page, not the file: a login page of the network may stand in between"


class AddressError(Exception):
    """This address does not give the file. Another one may."""


class PassingError(Exception):
    """It did not work this time.

    Args:
        reason: What happened.
        wait: Seconds for which the server asks to be left alone.
    """

    def __init__(self, reason: str, wait: float = 0):
        super().__init__(reason)
        self.wait = wait


def _check_answer(answer: httpx2.Response, remote: RemoteFile) -> None:
    """Look at an answer before a byte of it is read.

    Raises:
        PassingError: The server says "later".
        AddressError: It has no such file, or another one.
    """
    status = f"status {answer.status_code} {answer.reason_phrase}"
    if answer.status_code in PASSING:
        raise PassingError(status, _read_retry_after(answer))
    if answer.status_code not in (httpx2.codes.OK, httpx2.codes.PARTIAL_CONTENT):
        raise AddressError(status)
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise AddressError(PAGE)
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise AddressError(f"it answers {answer.headers['Content-Encoding']} though the plain file was asked for")
    size = _read_size(answer)
    if size not in (None, remote.size):
        raise AddressError(f"it has {size:,} bytes, the published file {remote.size:,}")


def _read_size(answer: httpx2.Response) -> int | None:
    if answer.status_code == httpx2.codes.PARTIAL_CONTENT:
        return _read_range(answer)[1]
    told = answer.headers.get("Content-Length", "")
    return int(told) if told.isdigit() else None


def _read_range(answer: httpx2.Response) -> tuple[int | None, int | None]:
    said = CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
    if not said:
        return None, None
    return int(said[1]), int(said[2]) if said[2].isdigit() else None


def _read_version(answer: httpx2.Response) -> str:
    tag = str(answer.headers.get("ETag", ""))
    return tag if tag.startswith('"') else str(answer.headers.get("Last-Modified", ""))


def _read_retry_after(answer: httpx2.Response) -> float:
    told = answer.headers.get("Retry-After", "")
    if told.isdigit():
        return float(told)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return 0.0


logger = logging.getLogger("ratsnlp")


@dataclass(frozen=True)
class Patience:
    """How much a server is forgiven.

    Attributes:
        tries: Requests in a row that bring nothing new, until an address is given up.
        first_wait: Seconds before the next request; doubles with each further failure.
        longest_wait: Seconds, the most that is ever waited.
        silence: Seconds without an answer or a byte, until a connection is given up.
    """

    tries: int = 4
    first_wait: float = 1.0
    longest_wait: float = 60.0
    silence: float = 20.0

    def wait_after(self, failures: int) -> float:
        """Return the seconds to wait: by chance up to half as long, so that a class does not ask in step."""
        return min(self.first_wait * 2.0 ** (failures - 1), self.longest_wait) * random.uniform(0.5, 1)


PATIENCE = Patience()


def _open_client(patience: Patience) -> httpx2.Client:
    """Return what asks addresses: through the proxies that the environment names, trusting whom the system trusts.

    Raises:
        DownloadError: The environment names a proxy that cannot be used.
    """
    plain = {"Accept-Encoding": "identity"}  # a range counts the bytes of the file, not of a compressed answer
    try:
        return httpx2.Client(timeout=patience.silence, follow_redirects=True, headers=plain)
    except (httpx2.InvalidURL, ValueError, ImportError) as error:
        raise DownloadError(
            f"the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used: {error}. Set it to "
            "http://HOST:PORT, or unset it."
        ) from None


def _fetch_from(
    client: httpx2.Client, address: str, remote: RemoteFile, part: Path, patience: Patience = PATIENCE
) -> None:
    """Fill the half file `part` with the published content.

    What was there is gone on with. If the pieces do not make the published file (it changed in between), the whole is
    fetched once more.

    Raises:
        AddressError: The address does not give the file. What is there is kept unless it is wrong.
        OSError: The disk failed, not the network.
    """
    found = ""
    for _ in range(2):
        transfer = Transfer(client, address, remote, part, patience)
        transfer.run()
        found = file_digest(part)
        if found == remote.sha256:
            return
        part.unlink()
        if not transfer.pieced:
            break
        logger.info("%s: the pieces do not make the published file, fetching the whole", remote.name)
    raise AddressError(f"what it answers is not the published file: sha256 {found}, expected {remote.sha256}")


class Transfer:
    """The way of one file from one address into its half file. See `_fetch_from`."""

    def __init__(self, client: httpx2.Client, address: str, remote: RemoteFile, part: Path, patience: Patience):
        self.client, self.address, self.remote, self.part, self.patience = client, address, remote, part, patience
        self.version = ""  # what the server calls the version of the file that is being fetched
        self.ranges = True  # until it answers another range than was asked for
        if self.held > remote.size:
            part.unlink()
        self.pieced = self.held > 0  # more than one answer made the half file

    @property
    def held(self) -> int:
        """How many bytes are there."""
        return self.part.stat().st_size if self.part.exists() else 0

    def run(self) -> None:
        """Ask until the half file has the published size.

        Raises:
            AddressError: The address cannot be asked, has another file, or failed too often in a row.
        """
        failures, furthest = 0, self.held
        with tqdm(desc=self.remote.name, total=self.remote.size, initial=furthest, unit="B", unit_scale=True) as bar:
            while self.held < self.remote.size:
                try:
                    self.ask(bar)
                except (httpx2.UnsupportedProtocol, httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
                    raise AddressError(str(error)) from None
                except (PassingError, httpx2.TransportError) as error:
                    # a failure that brought the file forward starts the count anew
                    failures = 1 if self.held > furthest else failures + 1
                    furthest = max(furthest, self.held)
                    self.wait(failures, error)

    def wait(self, failures: int, error: Exception) -> None:
        """Wait before the next request: as long as the server asks for, at least a little more each time.

        Raises:
            AddressError: It failed too often in a row, or the server asks for more than `longest_wait`.
        """
        reason = str(error) or type(error).__name__
        asked = error.wait if isinstance(error, PassingError) else 0
        if failures >= self.patience.tries:
            raise AddressError(f"{reason} ({failures} requests in a row brought nothing new)")
        if asked > self.patience.longest_wait:
            raise AddressError(f"{reason}; it asks to be left alone for {asked:,.0f} seconds")
        seconds = max(asked, self.patience.wait_after(failures))
        logger.info("%s: %s; asking again in %.1f seconds", self.remote.name, reason, seconds)
        time.sleep(seconds)

    def ask(self, bar: "tqdm[Never]") -> None:
        """Make one request, for what is missing, and write what it brings.

        Raises:
            PassingError: It did not bring all that is missing.
            AddressError: The address has another file, or none.
        """
        held = self.held if self.ranges else 0
        headers = {"Range": f"bytes={held}-"} if held else {}
        if held and self.version:
            headers["If-Range"] = self.version  # answered with the whole file where that has changed
        with self.client.stream("GET", self.address, headers=headers) as answer:
            _check_answer(answer, self.remote)
            start = self.find_start(answer, held)
            self.version = _read_version(answer)
            self.write(answer, start, bar)
        if self.held < self.remote.size:
            raise PassingError(f"the answer ended after {self.held:,} of {self.remote.size:,} bytes")

    def find_start(self, answer: httpx2.Response, held: int) -> int:
        """Return the byte of the file at which an answer begins: 0, or the first missing one.

        Raises:
            PassingError: It begins elsewhere; from now on the whole is asked for.
        """
        if answer.status_code == httpx2.codes.OK:
            return 0
        if _read_range(answer)[0] == held:
            return held
        self.ranges = False
        raise PassingError(f"asked for the bytes from {held:,} on, it answers {answer.headers.get('Content-Range')}")

    def write(self, answer: httpx2.Response, start: int, bar: "tqdm[Never]") -> None:
        """Append what an answer holds to the half file, or start that anew where the answer does.

        Raises:
            AddressError: The answer is a web page, or longer than the file.
        """
        blocks = answer.iter_raw()
        first = next(blocks, b"")
        if start == 0 and first.lstrip().startswith(b"<"):
            raise AddressError(PAGE)
        self.pieced = start > 0
        bar.n = start
        with self.part.open("ab" if start else "wb") as file:
            for block in chain([first], blocks):
                bar.update(file.write(block))
                if file.tell() > self.remote.size:
                    break
        if self.held > self.remote.size:
            self.part.unlink()
            raise AddressError(f"it answers more than the {self.remote.size:,} bytes of the published file")


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
        with _only_one(path):
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
def _only_one(path: Path) -> Iterator[None]:
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
    part = _name_part(path)
    if shutil.disk_usage(path.parent).free < remote.size - _count_bytes(part):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    failures = []
    with _open_client(patience) as client:
        for address in _list_addresses(remote, corpus):
            try:
                _fetch_from(client, address, remote, part, patience)
            except AddressError as error:
                failures.append(f"{address}: {error}")
            else:
                part.replace(path)
                logger.info("fetched %s (%s)", path, CATALOG[corpus].licence)
                return
    raise DownloadError(_explain_failures(failures, remote, corpus, path))


def _list_addresses(remote: RemoteFile, corpus: str) -> list[str]:
    mirrors = [f"{mirror.rstrip('/')}/{corpus}/{remote.name}" for mirror in os.environ.get(MIRRORS, "").split()]
    return mirrors + ([] if os.environ.get(OFFLINE) else [*remote.addresses])


def _name_part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _count_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _explain_failures(failures: list[str], remote: RemoteFile, corpus: str, path: Path) -> str:
    lines = [f"{remote.name} could not be fetched:", *(f"  {failure}" for failure in failures)]
    if os.environ.get(OFFLINE):
        lines.append(f"  {OFFLINE} is set: the published addresses were not asked")
    if held := _count_bytes(_name_part(path)):
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
        f"Nothing was put in place; the {_count_bytes(_name_part(path)):,} bytes that came are kept in "
        f"{_name_part(path).name}. Make room and run the same again, or {other}."
    )
