"""The web app and its server: what a request gets back, and how a page starts and stops."""

import base64
import functools
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import types
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from ratsnlp.nlpbook.environment import in_notebook
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.serving import app as app_module
from ratsnlp.nlpbook.serving.app import DemoPage, Server, ServingError, build_web_service_app, serve
from ratsnlp.nlpbook.serving.password import PasswordGuard

SENTENCE_PAGE = DemoPage(
    template="classification.html",
    fields=("sentence",),
    title="영화평 감성 분석",
    examples=(("이 영화 정말 재미있어요",), ("<b>\"따옴표'</b>",)),
)
PAIR_PAGE = DemoPage(template="classification.html", fields=("premise", "hypothesis"))


def echo(sentence):
    return {"sentence": sentence, "prediction": "긍정 (positive)"}


def build_client(inference_fn, page=SENTENCE_PAGE, **options):
    return build_web_service_app(inference_fn, page, **options).test_client()


@pytest.fixture
def client():
    return build_client(echo)


@pytest.fixture
def pair_client():
    return build_client(lambda premise, hypothesis: {"premise": premise, "hypothesis": hypothesis}, PAIR_PAGE)


def assert_refused(response, status, error):
    assert response.status_code == status
    assert response.content_type == "application/json; charset=utf-8"
    assert response.json["error"] == error
    assert any("가" <= character <= "힣" for character in response.json["message"])


# --- answers ----------------------------------------------------------------------------------------------------------


def test_api_takes_a_bare_string_where_there_is_one_field(client):
    assert client.post("/api", json="좋아요").json == {"sentence": "좋아요", "prediction": "긍정 (positive)"}


def test_api_takes_an_object(client):
    assert client.post("/api", json={"sentence": "좋아요"}).json["sentence"] == "좋아요"


def test_api_passes_many_fields_in_the_page_s_order(pair_client):
    answer = pair_client.post("/api", json={"hypothesis": "나", "premise": "가"}).json
    assert answer == {"premise": "가", "hypothesis": "나"}


def test_api_answers_get_the_same_way(client):
    response = client.get("/api", query_string={"q": json.dumps("좋아요")})
    assert response.json["sentence"] == "좋아요"
    assert response.headers["Cache-Control"] == "no-store"


def test_api_reads_json_whatever_the_content_type_says(client):
    response = client.post("/api", data='"좋아요"'.encode(), content_type="application/x-www-form-urlencoded")
    assert response.json["sentence"] == "좋아요"


def test_api_sends_hangul_as_hangul(client):
    assert "긍정" in client.post("/api", json="좋아요").get_data(as_text=True)


def test_api_gives_inference_composed_hangul(client):
    decomposed = "\u110c\u1169\u11c2\u110b\u1161"
    assert client.post("/api", json=decomposed).json["sentence"] == "좋아"


def test_api_turns_tensor_like_numbers_into_plain_ones():
    number = types.SimpleNamespace(tolist=lambda: 0.5)
    assert build_client(lambda sentence: {"score": number}).post("/api", json="가").json == {"score": 0.5}


