"""Own tables: formats and encodings told apart, columns and labels found, bad rows named, held-out rows kept."""

import builtins
import json
import logging
import sys
import unicodedata

import openpyxl
import pytest

from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import TableCorpus
from ratsnlp.nlpbook.data.corpus import choose_held_out, share_out
from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError, CorpusMissingError
from ratsnlp.nlpbook.tables import columns
from ratsnlp.nlpbook.tables.reading import Table
from ratsnlp.nlpbook.tables.rows import order_labels

WORDS = ("정말 재미있는 영화", "지루하고 재미없다", "그냥 그런 이야기")
HEADER = "번호,리뷰,평점\n"


@pytest.fixture(autouse=True)
def _logged(caplog):
    caplog.set_level(logging.INFO, "ratsnlp")


def write(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return path


def reviews(count=30, labels=("1", "5", "10")):
    """Return the lines of a table of reviews, labels in turn."""
    return "".join(f"{i},{WORDS[i % 3]} {i},{labels[i % len(labels)]}\n" for i in range(count))


def rows_of(path):
    table = Table(path)
    return table.names, [list(row.cells) for row in table.rows()]


def texts(corpus, mode):
    return [example.text_a for example in corpus.get_examples("", mode)]


# --- formats and encodings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with a byte-order mark"),
        ("utf-16", "UTF-16"),
        ("cp949", "CP949 (it is not UTF-8)"),
    ],
)
def test_encodings_are_told_apart_and_said_once(tmp_path, caplog, encoding, said):
    path = write(tmp_path / "a.csv", "리뷰,평점\n똠방각하 봤다,1\n", encoding)
    assert rows_of(path) == (["리뷰", "평점"], [["똠방각하 봤다", "1"]])
    rows_of(path)
    assert caplog.messages == [f"a.csv: text in {said}, columns separated by commas"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "리뷰,평점\n가,1\n".encode() + "나,2\n".encode("cp949"),
            r"not UTF-8 \(line 3, byte 1 of the line, 0xb3\) and not CP949 \(line 1, byte 8 of the line, 0xed\)",
        ),
        (b"\xef\xbb\xbftext,label\n\xff,1\n", r"a\.csv: not UTF-8 \(line 2, byte 1 of the line, 0xff\)\. Save"),
        (
            "text,label\n".encode("utf-16-le"),
            r"not UTF-8 \(line 1, byte 2 of the line, 0x00\).* A byte 0x00 means UTF-16 w",
        ),
        ("text,label\n".encode("utf-16")[:-1], r"a\.csv, byte 23: the file starts like UTF-16 but is not valid UTF-16"),
        ("text\0,label\n".encode("utf-16"), r"a\.csv: the file starts like UTF-16, but holds zero characters"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"a\.csv: an Excel file of the old kind \(\.xls\), or one with a passw"),
        (b"PK\x03\x04 no zip at all", r"a\.csv: not a readable Excel workbook \(BadZipFile: .*save it again in Excel"),
    ],
    ids=["mixed", "marked", "utf-16 unmarked", "utf-16 cut", "utf-16 zero", "xls", "zip"],
)
def test_a_file_that_is_no_text_is_named_with_its_place(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(CorpusFormatError, match=message):
        rows_of(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\n가; 나| 다,1\n라\t마,2\n", "commas"),
        ("text\tlabel\n가, 나\t1\n다, 라, 마\t2\n", "tabs"),
        ("text;label\n가, 나;1\n다, 라;2\n", "semicolons"),
        ("text|label\n가, 나|1\n", "bars"),
        ("text, or so;label\n가, 나;1\n다;2\n라;3\n", "semicolons"),
        ('"text",label\n"가\n나, ""다""",1\n', "commas"),
        ("text\n가\n", "commas"),
    ],
)
def test_delimiters_are_told_by_what_parts_rows_alike(tmp_path, caplog, content, said):
    names, rows = rows_of(write(tmp_path / "a.txt", content))
    assert all(len(row) == len(names) for row in rows)
    assert caplog.messages[0].endswith(f"separated by {said}")


