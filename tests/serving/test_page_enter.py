"""Pressing Enter on the page, also while an input method composes Hangul: one press, one question."""

import pytest

from pages import LABELS, Model, hold_answers, let_through, wait_for_result
from ratsnlp.nlpbook.classification import get_web_service_app

pytestmark = pytest.mark.browser

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


@pytest.fixture
def model():
    return Model(dict(LABELS))


@pytest.fixture
def page(open_page, model):
    return open_page(get_web_service_app(model))


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
    held = hold_answers(page)
    page.fill("#text", "천천히")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.click("#ask", force=True)
    page.wait_for_selector("#cancel:visible")
    let_through(page, held)
    wait_for_result(page)
    assert model.asked == ["천천히"]


def test_shift_and_enter_breaks_the_line_and_the_keyboard_alone_goes_back(page, model):
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


def test_escape_cancels(page):
    hold_answers(page)
    page.keyboard.type("slow")
    page.keyboard.press("Enter")
    page.wait_for_selector("#cancel:visible")
    page.keyboard.press("Escape")
    page.wait_for_selector("#status:has-text('취소했습니다.')")
    assert page.is_hidden("#result")