def test_api_never_calls_inference_from_two_threads_at_once():
    inside, most = [], []

    def infer(sentence):
        inside.append(sentence)
        most.append(len(inside))
        time.sleep(0.01)
        inside.remove(sentence)
        return {}

    app = build_web_service_app(infer, SENTENCE_PAGE)
    threads = [threading.Thread(target=lambda text=str(i): app.test_client().post("/api", json=text)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_health_is_reported(client):
    assert client.get("/healthz").json == {"status": "ok"}


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_api_names_the_missing_field(pair_client):
    response = pair_client.post("/api", json={"premise": "가"})
    assert_refused(response, 400, "missing hypothesis; needed: premise, hypothesis")
    assert response.json["message"] == "빠진 항목이 있습니다: hypothesis"


def test_api_names_every_missing_field(pair_client):
    assert_refused(pair_client.post("/api", json={}), 400, "missing premise, hypothesis; needed: premise, hypothesis")


def test_api_refuses_a_bare_string_where_there_are_many_fields(pair_client):
    error = "the request is a string; needed: an object with premise, hypothesis"
    assert_refused(pair_client.post("/api", json="가"), 400, error)


@pytest.mark.parametrize(
    ("payload", "kind"), [([], "an array"), (3, "a number"), (True, "a boolean"), (None, "null"), ({}, "an object")]
)
def test_api_says_which_type_it_found(client, payload, kind):
    assert_refused(client.post("/api", json={"sentence": payload}), 400, f"sentence is {kind}; needed: a string")


def test_api_refuses_a_payload_that_is_neither_text_nor_object(client):
    assert_refused(client.post("/api", json=[1]), 400, "the request is an array; needed: an object with sentence")


def test_api_says_where_json_breaks(client):
    error = (
        "not JSON: Expecting ',' delimiter: line 1 column 18 (char 17); "
        'needed: a JSON object such as {"sentence": "..."}'
    )
    assert_refused(client.post("/api", data='{"sentence": "a" "b"}'), 400, error)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\xff", b"[" * 100_000, b"1" * 5000], ids=["empty", "bytes", "deep", "long"]
)
def test_api_survives_bodies_that_break_parsers(client, body):
    response = client.post("/api", data=body)
    assert response.status_code == 400
    assert response.json["error"].startswith(("not JSON: ", "sentence ", "the request is "))


@pytest.mark.parametrize("text", ["", "   ", "\n\t\u3000"])
def test_api_refuses_blank_text(client, text):
    response = client.post("/api", json=text)
    assert_refused(response, 400, "sentence is blank; needed: some text")
    assert response.json["message"] == "빈칸이 있습니다. 내용을 입력한 뒤 다시 눌러 주세요."


def test_api_refuses_half_a_character(client):
    error = "sentence holds half a character (a lone surrogate); needed: Unicode text"
    assert_refused(client.post("/api", data='"\\ud83d"'), 400, error)


def test_api_says_how_long_a_text_may_be():
    client = build_client(echo, max_text_length=1000)
    assert client.post("/api", json="가" * 1000).status_code == 200
    response = client.post("/api", json="가" * 1001)
    assert_refused(response, 413, "sentence has 1,001 characters; needed: at most 1,000")
    assert response.json["message"] == "글이 너무 깁니다. 1,000자까지 넣을 수 있습니다."


def test_api_takes_the_longest_text_in_its_longest_spelling():
    client = build_client(echo, max_text_length=1000)
    assert client.post("/api", data='"' + "\\ud83d\\ude00" * 1000 + '"').json["sentence"] == "😀" * 1000


def test_api_refuses_a_huge_body_unread(client):
    response = client.post("/api", data=b'"' + b"a" * 200_000 + b'"')
    assert_refused(response, 413, "the request body is too large; needed: shorter texts")


def test_api_says_how_to_ask_when_get_carries_nothing(client):
    assert_refused(client.get("/api"), 400, "missing q; needed: GET /api?q=<JSON>, or POST with a JSON body")


def test_api_names_the_methods_it_takes(client):
    response = client.put("/api", json="가")
    assert_refused(response, 405, "found PUT /api; needed: GET or POST")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_unknown_routes_answer_in_json(client):
    error = "found POST /api/v2; needed: GET /, POST /api or GET /api?q=<JSON>"
    assert_refused(client.post("/api/v2"), 404, error)


# --- failures ---------------------------------------------------------------------------------------------------------


def assert_failed(inference_fn, caplog, logged):
    with caplog.at_level(logging.ERROR, "ratsnlp"):
        response = build_client(inference_fn).post("/api", json="가")
    error_id = response.json["error"].rsplit(" ", 1)[-1]
    assert_refused(response, 500, f"answering failed; the server's log holds the traceback under id {error_id}")
    assert len(error_id) == 8
    assert error_id in response.json["message"]
    assert f"request failed, id {error_id}: {logged}" in caplog.text
    assert "Traceback" in caplog.text
    assert "Traceback" not in response.get_data(as_text=True)


def test_a_failing_inference_leaves_its_traceback_in_the_log_only(caplog):
    def fail(sentence):
        raise RuntimeError("secret path /home/me")

    assert_failed(fail, caplog, "RuntimeError: secret path /home/me")


def test_an_answer_that_is_no_mapping_is_named_in_the_log(caplog):
    logged = "TypeError: inference_fn returned list; needed: a dict such as {'prediction': '...'}"
    assert_failed(lambda sentence: ["긍정"], caplog, logged)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "no JSON for object"),
        (float("nan"), "Out of range float values are not JSON compliant"),
        (float("-inf"), "Out of range float values are not JSON compliant"),
        ("\ud83d", "'utf-8' codec can't encode character"),
    ],
)
def test_an_answer_that_is_no_json_is_named_in_the_log(caplog, value, reason):
    logged = f"TypeError: inference_fn returned what JSON cannot hold: {reason}"
    assert_failed(lambda sentence: {"score": value}, caplog, logged)


