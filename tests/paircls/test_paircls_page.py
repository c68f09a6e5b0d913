"""The page of pair classification in a real browser: two texts in, three bars and a decision out."""

import pytest

from pages import INFERENCE, Model, read_bars, wait_for_result
from ratsnlp.nlpbook.paircls import get_web_service_app
from ratsnlp.nlpbook.paircls.spec import OWN_LABELS_PAGE, SPEC, choose_page

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


@pytest.fixture
def model():
    return Model(dict(INFERENCE), ("premise", "hypothesis"))


@pytest.fixture
def page(open_page, model):
    return open_page(get_web_service_app(model))


def ask_pair(page, premise="이 식당은 월요일마다 쉰다.", hypothesis="월요일에도 문을 연다."):
    page.fill("#premise", premise)
    page.fill("#hypothesis", hypothesis)
    page.click("#ask")
    wait_for_result(page)


def test_two_texts_give_a_decision_and_three_bars(page, model):
    ask_pair(page)
    assert model.asked == [("이 식당은 월요일마다 쉰다.", "월요일에도 문을 연다.")]
    assert page.inner_text("#headline") == "거짓 (contradiction)"
    bars = [["거짓 (contradiction)", "70.00%"], ["중립 (neutral)", "20.00%"], ["참 (entailment)", "10.00%"]]
    assert read_bars(page) == bars
    shown = ["전제 (premise) 이 식당은 월요일마다 쉰다.", "가설 (hypothesis) 월요일에도 문을 연다."]
    assert page.locator("#echo p").all_inner_texts() == shown


def test_a_hand_written_inference_fn_gives_the_same(page, model):
    model.answer = PUBLISHED
    ask_pair(page)
    assert read_bars(page) == [["거짓", "70.00%"], ["중립", "20.00%"], ["참", "10.00%"]]


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("참 (entailment)", "전제가 맞으면 가설도 맞습니다."),
        ("거짓 (contradiction)", "전제가 맞으면 가설은 맞을 수 없습니다."),
        ("중립 (neutral)", "전제만으로는 가설이 맞는지 알 수 없습니다."),
    ],
)
def test_the_decision_is_put_into_words(page, model, label, meaning):
    model.answer = {"prediction": label}
    ask_pair(page)
    assert page.locator(".meaning:visible").all_inner_texts() == [meaning]


@pytest.mark.parametrize("field", ["#premise", "#hypothesis"])
def test_enter_asks_from_either_field(page, model, field):
    page.fill("#premise", "가")
    page.fill("#hypothesis", "나")
    page.press(field, "Enter")
    wait_for_result(page)
    assert model.asked == [("가", "나")]


def test_an_example_fills_both_fields_and_asks(page, model):
    page.click(".chip >> nth=1")
    wait_for_result(page)
    assert model.asked == [SPEC.page.examples[1]]
    assert (page.input_value("#premise"), page.input_value("#hypothesis")) == SPEC.page.examples[1]


def test_a_missing_hypothesis_is_said_in_korean(page, model):
    page.fill("#premise", "가")
    page.click("#ask")
    page.wait_for_selector("#error:visible")
    assert page.inner_text("#error-message") == "빈칸이 있습니다. 내용을 입력한 뒤 다시 눌러 주세요."
    assert model.asked == []


def test_every_field_has_a_label(page):
    assert page.get_by_label("전제 (premise)", exact=True).get_attribute("id") == "premise"
    assert page.get_by_label("가설 (hypothesis)", exact=True).get_attribute("id") == "hypothesis"


@pytest.mark.parametrize(
    ("labels", "page"),
    [
        (("entailment", "contradiction", "neutral"), SPEC.page),
        (("neutral", "entailment", "contradiction"), SPEC.page),
        (("맞음", "틀림"), OWN_LABELS_PAGE),
    ],
)
def test_a_predictors_labels_choose_the_page(model, labels, page):
    model.labels = labels
    assert choose_page(model) is page


def test_pairs_with_labels_of_ones_own_are_called_by_no_name_of_inference(open_page, model):
    model.labels = ("맞음", "틀림")
    model.answer = {"labels": [{"label": "맞음", "probability": 0.8}, {"label": "틀림", "probability": 0.2}]}
    page = open_page(get_web_service_app(model))
    assert "전제" not in page.inner_text("body")
    assert page.locator(".chip").count() == 0
    ask_pair(page, "환불은 언제 되나요?", "사흘 안에 됩니다.")
    assert read_bars(page) == [["맞음", "80.00%"], ["틀림", "20.00%"]]
    shown = ["첫째 글 환불은 언제 되나요?", "둘째 글 사흘 안에 됩니다."]
    assert page.locator("#echo p").all_inner_texts() == shown
    assert page.errors == []
