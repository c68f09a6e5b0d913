"""Show a web app from a script, a notebook or Colab: a threaded server on a port, started and stopped cleanly."""

import atexit
import contextlib
import errno
import functools
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import waitress
import waitress.wasyncore
from flask import Flask

from ratsnlp.nlpbook.environment import in_notebook
from ratsnlp.nlpbook.errors import ServingError
from ratsnlp.nlpbook.logs import logger
from ratsnlp.nlpbook.serving.password import VARIABLE as PASSWORD_VARIABLE
from ratsnlp.nlpbook.serving.tunnel import AUTO, NONE, Tunnel, Ways, choose_tunnels

MAX_BODY_BYTES = 16 * 2**20  # what the server reads at all; an app's own limit is far lower
FIRST_PORT, PORTS_TRIED = 5000, 20  # where no port is named
SENDING_SECONDS = 5.0
THREADS = 8  # for an app that does not say how many it needs
LOOPBACK = "127.0.0.1"
WILDCARDS = {"0.0.0.0": LOOPBACK, "::": "::1"}  # all addresses of the machine at once, and one to open


class Server:
    """A running page. Close it with `close()` or by leaving its `with` block.

    waitress has no call that ends a server from another thread, let alone with everything sent. So the loop of its
    `run` stands in `_run` here, and `_run` and `close` alone use what waitress does not document: its `wasyncore.loop`
    (asyncore, once in Python) and a server's `pull_trigger` and `task_dispatcher`.
    """

    def __init__(self, app: Flask, listener: socket.socket, *, threads: int) -> None:
        self.app = app
        self.host, self.port = listener.getsockname()[:2]
        self.tunnels: list[Tunnel] = []
        self._listener = listener
        self._channels: dict[int, Any] = {}  # what waitress polls, by file number
        self._waitress = waitress.create_server(
            app,
            map=self._channels,
            sockets=[listener],
            threads=threads,
            ident=None,
            asyncore_use_poll=True,
            max_request_body_size=MAX_BODY_BYTES,
            # tunnels and nginx run on this machine and say who asks; from elsewhere such headers may be lies
            trusted_proxy=LOOPBACK,
            trusted_proxy_headers={"x-forwarded-for", "x-forwarded-proto"},
            clear_untrusted_proxy_headers=True,
        )
        self._closing = threading.Lock()
        # `_ended` is not the thread's own state: up to Python 3.12 a join that Ctrl-C interrupts takes it for ended
        self._asked_to_end, self._answered, self._ended = threading.Event(), threading.Event(), threading.Event()
        threading.Thread(target=self._run, name=f"page on port {self.port}", daemon=True).start()
        _running[self.port] = self

    @property
    def url(self) -> str:
        """The address to open on this machine, without a slash at the end."""
        return _write_url(WILDCARDS.get(self.host, self.host), self.port)

    @property
    def public_url(self) -> str | None:
        """The address that opens anywhere, or None where the page has none."""
        return next((tunnel.url for tunnel in self.tunnels if tunnel.is_public), None)

    def wait(self) -> None:
        """Block until the server is closed."""
        while not self._ended.wait(0.5):  # a wait without a limit cannot be interrupted on Windows
            pass

    def close(self) -> None:
        """End public addresses, let running requests finish (up to 5 seconds), free the port. Twice does nothing."""
        with self._closing:
            for tunnel in self.tunnels:
                try:
                    tunnel.close()
                except Exception as error:  # the server still has to be closed after this
                    logger.warning("closing %s failed: %s", tunnel.url, error)
            self.tunnels = []
            if self._channels:
                self._asked_to_end.set()
                self._waitress.pull_trigger()  # wakes the thread
                self._waitress.task_dispatcher.shutdown()
                self._answered.set()
                self._ended.wait()
                for channel in list(self._channels.values()):  # not by the thread: the trigger must outlive its pull
                    channel.close()
            if _running.get(self.port) is self:
                del _running[self.port]

    def _run(self) -> None:
        def poll_until(is_over: Callable[[], bool], timeout: float) -> None:
            while not is_over():
                waitress.wasyncore.loop(timeout, use_poll=True, map=self._channels, count=1)

        try:
            poll_until(self._asked_to_end.is_set, timeout=1)
            del self._channels[self._listener.fileno()]
            self._listener.close()  # visitors who come now are refused, not left without an answer
            poll_until(self._answered.is_set, timeout=0.01)
            end = time.monotonic() + SENDING_SECONDS  # a visitor may read slowly
            channels = self._channels.values()
            poll_until(lambda: not any(c.writable() for c in channels) or time.monotonic() > end, timeout=0.01)
        finally:
            self._ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.url}{' (closed)' if self._ended.is_set() else ''}>"


_running: dict[int, Server] = {}  # by port, so that a cell that runs again replaces its own server


@atexit.register
def _close_all() -> None:
    for server in list(_running.values()):
        server.close()


