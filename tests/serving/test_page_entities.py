"""Named entities on the page, of a predictor and of a hand-written inference_fn; and answers of other kinds there."""

import csv
import io

import pytest

from pages import INFERENCE, MARKUP, Model, ask, explain_first_words, read_bars, wait_for_result
from ratsnlp.nlpbook.serving.app import DemoPage, build_web_service_app

pytestmark = pytest.mark.browser

PAGE = DemoPage(
    template="ner.html", fields=("sentence",), title="개체명 인식", examples=(("🙂 김서연은 서울중구에 있다.",),)
)
SENTENCE = PAGE.examples[0][0]
TAGS = [("PS", "인명"), ("OG", "기관명"), ("LC", "지명")]
PIECES = [
    ("🙂", "O"),
    ("김", "인명"),
    ("##서연", "인명"),
    ("##은", "O"),
    ("서울", "지명"),
    ("##중구", "지명"),
    ("[UNK]", "O"),
]
PUBLISHED = {
    "result": [
        {"token": token, "predicted_tag": tag, "top_prob": str(round(0.99 - index / 100, 4))}
        for index, (token, tag) in enumerate(PIECES)
    ]
}


def find(text, tag, probability, sentence=SENTENCE):
    start = sentence.index(text)
    place = {"text": text, "start": start, "end": start + len(text)}
    return {**place, "tag": tag, "name": dict(TAGS).get(tag, tag), "probability": probability}


PREDICTED = {
    "kind": "tokens",
    **PUBLISHED,
    "entities": [find("중구", "LC", 0.5), find("서울", "LC", 0.8125), find("김서연", "PS", 0.9876)],
    "tags": [{"tag": tag, "name": name} for tag, name in TAGS],
}
FORMS = pytest.mark.parametrize("answer", [PREDICTED, PUBLISHED], ids=["predictor", "hand-written"])
MARKS = """passage => Array.from(passage.childNodes, (node) => node.nodeName === "MARK" ? [
  node.firstChild.textContent, node.querySelector(".tag").textContent.trim(), getComputedStyle(node).backgroundColor,
] : node.textContent)"""
SMALLEST_CONTRAST = """() => {
  const brush = document.createElement("canvas").getContext("2d");
  const light = (colour) => {
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    const parts = [...brush.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
    const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return Math.min(...Array.from(document.querySelectorAll(".tag"), (tag) => {
    const { color, backgroundColor } = getComputedStyle(tag);
    const [low, high] = [light(color), light(backgroundColor)].sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05);
  }));
}"""


@pytest.fixture
def model():
    return Model(dict(PREDICTED))


@pytest.fixture
def page(open_page, model):
    tab = open_page(build_web_service_app(model, PAGE, explain=explain_first_words(PAGE.fields)))
    yield tab
    assert tab.errors == []


def see(page, text=SENTENCE):
    ask(page, text)
    wait_for_result(page)


def read_rows(page):
    return page.eval_on_selector_all(
        "#tokens tr", "rows => rows.map((row) => [...row.cells].map((c) => c.textContent))"
    )


def download(page, button):
    with page.expect_download() as waiting:
        page.click(button)
    return list(csv.DictReader(io.StringIO(waiting.value.path().read_text("utf-8-sig"))))


def test_entities_are_marked_at_their_characters_each_with_its_name(page):
    see(page)
    first, person, between, seoul, jung, rest = page.eval_on_selector("#passage", MARKS)
    assert [first, between, rest] == ["🙂 ", "은 ", "에 있다."]
    assert [person[:2], seoul[:2], jung[:2]] == [["김서연", "인명"], ["서울", "지명"], ["중구", "지명"]]
    assert seoul[2] == jung[2] != person[2]
    assert page.inner_text("#headline") == "개체명 3개"
    assert page.locator("#tags li").all_inner_texts() == ["인명", "지명"]
    said = "개체명 3개: 김서연 인명, 서울 지명, 중구 지명"
    assert page.text_content("#announcement[role=status]") == said
    assert page.is_hidden("#echo")
    boxes = [mark.bounding_box() for mark in page.query_selector_all("mark")]
    assert boxes[1]["x"] + boxes[1]["width"] < boxes[2]["x"]  # beside one another, still two


