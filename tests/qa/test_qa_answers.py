"""Answers: the scorer, where josa are cut, the search over windows, and the report."""

import json
import math
import os
import unicodedata
from pathlib import Path

import pytest
import torch

from qa_samples import PASSAGE, FakeModel, point_at
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.qa import QAExample, QAPredictor, get_web_service_app, metrics
from ratsnlp.nlpbook.qa.josa import cut_josa
from ratsnlp.nlpbook.qa.windows import search_spans

# the scorer


@pytest.mark.parametrize(
    ("prediction", "answers", "em", "f1"),
    [
        ("세종", ["세종"], 1, 1),
        ("《세종》", ["'세종'"], 1, 1),
        (" 세종 . ", ["세종"], 1, 1),
        ("KAIST", ["kaist"], 1, 1),
        ("세종이", ["세종"], 0, 0.8),
        ("종세", ["세종"], 0, 1),
        ("세 종", ["세종"], 0, 1),
        ("문종", ["세종", "문종"], 1, 1),
        ("태조", ["세종", "세조"], 0, 0.5),
        ("", ["세종"], 0, 0),
        ("", [""], 1, 1),  # no answer: as SQuAD 2.0's scorer
        ("세종", [""], 0, 0),
        (".", ["!"], 1, 0),  # KorQuAD's, where nothing is left
        ("(1446)년", ["1446 년"], 1, 1),
    ],
)
def test_scores_are_those_of_the_official_scorer(prediction, answers, em, f1):
    assert metrics.korquad_exact_match(prediction, answers) == em
    assert metrics.korquad_f1(prediction, answers) == pytest.approx(f1, abs=1e-12)


@pytest.mark.parametrize("answers", ["세종", [], ()])
def test_the_scorer_wants_a_list_of_answers(answers):
    for score in (metrics.korquad_exact_match, metrics.korquad_f1):
        with pytest.raises(ValueError, match="answers must be a list of at least one text, got"):
            score("세종", answers)


@pytest.mark.real_data
@pytest.mark.skipif("RATSNLP_REAL_DATA" not in os.environ, reason="RATSNLP_REAL_DATA names no folder of real corpora")
def test_scores_match_all_recorded_ones_exactly():
    path = Path(os.environ["RATSNLP_REAL_DATA"]) / "korquad-v1" / "scoring_cases.json"
    for case in json.loads(path.read_text(encoding="utf-8")):
        question = case["prediction"], case["answers"]
        assert metrics.korquad_exact_match(*question) == case["em"], case
        assert metrics.korquad_f1(*question) == case["f1"], case


# josa


def cut(passage, span, question=""):
    start = passage.index(span)
    return passage[start : cut_josa(passage, start, start + len(span), question)]


@pytest.mark.parametrize(
    ("passage", "span", "left"),
    [
        ("세종이 만들었다.", "세종이", "세종"),
        ("서울에서는 눈이 왔다.", "서울에서는", "서울"),
        ("서울에서는 눈이 왔다.", "서울에", "서울"),  # a token ended inside the josa
        ("1446년에 알렸다.", "1446년에", "1446년"),
        ("길이는 7킬로미터로 재었다.", "7킬로미터로", "7킬로미터"),
        ("'훈민정음'이라고 불렀다.", "훈민정음'이라고", "훈민정음'"),
        ("이름은 보리이다.", "보리이다", "보리"),
        ("수도는 서울로 정했다.", "서울로", "서울"),
        ("정원으로 나갔다.", "정원으로", "정원"),
        ("온 나라 사람", "온 나라", "온 나라"),  # seen nowhere without 라
        ("효과 빠른 약", "효과", "효과"),  # 과 never follows a vowel
        ("국가 기관", "국가", "국가"),  # 가 never follows a consonant
        ("고양이 한 마리. 고양이는 잔다.", "고양이", "고양이"),  # the word is seen with its own josa
        ("이 글", "이", "이"),  # nothing would be left
        ("세종", "세종", "세종"),
    ],
)
def test_a_josa_is_cut_where_it_is_one(passage, span, left):
    assert cut(passage, span) == left