def serve(
    app: Flask,
    *,
    port: int | None = None,
    host: str = LOOPBACK,
    expose: str = AUTO,
    authtoken: str | None = None,
    threads: int | None = None,
    block: bool | None = None,
) -> Server:
    """Show an app at `http://host:port`, make it reachable from elsewhere where asked to, and print where.

    A server of this process on that port is replaced: so does a cell that runs again.

    Args:
        app: The app to show.
        port: The port to listen on; 0 takes any free one. By default 5000, or the next one that is free.
        host: The address to listen on; the default is reachable from this machine only, "0.0.0.0" from its network.
        expose: How the page is reached from outside: "colab", "ngrok", "cloudflared", "none", or "auto", which is
            Colab's proxy in Colab and nothing elsewhere, and ngrok if a token was given for this page.
        authtoken: The token of an ngrok account; otherwise it is looked for where ngrok and Colab keep it.
        threads: How many requests are handled at a time; by default as many as the app's limits need.
        block: Whether to wait until Ctrl-C. By default a script waits and a notebook goes on with the server behind it.

    Raises:
        ServingError: The port is taken by another program, the address cannot be used, or `expose` is unknown. A way
            from outside that fails raises nothing: its reason is printed and the page stays.
    """
    if expose == AUTO and not (authtoken or app.config.get("RATSNLP_IS_COLAB", True)):
        expose = NONE
    ways = choose_tunnels(expose, authtoken)
    server = Server(app, _listen(host, port), threads=threads or app.config.get("RATSNLP_THREADS", THREADS))
    blocks = block if block is not None else not in_notebook()
    try:
        with _signals_interrupt(blocks):
            _show(server, port, ways)
            if blocks:
                server.wait()
    except BaseException as error:
        server.close()
        if not (blocks and isinstance(error, KeyboardInterrupt)):
            raise
        print("page closed", flush=True)
    return server


def run_app(app: Flask, host: str | None = None, port: int | None = None, *ignored: Any, **options: Any) -> Server:
    """Show the page: see `serve`, whose options this takes as `app.run()` does; Flask's own are logged and ignored."""
    known = {name: options.pop(name) for name in ("expose", "authtoken", "threads", "block") if name in options}
    if ignored or options:
        logger.warning("ignored by this server: %s", ", ".join([*map(repr, ignored), *options]))
    return serve(app, host=host or LOOPBACK, port=port, **known)


def run_with_ngrok(app: Flask) -> None:
    """Let `app.run()` of any Flask app give the page a public address through ngrok, too.

    It takes the place of flask-ngrok's function of that name, and needs the token of an ngrok account: see `serve`.
    """
    app.run = functools.partial(run_app, app, expose="ngrok")  # type: ignore[method-assign, assignment]


def _show(server: Server, port: int | None, ways: Ways) -> None:
    protection = f"no password protects it; password='...' or the variable {PASSWORD_VARIABLE} sets one"
    if server.app.config.get("RATSNLP_PASSWORD_SET", False):
        protection = "a password protects it"
    moved = port is None and server.port != FIRST_PORT
    print(f"page: {server.url}{f' (another program uses port {FIRST_PORT})' if moved else ''}", flush=True)
    if server.host == "0.0.0.0" and (address := _find_network_address()):
        print(f"for others in this network: {_write_url(address, server.port)}: {protection}", flush=True)
    for name, open_tunnel in ways.items():
        try:
            tunnel = open_tunnel(server.url)
        except Exception as error:  # whatever an agent, a browser or a network does: the page itself stays
            print(f"no address through {name}: {error}\nthe page stays at {server.url}", flush=True)
            continue
        if tunnel is None:
            continue
        server.tunnels.append(tunnel)  # before anything else, so that whatever happens it is closed
        if tunnel.is_public:
            print(f"public address: {tunnel.url}", flush=True)
            print(f"everybody who has this address can open the page: {protection}", flush=True)
        elif tunnel.url:
            print(f"in Colab: {tunnel.url} (for you, while this notebook is open)", flush=True)


def _write_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _find_network_address() -> str | None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # an address kept for documentation: only the way to it is looked up
        return str(probe.getsockname()[0])
    return None


def _listen(host: str, port: int | None) -> socket.socket:
    """Listen on a port, or on the first free one where none is named. An own server on it makes room."""
    if port is not None and not 0 <= port <= 65535:
        raise ServingError(f"found port {port}; needed: 0 to 65535, where 0 takes any free one")
    candidates = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if port is None else [port]
    for candidate in candidates:
        if candidate in _running:
            _running[candidate].close()
        try:
            return socket.create_server((host, candidate), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                text = f"cannot listen on {host}:{port}: {error}; the usual address is host='127.0.0.1', port=5000"
                raise ServingError(text) from error
    taken = f"{host}:{candidates[0]}" + (f" to {candidates[-1]}" if len(candidates) > 1 else "")
    raise ServingError(f"another program listens on {taken}; choose another port, for example port=0 for any free one")


@contextlib.contextmanager
def _signals_interrupt(blocks: bool) -> Iterator[None]:
    """Let the signals that end a service end it as Ctrl-C does, so that tunnels are closed too."""
    names = ("SIGTERM", "SIGHUP") if blocks and threading.current_thread() is threading.main_thread() else ()
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    changed = [number for number in signals if signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
