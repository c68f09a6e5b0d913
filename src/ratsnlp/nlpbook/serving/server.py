"""Show a web app from a script, a notebook or Colab: a threaded server on a port, started and stopped cleanly."""

import errno
import socket
import sys
import threading
from types import TracebackType
from typing import Any, Self

import waitress
import waitress.wasyncore
from flask import Flask

from ratsnlp.nlpbook.errors import ServingError
from ratsnlp.nlpbook.settings import in_notebook

MAX_BODY_BYTES = 16 * 2**20  # what the server reads at all; an app's own limit is far lower


class Server:
    """A running page. Close it with `close()` or by leaving its `with` block."""

    def __init__(self, app: Flask, *, host: str, port: int, threads: int) -> None:
        listener = _listen(host, port)
        self.host, self.port = host, int(listener.getsockname()[1])
        self._channels: dict[int, Any] = {}
        self._waitress = waitress.create_server(
            app,
            map=self._channels,
            sockets=[listener],
            threads=threads,
            ident=None,
            asyncore_use_poll=True,
            max_request_body_size=MAX_BODY_BYTES,
        )
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._waitress.run, name=f"page on port {self.port}", daemon=True)
        self._thread.start()
        _running[self.port] = self

    @property
    def url(self) -> str:
        """The address to open, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # a wildcard is no address to open
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def wait(self) -> None:
        """Block until the server is closed."""
        while self._thread.is_alive():
            self._thread.join(0.5)  # a join without a limit cannot be interrupted on Windows

    def close(self) -> None:
        """Let running requests finish (for up to 5 seconds), stop, and free the port. Closing twice does nothing."""
        with self._closing:
            if self._thread.is_alive():
                self._waitress.task_dispatcher.shutdown()
                self._waitress.trigger.pull_trigger(lambda: waitress.wasyncore.close_all(self._channels))
                self._thread.join()
            if _running.get(self.port) is self:
                del _running[self.port]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.url}{'' if self._thread.is_alive() else ' (closed)'}>"


_running: dict[int, Server] = {}  # by port, so that a cell that runs again replaces its own server


def serve(
    app: Flask, *, host: str = "127.0.0.1", port: int = 5000, threads: int = 8, block: bool | None = None
) -> Server:
    """Show an app at `http://host:port` and print where. A server of this process on that port is replaced.

    Args:
        app: The app to show.
        host: The address to listen on; the default is reachable from this machine only.
        port: The port to listen on; 0 takes any free one.
        threads: How many requests are handled at a time.
        block: Whether to wait until Ctrl-C. By default a script waits and a notebook goes on with the server behind it.

    Raises:
        ServingError: The port is taken by another program, or the address cannot be used.
    """
    if port in _running:
        _running[port].close()
    server = Server(app, host=host, port=port, threads=threads)
    if block if block is not None else not in_notebook():
        _show_until_interrupt(server)
    else:
        _show(server)
    return server


def _show(server: Server) -> None:
    print(f"page: {server.url}", flush=True)
    _show_in_colab(server.port)


def _show_until_interrupt(server: Server) -> None:
    try:
        _show(server)
        server.wait()
    except KeyboardInterrupt:
        print("page closed", flush=True)
    finally:
        server.close()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise ServingError(f"found port {port}; needed: 0 to 65535, where 0 takes any free one")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            text = f"another program listens on {host}:{port}; choose another port, for example port=0 for any free one"
        else:
            text = f"cannot listen on {host}:{port}: {error}; the usual address is host='127.0.0.1', port=5000"
        raise ServingError(text) from error


def _show_in_colab(port: int) -> None:
    if "google.colab" in sys.modules:
        from google.colab import output

        output.serve_kernel_port_as_iframe(port, height="720")