def test_a_tag_has_one_colour_in_every_sentence_and_every_place(page, model):
    see(page)
    hue = "made => getComputedStyle(made).getPropertyValue('--hue')"
    places = ("mark >> nth=1", "#tags li:nth-child(2) .tag", "#bars li:nth-child(2)", "#tokens tr:nth-child(5) .tag")
    hues = {page.eval_on_selector(place, hue) for place in places}
    model.answer = PREDICTED | {"entities": PREDICTED["entities"][:1]}
    see(page)
    hues.add(page.eval_on_selector("mark", hue))
    assert len(hues) == 1


def test_the_table_of_tokens_waits_behind_its_heading(page):
    see(page)
    assert page.is_hidden("#tokens")
    page.click("#token-results summary")
    assert page.locator("#token-results th").all_inner_texts() == ["#", "토큰", "태그", "확률"]
    assert read_rows(page)[:3] == [
        ["0", "🙂", "O", "0.99"],
        ["1", "김", "인명", "0.98"],
        ["2", "##서연", "인명", "0.97"],
    ]


def test_the_keyboard_shows_an_entity_in_the_sentence(page):
    see(page)
    assert read_bars(page) == [["김서연 인명", "98.76%"], ["서울 지명", "81.25%"], ["중구 지명", "50.00%"]]
    assert page.get_by_role("button", name="서울 지명 81.25%").get_attribute("aria-pressed") == "false"
    picked = page.locator("mark.picked")
    page.focus(".pick >> nth=0")
    page.keyboard.press("Tab")
    assert picked.all_inner_texts() == ["서울 지명"]
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    assert picked.all_inner_texts() == ["중구 지명"]
    page.keyboard.press("Tab")
    assert picked.all_inner_texts() == ["서울 지명"]  # the one that was pressed
    assert page.locator(".pick[aria-pressed=true] .name").all_inner_texts() == ["서울 지명"]


def test_a_hand_written_inference_fn_shows_the_published_table(page, model):
    model.answer = PUBLISHED
    see(page)
    assert page.is_visible("#tokens")
    assert [row[1:3] for row in read_rows(page)] == [list(piece) for piece in PIECES]
    assert page.inner_text("#headline") == "개체명 토큰 4개"
    said = "개체명 토큰 4개: 김서연 인명, 서울중구 지명"
    assert page.text_content("#announcement") == said
    assert page.inner_text("#echo") == SENTENCE
    assert page.locator("#tags li").all_inner_texts() == ["인명", "지명"]
    assert page.is_hidden("#passage")
    assert read_bars(page) == []


@pytest.mark.parametrize("tag", ["O", "[CLS]", "[PAD]"])
def test_a_sentence_without_entities_says_so(page, model, tag):
    model.answer = {"result": [{"token": "🙂", "predicted_tag": tag, "top_prob": "0.9"}]}
    see(page)
    assert page.inner_text("#headline") == page.text_content("#announcement") == "개체명이 없습니다"
    assert read_rows(page) == [["0", "🙂", tag, "0.9"]]
    assert page.is_hidden("#tags")
    model.answer = {"kind": "tokens", "result": [], "entities": [], "tags": []}
    see(page)
    assert page.inner_text("#headline") == "개체명이 없습니다"
    assert page.inner_text("#passage") == SENTENCE
    assert page.locator(".candidates:visible").count() == 0


def test_places_that_cannot_be_are_left_out(page, model):
    whole = {"text": "겹침", "start": 2, "end": 7, "tag": "PS", "name": "인명", "probability": 0.5}
    beyond = whole | {"start": 9, "end": 999}
    model.answer = PREDICTED | {"entities": [*PREDICTED["entities"], whole, beyond, whole | {"start": None}]}
    see(page)
    assert page.inner_text("#headline") == "개체명 3개"
    assert page.locator("mark").count() == len(read_bars(page)) == 3


@FORMS
def test_markup_stays_text(page, model, answer):
    rows = [{"token": MARKUP, "predicted_tag": MARKUP, "top_prob": MARKUP}]
    entity = {"text": MARKUP, "start": 0, "end": len(MARKUP), "tag": "PS", "name": MARKUP, "probability": 0.5}
    model.answer = answer | {"result": rows} | ({"entities": [entity]} if answer is PREDICTED else {})
    see(page, MARKUP)
    assert read_rows(page) == [["0", MARKUP, MARKUP, MARKUP]]
    if answer is PREDICTED:
        assert page.text_content("#passage mark") == f"{MARKUP} {MARKUP}"
    assert page.query_selector("main img, main b") is None
    assert page.title() == PAGE.title