@pytest.mark.parametrize("passage", ["", "가나", "이 글"])
def test_nothing_is_cut_from_no_answer(passage):
    assert cut_josa(passage, 0, 0) == 0
    assert cut_josa(passage, len(passage), len(passage)) == len(passage)


def test_the_question_shows_words_too():
    assert cut("범인은 고양이 였다", "고양이") == "고양"
    assert cut("범인은 고양이 였다", "고양이", "그 고양이는 누구인가?") == "고양이"


def test_a_doubtful_josa_is_cut_where_the_word_is_seen_without_it():
    assert cut("의사인 보리는", "의사인") == "의사인"
    assert cut("보리는 의사가 되었다. 의사인 보리는", "의사인") == "의사"


# the search


def test_the_search_is_joint_inside_the_passage_and_not_too_long():
    start, end = torch.zeros(1, 8), torch.zeros(1, 8)
    start[0, [0, 1, 5]] = torch.tensor([9.0, 8.0, 5.0])  # [CLS] and the question are liked most
    end[0, [2, 3, 7]] = torch.tensor([6.0, 7.0, 4.0])
    passage = torch.tensor([[False, False, False, True, True, True, True, True]])
    found = search_spans(start, end, torch.ones(1, 8), passage, max_answer_length=3, count=4)
    assert (found.starts[0, 0], found.ends[0, 0]) == (5, 7), "3 ends before 5 begins"
    assert all(3 <= s <= e <= s + 2 for s, e in zip(found.starts[0].tolist(), found.ends[0].tolist(), strict=True))
    assert found.scores[0].tolist() == sorted(found.scores[0].tolist(), reverse=True)
    expected = start.log_softmax(-1)[0, 5] + end.log_softmax(-1)[0, 7]
    assert float(found.scores[0, 0]) == pytest.approx(float(expected))


def test_padding_is_no_part_of_a_probability():
    row = torch.tensor([[0.0, 2.0, 1.0]])
    padded = torch.cat([row, torch.full((1, 5), 50.0)], dim=1)
    passage = torch.tensor([[False, True, True, False, False, False, False, False]])
    alone = search_spans(row, row, torch.ones(1, 3), passage[:, :3], 2)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0, 0, 0]])
    assert search_spans(padded, padded, mask, passage, 2).scores.tolist() == alone.scores.tolist()


def test_a_window_without_passage_finds_nothing():
    found = search_spans(torch.zeros(1, 4), torch.zeros(1, 4), torch.ones(1, 4), torch.zeros(1, 4).bool(), 3)
    assert found.scores.tolist() == [[-math.inf]]


# the predictor


@pytest.fixture
def make_predictor(qa_tokenizer):
    def make(score, **settings):
        lengths = {"max_seq_length": 32, "max_query_length": 12, "doc_stride": 10}
        return QAPredictor(FakeModel(qa_tokenizer, score), qa_tokenizer, **lengths | settings)

    return make


LONG = "가나 다라 마바 사아. " * 20 + PASSAGE


def test_an_answer_far_behind_is_found_and_is_a_slice_of_the_passage(make_predictor):
    predictor = make_predictor(point_at("세", "##종이"))
    answer = predictor("누가?", LONG)
    assert (answer["question"], answer["context"], answer["answer"]) == ("누가?", LONG, "세종")
    assert LONG[answer["start"] : answer["end"]] == "세종"
    assert answer["start"] == LONG.index("세종")
    assert 0.9 < answer["score"] <= 1
    assert len(predictor.model.batches) == 1, "not one batch"
    assert len(predictor.model.batches[0]["input_ids"]) > 10


def test_josa_stay_where_they_are_not_to_be_cut(make_predictor):
    assert make_predictor(point_at("세", "##종이"), josa_cut=False)("누가?", LONG)["answer"] == "세종이"


def test_the_last_word_is_an_answer(make_predictor):
    answer = make_predictor(point_at("훈", "##민", "##정", "##음"))("이름은?", LONG)
    assert (answer["answer"], answer["end"]) == ("훈민정음", len(LONG))


