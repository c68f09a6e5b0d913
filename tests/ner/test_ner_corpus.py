"""Files of tagged texts: what is read, what is mended, what is refused and in which words."""

import json
import logging
import os
import unicodedata
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ratsnlp.nlpbook.errors import ArgumentError, CorpusFormatError, CorpusMissingError
from ratsnlp.nlpbook.ner.corpus import (
    Entity,
    KlueNERCorpus,
    NERCorpus,
    NERExample,
    parse_tagged,
    read_entities,
    tag_name,
    tagged,
)
from ratsnlp.nlpbook.texts import compose

KIM = "김환희가 왔다"
BOOK = f"{KIM}\u241e<김환희:PER>가 왔다\n서울 3월\u241e<서울:LOC> <3월:DAT>\n"
KIM_PER = (Entity(0, 3, "PER"),)


def nfd(text):
    return unicodedata.normalize("NFD", text)


def write(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return path


def read(path, content, encoding="utf-8", **settings):
    return list(read_entities(write(path, content, encoding), **settings))


def characters(text, *spans, note="## klue-ner-v1_dev_00000-wikitree\t<x:PS>"):
    tags = ["O"] * len(text)
    for start, end, tag in spans:
        tags[start:end] = [f"B-{tag}"] + [f"I-{tag}"] * (end - start - 1)
    return note + "\n" + "".join(f"{c}\t{t}\n" for c, t in zip(text, tags, strict=True)) + "\n"


def surfaces(example):
    return [(example.text[e.start : e.end], e.tag) for e in example.entities]


def test_an_example_made_as_in_the_book_knows_its_entities():
    example = NERExample(text=KIM, label="<김환희:PER>가 왔다\n")
    assert (example.texts, example.entities, example.label) == (KIM, KIM_PER, "<김환희:PER>가 왔다")


def test_an_example_of_a_tagged_form_alone_or_of_entities_alone_is_the_same():
    assert NERExample(label="<김환희:PER>가 왔다") == NERExample(KIM, entities=KIM_PER)


def test_a_tagged_form_of_another_text_is_refused():
    with pytest.raises(
        CorpusFormatError, match="from character 3 on the text has '가 왔다', the tagged form '는 왔다'"
    ):
        NERExample(KIM, "<김환희:PER>는 왔다")


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("1 < 2 <김:PER>", "1 < 2 김", [("김", "PER")]),
        ("<<기생충>:POH>을 <그:PER>", "<기생충>을 그", [("<기생충>", "POH"), ("그", "PER")]),
        ("<10:30:TIM>에", "10:30에", [("10:30", "TIM")]),
        ("<서울:LOC><시청:ORG>", "서울시청", [("서울", "LOC"), ("시청", "ORG")]),
        ("<a href> 값<3>", "<a href> 값<3>", []),
        ("<제목: 부제>", "<제목: 부제>", []),
        ("", "", []),
    ],
)
def test_stray_signs_in_a_tagged_form_are_text(form, text, found):
    plain, entities = parse_tagged(form)
    assert (plain, [(plain[e.start : e.end], e.tag) for e in entities]) == (text, found)


@st.composite
def tagged_texts(draw, outside, inside):
    text, entities = "", []
    for _ in range(draw(st.integers(0, 4))):
        text += draw(st.text(outside, max_size=4))
        surface = draw(st.text(inside, max_size=4).filter(bool))
        entities.append(Entity(len(text), len(text) + len(surface), draw(st.sampled_from(["PS", "LOC", "QT_2"]))))
        text += surface
    return text + draw(st.text(outside, max_size=4)), tuple(entities)


@given(st.one_of(tagged_texts("가A <>\u3000", "나B: \u3000"), tagged_texts("가: >A", "나:A ")))
def test_a_tagged_form_gives_text_and_entities_back(case):
    assert parse_tagged(tagged(*case)) == case


@given(tagged_texts("가각 é", "나낙 é"))
def test_positions_move_along_when_separate_jamo_are_composed(case):
    text, entities = case
    assume(all(text[e.start : e.end].strip() for e in entities))
    moved = tuple(Entity(len(nfd(text[: e.start])), len(nfd(text[: e.end])), e.tag) for e in entities)
    assert NERExample(nfd(text), entities=moved) == NERExample(text, entities=entities)


