"""The notebooks beside train and deploy: what a reader is told to look at, when they run offline and small."""

import ast
import json
import re

import pytest

from notebook_runner import cell_of, code_cells, execute, pictures, printed, read_named, result, warnings_shown

# One worker runs the whole module where xdist groups tests: each notebook is executed once.
pytestmark = [pytest.mark.notebook, pytest.mark.xdist_group("more_notebooks")]

SHARE = r"\d\.\d{3}"
ASK_THE_PAGE = """
import json
from urllib.request import Request, urlopen

body = json.dumps({"sentence": "정말 좋아요"}).encode()
with urlopen(Request(f"{server.url}/api", body, {"Content-Type": "application/json"})) as response:
    print(response.status, json.dumps(json.load(response), ensure_ascii=False))
server.close()
server
"""


def small(rows=64, test_rows=20, **settings):
    """Return code for behind the settings cell: one epoch over few rows."""
    changed = {"max_train_examples": rows, "epochs": 1, "precision": "32"} | settings
    replaced = f"import dataclasses\n\nargs = dataclasses.replace(args, **{changed!r})"
    return {"settings": f"{replaced}\ntest_rows = {test_rows}"}


def lists_in(text):
    """Return what the lists in a text hold, one for each line that has one."""
    return [ast.literal_eval(line[line.index("[") :]) for line in text.splitlines() if "[" in line]


def tensors_in(text):
    """Return what printed tensors hold, as lists."""
    return [ast.literal_eval(part.strip().removesuffix(")")) for part in text.split("tensor(")[1:]]


def numbers(pattern, text):
    """Return the numbers that a pattern finds."""
    return [float(found) for found in re.findall(pattern, text)]


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """Return the notebook as a reader runs it: its lesson needs all of its training."""
    return execute("classification_by_hand", tmp_path_factory.mktemp("by-hand"))


@pytest.fixture(scope="module")
def with_trainer(tmp_path_factory):
    return execute("classification_with_trainer", tmp_path_factory.mktemp("with-trainer"), after=small())


@pytest.fixture(scope="module")
def tokenization(tmp_path_factory):
    return execute("tokenization", tmp_path_factory.mktemp("tokenization"))


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    return execute("embeddings", tmp_path_factory.mktemp("embeddings"))


@pytest.fixture(scope="module")
def own_data(tmp_path_factory):
    return execute(
        "bring_your_own_data",
        tmp_path_factory.mktemp("own-data"),
        after={"settings": "args.epochs = 1", "page": ASK_THE_PAGE},
        instead={"make": ('"train")', '"train")[:80]')},
    )


FIXTURES = ("by_hand", "with_trainer", "tokenization", "embeddings", "own_data")


@pytest.mark.parametrize("fixture", FIXTURES)
def test_notebooks_print_versions_first(request, fixture):
    lines = printed(request.getfixturevalue(fixture), "versions").splitlines()
    assert [line.split()[0] for line in lines] == ["python", "torch", "transformers", "pytorch_lightning", "ratsnlp"]


@pytest.mark.parametrize("fixture", FIXTURES)
def test_notebooks_show_no_warnings(request, fixture):
    assert warnings_shown(request.getfixturevalue(fixture)) == []


@pytest.mark.parametrize("fixture", FIXTURES)
def test_pictures_lack_no_character(request, fixture):
    notebook = request.getfixturevalue(fixture)
    assert "missing from font" not in "".join(printed(notebook, cell.id, "stderr") for cell in code_cells(notebook))


# --- classification_by_hand -------------------------------------------------------------------------------------------


def test_by_hand_reads_and_splits_the_reviews(by_hand):
    lines = printed(by_hand, "look").splitlines()
    assert len(lines) == 10
    assert all(re.match("[01] .", line) for line in lines)
    assert printed(by_hand, "split") == "학습 900건, 검증 100건, 시험 400건\n"


def test_by_hand_encodes_as_the_tokenizer_does(by_hand):
    ids, tokens = lists_in(printed(by_hand, "encode-try"))
    assert len(ids) == len(tokens)
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert printed(by_hand, "encode-same") == "같음 400건\n"


def test_by_hand_pads_and_masks_by_length(by_hand):
    ids, masks, labels = tensors_in(printed(by_hand, "pad-try"))
    separator = lists_in(printed(by_hand, "encode-try"))[0][-1]
    assert len(ids) == len(masks) == len(labels) == 3
    for row, mask in zip(ids, masks, strict=True):
        length = sum(mask)
        assert mask == [1] * length + [0] * (len(mask) - length)
        assert row[length - 1] == separator
        assert set(row[length:]) <= {0}


def test_by_hand_draws_the_learning_rate_and_the_loss(by_hand):
    assert len(pictures(by_hand, "schedule-drawn")) == len(pictures(by_hand, "losses")) == 1


