"""The page in a real browser: what a learner asks and sees, and what is said when something fails."""

import pytest

from pages import LABELS, MARKUP, Model, ask, hold_answers, let_through, read_bars, wait_for_result
from ratsnlp.nlpbook.serving.app import DemoPage, build_web_service_app

pytestmark = pytest.mark.browser

PAGE = DemoPage(
    template="classification.html",
    fields=("sentence",),
    title="영화평 감성 분석",
    examples=(("이 영화 정말 재미있어요",), ("시간이 아까운 \"영화\"였다. '배우'들의 연기도 모두 실망스러웠다." * 3,)),
)
PUBLISHED_PAIRS = {
    "prediction": "긍정 (positive)",
    "positive_data": "긍정 0.9731",
    "positive_width": "97.31%",
    "negative_data": "부정 0.0269",
    "negative_width": "2.69%",
}


@pytest.fixture
def model():
    return Model(dict(LABELS))


@pytest.fixture
def page(open_page, model):
    return open_page(build_web_service_app(model, PAGE))


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


def test_the_result_is_said_to_a_screen_reader(page):
    ask(page, "재미있어요")
    wait_for_result(page)
    assert page.text_content("#announcement[role=status]") == "결과: 긍정 (positive), 97.31%"


def test_page_shows_the_pairs_of_a_hand_written_inference_fn(page, model):
    model.answer = PUBLISHED_PAIRS
    ask(page, "재미있어요")
    wait_for_result(page)
    assert read_bars(page) == [["긍정", "97.31%"], ["부정", "2.69%"]]


def test_page_draws_one_bar_per_label_however_many(page, model):
    model.answer = {"labels": [{"label": f"감정 {i}", "probability": i / 66} for i in range(12)]}
    ask(page, "글쎄요")
    wait_for_result(page)
    bars = read_bars(page)
    assert len(bars) == 12
    assert bars[0] == ["감정 11", "16.67%"]


def test_markup_stays_text_wherever_it_is_shown(page, model):
    model.answer = {"prediction": MARKUP, "labels": [{"label": MARKUP, "probability": 1.0}]}
    ask(page, MARKUP)
    wait_for_result(page)
    page.click("[data-copy=curl]")
    for place in ("#echo", "#headline", "#bars .name", "#past .text", "#past .outcome"):
        assert page.inner_text(place) == MARKUP
    assert page.query_selector("main img, main b") is None
    assert page.title() == "영화평 감성 분석"


def test_an_example_is_filled_in_and_asked(page, model):
    page.click(".chip >> nth=1")
    wait_for_result(page)
    assert model.asked == [PAGE.examples[1][0]]
    assert page.input_value("#text") == PAGE.examples[1][0]


def test_a_page_for_another_task_is_one_template_and_one_line(open_page, tmp_path):
    template = """{% extends "base.html" %}{% block fields %}
        {% for name in page.fields %}
        <label for="{{ name }}">{{ name }}</label><input id="{{ name }}" data-field="{{ name }}">
        {% endfor %}{% endblock %}"""
    (tmp_path / "generation.html").write_text(template, encoding="utf-8")
    names = ("prompt", "style")
    model = Model({"result": "옛날 옛적에"}, names)
    app = build_web_service_app(model, DemoPage(template="generation.html", fields=names, title="이어 쓰기"))
    app.jinja_loader.searchpath.append(str(tmp_path))
    page = open_page(app)
    page.fill("#prompt", "옛날")
    page.fill("#style", "동화")
    page.press("#style", "Enter")
    wait_for_result(page)
    assert model.asked == [("옛날", "동화")]
    assert page.inner_text("#headline") == "옛날 옛적에"
    assert page.errors == []


# --- waiting and failing --------------------------------------------------------------------------------------------


def test_a_slow_answer_can_be_cancelled_and_asked_again(page, model):
    held = hold_answers(page)
    ask(page, "오래 걸리는 문장")
    page.wait_for_selector("#cancel:visible")
    assert page.inner_text("#status") == "분석하는 중…"
    page.click("#cancel")
    page.wait_for_selector("#cancel", state="hidden")
    assert page.inner_text("#status") == "취소했습니다."
    assert page.input_value("#text") == "오래 걸리는 문장"
    assert page.is_hidden("#result")
    page.unroute("**/api")
    ask(page, "다시")
    wait_for_result(page)
    assert page.inner_text("#echo") == "다시"
    assert page.inner_text("#status") == ""
    assert len(held) == 1
    assert model.asked == ["다시"]


def test_an_answer_after_many_seconds_is_still_taken(page):
    page.clock.install()
    held = hold_answers(page)
    ask(page, "오래 걸리는 문장")
    page.clock.run_for(90_000)
    assert int(page.inner_text("#seconds").strip(" 초")) >= 90
    let_through(page, held)
    wait_for_result(page)
    assert page.inner_text("#headline") == "긍정 (positive)"


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


def test_a_server_that_is_gone_is_said_in_korean(page):
    page.server.close()
    ask(page, "재미있어요")
    page.wait_for_selector("#error:visible")
    message = "서버에 연결하지 못했습니다. 노트북이나 터미널에서 서버가 켜져 있는지 확인해 주세요."
    assert page.inner_text("#error-message") == message


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, "글이 너무 깁니다. 줄여서 다시 시도해 주세요."),
        (429, "요청이 너무 잦습니다. 잠시 뒤 다시 시도해 주세요."),
        (502, "서버가 뜻밖의 답을 보냈습니다(상태 502). 잠시 뒤 다시 시도해 주세요."),
        (503, "지금은 기다리는 요청이 많습니다. 잠시 뒤 다시 시도해 주세요."),
        (504, "답이 제때 오지 않았습니다. 글을 줄이거나 잠시 뒤 다시 시도해 주세요."),
    ],
)
def test_what_a_proxy_answers_by_itself_is_said_in_korean(page, status, message):
    page.route("**/api*", lambda route: route.fulfill(status=status, content_type="text/html", body="<h1>No</h1>"))
    ask(page, "재미있어요")
    page.wait_for_selector("#error:visible")
    assert page.inner_text("#error-message") == message


@pytest.mark.parametrize("status", [403, 405, 500, 501])
def test_a_proxy_that_refuses_post_is_asked_with_get(page, model, status):
    posted = []

    def refuse_post(route):
        if route.request.method == "POST":
            posted.append(route.request.url)
            route.fulfill(status=status, content_type="text/html", body="<h1>Refused</h1>")
        else:
            route.continue_()

    page.route("**/api*", refuse_post)
    for text in ("재미있어요 & 100% 추천?", "또"):
        ask(page, text)
        page.wait_for_selector(f"#echo:has-text('{text}')")
        wait_for_result(page)
    assert page.inner_text("#headline") == "긍정 (positive)"
    assert model.asked == ["재미있어요 & 100% 추천?", "또"]
    assert len(posted) == 1


def test_a_failing_model_is_not_asked_a_second_time(page, model):
    ask(page, "고장")
    page.wait_for_selector("#error:visible")
    assert model.asked == ["고장"]


def test_a_password_in_the_address_is_good_for_the_questions_too(open_page, model):
    page = open_page(build_web_service_app(model, PAGE, password="mousehole"), "/healthz")
    page.goto(page.server.url.replace("://", "://anyone:mousehole@"))
    ask(page, "재미있어요")
    wait_for_result(page)
    assert model.asked == ["재미있어요"]
