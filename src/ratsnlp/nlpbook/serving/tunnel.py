"""How a page becomes reachable from outside its machine: in Colab, through ngrok, or through cloudflared.

Each way is a class: made with the address of a page of this machine, it has the `url` outside, knows whether that
`is_public`, and can `close`. One that cannot be had says why and leaves the page as it is.
"""

import functools
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from ratsnlp.nlpbook.environment import in_colab_notebook, in_notebook
from ratsnlp.nlpbook.errors import ServingError
from ratsnlp.nlpbook.serving.ngrok import Ngrok, find_token

AUTO, NONE = "auto", "none"
PAGE_HEIGHT = "720"  # pixels, as `serve_kernel_port_as_iframe` takes them
BROWSER_SECONDS = 10.0  # the notebook's browser tab may be closed, and then nobody ever answers
START_SECONDS = 30.0  # until there is an address and a connection stands
STOP_SECONDS = 5.0
# where a request fails, the messages name cloudflared's own api.trycloudflare.com
ADDRESS = re.compile(r"https://(?!api\.)[a-z0-9-]+\.trycloudflare\.com")
CONNECTED = re.compile(r"\bregistered\b", re.IGNORECASE)
FAILURE = re.compile(r"\b(?:ERR|failed)\b")
TIMESTAMP = re.compile(r"^\S+Z [A-Z]{3} ")


class Tunnel(Protocol):
    """A way to a page from outside its machine, and whether its URL is public."""

    url: str | None
    is_public: bool

    def close(self) -> None:
        """End it. Closing twice does nothing."""


class ColabProxy:
    """A page of this machine below the cell that runs. `url` is None where the browser does not give its address.

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
            self._settled.wait(START_SECONDS)
            has_failed = bool(self._failures) and not self._is_connected
            if self.url is None or has_failed or self._process.poll() is not None:
                raise ServingError("; ".join(self._failures[-2:]) or f"no address within {START_SECONDS:.0f} seconds")
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

    def _read_messages(self) -> None:
        """Read until the program ends: it would wait for ever at a pipe that nobody empties."""
        assert self._process.stderr is not None
        with self._process.stderr as messages:
            for line in map(str.strip, messages):
                if address := ADDRESS.search(line):
                    self.url = self.url or address[0]
                elif FAILURE.search(line) and not self._settled.is_set():
                    self._failures.append(TIMESTAMP.sub("", line))
                self._is_connected = self._is_connected or CONNECTED.search(line) is not None
                if self.url and self._is_connected:
                    self._settled.set()
        self._process.wait()
        self._settled.set()


Ways = dict[str, Callable[[str], Tunnel | None]]  # by name, how to open it


def choose_tunnels(expose: str, authtoken: str | None = None) -> Ways:
    """Return how to open the ways that `expose` names.

    "auto" takes the Colab proxy in Colab. A token of ngrok makes the page public if it was given for this page: by
    `authtoken`, or in Colab, whose machine and secrets are the notebook's own. One that lies on somebody's computer is
    no wish to publish.

    Raises:
        ServingError: `expose` names no way.
    """
    ngrok = functools.partial(Ngrok, authtoken=authtoken)
    ways: Ways = {"colab": ColabProxy, "ngrok": ngrok, "cloudflared": Cloudflared}
    if expose not in (AUTO, *ways, NONE):
        raise ServingError(f"expose: found {expose!r}; needed: {', '.join((AUTO, *ways, NONE))}")
    if expose != AUTO:
        return {name: way for name, way in ways.items() if name == expose}
    if in_colab_notebook():
        return {"colab": ColabProxy, "ngrok": lambda url: ngrok(url) if authtoken or find_token() else None}
    return {"ngrok": ngrok} if authtoken else {}
