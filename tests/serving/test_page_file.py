"""A file of rows on the page: read in either encoding, asked row by row, saved with the answers beside it."""

import csv
import io

import pytest

from pages import INFERENCE, LABELS, Model, hold_answers
from ratsnlp.nlpbook import classification, paircls, qa

pytestmark = pytest.mark.browser

ROWS = [["id", "document", "label"], ["1", '"쉼표, 따옴표"', "0"], ["2", "두 줄\n뷁 리뷰", "1"], ["3", "좋아요", "1"]]


def write_csv(rows, delimiter=","):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def choose(page, content, name="reviews.csv"):
    if page.get_attribute("#file", "open") is None:
        page.click("#file summary")
    page.set_input_files("#file-input", {"name": name, "mimeType": "text/csv", "buffer": content})


def score(page):
    page.click("#file-start")
    page.wait_for_selector("#file-save:visible", timeout=30_000)


def read_download(page, button="#file-save"):
    with page.expect_download() as waiting:
        page.click(button)
    content = waiting.value.path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "Excel needs the mark"
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def count_questions(page):
    return sum(address.endswith("/api") for address in page.addresses)


@pytest.fixture
def model():
    return Model(dict(LABELS))


@pytest.fixture
def page(open_page, model):
    return open_page(classification.get_web_service_app(model))


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("cp949", "CP949"), ("utf-16", "UTF-16")]
)
def test_a_file_is_scored_and_comes_back_whatever_its_encoding(page, model, encoding, name):
    choose(page, write_csv(ROWS).encode(encoding))
    page.wait_for_selector(f"#file-about:has-text('reviews.csv: 3행, {name}')")
    assert page.locator("#file-columns select").input_value() == "1"  # the column of the texts
    score(page)
    assert sorted(model.asked) == sorted(row[1] for row in ROWS[1:])
    header, *rows = read_download(page)
    assert header == [*ROWS[0], "prediction", "긍정 (positive)", "부정 (negative)"]
    assert rows == [[*row, "긍정 (positive)", "0.9731", "0.0269"] for row in ROWS[1:]]
    assert page.inner_text("#file-counts") == "긍정 (positive)\n3행"
    assert page.errors == []


def test_a_tab_separated_corpus_with_loose_quotes_is_read_as_it_is(page, model):
    choose(page, 'id\tdocument\tlabel\n1\t"열린 따옴표\t0\n2\t""두 번"" 씀\t1\n'.encode(), "ratings.txt")
    score(page)
    assert sorted(model.asked) == ['""두 번"" 씀', '"열린 따옴표']


def test_a_file_of_plain_lines_keeps_its_commas_and_quotes(page, model):
    choose(page, '문장\n좋아요, 정말\n"최고"라는 말\n"쉼표, 안"\n'.encode(), "lines.txt")
    score(page)
    assert sorted(model.asked) == ["쉼표, 안", "좋아요, 정말", "최고라는 말"]


def test_a_file_without_column_names_keeps_its_first_row(page, model):
    choose(page, "좋아요\n별로예요\n".encode())
    page.uncheck("#file-header")
    page.wait_for_selector("#file-about:has-text('2행')")
    score(page)
    assert sorted(model.asked) == ["별로예요", "좋아요"]
    assert read_download(page)[0][0] == "1열"


def test_another_column_can_be_chosen(page, model):
    choose(page, write_csv([["긴 글", "짧은 글"], ["이쪽이 훨씬 더 길다", "짧다"]]).encode())
    page.select_option("#file-columns select", label="짧은 글")
    score(page)
    assert model.asked == ["짧다"]


def test_a_refused_row_is_named_and_the_others_are_scored(page, model):
    choose(page, write_csv([["text"], ["좋아요"], ["고장 난 행"], [" "], ["별로"]]).encode())
    score(page)
    state = "4행 가운데 2행을 분석했습니다. 오류 2행은 아래 표와 내려받는 파일의 error 열에 있습니다."
    assert page.inner_text("#file-state") == state
    outcomes = page.locator("#file-rows .outcome").all_inner_texts()
    assert outcomes[0] == outcomes[3] == "긍정 (positive)"
    assert "오류 번호" in outcomes[1]
    assert outcomes[2] == "빈칸이 있는 행입니다."
    header, *rows = read_download(page)
    assert [bool(row[header.index("error")]) for row in rows] == [False, True, True, False]
    asked = len(model.asked)
    page.click("#file-start:has-text('오류 난 행 다시 분석하기')")
    page.wait_for_selector("#file-save:visible")
    assert model.asked[asked:] == ["고장 난 행"]


def test_no_cell_of_the_download_becomes_a_formula(page):
    cells = ["=1+2", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "=1", "-3.5", "+82", "보통"]
    choose(page, write_csv([["text"], *([cell] for cell in cells)]).encode())
    score(page)
    saved = [row[0] for row in read_download(page)[1:]]
    assert saved == ["'=1+2", "'+cmd|' /C calc'!A0", "'-2+3", "'@SUM(A1)", "'\t=1", "'=1", "-3.5", "+82", "보통"]


