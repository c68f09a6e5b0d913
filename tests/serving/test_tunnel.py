"""How a page is reached from outside: with stand-ins on loopback for Colab, ngrok, cloudflared and proxies."""

import json
import os
import signal
import subprocess
import sys
import threading
import types
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from flask import Flask

from loopback import Proxy
from ratsnlp import nlpbook
from ratsnlp.nlpbook.serving import tunnel
from ratsnlp.nlpbook.serving.app import DemoPage, build_web_service_app
from ratsnlp.nlpbook.serving.server import run_with_ngrok, serve
from ratsnlp.nlpbook.serving.tunnel import find_token

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are started by shell scripts"),
    # pyngrok leaves the pipe to its agent to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

TESTS = Path(__file__).parents[1]
TOKEN = "2abcDEF_345-ghi"
PAGE = DemoPage(template="classification.html", fields=("sentence",))
UNPROTECTED = "no password protects it; password='...' or the variable RATSNLP_PASSWORD sets one"


def echo(sentence):
    return {"sentence": sentence, "prediction": "긍정 (positive)"}


@pytest.fixture
def app():
    return build_web_service_app(echo, PAGE)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Return the user's folder of this test: no token of this machine counts, and no program named cloudflared."""
    for name in ("NGROK_AUTHTOKEN", "NGROK_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin") + os.pathsep + "/usr/bin:/bin")
    return tmp_path


class Agent:
    """A stand-in for an agent's program: where it is, and what its latest start was like."""

    def __init__(self, name, folder):
        self.path, self._record = folder / "bin" / name, folder / f"{name}.json"
        self.path.parent.mkdir()
        script = TESTS / f"fake_{name}.py"
        lines = f'#!/bin/sh\nFAKE_AGENT_RECORD="{self._record}" exec "{sys.executable}" -S "{script}" "$@"\n'
        self.path.write_text(lines, encoding="utf-8")
        self.path.chmod(0o755)

    @property
    def started(self):
        return json.loads(self._record.read_text(encoding="utf-8"))

    @property
    def is_running(self):
        try:
            os.kill(self.started["pid"], 0)
        except ProcessLookupError:
            return False
        return True


@pytest.fixture
def ngrok(home, monkeypatch):
    agent = Agent("ngrok", home)
    monkeypatch.setenv("PYNGROK_NGROK_PATH", str(agent.path))
    return agent


@pytest.fixture
def tunnel_program(home, monkeypatch):
    monkeypatch.setenv("FAKE_CLOUDFLARED", "works")
    return Agent("cloudflared", home)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def post(url, text):
    with urllib.request.urlopen(
        urllib.request.Request(f"{url}/api", json.dumps(text).encode()), timeout=10
    ) as response:
        return json.load(response)


def get(url, text):
    query = urllib.parse.quote(json.dumps(text))
    with urllib.request.urlopen(f"{url}/api?q={query}", timeout=10) as response:
        return json.load(response)


def assert_page_stays(server, out, reason):
    """Check that a failed tunnel was explained and the page answers."""
    assert out == f"page: {server.url}\nno address through {reason}\nthe page stays at {server.url}\n"
    assert server.public_url is None
    assert post(server.url, "좋아요")["sentence"] == "좋아요"


# --- ngrok ----------------------------------------------------------------------------------------------------------


def test_ngrok_gives_a_public_address_that_answers(app, ngrok, capsys):
    server = serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False)
    assert server.public_url not in (None, server.url)
    assert post(server.public_url, "좋아요")["sentence"] == "좋아요"
    assert capsys.readouterr().out == (
        f"page: {server.url}\npublic address: {server.public_url}\n"
        f"everybody who has this address can open the page: {UNPROTECTED}\n"
    )
    server.close()


def test_closing_ends_the_address_the_agent_and_every_thread(app, ngrok):
    threads = set(threading.enumerate())
    server = serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False)
    public_url = server.public_url
    server.close()
    server.close()
    assert server.public_url is None
    assert not ngrok.is_running
    assert not Path(ngrok.started["arguments"][-1]).exists()
    with pytest.raises(urllib.error.URLError, match="refused"):
        post(public_url, "가")
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
        assert not thread.is_alive()


