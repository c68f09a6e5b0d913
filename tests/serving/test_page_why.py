"""Why? on the page: each eojeol shaded by what it did to the decision. And the question as code."""

import json
import shlex
import subprocess
import sys

import pytest

from pages import LABELS, MARKUP, Model, ask, build_app, wait_for_result
from ratsnlp import nlpbook
from ratsnlp.nlpbook import classification
from ratsnlp.nlpbook.serving.app import build_web_service_app

pytestmark = pytest.mark.browser

SHADED = """line => Array.from(line.querySelectorAll(".word"), (word) => [
  word.textContent, word.className, Number(word.style.getPropertyValue("--share")).toFixed(2)])"""


@pytest.fixture
def page(open_page):
    return open_page(build_app("classification"))


def ask_why(page, text):
    ask(page, text)
    wait_for_result(page)
    page.click("#ask-why")
    page.wait_for_selector("#why:visible")


def test_words_are_shaded_by_what_they_did(page):
    ask_why(page, "정말  🙂 좋다")
    words = [["정말", "word for", "1.00"], ["🙂", "word against", "0.25"], ["좋다", "word for", "0.00"]]
    assert page.eval_on_selector(".shaded", SHADED) == words
    assert page.text_content(".shaded") == "정말  🙂 좋다"
    assert page.locator("#movers li").all_inner_texts() == ["정말\n빼면 40.0%p 내려감", "🙂\n빼면 10.0%p 올라감"]
    assert page.inner_text("#why-summary").startswith("긍정 (positive) 97.3%: ")
    assert page.get_attribute("#ask-why", "aria-expanded") == "true"


def test_why_is_closed_by_its_button_and_by_the_next_answer(page):
    ask_why(page, "정말 좋다")
    page.click("#ask-why")
    assert page.is_hidden("#why")
    page.click("#ask-why")
    page.wait_for_selector("#why:visible")
    assert len([address for address in page.addresses if address.endswith("/api/explain")]) == 1
    ask(page, "다음")
    page.wait_for_selector("#echo:has-text('다음')")
    assert page.is_hidden("#why")


def test_both_texts_of_a_pair_are_shaded(open_page):
    page = open_page(build_app("paircls"))
    page.fill("#premise", "비가 온다")
    page.fill("#hypothesis", "땅이 젖는다")
    page.click("#ask")
    wait_for_result(page)
    page.click("#ask-why")
    page.wait_for_selector("#why:visible")
    assert page.locator(".shaded").all_inner_texts() == ["비가 온다", "땅이 젖는다"]
    named = ["비가 전제", "땅이 가설", "온다 전제", "젖는다 가설"]
    assert page.locator("#movers .name").all_inner_texts() == named


def test_markup_in_a_word_stays_text(page):
    ask_why(page, MARKUP)
    assert page.inner_text(".shaded") == MARKUP
    assert page.query_selector("main img") is None


def test_a_text_in_which_no_word_matters_says_so(open_page):
    words = [{"field": "sentence", "text": "글쎄", "start": 0, "end": 2, "weight": 0.001}]
    explained = {"prediction": "긍정", "probability": 0.5, "words": words}
    page = open_page(classification.get_web_service_app(Model(LABELS), explain=lambda sentence: explained))
    ask_why(page, "글쎄")
    assert page.inner_text("#why-summary") == "긍정 50.0%: 어느 한 어절을 빼도 확률이 거의 바뀌지 않습니다."
    assert page.inner_text("#movers") == ""


def test_a_page_that_cannot_explain_shows_no_button(open_page):
    page = open_page(classification.get_web_service_app(Model(LABELS)))
    ask(page, "좋다")
    wait_for_result(page)
    assert page.query_selector("#ask-why") is None


def test_an_explanation_that_fails_leaves_the_answer_standing(open_page):
    def fail(sentence):
        raise RuntimeError("broken on purpose")

    page = open_page(classification.get_web_service_app(Model(LABELS), explain=fail))
    ask(page, "좋다")
    wait_for_result(page)
    page.click("#ask-why")
    page.wait_for_selector("#error-message:has-text('오류 번호: ')")
    assert page.is_visible("#headline")
    assert page.is_hidden("#why")


def test_a_predictor_explains_itself(open_page, trained):
    page = open_page(classification.get_web_service_app(nlpbook.load_predictor(str(trained))))
    ask_why(page, "정말 재미있는 영화")
    assert page.inner_text(".shaded") == "정말 재미있는 영화"
    assert page.locator(".shaded .word").count() == 3


# --- the question as code -------------------------------------------------------------------------------------------

TEXT = 'It\'s "좋다"\n$HOME 🙂'


def copy(page, kind):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, TEXT)
    wait_for_result(page)
    page.click(f"[data-copy={kind}]")
    page.wait_for_selector("#copy-state:has-text('복사했습니다.')")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == page.input_value("#snippet")
    return text


def test_curl_asks_the_same_question(page):
    program, address, *rest = shlex.split(copy(page, "curl").replace("\\\n", ""))
    assert (program, address) == ("curl", f"{page.server.url}/api")
    assert json.loads(rest[rest.index("-d") + 1]) == {"sentence": TEXT}


def test_the_python_code_asks_the_same_question(page, tmp_path):
    stand_in = "class Answer:\n  json = lambda self: self.asked\ndef post(address, **asked):\n"
    stand_in += "  answer = Answer(); answer.asked = (address, asked); return answer\n"
    (tmp_path / "requests.py").write_text(stand_in, encoding="utf-8")
    (tmp_path / "copied.py").write_text(copy(page, "python"), encoding="utf-8")
    run = [sys.executable, "-X", "utf8", "copied.py"]
    out = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    assert out.strip() == str((f"{page.server.url}/api", {"json": {"sentence": TEXT}}))


def test_code_for_a_page_with_a_password_asks_for_it(open_page):
    app = build_web_service_app(Model(LABELS), classification.spec.SPEC.page, password="mousehole")
    page = open_page(app, http_credentials={"username": "", "password": "mousehole"})
    assert "-u ':비밀번호'" in copy(page, "curl")
    page.click("[data-copy=python]")
    assert 'auth=("", "비밀번호".encode())' in page.input_value("#snippet")


def test_code_that_cannot_be_copied_is_shown_to_be_copied_by_hand(page):
    page.evaluate("""() => {
      navigator.clipboard.writeText = () => Promise.reject(new Error("no"));
      document.execCommand = () => false;
    }""")
    ask(page, "좋다")
    wait_for_result(page)
    page.click("[data-copy=curl]")
    page.wait_for_selector("#copy-state:has-text('직접 복사해 주세요.')")
    selected = page.eval_on_selector("#snippet", "box => box.value.slice(box.selectionStart, box.selectionEnd)")
    assert selected == page.input_value("#snippet")
