"""The page of question answering in a real browser: the answer is marked where it stands in the passage."""

import pytest

from ratsnlp.nlpbook.qa import get_web_service_app
from ratsnlp.nlpbook.serving.web import serve
from test_page import find_chromium, read_bars, wait_for_result

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser

PASSAGE = "🙂🙂 세종이 만들었고\n세종이 알렸다. <b>끝</b>"
SECOND = PASSAGE.rindex("세종")


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
    """What the page is answered with, beside question and context; and what was asked."""
    return {"answer": {}, "asked": []}


@pytest.fixture
def page(browser, model):
    def inference_fn(question, context):
        model["asked"].append((question, context))
        return {"question": question, "context": context, **model["answer"]}

    with serve(get_web_service_app(inference_fn), port=0, block=False) as server:
        tab = browser.new_page(viewport={"width": 360, "height": 780})
        tab.set_default_timeout(5000)
        tab.errors = []
        tab.on("console", lambda line: tab.errors.append(line.text) if line.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.goto(server.url)
        yield tab
        assert tab.errors == []
        tab.close()


def ask(page, question="누가 알렸나?", context=PASSAGE):
    page.fill("#context", context)
    page.fill("#question", question)
    page.press("#question", "Enter")
    wait_for_result(page)


def marked(page):
    """Return the text before the mark, in it, and after it."""
    return page.eval_on_selector("#passage", "p => Array.from(p.childNodes, node => node.textContent)")


def test_the_answer_is_marked_at_its_characters(page, model):
    model["answer"] = {"answer": "세종", "start": SECOND, "end": SECOND + 2, "score": 0.9}
    ask(page)
    assert page.inner_text("#headline") == "세종"
    assert page.inner_text("#echo") == "누가 알렸나?"
    assert marked(page) == [PASSAGE[:SECOND], "세종", PASSAGE[SECOND + 2 :]]


def test_a_hand_written_inference_fn_is_marked_where_its_answer_stands_first(page, model):
    model["answer"] = {"answer": "세종이"}
    ask(page)
    assert marked(page)[1:] == ["세종이", PASSAGE.partition("세종이")[2]]
    assert read_bars(page) == []
    assert page.is_hidden(".candidates")


@pytest.mark.parametrize(
    "answer",
    [{"answer": "[CLS] 세종"}, {"answer": ""}, {"answer": "세종", "start": 3, "end": 4000}, {"answer": None}],
    ids=["tokens", "empty", "beyond the end", "null"],
)
def test_an_answer_that_stands_nowhere_breaks_nothing(page, model, answer):
    model["answer"] = answer
    ask(page)
    assert "".join(marked(page)) == PASSAGE


def test_no_answer_is_said_in_korean_with_the_next_best_below(page, model):
    answers = [{"answer": "세종", "start": SECOND, "end": SECOND + 2, "score": 0.081}]
    model["answer"] = {"answer": "", "start": None, "end": None, "score": None, "answers": answers}
    ask(page)
    assert page.inner_text("#headline") == "답을 찾지 못했습니다"
    assert marked(page) == [PASSAGE]
    assert read_bars(page) == [["세종", "8.10%"]]
    assert "답을 찾지 못했습니다" in page.inner_text("#past")


def test_the_best_answers_are_listed_with_their_probabilities(page, model):
    answers = [
        {"answer": text, "start": 3, "end": 5, "score": score} for text, score in (("세종", 0.7), ("알렸다", 0.2))
    ]
    model["answer"] = answers[0] | {"answers": answers}
    ask(page)
    assert read_bars(page) == [["세종", "70.00%"], ["알렸다", "20.00%"]]
    assert page.is_visible(".candidates")


def test_enter_breaks_the_line_in_the_passage_and_asks_from_the_question(page, model):
    model["answer"] = {"answer": "둘째"}
    page.fill("#question", "몇째?")
    page.focus("#context")
    page.keyboard.insert_text("첫째")
    page.press("#context", "Enter")
    page.keyboard.insert_text("둘째")
    assert page.input_value("#context") == "첫째\n둘째"
    assert model["asked"] == []
    page.press("#question", "Enter")
    wait_for_result(page)
    assert model["asked"] == [("몇째?", "첫째\n둘째")]


def test_an_example_fills_both_texts(page, model):
    model["answer"] = {"answer": "세종"}
    page.click(".chip >> nth=0")
    wait_for_result(page)
    ((question, context),) = model["asked"]
    assert page.input_value("#question") == question
    assert page.input_value("#context") == context
    assert "\n" in context


def test_a_phone_of_360_pixels_scrolls_down_only(page, model):
    model["answer"] = {"answer": "가" * 80, "answers": [{"answer": "가" * 80, "start": 0, "end": 80, "score": 1}]}
    ask(page, context="가" * 300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
