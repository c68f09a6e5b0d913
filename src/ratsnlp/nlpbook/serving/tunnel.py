"""How a page becomes reachable from outside its machine: in Colab, through ngrok, or through cloudflared.

Each way is a class: made with the address of a page of this machine, it has the `url` outside, knows whether that
`is_public`, and can `close`. One that cannot be had says why and leaves the page as it is.
"""

import contextlib
import functools
import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import platformdirs
import yaml

from ratsnlp.nlpbook.environment import in_colab_notebook, in_notebook, read_secret
from ratsnlp.nlpbook.errors import ServingError

TOKEN_NAME = "NGROK_AUTHTOKEN"
TOKEN_PAGE = "https://dashboard.ngrok.com/get-started/your-authtoken"
TOKEN_FORM = re.compile(r"[A-Za-z0-9_-]+")
LINE_BREAKS = re.compile(r"(?:\\[rn]|\s)+")  # the agent's log spells them out


@dataclass(frozen=True)
class Token:
    """The token of an ngrok account, and where it was found. Its text is never printed."""

    text: str = field(repr=False)
    source: str


def find_token(given: str | None = None) -> Token | None:
    """Return the first token there is: the given one, the environment's, Colab's secret, or that of an ngrok.yml."""
    return next((Token(text.strip(), source) for text, source in _read_tokens(given) if text and text.strip()), None)


def _read_tokens(given: str | None) -> Iterator[tuple[str | None, str]]:
    """Yield what each place holds, and its name. Lazily: Colab asks its user before it gives a secret away."""
    yield given, "authtoken="
    yield os.environ.get(TOKEN_NAME), f"the variable {TOKEN_NAME}"
    yield read_secret(TOKEN_NAME), f"Colab's secret {TOKEN_NAME}"
    published = Path.home() / ".ngrok2" / "ngrok.yml"  # where the published cells write it, as for ngrok 2
    for path in (_agent_settings(), published):
        settings = _read_settings(path)
        agent = settings.get("agent")
        token = settings.get("authtoken") or (agent.get("authtoken") if isinstance(agent, dict) else None)
        yield str(token or ""), str(path)


def _agent_settings() -> Path:
    return platformdirs.user_config_path("ngrok", appauthor=False) / "ngrok.yml"


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    if isinstance(content, str) and content.startswith("authtoken:"):  # a space is easily forgotten
        return {"authtoken": content.removeprefix("authtoken:")}
    return content if isinstance(content, dict) else {}


class Ngrok:
    """A public address that ngrok's agent leads to a page of this machine. pyngrok fetches the agent when first used.

    Raises `ServingError` if there is no token, no pyngrok, or the agent gives up; the message has its own words.
    """

    is_public = True

    def __init__(self, url: str, authtoken: str | None = None) -> None:
        token = _require_token(authtoken)
        try:
            import pyngrok.exception
            import pyngrok.ngrok
        except ImportError:
            raise ServingError("pyngrok is not installed; needed: pip install pyngrok") from None
        # It copies all that the agent writes, the token included; what matters of it is in our errors.
        logging.getLogger("pyngrok.process.ngrok").disabled = True
        self._pyngrok: Any = pyngrok
        self._folder = tempfile.TemporaryDirectory(prefix="ratsnlp-ngrok-")
        # a session of its own, so that interrupting a cell leaves the address as it is
        new_session = in_notebook() and os.name == "posix"
        path = _write_settings(Path(self._folder.name), token.text)
        self._config = self._pyngrok.conf.PyngrokConfig(config_path=str(path), start_new_session=new_session)
        # On the command line anybody on the machine can read it: only to win over another one in the environment.
        self._config.auth_token = token.text if os.environ.get(TOKEN_NAME, token.text) != token.text else None
        self.url: str | None = None
        try:
            name = f"ratsnlp-{urlsplit(url).port}"  # pyngrok's own name has slashes, and breaks the path to end it
            self.url = self._pyngrok.ngrok.connect(url, name=name, pyngrok_config=self._config).public_url
        except BaseException as error:
            self.close()
            if isinstance(error, pyngrok.exception.PyngrokError):
                raise ServingError(_read_reason(error).replace(token.text, "(your token)")) from None
            raise

    def close(self) -> None:
        """End the public address, and the agent too unless it has another one. Closing twice does nothing."""
        ngrok = self._pyngrok.ngrok
        if self._pyngrok.process.is_process_running(self._config.ngrok_path):
            others = []
            # an agent that does not answer, in whatever way, is ended all the same
            with contextlib.suppress(Exception):
                if self.url:
                    ngrok.disconnect(self.url, self._config)
                others = ngrok.get_tunnels(self._config)
            if not others:
                ngrok.kill(self._config)
        self._folder.cleanup()


def _require_token(given: str | None) -> Token:
    token = find_token(given)
    if token is None:
        places = f"authtoken='...', the variable {TOKEN_NAME}, a Colab secret of that name, or {_agent_settings()}"
        raise ServingError(f"no token of an ngrok account; needed: the one of {TOKEN_PAGE} in {places}")
    if not TOKEN_FORM.fullmatch(token.text):
        raise ServingError(f"{token.source} holds no token but some other text; needed: the token of {TOKEN_PAGE}")
    return token


def _write_settings(folder: Path, token: str) -> Path:
    """Write the token into a private folder, with the user's own settings of the agent (a proxy, say)."""
    settings = _read_settings(_agent_settings())
    if "version" not in settings:
        settings = {"version": "3"}
    if str(settings["version"]) == "3":
        settings["agent"] = {**(settings.get("agent") or {}), "authtoken": token}
    else:
        settings["authtoken"] = token
    path = folder / "ngrok.yml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def _read_reason(error: Any) -> str:
    text = getattr(error, "ngrok_error", None) or str(error)
    with contextlib.suppress(ValueError, KeyError, AttributeError):
        answer = json.loads(error.body)  # of the agent's API: {"msg": ..., "details": {"err": ...}}
        text = str(answer.get("details", {}).get("err") or answer["msg"])
    return LINE_BREAKS.sub(" ", text).strip()


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

    Raises `ServingError` outside Colab.
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

    Raises `ServingError` if the program is missing, gives up, or reaches no connection; the message has its own words.
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
    no wish to publish. Raises `ServingError` if `expose` names no way.
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
