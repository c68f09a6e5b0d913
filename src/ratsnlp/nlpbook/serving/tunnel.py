"""How a page becomes reachable from outside its machine: in Colab, through ngrok, or through cloudflared.

Each way is a class: made with the address of a page of this machine, it has the `url` outside, tells whether that
`is_public`, and can `close`. One that cannot be had says why and leaves the page as it is.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from ratsnlp.nlpbook.errors import ServingError
from ratsnlp.nlpbook.serving.cloudflared import Cloudflared
from ratsnlp.nlpbook.serving.colab import ColabProxy, in_colab
from ratsnlp.nlpbook.serving.ngrok import Ngrok, find_token
from ratsnlp.nlpbook.serving.password import VARIABLE as PASSWORD_VARIABLE

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
    if in_colab():
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