def test_a_public_page_with_a_password_says_so(app, ngrok, capsys):
    app.config["RATSNLP_PASSWORD_SET"] = True
    with serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False):
        assert capsys.readouterr().out.endswith("can open the page: a password protects it\n")


def test_a_given_token_is_a_wish_to_be_public(app, ngrok):
    with serve(app, port=0, authtoken=TOKEN, block=False) as server:
        assert server.public_url


def test_a_token_of_this_computer_is_no_wish_to_be_public(app, ngrok, monkeypatch, capsys):
    monkeypatch.setenv("NGROK_AUTHTOKEN", TOKEN)
    with serve(app, port=0, block=False) as server:
        assert capsys.readouterr().out == f"page: {server.url}\n"
        assert server.public_url is None


def test_the_token_stays_off_the_command_line(app, ngrok, monkeypatch):
    monkeypatch.setenv("NGROK_AUTHTOKEN", TOKEN)
    with serve(app, port=0, expose="ngrok", block=False):
        assert ngrok.started["token"] == TOKEN
        assert TOKEN not in ngrok.started["arguments"]


def test_a_given_token_wins_over_the_environment_s(app, ngrok, monkeypatch):
    monkeypatch.setenv("NGROK_AUTHTOKEN", "another-token")
    with serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False):
        assert ngrok.started["token"] == TOKEN
        assert ngrok.started["arguments"][-2:] == ["--authtoken", TOKEN]


@pytest.mark.parametrize(
    "settings",
    ["version: 3\nagent:\n  proxy_url: http://proxy:8080\n", "version: '2'\nproxy_url: http://proxy:8080\n"],
)
def test_the_user_s_own_settings_of_the_agent_are_kept(app, ngrok, home, settings):
    path = write(home / ".config/ngrok/ngrok.yml", settings)
    with serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False) as server:
        assert server.public_url
        assert "proxy_url: http://proxy:8080" in ngrok.started["settings"]
        assert ngrok.started["token"] == TOKEN
    assert path.read_text(encoding="utf-8") == settings


def test_a_refused_token_is_explained_in_the_agent_s_words_without_the_token(app, ngrok, capfd, caplog):
    with serve(app, port=0, expose="ngrok", authtoken="refused-token", block=False) as server:
        out, err = capfd.readouterr()
        reason = (
            "ngrok: authentication failed: The authtoken you specified is properly formed, but it is invalid. "
            "Your authtoken: (your token) ERR_NGROK_107"
        )
        assert_page_stays(server, out, reason)
        assert "refused-token" not in err + caplog.text
    assert not ngrok.is_running


def test_an_address_that_the_agent_does_not_get_is_explained_in_its_words(app, ngrok, capsys):
    with serve(app, port=0, expose="ngrok", authtoken="taken-token", block=False) as server:
        reason = "ngrok: failed to start listener: The endpoint is already online. ERR_NGROK_334"
        assert_page_stays(server, capsys.readouterr().out, reason)
    assert not ngrok.is_running


def test_a_broken_agent_leaves_the_page_alone(app, ngrok, capsys):
    ngrok.path.chmod(0o644)
    with serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False) as server:
        reason = f"ngrok: [Errno 13] Permission denied: '{ngrok.path}'"
        assert_page_stays(server, capsys.readouterr().out, reason)


def test_without_pyngrok_the_way_out_is_named(app, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyngrok", None)
    monkeypatch.setitem(sys.modules, "pyngrok.exception", None)
    with serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False) as server:
        reason = "ngrok: pyngrok is not installed; needed: pip install pyngrok"
        assert_page_stays(server, capsys.readouterr().out, reason)


def test_without_a_token_its_places_are_named(app, home, capsys):
    with serve(app, port=0, expose="ngrok", block=False) as server:
        reason = (
            "ngrok: no token of an ngrok account; needed: the one of "
            "https://dashboard.ngrok.com/get-started/your-authtoken in authtoken='...', "
            f"the variable NGROK_AUTHTOKEN, a Colab secret of that name, or {home / '.config/ngrok/ngrok.yml'}"
        )
        assert_page_stays(server, capsys.readouterr().out, reason)