def test_an_answer_never_comes_from_the_question(make_predictor):
    def likes_the_question(tokens):
        return dict.fromkeys(range(1, tokens.index("[SEP]") + 1), (9.0, 9.0))

    answer = make_predictor(likes_the_question, no_answer_threshold=100.0)("세종 누가?", PASSAGE)
    assert all(PASSAGE[found["start"] : found["end"]] == found["answer"] for found in answer["answers"])
    assert len(answer["answers"]) == 5


def test_no_answer_is_said_where_cls_wins_in_every_window(make_predictor):
    answer = make_predictor(point_at("없", "##음"))("누가?", LONG)
    assert (answer["answer"], answer["start"], answer["end"], answer["score"]) == ("", None, None, None)
    assert answer["answers"], "the next best are still shown"


@pytest.mark.parametrize(("threshold", "found"), [(0.0, ""), (5.9, ""), (6.1, "세종")])
def test_the_threshold_says_how_far_no_answer_must_be_ahead(make_predictor, threshold, found):
    score = point_at("세", "##종이", where=4.0, nothing=7.0)  # 2 * 7 - 2 * 4 = 6 ahead
    predictor = make_predictor(score, max_seq_length=64, max_query_length=12, no_answer_threshold=threshold)
    assert predictor("누가?", PASSAGE)["answer"] == found


def test_the_best_answers_differ_and_are_sorted(make_predictor):
    def score(tokens):
        liked = {"세": (6.0, 0.0), "##종이": (0.0, 6.0), "훈": (5.0, 0.0), "##음": (0.0, 5.0), "스": (4.0, 4.0)}
        return {place: liked[token] for place, token in enumerate(tokens) if token in liked}

    answers = make_predictor(score, max_answer_length=6)("누가?", PASSAGE)["answers"]
    assert [found["answer"] for found in answers][:3] == ["세종", "훈민정음", "스"]
    assert [found["score"] for found in answers] == sorted((found["score"] for found in answers), reverse=True)
    assert len({found["answer"] for found in answers}) == len(answers) == 5


def test_an_answer_is_no_longer_than_the_setting(make_predictor):
    score = point_at("스", "##물", "##여", "##덟", nothing=0.0)
    assert make_predictor(score, max_answer_length=4)("몇?", PASSAGE)["answer"] == "스물여덟"
    shorter = make_predictor(score, max_answer_length=3, no_answer_threshold=100.0)("몇?", PASSAGE)
    assert all(len(found["answer"]) <= 4 and found["answer"] != "스물여덟" for found in shorter["answers"])


def test_places_in_a_decomposed_passage_are_those_of_the_passage_as_given(make_predictor):
    given = unicodedata.normalize("NFD", "🙂 " + PASSAGE)
    answer = make_predictor(point_at("세", "##종이"))("누가?", given)
    assert answer["context"] == given
    assert answer["answer"] == given[answer["start"] : answer["end"]] == unicodedata.normalize("NFD", "세종")


def test_a_decomposed_question_is_read_as_a_composed_one(make_predictor, qa_tokenizer):
    predictor = make_predictor(point_at("세", "##종이"))
    predictor(unicodedata.normalize("NFD", "누가?"), PASSAGE)
    assert "[UNK]" not in qa_tokenizer.convert_ids_to_tokens(predictor.model.batches[0]["input_ids"][0].tolist())


@pytest.mark.parametrize(("question", "context"), [("누가?", ""), ("", PASSAGE), ("누가?", " \n")])
def test_an_empty_text_is_no_error(make_predictor, question, context):
    answer = make_predictor(point_at("없", "##음"))(question, context)
    assert answer["answer"] == ""


def test_pairs_are_answered_in_order_as_one_by_one(make_predictor):
    predictor = make_predictor(point_at("세", "##종이"))
    pairs = [("누가?", LONG), ("이름은?", PASSAGE), ("누가?", "세종이")]
    together = predictor(pairs)
    assert together == [predictor(*pair) for pair in pairs]
    assert predictor([]) == []


