"""The page in a real browser: what a learner sees, types and presses."""

import json
import os
import shutil
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from ratsnlp.nlpbook.serving.web import DemoPage, build_web_service_app, serve

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser

PAGE = DemoPage(
    template="classification.html",
    fields=("sentence",),
    title="영화평 감성 분석",
    examples=(("이 영화 정말 재미있어요",), ("시간이 아까운 \"영화\"였다. '배우'들의 연기도 모두 실망스러웠다." * 3,)),
)
MARKUP = "<img src=x onerror=\"document.title='broken'\"><b>굵게</b>"


def find_chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("RATSNLP_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@dataclass
class Model:
    """An inference_fn that a test steers, and that remembers what it was asked."""

    answer: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)

    def __call__(self, sentence):
        self.asked.append(sentence)
        time.sleep(self.seconds)
        if "고장" in sentence:
            raise RuntimeError("broken on purpose")
        return {"sentence": sentence, **self.answer}


PROBABILITIES = {
    "prediction": "긍정 (positive)",
    "probabilities": [
        {"label": "0", "name": "부정 (negative)", "probability": 0.0269},
        {"label": "1", "name": "긍정 (positive)", "probability": 0.9731},
    ],
}
PUBLISHED_PAIRS = {
    "prediction": "긍정 (positive)",
    "positive_data": "긍정 0.9731",
    "positive_width": "97.31%",
    "negative_data": "부정 0.0269",
    "negative_width": "2.69%",
}


@pytest.fixture(scope="module")
def browser():
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium: install one, or name it in RATSNLP_CHROMIUM")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def model():
    return Model(answer=dict(PROBABILITIES))


@pytest.fixture
def server(model):
    with serve(build_web_service_app(model, PAGE), port=0, block=False) as running:
        yield running