def test_a_run_is_cancelled_and_goes_on_where_it_stopped(page, model):
    model.seconds = 0.1
    texts = [f"리뷰 {number}" for number in range(40)]
    choose(page, write_csv([["text"], *([text] for text in texts)]).encode())
    page.click("#file-start")
    page.locator("#file-rows .outcome:not(:empty)").nth(2).wait_for()  # any three: rows end in no order
    page.click("#file-cancel")
    page.wait_for_selector("#file-state:has-text('취소했습니다.')")
    done = page.locator("#file-rows .outcome:not(:empty)").count()
    assert 3 <= done < 40
    sent, model.seconds = count_questions(page), 0
    page.click("#file-start:has-text('이어서 분석하기')")
    page.wait_for_selector("#file-state:has-text('40행 가운데 40행을 분석했습니다.')")
    assert count_questions(page) == sent + 40 - done
    assert page.is_hidden("#file-start")
    assert all(row[1] for row in read_download(page))


def test_a_busy_server_is_asked_again_after_the_time_it_names(page, model):
    refused = []

    def refuse_twice(route):
        if len(refused) == 2:
            return route.continue_()
        refused.append(route.request.post_data)
        answer = {"error": "busy", "message": "지금은 질문이 많습니다."}
        return route.fulfill(status=503, headers={"Retry-After": "1"}, json=answer)

    page.route("**/api", refuse_twice)
    choose(page, write_csv([["text"], ["하나"], ["둘"]]).encode())
    score(page)
    assert page.inner_text("#file-state") == "2행 가운데 2행을 분석했습니다."
    assert len(refused) == 2
    assert sorted(model.asked) == ["둘", "하나"]


def test_at_most_eight_rows_are_on_their_way(page):
    waiting = hold_answers(page)
    choose(page, write_csv([["text"], *([f"리뷰 {number}"] for number in range(20))]).encode())
    page.click("#file-start")
    for asked in (8, 16):
        for _ in range(100):
            page.wait_for_timeout(100)
            if len(waiting) >= asked:
                break
        page.wait_for_timeout(300)
        assert len(waiting) == asked
        for route in waiting[-8:]:
            route.fulfill(json=LABELS)
    page.click("#file-cancel")


def test_a_server_that_is_gone_ends_the_run_and_says_so(page):
    choose(page, write_csv([["text"], *([f"리뷰 {number}"] for number in range(30))]).encode())
    page.server.close()
    page.click("#file-start")
    page.wait_for_selector("#file-state:has-text('서버에 연결하지 못했습니다.')")
    assert "30행 가운데 0행을 분석했습니다." in page.inner_text("#file-state")
    assert page.is_hidden("#file-save")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "엑셀 통합 문서(xlsx)입니다. 엑셀에서 'CSV UTF-8'로 저장한 뒤 그 파일을 골라 주세요."),
        (b"\xff\x00\x81", "글자를 읽을 수 없는 파일입니다. UTF-8이나 CP949 CSV로 저장해 주세요."),
        (b"", "빈 파일입니다. 다른 파일을 골라 주세요."),
        (b'a,b\n1,2\n3,"open\n', "3째 줄의 따옴표가 맞지 않습니다. 고친 뒤 다시 골라 주세요."),
    ],
    ids=["xlsx", "no text", "empty", "open quote"],
)
def test_a_file_that_cannot_be_read_says_what_to_do(page, content, message):
    choose(page, content)
    page.wait_for_selector(f'#file-about:has-text("{message}")')
    assert page.is_hidden("#file-ready")


def test_pairs_take_their_columns_by_name(open_page):
    model = Model(INFERENCE, ("premise", "hypothesis"))
    page = open_page(paircls.get_web_service_app(model))
    rows = [["hypothesis", "a much longer column", "premise"], ["가설이다", "그냥 아주 긴 다른 글" * 3, "전제이다"]]
    choose(page, write_csv(rows).encode())
    score(page)
    assert model.asked == [("전제이다", "가설이다")]
    header, row = read_download(page)
    assert dict(zip(header, row, strict=True))["prediction"] == "거짓 (contradiction)"


def test_questions_get_answers_with_their_places(open_page):
    model = Model({"answer": "세종", "start": 0, "end": 2, "score": 0.5, "answers": []}, ("question", "context"))
    page = open_page(qa.get_web_service_app(model))
    choose(page, write_csv([["question", "context", "answer"], ["누구?", "세종이 만들었다.", "세종"]]).encode())
    score(page)
    header, row = read_download(page)
    assert header == ["question", "context", "answer", "answer (model)", "start", "end", "score"]
    assert row[3:] == ["세종", "0", "2", "0.5"]


def test_the_answers_of_this_visit_are_saved(page):
    for text in ("첫째", "=둘째"):
        page.fill("#text", text)
        page.click("#ask")
        page.wait_for_selector(f"#echo:has-text('{text}')")
    header, *rows = read_download(page, "#history-save")
    assert header == ["sentence", "prediction", "긍정 (positive)", "부정 (negative)", "elapsed_ms"]
    assert [row[:2] for row in rows] == [["첫째", "긍정 (positive)"], ["'=둘째", "긍정 (positive)"]]


def test_a_file_goes_by_get_where_a_proxy_refuses_post(page, model):
    def refuse_post(route):
        if route.request.method == "POST":
            route.fulfill(status=405, body="no")
        else:
            route.continue_()

    page.route("**/api*", refuse_post)
    choose(page, write_csv([["text"], ["좋아요 & 100%?"], ["별로"]]).encode())
    score(page)
    assert sorted(model.asked) == ["별로", "좋아요 & 100%?"]
