"""Which eojeol moved the decision: weights, places, and the test by deletion."""

import random
import statistics
import unicodedata
from types import SimpleNamespace

import pytest
import torch

from conftest import REVIEWS
from ratsnlp.nlpbook import explain
from ratsnlp.nlpbook.classification import get_web_service_app
from ratsnlp.nlpbook.paircls import PairClassificationPredictor
from reviewer import read_reviews, train_reviewer


class Counter:
    """A classifier that is the surer of `good`, the more 좋다 a text holds, and of `bad`, the more 별로."""

    answer_fields = ("sentence",)
    label_names = ["bad", "good"]
    max_seq_length = 128
    tokenizer = SimpleNamespace(is_fast=False)

    def __init__(self):
        self.calls = []

    def probabilities(self, texts):
        self.calls.append(texts)
        joined = [text if isinstance(text, str) else " ".join(text) for text in texts]
        good = torch.tensor([0.5 + 0.1 * (text.count("좋다") - text.count("별로")) for text in joined])
        return torch.stack([1 - good, good], dim=-1)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return train_reviewer(tmp_path_factory.mktemp("reviewer") / "model")


def weights(found):
    return {word["text"]: word["weight"] for word in found["words"]}


def test_a_weight_is_what_the_decision_loses_without_the_eojeol():
    found = explain(Counter(), "정말 좋다 좋다! 별로")
    assert (found["prediction"], found["probability"]) == ("good", 0.6)
    assert weights(found) == {"정말": 0, "좋다": 0.1, "좋다!": 0.1, "별로": -0.1}


def test_all_variants_are_read_together():
    counter = Counter()
    explain(counter, "정말  좋다\n좋다")
    assert counter.calls == [["정말  좋다\n좋다", "좋다\n좋다", "정말  좋다", "정말  좋다\n"]]


def test_places_are_characters_of_the_text_in_the_answer():
    found = explain(Counter(), unicodedata.normalize("NFD", "🙂 정말\t좋다. "))
    assert found["sentence"] == "🙂 정말\t좋다. "
    assert [(word["text"], word["start"], word["end"]) for word in found["words"]] == [
        ("🙂", 0, 1),
        ("정말", 2, 4),
        ("좋다.", 5, 8),
    ]
    assert {word["field"] for word in found["words"]} == {"sentence"}


def test_each_text_of_a_pair_is_explained_under_its_name():
    counter = Counter()
    counter.answer_fields = ("premise", "hypothesis")
    found = explain(counter, "참 좋다", "별로 좋다")
    assert [(word["field"], word["text"], word["start"]) for word in found["words"]] == [
        ("premise", "참", 0),
        ("premise", "좋다", 2),
        ("hypothesis", "별로", 0),
        ("hypothesis", "좋다", 3),
    ]
    assert counter.calls[0][1:] == [
        ("좋다", "별로 좋다"),
        ("참 ", "별로 좋다"),
        ("참 좋다", "좋다"),
        ("참 좋다", "별로 "),
    ]


@pytest.mark.parametrize(("texts", "words"), [(("좋다",), ["좋다"]), ((" ",), []), (("",), [])])
def test_one_eojeol_or_none_can_be_explained(predictor, texts, words):
    assert [word["text"] for word in predictor.explain(*texts)["words"]] == words


def test_what_the_model_does_not_read_weighs_nothing(predictor, monkeypatch):
    monkeypatch.setattr(predictor, "max_seq_length", 8)
    found = predictor.explain("정말 재미있는 영화 최악 별로 별로")
    read = predictor.explain("정말 재미있는")
    assert found["words"][:2] == read["words"]
    assert [word["weight"] for word in found["words"][2:]] == [0, 0, 0, 0]
    assert (found["prediction"], found["probability"]) == (read["prediction"], read["probability"])


def test_an_explanation_agrees_with_the_answer(predictor):
    answer, found = predictor(REVIEWS[3]), predictor.explain(REVIEWS[3])
    assert found["prediction"] == answer["prediction"]
    assert found["probability"] == pytest.approx(answer["labels"][0]["probability"], abs=1e-4)


def test_a_pair_model_explains_both_texts(tiny_bert, tokenizer):
    model = PairClassificationPredictor.model_class().from_pretrained(tiny_bert, num_labels=3, dtype=torch.float32)
    predictor = PairClassificationPredictor(model, tokenizer, ["a", "b", "c"], max_seq_length=32)
    found = predictor.explain("정말 재미있는 영화", "최고의 감동")
    assert [(word["field"], word["text"]) for word in found["words"]] == [
        *(("premise", text) for text in ("정말", "재미있는", "영화")),
        *(("hypothesis", text) for text in ("최고의", "감동")),
    ]
    without = predictor.probabilities([("정말 재미있는 영화", "최고의 감동"), ("정말 재미있는 영화", "최고의")])
    best = int(without[0].argmax())
    assert found["words"][-1]["weight"] == pytest.approx(float(without[0, best] - without[1, best]), abs=1e-4)


def test_a_missing_text_is_named():
    with pytest.raises(TypeError, match="2 texts given; needed: sentence"):
        explain(Counter(), "가", "나")


def without(text, words):
    """Return a text without some of its eojeols, given as in an explanation."""
    kept = "".join(
        character for place, character in enumerate(text) if not any(w["start"] <= place < w["end"] for w in words)
    )
    return " ".join(kept.split())


@pytest.mark.parametrize("count", [1, 2])
def test_without_its_top_eojeols_a_decision_falls_further_than_without_random_ones(predictor, count):
    pick = random.Random(7)
    falls = {"top": [], "random": []}
    for review in read_reviews("test")[:40]:
        found = predictor.explain(review.text_a)
        ranked = sorted(found["words"], key=lambda word: -word["weight"])
        label = predictor.label_names.index(found["prediction"])
        for name, words in (("top", ranked[:count]), ("random", pick.sample(ranked, min(count, len(ranked))))):
            left = float(predictor.probabilities([without(review.text_a, words)])[0, label])
            falls[name].append(found["probability"] - left)
    assert statistics.mean(falls["top"]) > statistics.mean(falls["random"]) + 0.05


# --- on the page ------------------------------------------------------------------------------------------------------


def test_the_page_of_a_predictor_explains_by_post_and_get(predictor):
    client = get_web_service_app(predictor).test_client()
    found = client.post("/api/explain", json={"sentence": REVIEWS[0]}).json
    assert found == predictor.explain(REVIEWS[0])
    assert client.get("/api/explain", query_string={"q": f'"{REVIEWS[0]}"'}).json == found
    assert 'id="why"' in client.get("/").get_data(as_text=True)


def test_a_hand_written_inference_fn_explains_nothing_unless_told_how():
    client = get_web_service_app(lambda sentence: {}).test_client()
    response = client.post("/api/explain", json="가")
    assert response.status_code == 404
    error = "/api/explain: this inference_fn explains nothing; needed: a predictor, or explain=..."
    assert (response.json["error"], response.json["code"]) == (error, 404)
    assert response.json["message"] == "이 페이지에서는 이유를 볼 수 없습니다."
    assert 'id="why"' not in client.get("/").get_data(as_text=True)
    told = get_web_service_app(lambda sentence: {}, explain=lambda sentence: {"words": [sentence]}).test_client()
    assert told.post("/api/explain", json="가").json == {"words": ["가"]}


def test_questions_to_explain_are_checked_as_others_are(predictor):
    response = get_web_service_app(predictor).test_client().post("/api/explain", json=" ")
    assert (response.status_code, response.json["error"]) == (400, "sentence is blank; needed: some text")