def test_models_without_token_types_get_none(qa_tokenizer):
    model = FakeModel(qa_tokenizer, point_at("세", "##종이"), type_vocab_size=1)
    QAPredictor(model, qa_tokenizer)("누가?", PASSAGE)
    assert model.batches[0]["token_type_ids"] is None


def test_lengths_that_skip_part_of_a_passage_are_refused(make_predictor):
    with pytest.raises(ArgumentError, match=r"doc_stride slides the window by 20: 3 tokens between two windows"):
        make_predictor(point_at("세"), doc_stride=20)("누가?", PASSAGE)


def test_a_line_of_the_command_holds_question_and_passage():
    assert QAPredictor.read_line("누가?\t세종이") == ("누가?", "세종이")
    assert QAPredictor.read_line('{"context": "첫째\\n둘째", "question": "누가?"}') == ("누가?", "첫째\n둘째")
    with pytest.raises(ArgumentError, match="a line must read question<TAB>context"):
        QAPredictor.read_line("누가?")


# the report


@pytest.fixture
def report(make_predictor):
    examples = [
        QAExample("누가?", PASSAGE, "세종", 0, id="하나", article="글"),
        QAExample("누가 만들었나?", LONG, "세종", LONG.index("세종"), ("세종", "임금"), "둘", "긴 글"),
        QAExample("이름은?", PASSAGE, "훈민정음", PASSAGE.index("훈민정음"), id="셋", article="글"),
    ]
    return make_predictor(point_at("세", "##종이")).evaluate(examples, progress=False)


def test_the_report_scores_with_and_without_the_cut(report):
    found = report.metrics()
    assert found["exact_match"] == found["exact_match_with_josa_cut"] == pytest.approx(200 / 3)
    assert found["exact_match_without_josa_cut"] == 0
    assert found["f1"] == pytest.approx(200 / 3)
    assert found["f1_without_josa_cut"] == pytest.approx(160 / 3)
    assert (found["examples"], found["no_answer_ahead"], found["josa_cut"]) == (3, 0, True)
    low, high = found["f1_interval_95"]
    assert low <= found["f1"] <= high


def test_a_predictor_without_the_cut_is_scored_without_it(make_predictor):
    example = QAExample("누가?", PASSAGE, "세종", 0)
    found = make_predictor(point_at("세", "##종이"), josa_cut=False).evaluate([example], progress=False).metrics()
    assert (found["exact_match"], found["exact_match_with_josa_cut"]) == (0, 100)


def test_the_best_span_is_scored_even_where_no_answer_is_ahead(make_predictor):
    predictor = make_predictor(point_at("세", "##종이", where=4.0, nothing=7.0))
    found = predictor.evaluate([QAExample("누가?", PASSAGE, "세종", 0)], progress=False).metrics()
    assert (found["exact_match"], found["no_answer_ahead"]) == (100, 1)


ASKED = QAExample("누가?", PASSAGE, "세종", 0, id="있음"), QAExample("누가?", "글", "", id="없음")


@pytest.mark.parametrize(
    ("threshold", "predictions", "em", "counts"),
    [
        (0.0, ["", ""], 50, (1, 1, 1)),  # 6 ahead in the first, more in the second
        (7.0, ["세종", ""], 100, (1, 1, 0)),
        (100.0, ["세종", "글"], 50, (1, 0, 0)),
    ],
)
def test_no_answer_counts_for_all_questions_where_some_have_none(make_predictor, threshold, predictions, em, counts):
    score = point_at("세", "##종이", where=4.0, nothing=7.0)
    predictor = make_predictor(score, max_seq_length=64, no_answer_threshold=threshold)
    report = predictor.evaluate(ASKED, progress=False)
    assert report.columns["prediction"] == predictions
    assert predictions == [answer["answer"] for answer in predictor([example.texts for example in ASKED])], "the page's"
    found = report.metrics()
    assert (found["exact_match"], found["f1"]) == (em, em)
    names = ("unanswerable", "unanswerable_recognized", "answerable_unanswered")
    assert tuple(found[name] for name in names) == counts
    assert found["f1_answerable"] == (100 if predictions[0] else 0)
    assert all(0 <= probability <= 1 for probability in report.probabilities)
    assert f"no answer  {counts[1]} of 1 recognized   {counts[2]} of 1 others left unanswered; F1 of" in str(report)


