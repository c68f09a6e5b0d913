"""The page of question answering in a real browser: the answer is marked where it stands in the passage."""

import unicodedata

import pytest

from pages import Model, read_bars, wait_for_result
from ratsnlp.nlpbook.qa import get_web_service_app

pytestmark = pytest.mark.browser

PASSAGE = "🙂🙂 세종이 만들었고\n세종이 알렸다. <b>끝</b>"
SECOND = PASSAGE.rindex("세종")


@pytest.fixture
def model():
    return Model({}, ("question", "context"))


@pytest.fixture
def page(open_page, model):
    tab = open_page(get_web_service_app(model), viewport=(360, 780))
    yield tab
    assert tab.errors == []


def ask(page, question="누가 알렸나?", context=PASSAGE):
    page.fill("#context", context)
    page.fill("#question", question)
    page.press("#question", "Enter")
    wait_for_result(page)


def marked(page):
    """Return the text before the mark, in it, and after it."""
    return page.eval_on_selector("#passage", "p => Array.from(p.childNodes, node => node.textContent)")


def place(text, start, score):
    return {"answer": text, "start": start, "end": start + len(text), "score": score}


def test_the_answer_is_marked_at_its_characters(page, model):
    model.answer = place("세종", SECOND, 0.9)
    ask(page)
    assert page.inner_text("#headline") == "세종"
    assert page.inner_text("#score") == "점수 90.00%"
    assert page.inner_text("#echo") == "누가 알렸나?"
    assert marked(page) == [PASSAGE[:SECOND], "세종", PASSAGE[SECOND + 2 :]]


def test_a_passage_typed_on_macos_is_marked_at_the_same_characters(page, model):
    model.answer = place("세종", SECOND, 0.9)
    ask(page, context=unicodedata.normalize("NFD", PASSAGE))
    assert marked(page) == [PASSAGE[:SECOND], "세종", PASSAGE[SECOND + 2 :]]


def test_a_hand_written_inference_fn_is_marked_where_its_answer_stands_first(page, model):
    model.answer = {"answer": "세종이"}
    ask(page)
    assert marked(page)[1:] == ["세종이", PASSAGE.partition("세종이")[2]]
    assert read_bars(page) == []
    assert page.is_hidden(".candidates")
    assert page.is_hidden("#score")


@pytest.mark.parametrize(
    "answer",
    [{"answer": "[CLS] 세종"}, {"answer": ""}, {"answer": "세종", "start": 3, "end": 4000}, {"answer": None}],
    ids=["tokens", "empty", "beyond the end", "null"],
)
def test_an_answer_that_stands_nowhere_breaks_nothing(page, model, answer):
    model.answer = answer
    ask(page)
    assert "".join(marked(page)) == PASSAGE


def test_no_answer_is_said_in_korean_with_the_next_best_below(page, model):
    answers = [place("세종", SECOND, 0.081)]
    model.answer = {"answer": "", "start": None, "end": None, "score": None, "answers": answers}
    ask(page)
    assert page.inner_text("#headline") == "답을 찾지 못했습니다"
    assert marked(page) == [PASSAGE]
    assert read_bars(page) == [["세종", "8.10%"]]
    assert "답을 찾지 못했습니다" in page.inner_text("#past")


@pytest.mark.parametrize("is_best_listed", [True, False])
def test_the_next_best_answers_are_listed_and_shown_when_pressed(page, model, is_best_listed):
    best, other = place("세종", SECOND, 0.7), place("만들었고", PASSAGE.index("만들"), 0.2)
    model.answer = best | {"answers": [best, other] if is_best_listed else [other]}
    ask(page)
    assert read_bars(page) == [["세종", "70.00%"], ["만들었고", "20.00%"]]
    page.focus(".pick >> nth=1")
    page.keyboard.press("Enter")
    assert marked(page)[1] == "만들었고"
    assert page.locator(".pick[aria-pressed=true] .name").all_inner_texts() == ["만들었고"]
    assert page.inner_text("#headline") == "세종"


def test_the_answer_in_a_long_passage_is_scrolled_into_view(page, model):
    context = "앞 문장이다.\n" * 200 + "세종\n" + "뒤 문장이다.\n" * 200
    model.answer = place("세종", context.index("세종"), 0.7)
    ask(page, context=context)
    seen = """mark => {
      const [inner, outer] = [mark, mark.closest("#passage")].map((one) => one.getBoundingClientRect());
      return outer.top <= inner.top && inner.bottom <= outer.bottom;
    }"""
    assert page.eval_on_selector("mark", seen)


def test_enter_breaks_the_line_in_the_passage_and_asks_from_the_question(page, model):
    model.answer = {"answer": "둘째"}
    page.fill("#question", "몇째?")
    page.focus("#context")
    page.keyboard.insert_text("첫째")
    page.press("#context", "Enter")
    page.keyboard.insert_text("둘째")
    assert page.input_value("#context") == "첫째\n둘째"
    assert model.asked == []
    page.press("#question", "Enter")
    wait_for_result(page)
    assert model.asked == [("몇째?", "첫째\n둘째")]


def test_control_and_enter_asks_from_the_passage(page, model):
    model.answer = {"answer": "둘째"}
    page.fill("#question", "몇째?")
    page.fill("#context", "둘째")
    page.press("#context", "Control+Enter")
    wait_for_result(page)
    assert model.asked == [("몇째?", "둘째")]


def test_an_example_fills_both_texts(page, model):
    model.answer = {"answer": "세종"}
    page.click(".chip >> nth=0")
    wait_for_result(page)
    ((question, context),) = model.asked
    assert page.input_value("#question") == question
    assert page.input_value("#context") == context
    assert "\n" in context
