"""Whatever is sent to a page, it answers in JSON, as its description says, and never with a fault of its own."""

import json
import re
import urllib.parse

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratsnlp.nlpbook.classification import ClassificationPredictor
from ratsnlp.nlpbook.classification import get_web_service_app as get_classification_app
from ratsnlp.nlpbook.qa import QAPredictor
from ratsnlp.nlpbook.qa import get_web_service_app as get_qa_app
from ratsnlp.nlpbook.serving.app import DemoPage, build_web_service_app

PAGE = DemoPage(template="paircls.html", fields=("premise", "hypothesis"))
FEW, MANY = (
    settings(
        max_examples=count,
        deadline=None,
        derandomize=True,  # the same inputs on every machine: a failure is never chance
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    for count in (40, 200)
)

texts = st.text(st.characters(), max_size=60)  # every character there is, halves of them included
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from(["premise", "hypothesis", "sentence", "question", "context"])
asked = st.fixed_dictionaries({"premise": texts | values, "hypothesis": texts | values})
payloads = asked | values | st.dictionaries(names, values, max_size=4)
bodies = st.binary(max_size=300) | (asked | payloads).map(lambda value: json.dumps(value).encode())
methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY"])
paths = st.sampled_from(["/api", "/api/explain", "/openapi.json", "/healthz", "/metrics", "/api/", "//api", "/static/"])
headers = st.dictionaries(
    st.sampled_from(["Content-Type", "Content-Encoding", "Authorization", "Origin", "Accept", "Range", "Expect"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30),
    max_size=3,
)


@pytest.fixture(scope="module")
def client():
    def explain(premise, hypothesis):
        return {"prediction": premise, "probability": 0.5, "words": []}

    app = build_web_service_app(lambda premise, hypothesis: {"prediction": premise}, PAGE, explain=explain)
    return app.test_client()


@pytest.fixture(scope="module")
def described(client):
    return client.get("/openapi.json").json["paths"]


def assert_as_described(response, described, path, method):
    assert response.status_code < 500
    assert str(response.status_code) in described[path][method]["responses"]
    answer = response.json
    if response.status_code == 200:
        assert set(answer) >= {"prediction"}
    else:
        assert set(answer) == {"error", "message", "code"}
        assert answer["code"] == response.status_code
        assert re.search("[가-힣]", answer["message"])


@MANY
@given(path=st.sampled_from(["/api", "/api/explain"]), body=bodies)
def test_any_body_is_answered_as_described(client, described, path, body):
    assert_as_described(client.post(path, data=body), described, path, "post")


@MANY
@given(path=st.sampled_from(["/api", "/api/explain"]), query=payloads.map(json.dumps) | texts)
def test_any_query_is_answered_as_described(client, described, path, query):
    query = query.encode("utf-8", "replace").decode()  # an address cannot hold half a character
    assert_as_described(client.get(path, query_string={"q": query}), described, path, "get")


def as_path(text):
    return f"/{urllib.parse.quote(text, safe='/', errors='replace')}"  # what a client sends for it


@MANY
@given(method=methods, path=paths | texts.map(as_path), headers=headers, body=bodies)
def test_any_request_is_answered_without_a_fault(client, method, path, headers, body):
    with client.open(f"http://localhost{path}", method=method, headers=headers, data=body) as response:
        assert response.status_code < 500


@MANY
@given(value=values)
def test_any_answer_of_an_inference_fn_is_sent_or_reported(value):
    app = build_web_service_app(lambda premise, hypothesis: value, PAGE)
    response = app.test_client().post("/api", json={"premise": "가", "hypothesis": "나"})
    assert response.status_code in (200, 500)
    assert (response.json == value) if response.status_code == 200 else ("log" in response.json["error"])


@pytest.fixture(scope="module")
def classification_client(trained):
    return get_classification_app(ClassificationPredictor.load(trained)).test_client()


@FEW
@given(text=texts)
def test_any_text_is_classified_and_explained_or_refused(classification_client, text):
    for path in ("/api", "/api/explain"):
        response = classification_client.post(path, json=text)
        assert response.status_code in (200, 400), response.json
        assert response.status_code == 400 or response.json["sentence"].strip()


@pytest.fixture(scope="module")
def qa_client(qa_bert):
    from transformers import BertTokenizer

    model = QAPredictor.model_class().from_pretrained(qa_bert, dtype=torch.float32)
    predictor = QAPredictor(
        *(model, BertTokenizer.from_pretrained(qa_bert)), max_seq_length=48, max_query_length=16, doc_stride=16
    )
    return get_qa_app(predictor).test_client()


@FEW
@given(question=texts, context=st.text(st.characters(), max_size=300))
def test_any_question_about_any_passage_is_answered_or_refused(qa_client, question, context):
    response = qa_client.post("/api", json={"question": question, "context": context})
    assert response.status_code in (200, 400), response.json
    for answer in response.json.get("answers", []):
        assert answer["answer"] == response.json["context"][answer["start"] : answer["end"]]