@FORMS
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_every_tag_can_be_read(open_page, answer, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    many = [{"token": f"말{i}", "predicted_tag": f"태그{i}", "top_prob": "0.5"} for i in range(12)]
    model = Model(answer | {"result": [*answer["result"], *many]})
    app = build_web_service_app(model, PAGE, explain=explain_first_words(PAGE.fields))
    page = open_page(app, color_scheme=scheme, reduced_motion="reduce")
    see(page)
    page.click("#ask-why")
    page.wait_for_selector("#why:visible")
    if page.query_selector(".pick"):
        page.click(".pick >> nth=1")
        page.click("#token-results summary")
    page.wait_for_timeout(500)
    violations = axe.Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []
    assert page.evaluate(SMALLEST_CONTRAST) >= 4.5


@FORMS
def test_a_phone_of_360_pixels_scrolls_down_only(open_page, answer):
    sentence = "띄어쓰기없이" * 40 + " 김서연 " * 30
    long = find("띄어쓰기없이" * 40, "OG", 0.5, sentence)
    model = Model(answer | ({"entities": [long, find("김서연", "PS", 0.9, sentence)]} if answer is PREDICTED else {}))
    page = open_page(build_web_service_app(model, PAGE), viewport=(360, 740))
    see(page, sentence)
    page.eval_on_selector("#token-results", "details => { details.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@FORMS
def test_tables_hold_what_was_found(page, model, answer):
    model.answer = answer
    see(page)
    found = {"entities": "김서연/PS; 서울/LC; 중구/LC", "tagged": "🙂 <김서연:PS>은 <서울:LC><중구:LC>에 있다."}
    plain = {"result": "🙂/O 김/인명 ##서연/인명 ##은/O 서울/지명 ##중구/지명 [UNK]/O"}
    expected = {"sentence": SENTENCE, **(found if answer is PREDICTED else plain)}
    (row,) = download(page, "#history-save")
    assert {key: row[key] for key in row if key != "elapsed_ms"} == expected
    page.click("#file summary")
    table = {"name": "a.csv", "mimeType": "text/csv", "buffer": f"sentence\n{SENTENCE}\n{SENTENCE}".encode()}
    page.set_input_files("#file-input", table)
    page.click("#file-start")
    page.wait_for_selector("#file-save:visible")
    assert download(page, "#file-save") == [expected] * 2
    people, places = ("2개", "4개") if answer is PREDICTED else ("4개", "4개")
    assert sorted(page.inner_text("#file-counts").split("\n")) == sorted(["인명", people, "지명", places])
    listed = "김서연 인명, 서울 지명, 중구 지명" if answer is PREDICTED else "김서연 인명, 서울중구 지명"
    assert page.inner_text("#file-rows .outcome >> nth=0") == listed


def test_an_explanation_that_names_no_text_of_the_page_breaks_nothing(open_page):
    words = [{"text": "김서연은", "start": 2, "end": 6, "weight": 0.4}]
    explained = {"prediction": "개체명 3개", "words": words}
    page = open_page(build_web_service_app(Model(PREDICTED), PAGE, explain=lambda sentence: explained))
    see(page)
    page.click("#ask-why")
    page.wait_for_selector("#why:visible")
    assert page.inner_text("#movers") == "김서연은\n빼면 40.0%p 내려감"
    assert page.inner_text("#why-summary").startswith("개체명 3개: ")
    assert page.errors == []


# --- one page, any kind ---------------------------------------------------------------------------------------------


def test_a_page_shows_whatever_kind_of_answer_comes(page, model):
    see(page)
    model.answer = INFERENCE | {"kind": "labels"}
    see(page)
    assert page.inner_text("#headline") == "거짓 (contradiction)"
    assert len(read_bars(page)) == 3
    assert page.is_hidden("#passage")
    assert page.is_hidden("#token-results")
    model.answer = {"answer": "서울", "start": 7, "end": 9, "score": 0.5}
    see(page)
    assert (page.inner_text("#headline"), page.inner_text("#score")) == ("서울", "점수 50.00%")
    model.answer = {"result": f"첫 줄<br>{MARKUP}"}
    see(page)
    assert page.inner_text("#headline") == f"첫 줄\n{MARKUP}"
    assert page.is_hidden("#bars")
    assert page.is_hidden("#score")
    model.answer = PREDICTED
    see(page)
    assert page.locator("#past .outcome").all_inner_texts() == ["개체명 3개"]
    assert page.locator("mark").count() == 3