def test_cells_may_hold_line_breaks_quotes_and_delimiters(tmp_path):
    path = write(tmp_path / "a.csv", 'text,label\r\n"첫 줄\r\n둘째, ""줄""",1\r\n\r\n,\r\n끝,2')
    table = Table(path)
    assert [(row.line, list(row.cells)) for row in table.rows()] == [
        (2, ['첫 줄\r\n둘째, "줄"', "1"]),
        (6, ["끝", "2"]),
    ]


@pytest.mark.parametrize("last", ['끝,"2', '"끝,2', '끝,"2\n셋,3\n'])
def test_a_quote_that_never_closes_is_named_where_it_opens(tmp_path, last):
    with pytest.raises(CorpusFormatError, match=r"a\.csv, line 3: a quote opens in this row and never closes"):
        rows_of(write(tmp_path / "a.csv", f"text,label\n가,1\n{last}"))


def test_blank_cells_beyond_the_header_are_no_columns(tmp_path):
    assert rows_of(write(tmp_path / "a.csv", "text,label\n가,1,,\n나,2\n"))[1] == [["가", "1"], ["나", "2"]]


def test_all_text_is_composed(tmp_path):
    content = unicodedata.normalize("NFD", "리뷰,평점\n재미있다,좋음\n")
    assert rows_of(write(tmp_path / "a.csv", content)) == (["리뷰", "평점"], [["재미있다", "좋음"]])
    lines = json.dumps({"리뷰": unicodedata.normalize("NFD", "재미있다")})
    assert rows_of(write(tmp_path / "a.jsonl", lines)) == (["리뷰"], [["재미있다"]])


def test_json_lines_and_json_lists_are_tables(tmp_path):
    rows = [
        {"text": "가", "label": 1.0, "more": [1]},
        {"label": True, "text": "나", "x": None},
        {"text": "다", "x": 1.5},
    ]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    expected = ["text", "label", "more", "x"], [["가", "1", "", ""], ["나", "true", "", ""], ["다", "", "", "1.5"]]
    assert rows_of(write(tmp_path / "a.jsonl", lines)) == expected
    assert rows_of(write(tmp_path / "a.json", json.dumps(rows, indent=1))) == expected
    assert rows_of(write(tmp_path / "b.json", lines, "cp949")) == expected


def test_rows_that_are_no_json_objects_are_bad_rows(tmp_path):
    content = '{"text": "가", "label": "a"}\n{"text": "나", "lab\n[1]\n{"text": "다", "label": "b"}\n'
    path = write(tmp_path / "a.jsonl", content)
    wanted = (
        r"2 of 4 rows cannot be used:\n  line 2: expected a JSON object, got '.*\n  line 3: expected a .*, got \[1\]"
    )
    with pytest.raises(CorpusFormatError, match=wanted):
        TableCorpus(path)


def write_sheet(path, rows, more=0):
    book = openpyxl.Workbook()
    book.active.title = "리뷰들"
    for row in rows:
        book.active.append(row)
    for _ in range(more):
        book.create_sheet()
    book.save(path)
    return path


def test_an_excel_workbook_is_a_table_whatever_its_name(tmp_path, caplog):
    rows = [
        ["리뷰", "평점", None],
        ["가\n나", 1.0, None],
        [None, None, None],
        ["다", 2.5],
        [unicodedata.normalize("NFD", "라"), True],
    ]
    expected = ["리뷰", "평점", "column 3"]
    for name in ("a.xlsx", "a.csv"):
        table = Table(write_sheet(tmp_path / name, rows, more=1))
        assert table.names in (expected, expected[:2])
        found = [(row.line, *row.cells[:2]) for row in table.rows()]
        assert found == [(2, "가\n나", "1"), (4, "다", "2.5"), (5, "라", "true")]
    assert caplog.messages[0] == "a.xlsx: an Excel workbook, sheet '리뷰들', the first of 2"


def test_without_openpyxl_the_command_to_install_it_is_told(tmp_path, monkeypatch):
    path = write_sheet(tmp_path / "a.xlsx", [["text", "label"], ["가", 1]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        CorpusFormatError, match=r"a\.xlsx: reading Excel files needs openpyxl: pip install openpyxl\. Or"
    ):
        Table(path)


def test_text_that_is_called_a_workbook_is_refused(tmp_path):
    with pytest.raises(CorpusFormatError, match=r"a\.xlsx: called \.xlsx, but it is not an Excel workbook; rename it"):
        Table(write(tmp_path / "a.xlsx", HEADER))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"a\.csv is empty"),
        ("\n\n", r"a\.csv is empty"),
        (HEADER, r"a\.csv holds a header \(번호, 리뷰, 평점\) and no row below it"),
    ],
)
def test_a_file_without_rows_is_refused(tmp_path, content, message):
    with pytest.raises(CorpusFormatError, match=message):
        TableCorpus(write(tmp_path / "a.csv", content), text="리뷰", label="평점")