# --- page, headers ----------------------------------------------------------------------------------------------------


def test_page_shows_its_title_and_escapes_its_examples(client):
    html = client.get("/").get_data(as_text=True)
    assert "<title>영화평 감성 분석</title>" in html
    assert "<b>" not in html
    chips = re.findall("data-values='(.*?)'", html)
    assert tuple(tuple(json.loads(chip)) for chip in chips) == SENTENCE_PAGE.examples
    assert '<html lang="ko">' in html


def test_page_uses_relative_addresses_only(client):
    html = client.get("/").get_data(as_text=True)
    assert 'src="static/page.js"' in html
    assert not any(absolute in html for absolute in ('="/', "='/", "http:", "https:", "//"))


@pytest.mark.parametrize("path", ["/static/page.js", "/static/page.css", "/static/favicon.svg", "/favicon.ico"])
def test_assets_are_there_and_name_no_other_host(client, path):
    with client.get(path) as response:
        assert response.status_code == 200
        text = response.get_data(as_text=True).replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in text
    assert "https:" not in text


@pytest.mark.parametrize("path", ["/", "/api", "/api?q=%22a%22", "/healthz", "/nothing", "/static/page.js"])
def test_every_response_carries_the_security_headers(client, path):
    with client.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors" not in policy


def test_other_origins_may_not_read_the_api_by_default(client):
    response = client.post("/api", json="가", headers={"Origin": "https://a.example"})
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("origins", [["https://a.example"], "https://a.example"])
def test_named_origins_may_read_the_api(origins):
    client = build_client(echo, origins=origins)
    named = client.post("/api", json="가", headers={"Origin": "https://a.example"})
    other = client.post("/api", json="가", headers={"Origin": "https://b.example"})
    assert named.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Access-Control-Allow-Origin" not in other.headers


def test_demo_page_refuses_an_example_with_other_fields():
    with pytest.raises(ValueError, match=r"example \('가',\) has 1 values; needed: premise, hypothesis"):
        DemoPage(template="classification.html", fields=("premise", "hypothesis"), examples=(("가",),))


def test_published_cells_may_say_is_colab():
    assert build_client(echo, is_colab=False).get("/healthz").status_code == 200


# --- limits -----------------------------------------------------------------------------------------------------------


class SlowModel:
    """An inference_fn that answers when it is let on."""

    def __init__(self):
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, sentence):
        self.entered.set()
        assert self.opened.wait(10)
        return {"sentence": sentence}


@pytest.fixture
def slow_model():
    model = SlowModel()
    yield model
    model.opened.set()


def test_a_request_too_many_is_refused_with_a_time_to_ask_again(slow_model):
    app = build_web_service_app(slow_model, SENTENCE_PAGE, max_pending=1)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(app.test_client().post("/api", json="가").json))
    thread.start()
    assert slow_model.entered.wait(10)
    response = app.test_client().post("/api", json="나")
    assert_refused(response, 503, "1 questions are pending; at most 1 may; ask again in 1 s")
    assert response.json["message"] == "지금은 질문이 많아 답하지 못했습니다. 1초쯤 뒤에 다시 시도해 주세요."
    assert response.headers["Retry-After"] == "1"
    assert response.json["code"] == 503
    assert app.test_client().get("/healthz").json == {"status": "ok"}
    slow_model.opened.set()
    thread.join()
    assert answers == [{"sentence": "가"}]