@pytest.fixture
def page(browser, server):
    """The open page, with `.errors` (console) and `.addresses` (requests) recorded from the start."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(5000)
    tab.errors, tab.addresses = [], []
    tab.on("console", lambda line: tab.errors.append(line.text) if line.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("request", lambda request: tab.addresses.append(request.url))
    tab.goto(server.url)
    yield tab
    tab.close()


def ask(page, text):
    page.fill("#text", text)
    page.click("#ask")


def wait_for_result(page):
    page.wait_for_selector("#result:visible")
    page.wait_for_selector("body:not(.busy)")


def read_bars(page):
    return [row.inner_text().split("\n") for row in page.query_selector_all("#bars li")]


def test_page_asks_no_other_host_and_logs_no_error(page, server):
    ask(page, "재미있어요")
    wait_for_result(page)
    page.wait_for_load_state("networkidle")
    assert page.errors == []
    assert {address.split("/api")[0].split("/static")[0].rstrip("/") for address in page.addresses} == {server.url}


def test_page_shows_prediction_and_bars(page, model):
    ask(page, "재미있어요")
    wait_for_result(page)
    assert page.inner_text("#headline") == "긍정 (positive)"
    assert read_bars(page) == [["긍정 (positive)", "97.31%"], ["부정 (negative)", "2.69%"]]
    assert page.get_by_role("meter", name="긍정 (positive)").get_attribute("aria-valuenow") == "97.31"
    page.wait_for_selector(".top .fill[style='width: 97.31%;']", state="attached")
    assert "ms" in page.inner_text("#elapsed")
    assert page.input_value("#text") == "재미있어요"
    assert model.asked == ["재미있어요"]


def test_page_shows_the_pairs_of_a_hand_written_inference_fn(page, model):
    model.answer = PUBLISHED_PAIRS
    ask(page, "재미있어요")
    wait_for_result(page)
    assert read_bars(page) == [["긍정", "97.31%"], ["부정", "2.69%"]]


def test_page_draws_one_bar_per_label_however_many(page, model):
    model.answer = {"probabilities": [{"label": str(i), "name": f"감정 {i}", "probability": i / 66} for i in range(12)]}
    ask(page, "글쎄요")
    wait_for_result(page)
    bars = read_bars(page)
    assert len(bars) == 12
    assert bars[0] == ["감정 11", "16.67%"]


def test_markup_stays_text_wherever_it_is_shown(page, model):
    label = {"label": "0", "name": MARKUP, "probability": 1.0}
    model.answer = {"prediction": MARKUP, "probabilities": [label]}
    ask(page, MARKUP)
    wait_for_result(page)
    for place in ("#echo", "#headline", "#bars .name", "#past .text", "#past .outcome"):
        assert page.inner_text(place) == MARKUP
    assert page.query_selector("main img, main b") is None
    assert page.title() == "영화평 감성 분석"


def test_an_example_is_filled_in_and_asked(page, model):
    page.click(".chip >> nth=1")
    wait_for_result(page)
    assert model.asked == [PAGE.examples[1][0]]
    assert page.input_value("#text") == PAGE.examples[1][0]


def test_keyboard_alone_asks_and_goes_back_to_an_earlier_result(page, model):
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    wait_for_result(page)
    assert model.asked == ["one\ntwo"]
    page.fill("#text", "")
    page.focus("#past button")
    page.keyboard.press("Enter")
    assert page.input_value("#text") == "one\ntwo"
    assert len(model.asked) == 1


# --- Enter while an input method composes ---------------------------------------------------------------------------

PRESS = """(events) => {
  const text = document.getElementById("text");
  text.value = "재미있다";
  for (const [type, code, composing] of events) {
    const EventClass = type.startsWith("composition") ? CompositionEvent : KeyboardEvent;
    const init = { key: code === 229 ? "Process" : "Enter", code: "Enter", keyCode: code, isComposing: composing };
    text.dispatchEvent(new EventClass(type, { ...init, bubbles: true, cancelable: true }));
  }
}"""
START, END = ("compositionstart", 0, False), ("compositionend", 0, False)


@pytest.mark.parametrize(
    "events",
    [
        [START, ("keydown", 229, True), END, ("keyup", 13, False)],
        [START, ("keydown", 229, True), END, ("keydown", 13, False), ("keyup", 13, False)],
        [START, ("keydown", 229, True), ("keyup", 13, True), END],
        [START, END, ("keydown", 229, False), ("keyup", 13, False)],
        [START, END, ("keydown", 13, False), ("keyup", 13, False)],
    ],
    ids=["chrome", "chrome on macOS", "late end", "safari", "already ended"],
)
def test_enter_submits_once_while_hangul_is_composed(page, model, events):
    page.evaluate(PRESS, events)
    wait_for_result(page)
    page.wait_for_timeout(300)
    assert model.asked == ["재미있다"]
    page.evaluate(PRESS, [("keydown", 13, False), ("keyup", 13, False)])
    page.wait_for_timeout(100)
    assert len(model.asked) == 2


def test_enter_that_the_composition_outlives_by_another_key_submits_nothing(page, model):
    page.evaluate(PRESS, [START, ("keydown", 229, True)])
    page.evaluate(
        "document.getElementById('text').dispatchEvent(new KeyboardEvent('keydown', {key: 'Process', code: 'KeyR'}))"
    )
    page.evaluate(PRESS, [END])
    page.wait_for_timeout(100)
    assert model.asked == []


def test_enter_after_a_real_composition_submits_the_last_syllable(page, model):
    page.focus("#text")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Input.imeSetComposition", {"text": "좋", "selectionStart": 1, "selectionEnd": 1})
    devtools.send("Input.insertText", {"text": "좋아"})
    page.keyboard.press("Enter")
    wait_for_result(page)
    assert model.asked == ["좋아"]
    assert page.input_value("#text") == "좋아"


def test_pressing_twice_while_an_answer_is_on_its_way_asks_once(page, model):
    model.seconds = 0.3
    page.fill("#text", "천천히")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.click("#ask", force=True)
    wait_for_result(page)
    assert model.asked == ["천천히"]


# --- waiting and failing --------------------------------------------------------------------------------------------


def test_a_slow_answer_can_be_cancelled_and_asked_again(page, model):
    model.seconds = 0.8
    ask(page, "오래 걸리는 문장")
    page.wait_for_selector("#cancel:visible")
    assert page.inner_text("#status") == "분석하는 중…"
    page.click("#cancel")
    page.wait_for_selector("#cancel", state="hidden")
    assert page.inner_text("#status") == "취소했습니다."
    assert page.input_value("#text") == "오래 걸리는 문장"
    model.seconds = 0
    ask(page, "다시")
    wait_for_result(page)
    assert page.inner_text("#echo") == "다시"
    assert page.inner_text("#status") == ""


def test_errors_are_shown_in_korean_and_replace_the_old_result(page):
    ask(page, "재미있어요")
    wait_for_result(page)
    ask(page, "  ")
    page.wait_for_selector("#error:visible")
    assert page.inner_text("#error-message") == "빈칸이 있습니다. 내용을 입력한 뒤 다시 눌러 주세요."
    assert page.inner_text("#error-detail") == "sentence is blank; needed: some text"
    assert page.is_hidden("#result")
    ask(page, "고장")
    page.wait_for_selector("#error-message:has-text('오류 번호: ')")
    ask(page, "재미있어요")
    wait_for_result(page)
    assert page.is_hidden("#error")


def test_a_server_that_is_gone_is_said_in_korean(page, server):
    server.close()
    ask(page, "재미있어요")
    page.wait_for_selector("#error:visible")
    message = "서버에 연결하지 못했습니다. 노트북이나 터미널에서 서버가 켜져 있는지 확인해 주세요."
    assert page.inner_text("#error-message") == message


def test_an_answer_that_is_no_json_is_said_in_korean(page):
    page.route(
        "**/api*", lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")
    )
    ask(page, "재미있어요")
    page.wait_for_selector("#error:visible")
    assert page.inner_text("#error-message") == "서버가 뜻밖의 답을 보냈습니다(상태 502). 잠시 뒤 다시 시도해 주세요."


@pytest.mark.parametrize("status", [405, 500, 501])
def test_a_proxy_that_refuses_post_is_asked_with_get(page, model, status):
    def refuse_post(route):
        if route.request.method == "POST":
            route.fulfill(status=status, content_type="text/html", body="<h1>Refused</h1>")
        else:
            route.continue_()

    page.route("**/api*", refuse_post)
    ask(page, "재미있어요 & 100% 추천?")
    wait_for_result(page)
    assert page.inner_text("#headline") == "긍정 (positive)"
    assert model.asked == ["재미있어요 & 100% 추천?"]


def test_a_failing_model_is_not_asked_a_second_time(page, model):
    ask(page, "고장")
    page.wait_for_selector("#error:visible")
    assert model.asked == ["고장"]


# --- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_of_360_pixels_scrolls_down_only(page, model, scheme):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    model.answer = {"prediction": "가" * 60, **PUBLISHED_PAIRS, "긴_data": "나" * 80, "긴_width": "1%"}
    ask(page, "띄어쓰기없이" * 40)
    wait_for_result(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_page_works_below_the_prefix_of_a_proxy(browser, server, model):
    tab = browser.new_page()
    tab.set_default_timeout(5000)

    def strip_prefix(route):
        route.continue_(url=route.request.url.replace("/proxy/5000", ""))

    tab.route("**/proxy/5000/**", strip_prefix)
    tab.goto(f"{server.url}/proxy/5000/")
    ask(tab, "재미있어요")
    wait_for_result(tab)
    assert model.asked == ["재미있어요"]
    tab.close()


def test_the_script_collects_whatever_fields_a_page_has(browser, server):
    tab = browser.new_page()
    tab.set_default_timeout(5000)
    html = """<form id="form" data-headline="answer"><input data-field="question" value="누구?">
      <textarea data-field="context">쥐가 말했다.</textarea><button id="ask">답</button>
      <button id="cancel" type="button" hidden></button>
      <span id="status"></span><span id="seconds"></span><span id="hint"></span></form>
      <div id="error" hidden><p id="error-message"></p><p id="error-detail"></p></div>
      <div id="result" hidden><p id="echo"></p><p id="headline"></p><ul id="bars"></ul><p id="elapsed"></p></div>
      <div id="history" hidden><ol id="past"></ol></div><script src="static/page.js"></script>"""
    asked = []

    def answer(route):
        asked.append(json.loads(route.request.post_data))
        route.fulfill(json={"answer": "쥐"})

    tab.route(f"{server.url}/qa", lambda route: route.fulfill(content_type="text/html; charset=utf-8", body=html))
    tab.route("**/api", answer)
    tab.goto(f"{server.url}/qa")
    tab.click("#ask")
    wait_for_result(tab)
    assert asked == [{"question": "누구?", "context": "쥐가 말했다."}]
    assert tab.inner_text("#headline") == "쥐"
    tab.close()
