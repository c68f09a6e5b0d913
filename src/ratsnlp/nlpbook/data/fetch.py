"""One file from one address, under fire: what broke off goes on from there, what fails for a while is asked again.

Everything lands in a half file, which outlives a failure, Ctrl-C and a power cut. Only what has the published size and
digest leaves this module as fetched.
"""

import hashlib
import logging
import random
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Never

import httpx2
from tqdm.auto import tqdm

from ratsnlp.nlpbook.data.answers import PAGE, AddressError, PassingError, check_answer, read_range, read_version
from ratsnlp.nlpbook.data.catalog import RemoteFile
from ratsnlp.nlpbook.errors import DownloadError

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


def open_client(patience: Patience) -> httpx2.Client:
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


def fetch_from(
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
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found == remote.sha256:
            return
        part.unlink()
        if not transfer.pieced:
            break
        logger.info("%s: the pieces do not make the published file, fetching the whole", remote.name)
    raise AddressError(f"what it answers is not the published file: sha256 {found}, expected {remote.sha256}")


class Transfer:
    """The way of one file from one address into its half file. See `fetch_from`."""

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
            check_answer(answer, self.remote)
            start = self.find_start(answer, held)
            self.version = read_version(answer)
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
        if read_range(answer)[0] == held:
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