def test_a_missing_file_is_named_with_what_is_there(tmp_path):
    write(tmp_path / "reviews.csv", HEADER)
    with pytest.raises(
        CorpusMissingError, match=r"review\.csv is missing \(in that folder: reviews\.csv\)\. Check its path"
    ):
        TableCorpus(tmp_path / "review.csv")


# --- which column is which --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "options", "expected"),
    [
        ("번호,리뷰,평점", {}, (["리뷰"], "평점")),
        ("id,Text,LABEL", {}, (["Text"], "LABEL")),
        ("label,제목,sentence", {}, (["sentence"], "label")),
        ("a,b,c", {}, (["b"], "c")),
        ("a,b,c", {"text": "b", "label": "c"}, (["b"], "c")),
        ("번호,리뷰,평점", {"text": "번호"}, (["번호"], "평점")),
        ("번호,내 글,등급", {"text": "내글"}, (["내 글"], "등급")),
    ],
)
def test_columns_are_told_by_name_then_by_contents(tmp_path, header, options, expected):
    lines = (
        reviews()
        if not header.startswith("label")
        else "".join(f"{'좋음나쁨'[i % 2 * 2 :][:2]},제목 {i}번 글,{WORDS[i % 3]} {i}\n" for i in range(30))
    )
    corpus = TableCorpus(write(tmp_path / "a.csv", f"{header}\n{lines}"), **options)
    assert (corpus.columns.texts, corpus.columns.label) == expected


PAIR_ROWS = "".join(f"{WORDS[i % 3]} {i},{WORDS[i % 2]} {i + 1},{'같음다름'[i % 2 * 2 :][:2]}\n" for i in range(30))


@pytest.mark.parametrize(
    ("header", "options", "expected"),
    [
        ("전제,가설,라벨", {}, ["전제", "가설"]),
        ("문장 1,문장 2,분류", {}, ["문장 1", "문장 2"]),
        ("답변,질문,관계", {"label": "관계"}, ["질문", "답변"]),
        ("가,나,다", {"text": "나", "pair": "가"}, ["나", "가"]),
        ("가,나,다", {"pairs": True}, ["가", "나"]),
        ("가,나,다", {"pairs": True, "text": "나"}, ["나", "가"]),
    ],
)
def test_two_columns_of_texts_make_pairs(tmp_path, header, options, expected):
    corpus = TableCorpus(write(tmp_path / "a.csv", f"{header}\n{PAIR_ROWS}"), **options)
    assert corpus.columns.texts == expected
    assert all(example.text_b for example in corpus.get_examples("", "train"))
    assert corpus.get_labels() == ["같음", "다름"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            HEADER + reviews(),
            {"text": "후기"},
            r"has no column '후기' \(--text_column\)\. Its columns:\n  1\. 번호: '0'\n",
        ),
        (HEADER + reviews(), {"label": "평정"}, r"no column '평정' \(--label_column\)\. Did you mean '평점'\?"),
        (HEADER + reviews(), {"text": "리뷰", "label": "리뷰"}, r"column '리뷰' is named twice; --text_column must be"),
        (
            "review,content,label\n" + "".join(f"{WORDS[i % 3]} {i},{WORDS[i % 2]},{i % 2}\n" for i in range(9)),
            {},
            r"which column holds the text is not certain\. Name it: --text_column NAME, in Python text=NAME\. Its "
            r"columns:\n  1\. review: '정말 재미있는 영화 0'\n  2\. content: '정말 재미있는 영화'\n  3\. label: '0'",
        ),
        ("가,나\n1,2\n3,4\n", {}, r"which column holds the label is not certain\. Name it: --label_column NAME"),
        (
            "전제,가설,라벨\n" + PAIR_ROWS,
            {"pairs": False},
            r"two columns of texts, 전제 and 가설, and this task reads one",
        ),
        (
            "text,라벨\n" + reviews(9).replace("0,", ""),
            {"pairs": True},
            r"holds the second text is not certain.*pair_column",
        ),
        ("리뷰,리뷰,평점\n" + reviews(), {"text": "리뷰"}, r"two columns are called '리뷰'; rename one of them"),
        (
            "정말 좋다,5\n" + "".join(f"아주 좋은 영화 {i},{i % 2 * 5}\n" for i in range(9)),
            {},
            r"line 1: 정말 좋다, 5 looks like a row, not like the names",
        ),
    ],
)
def test_columns_that_cannot_be_told_are_listed_with_an_example(tmp_path, content, options, message):
    with pytest.raises((ArgumentError, CorpusFormatError), match=message):
        TableCorpus(write(tmp_path / "a.csv", content), **options)