def test_an_entity_that_ends_inside_a_syllable_takes_all_of_it():
    assert NERExample(nfd("각나"), entities=(Entity(0, 2, "PS"),)).entities == (Entity(0, 1, "PS"),)
    assert NERExample(nfd("각나"), entities=(Entity(4, 5, "PS"),)).entities == (Entity(1, 2, "PS"),)


def test_marks_that_stay_behind_a_syllable_keep_places_of_their_own():
    text = nfd("각") + "\u0301" + nfd("나") + "\u0958"
    composed, places = compose(text)
    assert composed == "각\u0301나\u0915\u093c"
    assert list(places) == [0, 3, 4, 6, 7, 7]
    assert NERExample(text, entities=(Entity(0, 3, "PS"),)).entities == (Entity(0, 1, "PS"),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_klue_characters_keep_spaces_and_adjacent_entities(tmp_path, end, encoding):
    content = characters("한 가지\u3000둘셋", (0, 4, "QT"), (5, 6, "PS"), (6, 7, "PS")) * 2
    first, second = read(tmp_path / "x.tsv", content.replace("\n", end), encoding)
    assert surfaces(first) == [("한 가지", "QT"), ("둘", "PS"), ("셋", "PS")]
    assert first == second
    assert (first.id, first.text) == ("klue-ner-v1_dev_00000-wikitree", "한 가지\u3000둘셋")


def test_klue_characters_in_separate_jamo_are_composed(tmp_path):
    text = "각하 김 씨"
    split = characters(nfd(text), (len(nfd("각하 ")), len(nfd("각하 김")), "PS"))
    (example,) = read(tmp_path / "x.tsv", split)
    assert (example.text, surfaces(example)) == (text, [("김", "PS")])


def test_klue_hash_signs_that_are_text_are_no_comments(tmp_path):
    (example,) = read(tmp_path / "x.tsv", characters("## 1", (3, 4, "QT")).replace("##\tO", "#\tO"))
    assert example.text == "## 1"


def test_an_inside_label_without_a_beginning_begins_an_entity(tmp_path):
    (example,) = read(tmp_path / "x.tsv", "김\tI-PS\n씨\tI-LC\n의\tO\n")
    assert surfaces(example) == [("김", "PS"), ("씨", "LC")]


def test_spaces_at_the_ends_of_entities_are_trimmed_and_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO, "ratsnlp")
    corpus, path = NERCorpus(), write(tmp_path / "x.tsv", characters("김 \u3000씨", (0, 3, "PS")))
    assert [surfaces(e) for e in (*corpus.read(path), *corpus.read(path))] == [[("김", "PS")]] * 2
    assert caplog.messages == ["x.tsv: 1 entities began or ended with spaces, which were trimmed"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_the_books_form_is_read_whatever_the_file_is_called(tmp_path, encoding):
    content = BOOK if encoding != "cp949" else characters(KIM, (0, 3, "PER"))
    first = read(tmp_path / "x.json", content, encoding)[0]
    assert (first.text, first.entities) == (KIM, KIM_PER)


def test_the_books_form_in_separate_jamo_is_composed(tmp_path):
    assert read(tmp_path / "a", nfd(BOOK)) == read(tmp_path / "b", BOOK)


def test_bad_rows_are_named_by_line_with_their_reasons(tmp_path):
    lines = [BOOK.splitlines()[0], "나\u241e너", "표시 없음", "", "\u241e", *["가\u241e나"] * 12]
    with pytest.raises(CorpusFormatError) as error:
        read(tmp_path / "train.txt", "\n".join(lines))
    message = str(error.value)
    assert "train.txt: 15 of 16 rows cannot be used:\n  line 2: the tagged form without its tags is not" in message
    assert "\n  line 3: expected 'text␞tagged', found 0 signs U+241E in '표시 없음'\n  line 5: no text\n" in message
    assert "... and 5 more" in message
    assert message.endswith("--skip_bad_rows, in Python skip_bad_rows=True.")


def test_bad_rows_can_be_left_out_and_are_counted(tmp_path, caplog):
    examples = read(tmp_path / "train.txt", BOOK + "나\u241e너\n", skip_bad_rows=True)
    assert len(examples) == 2
    assert caplog.messages[0].startswith("train.txt: 1 of 3 rows left out: line 3: the tagged form")


def test_a_file_of_bad_rows_alone_is_refused_even_if_they_may_be_left_out(tmp_path):
    with pytest.raises(CorpusFormatError, match="2 of 2 rows"):
        read(tmp_path / "x.txt", "가\u241e나\n" * 2, skip_bad_rows=True)


def test_a_bad_character_line_is_named(tmp_path):
    content = characters("가나다" * 9) + characters("가나다").replace("나\tO", "나\tPS")
    with pytest.raises(CorpusFormatError, match=r"1 of 2 rows.*\n  line 32: expected a character, a tab, and a label"):
        read(tmp_path / "x.tsv", content)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ("I-PER I-PER B-PER O", [("홍 길동", "PER"), ("이", "PER")]),
        ("B-PER I-PER B-PER O", [("홍 길동", "PER"), ("이", "PER")]),
        ("B-PER E-PER S-PER O", [("홍 길동", "PER"), ("이", "PER")]),
        ("B-PER L-PER U-PER O", [("홍 길동", "PER"), ("이", "PER")]),
        ("B-PER I-LOC O O", [("홍", "PER"), ("길동", "LOC")]),
        ("PER_B PER_I PER_B -", [("홍 길동", "PER"), ("이", "PER")]),
    ],
)
@pytest.mark.parametrize("form", ["{token} {label}", "{token}\tNNP\t{label}", "{i}\t{token}\t{label}"])
def test_columns_in_every_scheme_are_read(tmp_path, labels, found, form):
    tokens = enumerate(zip(["홍", "길동", "이", "갔다"], labels.split(), strict=True), start=1)
    rows = "\n".join(form.format(i=i, token=token, label=label) for i, (token, label) in tokens)
    examples = read(tmp_path / "x.txt", f"-DOCSTART- -X- O O\n\n{rows}\n\n# text = 홍\n{rows}\n \n")
    assert [(e.text, surfaces(e)) for e in examples] == [("홍 길동 이 갔다", found)] * 2