def test_a_request_that_takes_too_long_is_given_up(slow_model):
    response = build_client(slow_model, max_seconds=0.01).post("/api", json="가")
    assert_refused(response, 504, "no answer in 0.01 seconds; needed: a shorter text, or a higher max_seconds")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_batch": 0}, "max_batch must be a whole number >= 1, got 0"),
        ({"max_seconds": -1}, "max_seconds must be a number > 0, got -1"),
        ({"max_text_lenght": 5}, "max_text_lenght .* is not a setting; did you mean max_text_length?"),
    ],
)
def test_limits_that_cannot_be_are_named(limits, message):
    with pytest.raises(ArgumentError, match=message):
        build_web_service_app(echo, SENTENCE_PAGE, **limits)


def test_an_inference_fn_for_many_questions_gets_those_of_many_users_together():
    class Model:
        sizes = []

        def answer_many(self, questions):
            self.sizes.append(len(questions))
            time.sleep(0.2)
            return [{"sentence": text} for (text,) in questions]

    model = Model()
    app = build_web_service_app(model, SENTENCE_PAGE)
    with ThreadPoolExecutor(8) as pool:
        texts = [str(number) for number in range(8)]
        answers = list(pool.map(lambda text: app.test_client().post("/api", json=text).json, texts))
    assert answers == [{"sentence": text} for text in texts]
    assert len(model.sizes) < 8
    assert sum(model.sizes) == 8


def test_health_gets_through_while_every_place_is_taken(slow_model):
    app = build_web_service_app(slow_model, SENTENCE_PAGE, max_pending=2)
    with serve(app, port=0, block=False, expose="none") as server, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(post, server.url, text) for text in "가나"]
        assert slow_model.entered.wait(10)
        with urllib.request.urlopen(f"{server.url}/healthz", timeout=5) as response:
            assert json.load(response) == {"status": "ok"}
        slow_model.opened.set()
        assert [future.result() for future in asked] == [{"sentence": "가"}, {"sentence": "나"}]


def accepts_connections(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_page_that_closes_answers_who_is_in_and_refuses_who_comes(slow_model):
    server = serve(build_web_service_app(slow_model, SENTENCE_PAGE), port=0, block=False, expose="none")
    with ThreadPoolExecutor(2) as pool:
        inside = pool.submit(post, server.url, "가")
        assert slow_model.entered.wait(10)
        closing = pool.submit(server.close)
        while accepts_connections(server.port):
            time.sleep(0.01)
        assert not inside.done()
        slow_model.opened.set()
        assert inside.result() == {"sentence": "가"}
        closing.result()


# --- password ---------------------------------------------------------------------------------------------------------


def say(password, user="ratsnlp"):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    "path", ["/", "/api?q=%22a%22", "/api/explain", "/metrics", "/openapi.json", "/static/page.js", "/no"]
)
def test_a_page_with_a_password_shows_nothing_without_it(path):
    client = build_client(echo, password="열려라 참깨")
    response = client.get(path)
    assert_refused(response, 401, "no password given; needed: HTTP Basic with the page's password")
    assert response.headers["WWW-Authenticate"] == 'Basic realm="ratsnlp", charset="UTF-8"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("spelling", ["NFC", "NFD"])
def test_who_knows_the_password_gets_in_under_any_name(spelling):
    client = build_client(echo, password="열려라 참깨")
    headers = say(unicodedata.normalize(spelling, "열려라 참깨"), user="아무나")
    assert client.post("/api", json="가", headers=headers).json["sentence"] == "가"
    assert client.get("/", headers=headers).status_code == 200
    assert client.get("/openapi.json", headers=headers).json["security"] == [{"password": []}]


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic " + "/" * 8, "Bearer abc", "Basic YWJj"])
def test_a_broken_password_header_is_no_password(header):
    response = build_client(echo, password="비밀").get("/", headers={"Authorization": header})
    assert response.status_code == 401