def test_the_placeholder_of_the_published_cell_is_no_token(app, home, capsys):
    path = write(home / ".ngrok2/ngrok.yml", "authtoken: (여기 채우세요)\n")
    with serve(app, port=0, expose="ngrok", block=False) as server:
        reason = (
            f"ngrok: {path} holds no token but some other text; needed: the token of "
            "https://dashboard.ngrok.com/get-started/your-authtoken"
        )
        assert_page_stays(server, capsys.readouterr().out, reason)


def test_two_pages_share_the_agent_and_end_by_themselves(app, ngrok):
    first = serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False)
    pid = ngrok.started["pid"]
    second = serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False)
    assert ngrok.started["pid"] == pid
    first.close()
    assert post(second.public_url, "가")["sentence"] == "가"
    second.close()
    assert not ngrok.is_running


def test_an_agent_that_died_does_not_keep_the_page_from_closing(app, ngrok):
    server = serve(app, port=0, expose="ngrok", authtoken=TOKEN, block=False)
    os.kill(ngrok.started["pid"], signal.SIGKILL)
    server.close()
    assert repr(server).endswith("(closed)>")


# --- where a token is found -----------------------------------------------------------------------------------------


def test_tokens_are_looked_for_in_order(home, monkeypatch, colab):
    write(home / ".ngrok2/ngrok.yml", "authtoken: published-file\n")
    assert find_token().text == "published-file"
    path = write(home / ".config/ngrok/ngrok.yml", "version: 3\nagent:\n  authtoken: agent-file\n")
    assert (find_token().text, find_token().source) == ("agent-file", str(path))
    colab.secrets["NGROK_AUTHTOKEN"] = " secret\n"
    assert find_token().text == "secret"
    monkeypatch.setenv("NGROK_AUTHTOKEN", "variable")
    assert find_token().text == "variable"
    assert find_token("argument").text == "argument"
    assert "argument" not in repr(find_token("argument"))


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("authtoken: test123\n", "test123"),
        ("authtoken:test123\n", "test123"),  # a space is easily forgotten
        ("version: '2'\nauthtoken: 123456\n", "123456"),
        ("version: 3\nagent: {}\n", None),
        ("version: 3\nagent:\n", None),
        ("authtoken:\n", None),
        ("just text\n", None),
        ("- authtoken\n", None),
        ("authtoken: [\n", None),
        ("", None),
    ],
)
def test_an_ngrok_file_is_read_however_it_was_written(home, text, token):
    write(home / ".ngrok2/ngrok.yml", text)
    found = find_token()
    assert (found and found.text) == token


# --- run_with_ngrok -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [lambda: build_web_service_app(echo, PAGE), lambda: Flask("somebody's own")])
def test_run_with_ngrok_makes_run_public_and_takes_a_port(ngrok, monkeypatch, build):
    monkeypatch.setenv("NGROK_AUTHTOKEN", TOKEN)
    app = build()
    assert nlpbook.run_with_ngrok is run_with_ngrok
    nlpbook.run_with_ngrok(app)
    with app.run(port=0, block=False) as server:
        assert server.public_url
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{server.public_url}/nowhere", timeout=10)


# --- cloudflared ----------------------------------------------------------------------------------------------------


def test_cloudflared_gives_the_address_that_it_writes(app, tunnel_program, capsys):
    server = serve(app, port=0, expose="cloudflared", block=False)
    assert server.public_url == "https://four-small-words-here.trycloudflare.com"
    assert tunnel_program.started["arguments"] == ["tunnel", "--no-autoupdate", "--url", server.url]
    assert capsys.readouterr().out == (
        f"page: {server.url}\npublic address: {server.public_url}\n"
        f"everybody who has this address can open the page: {UNPROTECTED}\n"
    )
    server.close()
    assert not tunnel_program.is_running
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cloudflared")]


def test_what_cloudflared_writes_later_never_fills_its_pipe(app, tunnel_program):
    with serve(app, port=0, expose="cloudflared", block=False):
        for _ in range(200):
            if tunnel_program.started["wrote_all"]:
                break
            threading.Event().wait(0.05)
        assert tunnel_program.started["wrote_all"]


def test_a_missing_cloudflared_is_named(app, home, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(home))
    with serve(app, port=0, expose="cloudflared", block=False) as server:
        reason = "cloudflared: no program cloudflared on PATH; install it, or use expose='ngrok'"
        assert_page_stays(server, capsys.readouterr().out, reason)