DOCCANO = [
    {"id": 7, "text": KIM, "label": [[0, 3, "PER"]]},
    {"text": KIM, "labels": [[0, 3, "PER"]], "Comments": []},
    {"text": KIM, "entities": [{"id": 1, "label": "PER", "start_offset": 0, "end_offset": 3}], "relations": []},
    {"tagged": "<김환희:PER>가 왔다"},
    {"tokens": list(KIM), "ner_tags": ["B-PER", "I-PER", "I-PER", "O", "O", "O", "O"]},
    {"tokens": KIM.split(), "ner_tags": ["B-PER", "O"]},
]
REGION = {"type": "labels", "value": {"start": 0, "end": 3, "labels": ["PER"], "text": "??"}}
STUDIO = [
    {"id": 1, "data": {"text": KIM}, "annotations": [{"was_cancelled": True}, {"result": [REGION]}]},
    {"id": 2, "data": {"본문": KIM, "n": 1}, "completions": [{"result": [REGION, {"type": "relation"}]}]},
]


@pytest.mark.parametrize("item", [*DOCCANO[:5], *STUDIO], ids=str)
@pytest.mark.parametrize("as_lines", [True, False])
def test_labelling_tools_and_hub_rows_are_read(tmp_path, item, as_lines):
    content = json.dumps(item if as_lines else [item], ensure_ascii=False, indent=None if as_lines else 1)
    (example,) = read(tmp_path / "x.txt", content)
    assert (example.text, example.entities) == (KIM, KIM_PER)


def test_tokens_of_words_are_joined_by_spaces(tmp_path):
    (example,) = read(tmp_path / "x.jsonl", json.dumps(DOCCANO[5]))
    assert (example.text, surfaces(example)) == (KIM, [("김환희가", "PER")])