def test_guessing_a_password_is_slowed_down(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(app_module, "PasswordGuard", functools.partial(PasswordGuard, clock=lambda: now[0]))
    client = build_client(echo, password="비밀")
    for _ in range(10):
        response = client.get("/", headers=say("추측"))
        assert_refused(response, 401, "wrong password; needed: HTTP Basic with the page's password")
    now[0] = 20.0
    for guess in ("추측", "비밀"):  # also the right one, or guessing would go on
        response = client.get("/", headers=say(guess))
        assert_refused(response, 429, "10 wrong passwords in 60 s; try again in 40 s")
        assert response.headers["Retry-After"] == "40"
    assert client.get("/", headers=say("비밀"), environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200
    now[0] = 61.0
    assert client.get("/", headers=say("비밀")).status_code == 200


def test_the_environment_can_hold_the_password(monkeypatch):
    monkeypatch.setenv("RATSNLP_PASSWORD", "비밀")
    app = build_web_service_app(echo, SENTENCE_PAGE)
    assert app.config["RATSNLP_PASSWORD_SET"]
    assert app.test_client().get("/").status_code == 401
    assert app.test_client().get("/", headers=say("비밀")).status_code == 200


def test_a_blank_password_is_refused():
    with pytest.raises(ArgumentError, match=r"password is blank; give one, or leave it out \(then RATSNLP_PASSWORD is"):
        build_web_service_app(echo, SENTENCE_PAGE, password=" ")


def test_a_named_origin_may_ask_with_a_password():
    client = build_client(echo, password="비밀", origins=["https://a.example"])
    asking = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    before = client.options("/api", headers=asking | {"Access-Control-Request-Headers": "authorization"})
    assert (before.status_code, before.headers["Access-Control-Allow-Headers"]) == (200, "authorization")
    assert client.post("/api", json="가", headers={"Origin": "https://a.example"} | say("비밀")).status_code == 200


# --- counts and description -------------------------------------------------------------------------------------------


def test_metrics_count_requests_by_route_and_questions_by_batch(client):
    client.post("/api", json="가")
    client.get("/api?q=%22a%22")
    client.post("/api", json="")
    client.get("/nothing/secret")
    response = client.get("/metrics")
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = response.get_data(as_text=True).splitlines()
    assert 'ratsnlp_requests_total{route="/api",status="200"} 2' in lines
    assert 'ratsnlp_requests_total{route="/api",status="400"} 1' in lines
    assert 'ratsnlp_requests_total{route="none",status="404"} 1' in lines
    assert "# TYPE ratsnlp_requests_total counter" in lines
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values["ratsnlp_questions_total"] == values["ratsnlp_batches_total"] == "2"
    assert float(values['ratsnlp_request_seconds_total{route="/api"}']) > 0
    assert not any("secret" in line for line in lines)


def test_the_description_names_fields_limits_and_errors(pair_client):
    described = pair_client.get("/openapi.json").json
    assert described["openapi"] == "3.1.0"
    question = described["components"]["schemas"]["Question"]
    assert question["required"] == ["premise", "hypothesis"]
    assert question["properties"]["premise"]["maxLength"] == 10_000
    assert set(described["paths"]["/api"]["post"]["responses"]) == {"200", "400", "413", "500", "503", "504"}
    assert "/api/explain" not in described["paths"]
    assert "security" not in described


def test_the_description_of_an_explaining_page_names_its_words():
    described = build_client(echo, explain=lambda sentence: {"words": []}, password="비밀").get(
        "/openapi.json", headers=say("비밀")
    )
    assert described.json["paths"]["/api/explain"]["get"]["parameters"][0]["name"] == "q"
    assert "401" in described.json["paths"]["/api/explain"]["post"]["responses"]


# --- server -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def app():
    return build_web_service_app(echo, SENTENCE_PAGE)


def post(url, payload):
    request = urllib.request.Request(f"{url}/api", json.dumps(payload).encode())
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def test_server_answers_on_a_free_port_and_says_where(app, capsys):
    with serve(app, port=0, block=False) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert capsys.readouterr().out == f"page: {server.url}\n"
        assert post(server.url, "좋아요")["sentence"] == "좋아요"
        query = urllib.parse.quote(json.dumps("가" * 9000))
        with urllib.request.urlopen(f"{server.url}/api?q={query}", timeout=5) as response:
            assert len(json.load(response)["sentence"]) == 9000


def test_server_frees_its_port_when_closed(app):
    server = serve(app, port=0, block=False)
    server.close()
    server.close()
    assert repr(server) == f"<Server {server.url} (closed)>"
    with pytest.raises(urllib.error.URLError, match="refused"):
        post(server.url, "가")
    server.wait()


def test_server_lets_a_running_request_finish(capsys):
    started = threading.Event()

    def infer(sentence):
        started.set()
        time.sleep(0.2)
        return {"sentence": sentence}

    answers = []
    server = serve(build_web_service_app(infer, SENTENCE_PAGE), port=0, block=False)
    thread = threading.Thread(target=lambda: answers.append(post(server.url, "가")))
    thread.start()
    assert started.wait(5)
    server.close()
    thread.join()
    assert answers == [{"sentence": "가"}]


def test_a_cell_that_runs_again_replaces_its_own_server(app):
    with serve(app, port=0, block=False) as first:
        again = build_web_service_app(lambda sentence: {"version": 2}, SENTENCE_PAGE)
        with serve(again, port=first.port, block=False) as second:
            assert second.port == first.port
            assert post(second.url, "가") == {"version": 2}


def test_a_port_of_another_program_is_named_with_the_way_out(app):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        text = f"another program listens on 127.0.0.1:{port}; choose another port, for example port=0 for any free one"
        with pytest.raises(ServingError, match=text):
            serve(app, port=port, block=False)


def test_a_port_that_cannot_be_is_named(app):
    with pytest.raises(ServingError, match="found port 70000; needed: 0 to 65535, where 0 takes any free one"):
        serve(app, port=70_000, block=False)


def test_an_address_that_cannot_be_used_is_named(app):
    text = "cannot listen on 192.0.2.1:0: .*; the usual address is host='127.0.0.1', port=5000"
    with pytest.raises(ServingError, match=text):
        serve(app, host="192.0.2.1", port=0, block=False)


def test_run_serves_from_the_background_in_a_notebook(app, monkeypatch):
    kernel_shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: kernel_shell))
    assert in_notebook()
    with app.run(port=0) as server:
        assert isinstance(server, Server)
        assert post(server.url, "가")["sentence"] == "가"