def test_by_hand_learns_and_is_tested(by_hand):
    losses = numbers(rf"에폭 \d: 학습 손실 ({SHARE}), 검증 정확도 {SHARE}\n", printed(by_hand, "train"))
    assert len(losses) == 2
    assert losses[1] < losses[0] < 0.693  # ln 2: 여기서 내려가지 않으면
    assert numbers(rf"시험 정확도 ({SHARE}) \(400건\)\n", printed(by_hand, "test"))[0] >= 0.82
    positive, negative = numbers(r"긍정일 확률 ([01]\.\d\d) \| .", printed(by_hand, "new-try"))
    assert positive > 0.5 > negative


def test_by_hand_makes_a_tokenizer_numbered_as_koberts(by_hand):
    first, pieces = printed(by_hand, "kobert-look").splitlines()
    assert first.endswith("[UNK] 0 [PAD] 1")
    assert any(piece.startswith("▁") for piece in ast.literal_eval(pieces))


def test_by_hand_shows_what_a_foreign_model_reads(by_hand):
    written, read = lists_in(printed(by_hand, "misread"))
    assert len(written) == len(read)
    assert written[1:-1] != read[1:-1]


def test_by_hand_shows_the_hole_in_the_mask(by_hand):
    tokens, by_id, by_length = lists_in(printed(by_hand, "mask-try"))
    hole = tokens.index("[UNK]")
    assert by_id[hole] == 0
    assert by_length == [1] * len(tokens) + [0] * (len(by_length) - len(tokens))


def test_by_hand_is_refused_by_the_check_in_its_wrong_form_only(by_hand):
    refused = printed(by_hand, "check")
    assert "error   vocabulary" in refused
    assert "plainly belong to different models" in refused
    assert re.search(
        r"error   padding +the tokenizer .* pads with id 1, but .* expects 0, which means \[UNK\]", refused
    )
    assert refused.rstrip().endswith("verdict: do not train this")
    assert printed(by_hand, "check-right").rstrip().endswith("verdict: ready")
    assert "verdict: ready" in printed(by_hand, "mend-check")


def test_by_hand_sums_up_what_it_measured(by_hand):
    right, wrong, mended = numbers(rf"(?m)^({SHARE})  ", printed(by_hand, "summary"))
    assert printed(by_hand, "test").startswith(f"시험 정확도 {right:.3f} ")
    assert printed(by_hand, "wrong-test") == f"시험 정확도 {wrong:.3f}, 바른 짝은 {right:.3f}\n"
    assert right > mended > wrong  # 짝이 틀린 사전 학습 모델보다 높은 점수


def test_by_hand_stays_near_a_half_with_a_foreign_tokenizer(by_hand):
    right, wrong, mended = numbers(rf"(?m)^({SHARE})  ", printed(by_hand, "summary"))
    assert 0.42 < wrong < 0.66
    assert right > wrong + 0.2
    assert mended > 0.68
    losses = numbers(f"학습 손실 ({SHARE})", printed(by_hand, "wrong"))
    assert all(0.62 < loss < 0.75 for loss in losses)  # ln 2 = 0.693 근처에 머물고


def test_by_hand_names_the_real_koberts():
    text = cell_of(read_named("classification_by_hand"), "names").source
    assert "`skt/kobert-base-v1`" in text
    assert "`monologg/kobert`" in text


# --- classification_with_trainer --------------------------------------------------------------------------------------


def test_with_trainer_shows_what_the_tokenizer_gives(with_trainer):
    encoded = dict(line.split(" ", 1) for line in printed(with_trainer, "encoded").splitlines())
    ids, types, mask = (ast.literal_eval(encoded[name]) for name in ("input_ids", "token_type_ids", "attention_mask"))
    assert len(ids) == len(types) == len(mask)
    assert (set(types), set(mask)) == ({0}, {1})
    assert re.fullmatch(r"\[CLS\] .+ \[SEP\]\n", printed(with_trainer, "decoded"))


def test_with_trainer_lists_berts_parts_as_a_tree(with_trainer):
    lines = printed(with_trainer, "tree").splitlines()
    sizes = {line.split(":")[0].strip(" └"): int(line.split(": ")[1].replace(",", "")) for line in lines}
    assert {"embeddings", "word_embeddings", "encoder", "attention", "intermediate", "pooler"} <= set(sizes)
    parts = ("word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm", "dropout")
    assert sizes["embeddings"] == sum(sizes[name] for name in parts)
    assert sum(line.startswith("      └ ") for line in lines) == 3  # of the first layer only