def test_a_cloudflared_that_gives_up_is_explained_in_its_words(app, tunnel_program, monkeypatch, capsys):
    monkeypatch.setenv("FAKE_CLOUDFLARED", "refused")
    with serve(app, port=0, expose="cloudflared", block=False) as server:
        reason = (
            "cloudflared: Error unmarshaling QuickTunnel response: error code: 1015 "
            'status_code="429 Too Many Requests"; failed to request quick Tunnel: '
            'Post "https://api.trycloudflare.com/tunnel": no such host'
        )
        assert_page_stays(server, capsys.readouterr().out, reason)


def test_an_address_without_a_connection_is_none(app, tunnel_program, monkeypatch, capsys):
    monkeypatch.setenv("FAKE_CLOUDFLARED", "unconnected")
    monkeypatch.setattr(tunnel, "START_SECONDS", 1.0)
    with serve(app, port=0, expose="cloudflared", block=False) as server:
        reason = "cloudflared: Failed to dial a quic connection: timeout: no recent network activity"
        assert_page_stays(server, capsys.readouterr().out, reason)
        assert not tunnel_program.is_running


def test_a_silent_cloudflared_is_not_waited_for_for_ever(app, home, monkeypatch, capsys):
    write(home / "bin/cloudflared", "#!/bin/sh\nexec sleep 60\n").chmod(0o755)
    monkeypatch.setattr(tunnel, "START_SECONDS", 1.0)
    with serve(app, port=0, expose="cloudflared", block=False) as server:
        assert_page_stays(server, capsys.readouterr().out, "cloudflared: no address within 1 seconds")


# --- ends -----------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
from flask import Flask
from ratsnlp.nlpbook.serving.server import serve
serve(Flask("page"), port=0, expose=sys.argv[1], authtoken="2abc", block=sys.argv[2] == "block")
print("went on", flush=True)
"""


@pytest.mark.parametrize("way", ["ngrok", "cloudflared"])
@pytest.mark.parametrize("ending", ["exit", "SIGTERM"])
def test_no_agent_outlives_its_script(way, ending, request):
    agent = request.getfixturevalue({"ngrok": "ngrok", "cloudflared": "tunnel_program"}[way])
    block = "go on" if ending == "exit" else "block"
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, way, block], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if ending == "SIGTERM":
        assert [script.stdout.readline() for _ in range(3)][1].startswith("public address: http")
        script.send_signal(signal.SIGTERM)
    out, err = script.communicate(timeout=60)
    assert (out.splitlines()[-1], err, script.returncode) == ("went on", "", 0)
    assert not agent.is_running


# --- Colab ----------------------------------------------------------------------------------------------------------


class SecretNotFoundError(Exception):
    pass


@pytest.fixture
def colab(monkeypatch):
    """Return a stand-in for Colab's kernel: what was shown below the cell, and what its browser and secrets answer."""
    kernel = types.SimpleNamespace(frames=[], secrets={}, address="https://8000-colab.example/")

    def eval_js(script, ignore_result=False, timeout_sec=None):
        assert timeout_sec, "a browser that is gone would never answer"
        if kernel.address is None:
            raise TimeoutError("the browser does not answer")
        kernel.script = script
        return kernel.address

    def get_secret(name):
        if name not in kernel.secrets:
            raise SecretNotFoundError(name)
        return kernel.secrets[name]

    module = types.ModuleType("google.colab")
    module.output = types.SimpleNamespace(
        serve_kernel_port_as_iframe=lambda port, height: kernel.frames.append((port, height)), eval_js=eval_js
    )
    module.userdata = types.SimpleNamespace(get=get_secret)
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", module)
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    return kernel


def test_colab_shows_the_page_and_its_address_and_goes_on(app, colab, capsys):
    with app.run(port=0) as server:
        assert colab.frames == [(server.port, "720")]
        assert colab.script == f"google.colab.kernel.proxyPort({server.port})"
        assert capsys.readouterr().out == (
            f"page: {server.url}\nin Colab: https://8000-colab.example/ (for you, while this notebook is open)\n"
        )
        assert server.public_url is None
        assert post(server.url, "좋아요")["sentence"] == "좋아요"