@pytest.fixture
def answer(monkeypatch):
    """Return a function that sets what the user will answer, as at a terminal."""

    def prepare(*answers):
        waiting, asked = list(answers), []

        def reply(question):
            asked.append(question)
            if not waiting:
                raise EOFError
            return waiting.pop(0)

        monkeypatch.setattr(builtins, "input", reply)
        monkeypatch.setattr(columns, "is_interactive", lambda: True)
        return asked

    return prepare


UNCERTAIN = "review,content,label\n" + "".join(f"{WORDS[i % 3]} {i},글 {i},{i % 2}\n" for i in range(30))


@pytest.mark.parametrize("answers", [["2"], ["content"], ["9", "label", " content "]])
def test_an_uncertain_column_is_asked_for_where_somebody_is_there(tmp_path, answer, capsys, answers):
    asked = answer(*answers)
    assert TableCorpus(write(tmp_path / "a.csv", UNCERTAIN)).columns.text == "content"
    assert asked == ["number or name of the column that holds the text: "] * len(answers)
    shown = capsys.readouterr().out
    assert "  2. content: '글 0'" in shown
    assert shown.count("is not one of the columns that are left: review, content\n") == len(answers) - 1


def test_an_unanswered_question_is_the_error_that_names_the_option(tmp_path, answer):
    answer()
    with pytest.raises(ArgumentError, match=r"the text is not certain\. Name it: --text_column NAME"):
        TableCorpus(write(tmp_path / "a.csv", UNCERTAIN))


def test_nobody_is_asked_twice_by_several_processes(tmp_path, answer, monkeypatch):
    asked = answer("2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ArgumentError, match="--text_column NAME"):
        TableCorpus(write(tmp_path / "a.csv", UNCERTAIN))
    assert asked == []


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "ordered"),
    [
        (["10", "9", "1"], ["1", "9", "10"]),
        (["1.0", "2.0", "10.00"], ["1", "2", "10"]),
        (["1", "1.0"], ["1"]),
        (["1.0", "1.5", "-2.0"], ["-2.0", "1.0", "1.5"]),
        (["10점", "9점", "1점"], ["1점", "9점", "10점"]),
        (["b2", "B10", "a", "3"], ["3", "a", "b2", "B10"]),
        (["007", "7.0.1", "x"], ["007", "7.0.1", "x"]),
        (["나쁨", "좋음", "보통"], ["나쁨", "보통", "좋음"]),
    ],
)
def test_labels_are_ordered_as_people_do(found, ordered):
    assert order_labels(found) == ordered


def test_labels_come_from_the_data_and_are_said_with_their_rows(tmp_path, caplog):
    corpus = TableCorpus(write(tmp_path / "a.csv", HEADER + reviews(30, ("1.0", " 10.0", "5"))))
    assert (corpus.get_labels(), corpus.num_labels) == (["1", "5", "10"], 3)
    assert {example.label for example in corpus.get_examples("", "train")} == {"1", "5", "10"}
    assert caplog.messages[1] == (
        "a.csv: 30 rows; text 리뷰, label 평점; labels in order, with rows: 0: 1 (10), 1: 5 (10), 2: 10 (10)"
    )


def test_many_labels_are_not_all_listed(tmp_path, caplog):
    TableCorpus(write(tmp_path / "a.csv", HEADER + reviews(120, tuple(f"l{i}" for i in range(40)))), label="평점")
    assert caplog.messages[1].endswith("19: l19 (3), ... 20 more")


