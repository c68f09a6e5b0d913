"""The page of pair classification in a real browser: two texts in, three bars and a decision out."""

import pytest

from ratsnlp.nlpbook.paircls import get_web_service_app
from ratsnlp.nlpbook.paircls.deploy import PAGE
from ratsnlp.nlpbook.serving.web import serve
from test_page import find_chromium, read_bars, wait_for_result

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser

PUBLISHED = {
    "prediction": "거짓 (contradiction)",
    "entailment_data": "참 0.1",
    "contradiction_data": "거짓 0.7",
    "neutral_data": "중립 0.2",
    "entailment_width": "10.0%",
    "contradiction_width": "70.0%",
    "neutral_width": "20.0%",
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
def asked():
    return []


@pytest.fixture
def page(browser, asked):
    """The open page of a hand-written inference_fn that remembers what it was asked."""

    def inference_fn(premise, hypothesis):
        asked.append((premise, hypothesis))
        return {"premise": premise, "hypothesis": hypothesis, **PUBLISHED}

    with serve(get_web_service_app(inference_fn), port=0, block=False) as server:
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.set_default_timeout(5000)
        tab.goto(server.url)
        yield tab
        tab.close()


def test_two_texts_give_a_decision_and_three_bars(page, asked):
    page.fill("#premise", "이 식당은 월요일마다 쉰다.")
    page.fill("#hypothesis", "월요일에도 문을 연다.")
    page.click("#ask")
    wait_for_result(page)
    assert asked == [("이 식당은 월요일마다 쉰다.", "월요일에도 문을 연다.")]
    assert page.inner_text("#headline") == "거짓 (contradiction)"
    assert sorted(read_bars(page)) == [["거짓", "70.00%"], ["중립", "20.00%"], ["참", "10.00%"]]
    assert page.inner_text("#echo") == "이 식당은 월요일마다 쉰다. / 월요일에도 문을 연다."


@pytest.mark.parametrize("field", ["#premise", "#hypothesis"])
def test_enter_asks_from_either_field(page, asked, field):
    page.fill("#premise", "가")
    page.fill("#hypothesis", "나")
    page.press(field, "Enter")
    wait_for_result(page)
    assert asked == [("가", "나")]


def test_an_example_fills_both_fields_and_asks(page, asked):
    page.click(".chip >> nth=1")
    wait_for_result(page)
    assert asked == [PAGE.examples[1]]
    assert (page.input_value("#premise"), page.input_value("#hypothesis")) == PAGE.examples[1]


def test_a_missing_hypothesis_is_said_in_korean(page, asked):
    page.fill("#premise", "가")
    page.click("#ask")
    page.wait_for_selector("#error:visible")
    assert page.inner_text("#error-message") == "빈칸이 있습니다. 내용을 입력한 뒤 다시 눌러 주세요."
    assert asked == []


def test_every_field_has_a_label(page):
    assert page.get_by_label("전제 (premise)").get_attribute("id") == "premise"
    assert page.get_by_label("가설 (hypothesis)").get_attribute("id") == "hypothesis"


def test_a_phone_of_360_pixels_scrolls_down_only(page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.fill("#premise", "띄어쓰기없이" * 30)
    page.fill("#hypothesis", "띄어쓰기없이" * 30)
    page.click("#ask")
    wait_for_result(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
