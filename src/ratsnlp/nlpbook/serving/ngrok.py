"""A public address through ngrok: where an account's token may be, and the agent that pyngrok runs."""

import contextlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs
import yaml

from ratsnlp.nlpbook.environment import in_notebook, read_secret
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
    places: dict[str, Callable[[], str | None]] = {
        "authtoken=": lambda: given,
        f"the variable {TOKEN_NAME}": lambda: os.environ.get(TOKEN_NAME),
        f"Colab's secret {TOKEN_NAME}": lambda: read_secret(TOKEN_NAME),
        str(_agent_settings()): lambda: _read_token(_agent_settings()),
        str(_published_settings()): lambda: _read_token(_published_settings()),
    }
    found = ((read() or "", source) for source, read in places.items())
    return next((Token(text.strip(), source) for text, source in found if text.strip()), None)


def _agent_settings() -> Path:
    return platformdirs.user_config_path("ngrok", appauthor=False) / "ngrok.yml"


def _published_settings() -> Path:
    """Return where the published cells write the token: the place of ngrok 2, whose agent is refused today."""
    return Path.home() / ".ngrok2" / "ngrok.yml"


def _read_token(path: Path) -> str | None:
    content = _read_settings(path)
    if isinstance(content, str):  # `authtoken:...` without the space that makes it YAML, a mistake easily made
        return content.removeprefix("authtoken:") if content.startswith("authtoken:") else None
    if not isinstance(content, dict):
        return None
    agent = content.get("agent")
    token = content.get("authtoken") or (agent.get("authtoken") if isinstance(agent, dict) else None)
    return str(token) if token else None


def _read_settings(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


class Ngrok:
    """A public address that ngrok's agent leads to a page of this machine. pyngrok fetches the agent when first used.

    Raises:
        ServingError: There is no token, pyngrok is missing, or the agent gives up; the message has its own words.
    """

    is_public = True

    def __init__(self, url: str, authtoken: str | None = None) -> None:
        token = _require_token(authtoken)
        self._pyngrok = _import_pyngrok()
        self._folder = tempfile.TemporaryDirectory(prefix="ratsnlp-ngrok-")
        path = _write_settings(Path(self._folder.name), token)
        # a session of its own, so that interrupting a cell leaves the address as it is
        new_session = in_notebook() and os.name == "posix"
        self._config = self._pyngrok.conf.PyngrokConfig(config_path=str(path), start_new_session=new_session)
        # On the command line anybody on the machine can read it: only to win over another one in the environment.
        self._config.auth_token = token.text if os.environ.get(TOKEN_NAME, token.text) != token.text else None
        self.url: str | None = None
        try:
            name = f"ratsnlp-{urlsplit(url).port}"  # pyngrok's own name has slashes, and breaks the path to end it
            self.url = self._pyngrok.ngrok.connect(url, name=name, pyngrok_config=self._config).public_url
        except self._pyngrok.exception.PyngrokError as error:
            self.close()
            raise ServingError(_read_reason(error).replace(token.text, "(your token)")) from None
        except BaseException:
            self.close()
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


def _import_pyngrok() -> Any:
    try:
        import pyngrok.exception
        import pyngrok.ngrok
    except ImportError:
        raise ServingError("pyngrok is not installed; needed: pip install pyngrok") from None
    # A copy of all that the agent writes, the token included; what matters of it is in our errors.
    logging.getLogger("pyngrok.process.ngrok").disabled = True
    return pyngrok


def _write_settings(folder: Path, token: Token) -> Path:
    """Write the user's own settings of the agent (a proxy, say) with the token into a private folder."""
    settings = _read_settings(_agent_settings())
    if not isinstance(settings, dict) or "version" not in settings:
        settings = {"version": "3"}
    if str(settings["version"]) == "3":
        settings["agent"] = {**(settings.get("agent") or {}), "authtoken": token.text}
    else:
        settings["authtoken"] = token.text
    path = folder / "ngrok.yml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def _read_reason(error: Exception) -> str:
    """Return why there is no address in the agent's own words, on one line."""
    text = getattr(error, "ngrok_error", None) or _read_details(getattr(error, "body", "")) or str(error)
    return LINE_BREAKS.sub(" ", text).strip()


def _read_details(body: str) -> str | None:
    """Return what the agent's API says of a failure: `{"msg": ..., "details": {"err": ...}}`."""
    try:
        answer = json.loads(body)
        return str(answer.get("details", {}).get("err") or answer["msg"])
    except (ValueError, KeyError, AttributeError):
        return None