def test_json_positions_in_separate_jamo_move_along(tmp_path):
    item = {"text": nfd("오늘 " + KIM), "label": [[len(nfd("오늘 ")), len(nfd("오늘 김환희")), "PER"]]}
    (example,) = read(tmp_path / "x.jsonl", json.dumps(item, ensure_ascii=False))
    assert surfaces(example) == [("김환희", "PER")]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"text": "가나", "label": [[0, 3, "A"]]}, "entity 0..3 A is not within the text of 2 characters"),
        ({"text": "가나", "label": [[1, 1, "A"]]}, "entity 1..1 A is not within"),
        ({"text": "가나다", "label": [[0, 2, "A"], [1, 3, "B"]]}, "entities overlap: '가나' 0..2 A and '나다' 1..3 B"),
        ({"text": "가 나", "label": [[1, 2, "A"]]}, "entity 1..2 A holds only spaces"),
        ({"text": "가나", "label": [["0", 1, "A"]]}, "expected start, end and one tag of an entity, got '0', 1, 'A'"),
        ({"text": "가나", "label": [[0, 1]]}, "expected start, end and one tag"),
        ({"text": "가나", "label": "A"}, "expected spans as JSON"),
        ({"text": "가나"}, "expected a text and a list of spans, got '가나' and None"),
        ({"tokens": ["가"], "ner_tags": [3]}, "expected one label for each of 1 tokens, as names like B-PS"),
        ({"data": {"text": "가"}, "annotations": []}, "no annotation yet"),
        ({"text": "가나", "entities": [{"start": 0, "end": 1, "labels": ["A", "B"]}]}, "expected start, end and"),
        ({"text": " ", "label": []}, "no text"),
    ],
)  # fmt: skip
def test_spans_that_cannot_be_are_refused_by_line(tmp_path, item, reason):
    good = json.dumps(DOCCANO[0])
    with pytest.raises(CorpusFormatError) as error:
        read(tmp_path / "x.jsonl", f"{good}\n{json.dumps(item)}\n{{broken\n")
    assert f"2 of 3 rows cannot be used:\n  line 2: {reason}" in str(error.value) or reason in str(error.value)
    assert "line 3: not JSON" in str(error.value)