def test_with_trainer_shows_both_outputs_of_bert(with_trainer):
    tokens, sentences = (re.search(r"\(([\d, ]+)\)", line)[1] for line in printed(with_trainer, "outputs").splitlines())
    assert tokens.split(", ")[0] == sentences.split(", ")[0] == "2"
    assert tokens.split(", ")[-1] == sentences.split(", ")[-1]


def test_with_trainer_splits_and_shows_a_feature(with_trainer):
    kept, held, test = numbers(r"(\d+)건", printed(with_trainer, "splits"))
    assert (kept + held, test) == (64, 20)
    assert 4 <= held <= 8  # about a tenth: each label gives its share
    feature = result(with_trainer, "feature")
    assert all(word in feature for word in ("[CLS]", "[SEP]", "label 1: 긍정"))
    assert result(with_trainer, "lengths").startswith(f"{kept:.0f} rows of ")


def test_with_trainer_measures_and_draws_the_padding(with_trainer):
    found = re.findall(
        r"(\w+) +모양 \(20, (\d+)\), 빈칸 (\d+)%, \d+\.\d\d초", printed(with_trainer, "padding-measured")
    )
    assert [way for way, _, _ in found] == ["max_length", "longest"]
    assert int(found[0][1]) == 128 > int(found[1][1])
    assert int(found[0][2]) > int(found[1][2])
    assert len(pictures(with_trainer, "padding-picture")) == 1


def test_with_trainer_checks_its_metrics_against_hand_counts(with_trainer):
    assert ast.literal_eval(result(with_trainer, "metrics-try")) == {"accuracy": 0.75, "f1": 0.6667}


def test_with_trainer_trains_both_ways_and_answers_alike(with_trainer):
    assert printed(with_trainer, "predict-check") == "같은 답 20 / 20\n"
    assert len(pictures(with_trainer, "fit")) == 1
    shown = next(output.data["text/html"] for output in cell_of(with_trainer, "hf-train").outputs if "data" in output)
    assert all(name in shown for name in ("Training Loss", "Validation Loss", "Accuracy", "F1"))


def test_with_trainer_puts_both_results_side_by_side(with_trainer):
    table = printed(with_trainer, "side-by-side")
    for name, cell in (("transformers", "hf-test"), ("ratsnlp", "our-test")):
        scores = ast.literal_eval(printed(with_trainer, cell))
        assert set(scores) == {"accuracy", "f1"}
        assert re.search(rf"(?m)^{name} +{scores['accuracy']:.4f}  {scores['f1']:.4f}  \d+\.\d$", table)
    assert re.search(r"우연한 흔들림 ±0\.\d{4}\n$", table)
    lines = printed(with_trainer, "new").splitlines()
    assert [line.split()[0] for line in lines] == ["transformers", "ratsnlp"]
    assert all(0 <= p <= 1 for row in lists_in(printed(with_trainer, "new")) for p in row)


# --- tokenization -----------------------------------------------------------------------------------------------------


def test_tokenization_says_why_neither_words_nor_letters(tokenization):
    words, letters = (numbers(r"([\d.]+)%", printed(tokenization, name))[0] for name in ("new-words", "new-letters"))
    assert words > 10 * letters


def test_tokenization_trains_three_vocabularies(tokenization):
    names = [line.split(":")[0] for line in printed(tokenization, "train").splitlines()]
    assert names == ["WordPiece", "바이트 BPE", "Unigram"]
    for pieces in lists_in(printed(tokenization, "vocabulary")):
        lengths = [len(piece.strip("#▁")) for piece in pieces]
        assert len(pieces) == 12
        assert lengths == sorted(lengths, reverse=True)


def test_tokenization_cuts_one_review_in_three_ways(tokenization):
    lines = printed(tokenization, "cut").splitlines()
    cuts = lists_in("\n".join(lines))
    assert len({tuple(pieces) for pieces in cuts}) == 3
    assert [len(pieces) for pieces in cuts] == [int(re.search(r"(\d+)개:", line)[1]) for line in lines]
    assert "\ufffd" in "".join(lists_in(printed(tokenization, "readable"))[0])


def test_tokenization_tells_what_comes_back_unchanged(tokenization):
    shares = dict(re.findall(r"(.+): (\d+)%", printed(tokenization, "back")))
    assert shares["바이트 BPE"] == "100"
    assert int(shares["Unigram"]) < 100


def test_tokenization_measures_pieces_and_unknown_ones(tokenization):
    found = dict(
        re.findall(r"(.+): 후기마다 [\d.]+조각, 그 가운데 \[UNK\] ([\d.]+)%", printed(tokenization, "measure"))
    )
    assert found["바이트 BPE"] == "0.00"
    assert float(found["WordPiece"]) > float(found["Unigram"]) > 0
    assert len(pictures(tokenization, "curve-drawn")) == 1


