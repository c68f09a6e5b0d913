"""How a page is put on a port: which one, on which address, who is told, and how it ends."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask, jsonify, request

from loopback import VISITOR, Proxy
from ratsnlp.nlpbook.errors import ServingError
from ratsnlp.nlpbook.serving import server as serving
from ratsnlp.nlpbook.serving.server import run_app, serve


@pytest.fixture
def app():
    app = Flask(__name__)

    @app.get("/visitor")
    def tell_visitor():
        return jsonify(address=request.remote_addr, scheme=request.scheme)

    return app


def fetch(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as response:
        return json.load(response)


@pytest.fixture
def other_program(monkeypatch):
    """Occupy a port, and let it be the one where servers start to look for theirs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(serving, "FIRST_PORT", listener.getsockname()[1])
        yield listener.getsockname()[1]


# --- ports ----------------------------------------------------------------------------------------------------------


def test_without_a_port_the_next_free_one_is_taken_and_said(app, other_program, capsys):
    with serve(app, block=False) as server:
        assert other_program < server.port < other_program + serving.PORTS_TRIED
        expected = f"page: http://127.0.0.1:{server.port} (another program uses port {other_program})\n"
        assert capsys.readouterr().out == expected


def test_a_cell_that_runs_again_finds_its_own_server_on_the_next_port(app, other_program):
    with serve(app, block=False) as first, serve(app, block=False) as second:
        assert first.port == second.port
        assert repr(first).endswith("(closed)>")
        assert fetch(f"{second.url}/visitor")["address"] == "127.0.0.1"


def test_a_page_closes_though_visitors_keep_its_thread_awake(app):
    def visit(url, asked):
        with contextlib.suppress(OSError, http.client.HTTPException):  # refused in the end, or cut off
            while fetch(f"{url}/visitor"):
                asked.set()

    for _ in range(10):
        with serve(app, port=0, block=False) as server, ThreadPoolExecutor(4) as visitors:
            asked = threading.Event()
            for _ in range(4):
                visitors.submit(visit, server.url, asked)
            assert asked.wait(10)
            server.close()
            assert repr(server).endswith("(closed)>")
            assert not accepts_connections(server.port)


def test_a_slow_reader_gets_the_whole_answer_though_the_page_closes(app):
    text = "가" * 1_000_000  # more than the system's buffers hold
    app.add_url_rule("/long", view_func=lambda: text)
    with serve(app, port=0, block=False) as server, ThreadPoolExecutor(1) as pool, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(10)
        reader.connect(("127.0.0.1", server.port))
        reader.sendall(b"GET /long HTTP/1.0\r\n\r\n")
        answer = reader.recv(1000)
        closing = pool.submit(server.close)
        while chunk := reader.recv(65536):
            answer += chunk
        assert answer.partition(b"\r\n\r\n")[2].decode() == text
        closing.result()


def accepts_connections(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_named_port_that_is_taken_is_an_error(app, other_program):
    text = (
        f"another program listens on 127.0.0.1:{other_program}; choose another port, "
        "for example port=0 for any free one"
    )
    with pytest.raises(ServingError, match=f"^{text}$"):
        serve(app, port=other_program, block=False)


def test_where_no_port_is_free_the_tried_ones_are_named(app, other_program, monkeypatch):
    monkeypatch.setattr(serving, "PORTS_TRIED", 2)
    second = other_program + 1
    taken = f"another program listens on 127.0.0.1:{other_program} to {second}; choose another port"
    try:
        neighbour = socket.create_server(("127.0.0.1", second))
    except OSError:
        neighbour = None  # taken by yet another program, which is as good
    with pytest.raises(ServingError, match=taken):
        serve(app, block=False)
    if neighbour:
        neighbour.close()


# --- addresses ------------------------------------------------------------------------------------------------------


def test_a_page_for_the_network_names_an_address_for_others(app, monkeypatch, capsys):
    monkeypatch.setattr(serving, "_find_network_address", lambda: "192.0.2.7")
    with serve(app, port=0, host="0.0.0.0", block=False) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert capsys.readouterr().out == (
            f"page: {server.url}\nfor others in this network: http://192.0.2.7:{server.port}: "
            "no password protects it; password='...' or the variable RATSNLP_PASSWORD sets one\n"
        )


def test_a_page_for_the_network_says_that_it_has_a_password(app, monkeypatch, capsys):
    monkeypatch.setattr(serving, "_find_network_address", lambda: "192.0.2.7")
    app.config["RATSNLP_PASSWORD_SET"] = True
    with serve(app, port=0, host="0.0.0.0", block=False):
        assert capsys.readouterr().out.endswith(": a password protects it\n")


def test_a_machine_without_a_network_names_only_its_own_address(app, monkeypatch, capsys):
    monkeypatch.setattr(serving, "_find_network_address", lambda: None)
    with serve(app, port=0, host="0.0.0.0", block=False) as server:
        assert capsys.readouterr().out == f"page: {server.url}\n"


def test_the_address_in_the_network_is_no_loopback_or_none():
    address = serving._find_network_address()
    assert address is None or not address.startswith("127.")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_is_written_in_brackets(app):
    try:
        server = serve(app, port=0, host="::1", block=False)
    except ServingError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        assert server.url == f"http://[::1]:{server.port}"
        assert fetch(f"{server.url}/visitor")["address"] == "::1"


def test_a_proxy_on_this_machine_tells_who_asks(app):
    with serve(app, port=0, block=False) as server:
        proxy = Proxy(server.url)
        assert fetch(f"{proxy.url}/visitor") == {"address": VISITOR, "scheme": "https"}
        assert fetch(f"{server.url}/visitor") == {"address": "127.0.0.1", "scheme": "http"}
        proxy.stop()


def test_the_nearest_proxy_s_word_about_a_visitor_counts(app):
    with serve(app, port=0, block=False) as server:
        headers = {"X-Forwarded-For": f"198.51.100.1, {VISITOR}"}  # what the visitor wrote, then the proxy
        assert fetch(f"{server.url}/visitor", headers)["address"] == VISITOR


# --- run and stop ---------------------------------------------------------------------------------------------------


def test_run_passes_the_ways_from_outside_on(app):
    with pytest.raises(ServingError, match="expose: found 'gradio'; needed: auto, colab, ngrok, cloudflared, none"):
        run_app(app, port=0, expose="gradio", block=False)


def test_an_unknown_way_from_outside_starts_no_server(app, other_program):
    before = dict(serving._running)
    with pytest.raises(ServingError, match="expose: found 'frp'"):
        serve(app, port=0, expose="frp", block=False)
    assert serving._running == before


SCRIPT = """
from flask import Flask
from ratsnlp.nlpbook.serving.server import serve
serve(Flask("page"), port=0{options})
print("went on", flush=True)
"""


def start_script(options=""):
    code = SCRIPT.format(options=options)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_service_that_is_told_to_stop_closes_its_page(number):
    script = start_script()
    assert script.stdout.readline().startswith("page: http://127.0.0.1:")
    script.send_signal(getattr(signal, number))
    out, err = script.communicate(timeout=30)
    assert (out, err, script.returncode) == ("page closed\nwent on\n", "", 0)


def test_a_script_may_end_with_its_page_open():
    out, err = start_script(", block=False").communicate(timeout=30)
    assert out.endswith("\nwent on\n")
    assert err == ""