@pytest.mark.parametrize(
    ("content", "label", "message"),
    [
        (
            HEADER + reviews(6, ("5",)),
            "평점",
            r"column 평점 holds one value only, '5', in all of 6 rows; a classifier needs",
        ),
        (
            HEADER + reviews(),
            "번호",
            r"column 번호 holds 30 different values in 30 rows; it looks like numbers or ids, not",
        ),
        (HEADER + reviews(), "리뷰", r"column 리뷰 holds 30 different .* it looks like texts, not labels\. If another"),
        (
            HEADER + reviews(9, tuple("가나다라마바사아자")),
            "평점",
            r"(?s)looks like names or ids, not labels.*\n  3\. 평점: '가'",
        ),
        (
            HEADER + reviews(2400, tuple(f"l{i}" for i in range(1001))),
            "평점",
            r"holds 1,001 different values in 2,400 rows; it looks like names or ids",
        ),
    ],
)
def test_a_column_that_holds_no_labels_is_refused(tmp_path, content, label, message):
    text = "번호" if label == "리뷰" else "리뷰"
    with pytest.raises(CorpusFormatError, match=message):
        TableCorpus(write(tmp_path / "a.csv", content), text=text, label=label)


# --- bad rows ---------------------------------------------------------------------------------------------------------

BAD = HEADER + reviews(30) + "31,,5\n32,없는 평점,\n33,너무,많은,칸\n34, ,\n"


def test_bad_rows_are_listed_by_line_in_one_error(tmp_path):
    with pytest.raises(CorpusFormatError) as caught:
        TableCorpus(write(tmp_path / "a.csv", BAD))
    assert str(caught.value) == (
        f"{tmp_path}/a.csv: 4 of 34 rows cannot be used:\n"
        "  line 32: nothing in column 리뷰\n"
        "  line 33: nothing in column 평점\n"
        "  line 34: expected 3 columns (번호, 리뷰, 평점), got 4: ['33', '너무', '많은', '칸']\n"
        "  line 35: nothing in column 리뷰 and 평점\n"
        "Put them right, or leave them out with --skip_bad_rows, in Python skip_bad_rows=True."
    )


def test_of_many_bad_rows_the_first_ten_are_listed(tmp_path):
    content = HEADER + reviews(3) + "".join(f"{i},,1\n" for i in range(25))
    with pytest.raises(
        CorpusFormatError, match=r"(?s)25 of 28 rows .*line 14: [^\n]*\n  \.\.\. and 15 more\nPut"
    ) as caught:
        TableCorpus(write(tmp_path / "a.csv", content), text="리뷰", label="평점")
    assert str(caught.value).count("\n  line ") == 10


def test_bad_rows_are_left_out_and_counted_where_wanted(tmp_path, caplog):
    corpus = TableCorpus(write(tmp_path / "a.csv", BAD), skip_bad_rows=True)
    assert len(texts(corpus, "train")) + len(texts(corpus, "test")) == 30
    assert "a.csv: 4 of 34 rows left out: line 32: nothing in column 리뷰; line 33: " in caplog.text


def test_a_table_of_bad_rows_only_is_refused_even_then(tmp_path):
    with pytest.raises(CorpusFormatError, match="2 of 2 rows cannot be used"):
        TableCorpus(write(tmp_path / "a.csv", HEADER + "1,,1\n2,,2\n"), "리뷰", "평점", skip_bad_rows=True)


# --- held-out rows ----------------------------------------------------------------------------------------------------


def test_held_out_rows_keep_each_labels_share(tmp_path, caplog):
    content = HEADER + "".join(f"{i},{WORDS[i % 3]} {i},{'1' if i % 5 else '5'}\n" for i in range(100))
    path = write(tmp_path / "a.csv", content)
    corpus = TableCorpus(path, seed=3)
    held, kept = corpus.get_examples("", "test"), corpus.get_examples("", "train")
    assert sorted(example.label for example in held) == ["1"] * 8 + ["5"] * 2
    assert {example.text_a for example in held}.isdisjoint(example.text_a for example in kept)
    assert corpus.get_examples("", "val") == held
    assert texts(TableCorpus(path, seed=3), "test") == texts(corpus, "test") != texts(TableCorpus(path), "test")
    assert len(texts(TableCorpus(path, held_out=0.25), "test")) == 25
    assert "a.csv: 10 rows held out to score on, 90 left to learn from" in caplog.messages