def test_tokenization_shows_the_traps_of_hangul(tokenization):
    wordpiece, bpe, unigram = lists_in(printed(tokenization, "unknown"))
    assert wordpiece[-1] == "[UNK]"
    assert "[UNK]" not in bpe
    assert unigram.count("[UNK]") == 1
    kept, torn = lists_in(printed(tokenization, "lower").replace("True:", "").replace("False:", ""))
    assert "[UNK]" not in kept
    assert torn == ["[UNK]", "[UNK]", "[UNK]", "!", "!"]


def test_tokenization_measures_the_jamo_vocabulary(tokenization):
    pieces = lists_in(printed(tokenization, "jamo").splitlines()[0])[0]
    assert sum(int(piece.split()[-1]) for piece in pieces) > len("영화정말재미있다!!")
    found = re.findall(r"(\w+): 후기마다 ([\d.]+)조각", printed(tokenization, "jamo"))
    assert [name for name, _ in found] == ["음절", "자모"]
    assert float(found[1][1]) > float(found[0][1])


def test_tokenization_shows_the_two_spellings_of_one_text(tokenization):
    assert printed(tokenization, "nfd").endswith("같은가: False\n")
    composed, decomposed, mended = lists_in(printed(tokenization, "nfd-cut"))
    assert set(decomposed) == {"[UNK]"}
    assert composed == mended != decomposed
    assert printed(tokenization, "save") == "같음\n"
    assert re.match(r"어휘 [\d,]+개, 후기마다 [\d.]+조각", printed(tokenization, "pretrained"))


# --- embeddings -------------------------------------------------------------------------------------------------------


def test_embeddings_mask_the_padding(embeddings):
    masked, plain = numbers(r"차이 (\d\.\d+)", printed(embeddings, "padding"))
    assert masked < 1e-4 < plain


def test_embeddings_find_near_reviews_best_first(embeddings):
    groups = printed(embeddings, "nearest-try").split("[")[1:]
    assert len(groups) == 3
    for group in groups:
        scores = numbers(r"(?m)^  (-?\d\.\d{3}) .", group)
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert min(scores) > 0.9  # 앞의 유사도는 모두 0.9를 넘습니다


def test_embeddings_draw_similarities_and_a_map(embeddings):
    assert len(pictures(embeddings, "heat-drawn")) == len(pictures(embeddings, "map-drawn")) == 1
    assert 0 < numbers(r"(\d+)%", printed(embeddings, "pca"))[0] < 100
    assert re.fullmatch(r"\(400, \d+\) \(후기, 차원\)\n", printed(embeddings, "encoded"))


def test_embeddings_compare_ways_of_pooling(embeddings):
    lines = printed(embeddings, "compared").splitlines()
    assert [line.split()[0] for line in lines] == ["평균", "pooler", "난수"]
    mean, _, random = numbers(SHARE, "\n".join(lines))
    assert mean > 0.8  # 0.8을 넘습니다
    assert 0.4 < random < 0.6


# --- bring_your_own_data ----------------------------------------------------------------------------------------------


def test_own_data_takes_ten_cells(own_data):
    names = [cell.id for cell in code_cells(own_data) if not cell.id.startswith("after-")]
    assert len(names) - len(("install", "versions")) == 10


def test_own_data_is_a_csv_as_excel_writes_it(own_data):
    assert ast.literal_eval(printed(own_data, "make")).decode("cp949", errors="ignore").startswith("후기,느낌\r\n")
    logged = printed(own_data, "corpus", "stderr")
    assert "후기.csv: text in CP949 (it is not UTF-8), columns separated by commas" in logged
    assert "이름표: ['별로예요', '좋아요']" in printed(own_data, "corpus")
    assert sum(numbers(r"(\d+)건", printed(own_data, "dataset"))) == 80


def test_own_data_is_checked_trained_and_scored(own_data):
    assert re.search("verdict: ready", printed(own_data, "check"))
    assert len(pictures(own_data, "train")) == 1
    card = printed(own_data, "evaluate")
    held = numbers(r"(\d+)건", printed(own_data, "dataset"))[1]
    assert card.startswith(f"examples   {held:.0f}   my-data, test")
    assert "95 % interval" in card
    for line in printed(own_data, "predict").splitlines():
        answer = ast.literal_eval(line[: line.index("]") + 1])
        assert {found["label"] for found in answer} == {"별로예요", "좋아요"}


def test_own_data_ends_on_a_page_that_answers(own_data):
    address = re.fullmatch(r"page: (http://127\.0\.0\.1:\d+)\n", printed(own_data, "page"))[1]
    status, answer = printed(own_data, "after-page").split(" ", 1)
    assert status == "200"
    assert json.loads(answer)["prediction"] in ("별로예요", "좋아요")
    assert result(own_data, "after-page") == f"<Server {address} (closed)>"