def test_a_cell_of_colab_that_runs_again_shows_the_new_page_on_the_same_port(app, colab):
    with serve(app, port=0) as first:
        again = build_web_service_app(lambda sentence: {"version": 2}, PAGE)
        with serve(again, port=first.port) as second:
            assert colab.frames == [(first.port, "720")] * 2
            assert post(second.url, "가") == {"version": 2}


def test_a_browser_that_does_not_tell_the_address_still_shows_the_page(app, colab, capsys):
    colab.address = None
    with serve(app, port=0) as server:
        assert colab.frames == [(server.port, "720")]
        assert capsys.readouterr().out == f"page: {server.url}\n"


@pytest.mark.parametrize("place", ["secret", "variable", "published file"])
def test_a_token_in_colab_makes_the_page_public_too(app, colab, ngrok, home, monkeypatch, place):
    if place == "secret":
        colab.secrets["NGROK_AUTHTOKEN"] = TOKEN
    elif place == "variable":
        monkeypatch.setenv("NGROK_AUTHTOKEN", TOKEN)
    else:
        write(home / ".ngrok2/ngrok.yml", f"authtoken: {TOKEN}\n")
    with serve(app, port=0) as server:
        assert colab.frames == [(server.port, "720")]
        assert post(server.public_url, "좋아요")["sentence"] == "좋아요"
        assert ngrok.started["token"] == TOKEN


def test_a_refused_token_leaves_the_page_in_colab(app, colab, ngrok, capsys):
    colab.secrets["NGROK_AUTHTOKEN"] = "refused-token"
    with serve(app, port=0) as server:
        assert "no address through ngrok: authentication failed: " in capsys.readouterr().out
        assert colab.frames == [(server.port, "720")]
        assert post(server.url, "좋아요")["sentence"] == "좋아요"


def test_a_page_of_colab_may_stay_inside(app, colab, capsys):
    colab.secrets["NGROK_AUTHTOKEN"] = TOKEN
    with serve(app, port=0, expose="none") as server:
        assert (colab.frames, server.public_url) == ([], None)
        assert capsys.readouterr().out == f"page: {server.url}\n"


def test_an_app_that_is_not_for_colab_stays_inside(app, colab):
    app.config["RATSNLP_IS_COLAB"] = False
    with serve(app, port=0):
        assert colab.frames == []


def test_colab_s_way_is_for_colab_alone(app, capsys):
    with serve(app, port=0, expose="colab", block=False) as server:
        reason = "colab: this is no Colab notebook; expose='ngrok' or 'cloudflared' work anywhere"
        assert_page_stays(server, capsys.readouterr().out, reason)


# --- proxies and frames ---------------------------------------------------------------------------------------------


@pytest.fixture
def postless(app):
    """Return a proxy before the page that refuses POST, as Colab's may."""
    with serve(app, port=0, block=False) as server:
        proxy = Proxy(server.url, refuses_post=True)
        yield proxy
        proxy.stop()


def test_a_proxy_that_refuses_post_lets_the_get_form_through(postless):
    with pytest.raises(urllib.error.HTTPError, match="500"):
        post(postless.url, "좋아요")
    assert get(postless.url, "좋아요 & 100% 추천?")["sentence"] == "좋아요 & 100% 추천?"


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/static/page.css"])
def test_nothing_forbids_a_frame_of_another_origin(postless, path):
    with urllib.request.urlopen(postless.url + path, timeout=10) as response:
        assert "X-Frame-Options" not in response.headers
        assert "frame-ancestors" not in response.headers["Content-Security-Policy"]


@pytest.mark.browser
def test_the_page_answers_in_a_frame_of_another_origin_behind_a_proxy_that_refuses_post(browser, postless):
    notebook = Flask("notebook")
    notebook.add_url_rule("/", view_func=lambda: f'<iframe src="{postless.url}/" width="800" height="720"></iframe>')
    with serve(notebook, port=0, block=False) as outer:
        tab = browser.new_page()
        tab.goto(outer.url)
        frame = tab.frame_locator("iframe")
        frame.locator("#text").fill("재미있어요")
        frame.locator("#text").press("Enter")
        frame.locator("#result").get_by_text("긍정 (positive)").first.wait_for(timeout=60_000)
        tab.close()