KEYS = st.sampled_from(
    ["text", "label", "entities", "tokens", "ner_tags", "data", "annotations", "result", "value", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["가나", "B-A", "[[0, 1, 2]]", "<가:A>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(item=st.dictionaries(KEYS, JSON, max_size=4))
def test_no_json_object_breaks_the_reader(tmp_path_factory, item):
    path = write(tmp_path_factory.mktemp("json") / "x.jsonl", f"{json.dumps(DOCCANO[0])}\n{json.dumps(item)}\n")
    try:
        assert len(list(read_entities(path))) == 2
    except CorpusFormatError as error:
        assert "1 of 2 rows cannot be used:\n  line 2: " in str(error)  # noqa: PT017


def test_the_same_entity_said_twice_counts_once(tmp_path):
    (example,) = read(tmp_path / "x.jsonl", json.dumps({"text": KIM, "label": [[0, 3, "PER"], [0, 3, "PER"]]}))
    assert example.entities == KIM_PER


@pytest.mark.parametrize(
    "content",
    [
        "번호,태깅\n1,<김환희:PER>가 왔다\n",
        "tagged_text\ttext\n<김환희:PER>가 왔다\t김환희가 왔다\n",
        '문장,개체\r\n김환희가 왔다,"[[0, 3, ""PER""]]"\r\n',
        '문장,entities\n김환희가 왔다,"[{""start"": 0, ""end"": 3, ""tag"": ""PER""}]"\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_own_tables_are_read(tmp_path, content, encoding):
    (example,) = read(tmp_path / "x.csv", content, encoding)
    assert (example.text, example.entities) == (KIM, KIM_PER)


@pytest.mark.parametrize("column", ["개체명", "entities"])
def test_own_workbooks_are_read(tmp_path, column):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["text", column])
    book.active.append([KIM, "<김환희:PER>가 왔다" if column == "개체명" else '[[0, 3, "PER"]]'])
    book.save(tmp_path / "x.xlsx")
    (example,) = read_entities(tmp_path / "x.xlsx")
    assert (example.text, example.entities) == (KIM, KIM_PER)


def test_a_table_with_spans_over_separate_jamo_is_refused(tmp_path):
    with pytest.raises(CorpusFormatError, match=r"separate jamo.*not certain what column spans counts"):
        read(tmp_path / "x.csv", nfd('text,spans\n김환희,"[[0, 3, ""PER""]]"\n'))


def test_a_table_row_of_other_columns_is_a_bad_row(tmp_path):
    with pytest.raises(CorpusFormatError, match="line 3: expected 2 columns"):
        read(tmp_path / "x.csv", "no,tagged\n1,<김:PER>\n2\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "x is empty. Expected lines"),
        ("id\tdocument\tlabel\n1\t좋다\t1\n", r"no tagged texts found: text in UTF-8.*id, document, label.*Expected"),
        ("## 1\n\n", "no tagged texts found"),
        ("[]", "x holds no sentence"),
    ],
)
def test_files_of_no_known_format_are_refused_with_what_was_expected(tmp_path, content, message):
    with pytest.raises(CorpusFormatError, match=message):
        read(tmp_path / "x", content)
    assert not NERCorpus.recognizes(tmp_path / "x")


def test_a_corpus_recognizes_its_files(tmp_path):
    assert NERCorpus.recognizes(write(tmp_path / "a", BOOK))
    assert not NERCorpus.recognizes(write(tmp_path / "b", '{"text": "좋다", "label": "1"}\n'))


def test_the_books_corpus_finds_tags_in_the_order_of_the_train_file(tmp_path):
    folder = tmp_path / "ner"
    folder.mkdir()
    write(folder / "train.txt", BOOK)
    write(folder / "val.txt", "3시\u241e<3시:TIM>\n")
    corpus = NERCorpus(SimpleNamespace(downstream_corpus_root_dir=str(tmp_path), downstream_corpus_name="ner"))
    assert corpus.get_labels() == ["O", "B-PER", "B-LOC", "B-DAT", "I-PER", "I-LOC", "I-DAT"]
    assert (corpus.num_labels, corpus.tags) == (7, ["PER", "LOC", "DAT"])
    assert [tag_name(tag) for tag in (*corpus.tags, "HOS")] == ["인명", "지명", "날짜", "HOS"]
    assert [e.text for e in corpus.get_examples(folder, "val")] == ["3시"]
    with pytest.raises(CorpusMissingError, match=r"test\.txt is missing"):
        corpus.get_examples(folder, "test")


def test_a_corpus_learns_its_folder_when_it_is_read(tmp_path):
    write(tmp_path / "train.txt", BOOK)
    corpus = NERCorpus()
    with pytest.raises(ArgumentError, match=r"make the corpus with NERCorpus\(args\), or call find_tags"):
        corpus.get_labels()
    assert len(corpus.get_examples(tmp_path, "train")) == 2
    assert corpus.num_labels == 7
    assert NERCorpus({"train": tmp_path / "train.txt"}).get_labels() == corpus.get_labels()


def test_a_train_file_without_entities_teaches_nothing(tmp_path):
    write(tmp_path / "train.txt", "가\u241e가\n")
    with pytest.raises(CorpusFormatError, match="holds no entity"):
        NERCorpus().find_tags(tmp_path)


def test_the_tags_of_klue_are_fixed():
    corpus = KlueNERCorpus()
    assert corpus.get_labels()[:3] == ["O", "B-PS", "B-LC"]
    assert [tag_name(tag) for tag in corpus.tags[-2:]] == ["시간", "수량"]
    assert corpus.files["val"] == corpus.files["test"]


@pytest.mark.real_data
@pytest.mark.skipif("RATSNLP_REAL_DATA" not in os.environ, reason="RATSNLP_REAL_DATA is not set")
def test_klue_development_data_is_read_whole():
    examples = KlueNERCorpus().get_examples(Path(os.environ["RATSNLP_REAL_DATA"]) / "klue-ner", "test")
    tags = Counter(entity.tag for example in examples for entity in example.entities)
    assert len(examples) == 5000
    assert tags == {"PS": 4418, "QT": 3151, "DT": 2312, "OG": 2182, "LC": 1649, "TI": 545}
    changed = [e.label for e in examples if parse_tagged(e.label) != (e.text, e.entities)]
    assert len(changed) == 3, "entities that begin with a stray sign, as <<레이:PS>>"
    assert all("<<" in label for label in changed)
