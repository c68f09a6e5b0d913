"""How a page becomes reachable from outside its machine: in Colab, through ngrok, or through cloudflared.

Each way is a class: made with the address of a page of this machine, it has the `url` outside, tells whether that
`is_public`, and can `close`. One that cannot be had says why and leaves the page as it is.
"""

import functools
import logging
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol
from urllib.parse import urlsplit

from ratsnlp.nlpbook.environment import in_colab_notebook, in_notebook
from ratsnlp.nlpbook.errors import ServingError
from ratsnlp.nlpbook.serving.ngrok import Ngrok, find_token
from ratsnlp.nlpbook.serving.password import VARIABLE as PASSWORD_VARIABLE

PAGE_HEIGHT = "720"  # pixels, as `serve_kernel_port_as_iframe` takes them
BROWSER_SECONDS = 10.0  # the notebook's browser tab may be closed, and then nobody ever answers


class ColabProxy:
    """A page of this machine below the cell that runs. `url` is None where the browser does not tell its address.

    Raises:
        ServingError: The code does not run in Colab.
    """

    is_public = False  # Colab asks for the account in which the notebook is open

    def __init__(self, url: str) -> None:
        if not in_colab_notebook():
            raise ServingError("this is no Colab notebook; expose='ngrok' or 'cloudflared' work anywhere")
        from google.colab import output

        port = urlsplit(url).port
        output.serve_kernel_port_as_iframe(port, height=PAGE_HEIGHT)
        try:
            script = f"google.colab.kernel.proxyPort({port})"
            self.url: str | None = output.eval_js(script, timeout_sec=BROWSER_SECONDS)
        except Exception:  # a refusal of the browser in any form; the frame above is what counts
            self.url = None

    def close(self) -> None:
        """Do nothing: the proxy belongs to Colab, and ends with the server behind it."""


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


logger = logging.getLogger("ratsnlp")
AUTO, NONE = "auto", "none"


class Tunnel(Protocol):
    """A way to a page from outside its machine."""

    url: str | None

    @property
    def is_public(self) -> bool:
        """Whether anybody can come this way, who knows the address."""

    def close(self) -> None:
        """End it. Closing twice does nothing."""


Ways = dict[str, Callable[[str], Tunnel | None]]  # by name, how to open it


def choose_tunnels(expose: str, authtoken: str | None = None) -> Ways:
    """Return how to open the ways that `expose` names.

    "auto" takes the Colab proxy in Colab. A token of ngrok makes the page public if it was given for this page: by
    `authtoken`, or in Colab, whose machine and secrets are the notebook's own. One that lies on somebody's computer is
    no wish to publish.

    Raises:
        ServingError: `expose` names no way.
    """
    ways: Ways = {
        "colab": ColabProxy,
        "ngrok": functools.partial(Ngrok, authtoken=authtoken),
        "cloudflared": Cloudflared,
    }
    if expose not in (AUTO, *ways, NONE):
        raise ServingError(f"expose: found {expose!r}; needed: {', '.join((AUTO, *ways, NONE))}")
    if expose != AUTO:
        return {name: way for name, way in ways.items() if name == expose}
    if in_colab_notebook():
        return {"colab": ColabProxy, "ngrok": ways["ngrok"] if authtoken else _use_token_of_notebook}
    return {"ngrok": ways["ngrok"]} if authtoken else {}


def _use_token_of_notebook(url: str) -> Tunnel | None:
    return Ngrok(url) if find_token() else None


def open_tunnels(ways: Ways, url: str) -> Iterator[Tunnel]:
    """Open ways to the page at `url`, one after another; print why where one cannot be had."""
    for name, open_tunnel in ways.items():
        try:
            tunnel = open_tunnel(url)
        except Exception as error:  # whatever an agent, a browser or a network does: the page itself stays
            print(f"no address through {name}: {error}\nthe page stays at {url}", flush=True)
        else:
            if tunnel:
                yield tunnel


def close_tunnels(tunnels: Iterable[Tunnel]) -> None:
    """Close ways to a page; a failure is logged and keeps nothing else from closing."""
    for tunnel in tunnels:
        try:
            tunnel.close()
        except Exception as error:  # the server still has to be closed after this
            logger.warning("closing %s failed: %s", tunnel.url, error)


def describe_protection(has_password: bool) -> str:
    """Say who can use a page that others can reach."""
    missing = f"no password protects it; password='...' or the variable {PASSWORD_VARIABLE} sets one"
    return "a password protects it" if has_password else missing


def tell_address(tunnel: Tunnel, has_password: bool) -> None:
    """Print where a tunnel leads from, and, if anybody can come through it, what stops them."""
    if tunnel.is_public:
        print(f"public address: {tunnel.url}", flush=True)
        print(f"everybody who has this address can open the page: {describe_protection(has_password)}", flush=True)
    elif tunnel.url:
        print(f"in Colab: {tunnel.url} (for you, while this notebook is open)", flush=True)
