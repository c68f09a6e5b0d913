"""A public address through cloudflared: no account, but its program must be installed."""

import re
import shutil
import subprocess
import threading

from ratsnlp.nlpbook.errors import ServingError
from ratsnlp.nlpbook.settings import in_notebook

START_SECONDS = 30.0  # until there is an address and a connection stands
STOP_SECONDS = 5.0

# where a request fails, the messages name cloudflared's own api.trycloudflare.com
ADDRESS = re.compile(r"https://(?!api\.)[a-z0-9-]+\.trycloudflare\.com")
CONNECTED = re.compile(r"\bregistered\b", re.IGNORECASE)
FAILURE = re.compile(r"\b(?:ERR|failed)\b")
TIMESTAMP = re.compile(r"^\S+Z [A-Z]{3} ")


class Cloudflared:
    """A public address that cloudflared leads to a page of this machine.

    Raises:
        ServingError: The program is not installed, gives up, or reaches no connection; the message has its own words.
    """

    is_public = True

    def __init__(self, url: str) -> None:
        program = shutil.which("cloudflared")
        if program is None:
            raise ServingError("no program cloudflared on PATH; install it, or use expose='ngrok'")
        self.url: str | None = None
        self._is_connected = False
        self._failures: list[str] = []
        self._settled = threading.Event()
        self._process = subprocess.Popen(
            [program, "tunnel", "--no-autoupdate", "--url", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=in_notebook(),  # so that interrupting a cell leaves the address as it is
        )
        self._reader = threading.Thread(target=self._read_messages, name="cloudflared's messages", daemon=True)
        self._reader.start()
        try:
            self._wait_until_connected()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the program, and with it the public address. Closing twice does nothing."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join(STOP_SECONDS)

    def _wait_until_connected(self) -> None:
        self._settled.wait(START_SECONDS)
        has_failed = bool(self._failures) and not self._is_connected
        if self.url is None or has_failed or self._process.poll() is not None:
            raise ServingError("; ".join(self._failures[-2:]) or f"no address within {START_SECONDS:.0f} seconds")

    def _read_messages(self) -> None:
        """Read until the program ends: it would wait for ever at a pipe that nobody empties."""
        assert self._process.stderr is not None
        with self._process.stderr as messages:
            for line in messages:
                self._take_message(line.strip())
        self._process.wait()
        self._settled.set()

    def _take_message(self, line: str) -> None:
        if address := ADDRESS.search(line):
            self.url = self.url or address[0]
        elif FAILURE.search(line) and not self._settled.is_set():
            self._failures.append(TIMESTAMP.sub("", line))
        self._is_connected = self._is_connected or CONNECTED.search(line) is not None
        if self.url and self._is_connected:
            self._settled.set()