def test_a_terminal_ipython_is_no_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: object()))
    assert not in_notebook()


def test_run_says_which_options_it_ignores(app, caplog):
    with caplog.at_level(logging.WARNING, "ratsnlp"), app.run(None, 0, True, use_reloader=False, block=False):
        assert "ignored by this server: True, use_reloader" in caplog.text


def test_colab_shows_the_page_below_the_cell(app, monkeypatch):
    shown = []
    colab = types.ModuleType("google.colab")
    colab.output = types.SimpleNamespace(serve_kernel_port_as_iframe=lambda port, height: shown.append((port, height)))
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    with serve(app, port=0, block=False) as server:
        assert shown == [(server.port, "720")]


SCRIPT = """
import sys
from ratsnlp.nlpbook.serving.app import DemoPage, build_web_service_app
assert not {"torch", "transformers", "pytorch_lightning"} & set(sys.modules), "serving imported a heavy package"
page = DemoPage(template="classification.html", fields=("sentence",))
build_web_service_app(lambda sentence: {}, page).run(port=0)
print("went on")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process on Windows")
def test_a_script_blocks_until_ctrl_c_and_ends_cleanly():
    script = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert script.stdout.readline().startswith("page: http://127.0.0.1:")
    script.send_signal(signal.SIGINT)
    out, err = script.communicate(timeout=20)
    assert (out, err, script.returncode) == ("page closed\nwent on\n", "", 0)


SLOW_SCRIPT = """
import time
from ratsnlp.nlpbook.serving.app import DemoPage, build_web_service_app
def infer(sentence):
    print("asked", flush=True)
    time.sleep(1)
    return {"sentence": sentence}
page = DemoPage(template="classification.html", fields=("sentence",))
build_web_service_app(infer, page).run(port=0, expose="none")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_script_that_is_ended_answers_what_it_was_asked(number):
    script = subprocess.Popen([sys.executable, "-c", SLOW_SCRIPT], stdout=subprocess.PIPE, text=True)
    url = script.stdout.readline().removeprefix("page: ").strip()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(post, url, "가")
        assert script.stdout.readline() == "asked\n"
        script.send_signal(number)
        assert asked.result() == {"sentence": "가"}
    assert script.communicate(timeout=20)[0] == "page closed\n"