def test_the_probability_of_no_answer_is_that_of_cls(make_predictor):
    predictor = make_predictor(point_at("없", "##음", nothing=4.0), max_seq_length=64)
    (probability,) = predictor.evaluate(ASKED[1:], progress=False).probabilities
    tokens = predictor.model.batches[0]["input_ids"].shape[1]
    assert probability == pytest.approx((math.exp(4) / (math.exp(4) + tokens - 1)) ** 2)


def test_a_report_on_questions_without_answers_alone_is_whole(make_predictor, tmp_path):
    report = make_predictor(point_at("없", "##음")).evaluate(ASKED[1:], progress=False)
    report.save(tmp_path)
    assert report.metrics()["f1_answerable"] == 0
    assert "1 of 1 recognized   0 of 0 others left unanswered" in str(report)


def test_empty_answers_are_named_where_people_read_and_empty_in_the_table(make_predictor, tmp_path):
    score = point_at("글", "##자", where=8.0, nothing=4.0)  # said of the question that has no answer
    report = make_predictor(score, max_seq_length=64).evaluate(
        [ASKED[0], QAExample("누가?", "글자", ""), QAExample("누가?", "세종이", "세종", 0)], progress=False
    )
    report.save(tmp_path)
    assert "(답 없음) taken for 글자" in str(report)
    assert "세종 taken for (답 없음)" in str(report)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("(답 없음)") >= 2
    assert "답이 없는 질문 (no answer) 1개 가운데 알아본 것 0개" in page
    written = [line.split("\t") for line in (tmp_path / "predictions.tsv").read_text(encoding="utf-8").splitlines()]
    assert [row[2:4] for row in written[1:]] == [["세종", "글자"], ["", "글자"], ["세종", ""]]


def test_reports_without_such_questions_say_what_they_said(report):
    assert "no answer  0   times ahead of the best span" in str(report)
    assert "unanswerable" not in report.metrics()


def test_the_report_is_written_and_printed(report, tmp_path):
    report.save(tmp_path / "evaluation")
    written = json.loads((tmp_path / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    assert {"exact_match", "f1", "examples", "exact_match_without_josa_cut", "f1_without_josa_cut"} <= written.keys()
    rows = (tmp_path / "evaluation" / "predictions.tsv").read_text(encoding="utf-8").splitlines()
    assert rows[0].split("\t")[:5] == ["id", "question", "answers", "prediction", "prediction_without_josa_cut"]
    assert rows[2].split("\t")[:5] == ["둘", "누가 만들었나?", "세종 | 임금", "세종", "세종이"]
    mistakes = (tmp_path / "evaluation" / "worst.tsv").read_text(encoding="utf-8").splitlines()
    assert [row.split("\t")[0] for row in mistakes] == ["id", "셋"]
    assert "josa cut   EM 66.67, F1 66.67   <- as answered" in str(report)
    assert "훈민정음 taken for 세종" in str(report)


# the page's end


def test_a_predictor_is_an_inference_fn(make_predictor):
    client = get_web_service_app(make_predictor(point_at("세", "##종이"))).test_client()
    answer = client.post("/api", json={"question": "누가?", "context": LONG}).get_json()
    assert (answer["answer"], answer["start"]) == ("세종", LONG.index("세종"))
    assert client.get("/").status_code == 200


def test_a_published_inference_fn_works_as_it_is():
    def inference_fn(question, context):
        return {"question": question, "context": context, "answer": context.split()[0]}

    client = get_web_service_app(inference_fn, is_colab=True).test_client()
    answer = client.post("/api", json={"question": "누가?", "context": PASSAGE}).get_json()
    assert answer == {"question": "누가?", "context": PASSAGE, "answer": "세종이"}
    refused = client.post("/api", json={"question": "누가?"})
    assert refused.get_json()["error"] == "missing context; needed: question, context"