@pytest.mark.parametrize(
    ("sizes", "total", "shares"),
    [
        ([80, 20], 10, [8, 2]),
        ([97, 3], 10, [10, 0]),
        ([1, 1, 1], 2, [0, 0, 0]),
        ([2, 1], 3, [1, 0]),
        ([3] * 10, 5, [1] * 5 + [0] * 5),
        ([], 1, []),
    ],
)
def test_shares_add_up_and_no_label_gives_its_last_row(sizes, total, shares):
    assert share_out(sizes, total) == shares


def test_held_out_rows_are_the_same_everywhere():
    assert sorted(choose_held_out(["a"] * 10 + ["b"] * 10, 4, seed=7)) == [2, 5, 10, 16]


def test_rows_too_few_to_hold_any_out_are_refused(tmp_path):
    with pytest.raises(CorpusFormatError, match=r"2 rows of 2 labels are too few to hold any out .* --test_file, in"):
        TableCorpus(write(tmp_path / "a.csv", "text,label\n가나다,1\n라마바,2\n"))


def test_a_test_file_may_have_other_names_and_another_format(tmp_path):
    train = write(tmp_path / "a.csv", HEADER + reviews(30, ("1.0", "5.0")))
    test = write_sheet(tmp_path / "b.xlsx", [["text", "label"], ["재미있다", 5.0], ["지루하다", 1]])
    corpus = TableCorpus(train, test=test)
    assert [(e.text_a, e.label) for e in corpus.get_examples("", "test")] == [("재미있다", "5"), ("지루하다", "1")]
    assert len(texts(corpus, "train")) == 30
    validated = TableCorpus(train, validation=test)
    assert (len(texts(validated, "val")), len(texts(validated, "test")), len(texts(validated, "train"))) == (2, 3, 27)


def test_a_label_of_the_test_file_that_train_lacks_is_named(tmp_path):
    train = write(tmp_path / "a.csv", HEADER + reviews(30, ("1", "5")))
    test = write(tmp_path / "b.csv", "리뷰,평점\n재미있다,5\n모르겠다,3\n")
    with pytest.raises(CorpusFormatError, match=r"b\.csv: 1 of 2 rows .*\n  line 3: label '3' is not one of 1, 5\n"):
        TableCorpus(train, test=test)


def test_a_folder_restores_the_rows_without_the_file(tmp_path):
    path = write(tmp_path / "a.csv", HEADER + reviews(), "cp949")
    corpus = TableCorpus(path, seed=7)
    folder = tmp_path / "model"
    folder.mkdir()
    corpus.write_record(folder)
    kept = corpus.get_examples("", "train")
    assert TableCorpus.restore(folder).get_examples("", "train") == kept
    held = corpus.get_examples("", "test")
    path.unlink()
    restored = TableCorpus.restore(folder)
    assert (restored.get_examples("", "test"), restored.get_labels()) == (held, ["1", "5", "10"])
    with pytest.raises(CorpusMissingError, match=r"a\.csv is missing"):
        restored.get_examples("", "train")


# --- in the place of NsmcCorpus ---------------------------------------------------------------------------------------


def test_a_table_stands_in_the_place_of_nsmc_in_the_cells(tmp_path, make_args, tokenizer):
    from ratsnlp.nlpbook.classification import ClassificationDataset

    path = write(tmp_path / "리뷰.csv", HEADER + reviews(60), "cp949")
    corpus = nlpbook.TableCorpus(path, text="리뷰", label="평점")
    args = make_args(downstream_corpus_name=None)
    found = {m: ClassificationDataset(args=args, corpus=corpus, tokenizer=tokenizer, mode=m) for m in ("train", "test")}
    assert {mode: len(dataset) for mode, dataset in found.items()} == {"train": 54, "test": 6}
    other = ClassificationDataset(
        args=args, corpus=nlpbook.TableCorpus(path, "리뷰", "평점", held_out=0.5), tokenizer=tokenizer, mode="train"
    )
    assert len(other) == 30, "the split is part of what names a feature file"
