"""Every task does all that a task does; so does one that the package does not know, made of three files.

What is said of one task holds for all of them: the rest of the library asks its spec, and knows no task.
"""

import dataclasses
import json

import pytest
import transformers
from click.testing import CliRunner

from notebook_runner import FOLDER as NOTEBOOKS
from notebook_runner import ROOT
from ratsnlp import cli, nlpbook
from ratsnlp.nlpbook import demo, exporting, pipeline
from ratsnlp.nlpbook.builtin import BUILTIN, builtin_corpus, builtin_model
from ratsnlp.nlpbook.data.batches import data_collator
from ratsnlp.nlpbook.environment import CORPUS_ROOT
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.evaluation.report import Report
from ratsnlp.nlpbook.model_folder import ModelFolder
from ratsnlp.nlpbook.settings import settings_of
from ratsnlp.nlpbook.tasks import TASKS

OWN = tuple(TASKS)
EVERY = (*OWN, "toy")
TOY = "toy_task.spec:SPEC"
LAST = 3
"""The rehearsal of `test_mode` has so many batches."""


@pytest.fixture(autouse=True)
def _know_the_toy(monkeypatch):
    monkeypatch.setitem(TASKS.data, "toy", TOY)


@pytest.fixture(scope="module", params=EVERY)
def trained(request, tmp_path_factory):
    """Return a task's spec, the settings of a rehearsal on built-in data, and its model folder."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS.data, "toy", TOY)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        spec = TASKS[request.param]
        args = rehearsal(spec, folder)
        pipeline.train(spec.name, args)
        pipeline.evaluate(args.downstream_model_dir)
    return spec, args, ModelFolder(folder / "model")


def rehearsal(spec, folder, **changed):
    settings = {
        "pretrained_model_name": "builtin",
        "downstream_task_name": spec.task_name,
        "downstream_corpus_name": f"{BUILTIN}{spec.default_corpus}",
        "downstream_model_dir": str(folder / "model"),
        "feature_cache_dir": str(folder / "features"),
        "batch_size": 8,
        "seed": 7,
        "test_mode": True,
        "precision": "32",
    }
    return spec.load("arguments")(**settings | {"max_seq_length": spec.demo.settings["max_seq_length"]} | changed)


def run(*words):
    outcome = CliRunner().invoke(cli.command, [str(word) for word in words], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def questions_of(spec):
    """Return the page's examples as a predictor takes them."""
    return [example[0] if len(example) == 1 else example for example in spec.page.examples]


# --- before a training ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_a_spec_names_parts_that_are_there(name):
    spec = TASKS[name]
    assert spec.name == name
    for part in ("arguments", "dataset", "task", "model", "predictor"):
        assert callable(spec.load(part)), part
    for corpus in spec.corpora:
        assert callable(spec.corpus_class(corpus))
    assert all(callable(pipeline.resolve_name(baseline.function)) for baseline in spec.baselines.values())
    assert spec.load("predictor").fields == spec.page.fields or len(spec.page.fields) == 1


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("verb", ["train", "check"])
def test_the_command_has_an_option_for_every_setting(name, verb):
    shown = run(verb, name, "--help")
    for setting in settings_of(TASKS[name].load("arguments")):
        assert f"--{setting}" in shown


@pytest.mark.parametrize("name", EVERY)
def test_settings_say_all_that_is_wrong_at_once(name):
    with pytest.raises(ArgumentError, match="(?s)epochs must be.*batch_size must be"):
        TASKS[name].load("arguments")(epochs=0, batch_size=0)


@pytest.mark.parametrize("name", EVERY)
def test_a_built_in_corpus_is_read(name):
    spec = TASKS[name]
    corpus, folder = spec.corpus_class(spec.default_corpus)(), builtin_corpus(spec.default_corpus)
    for mode in ("train", "test"):
        examples = corpus.get_examples(folder, mode)
        assert len(examples) > 20
        assert all(example.texts for example in examples)


def test_features_are_made_shown_and_collated(trained):
    spec, args, _ = trained
    corpus = pipeline.build_corpus(spec, args)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.pretrained_model_name)
    dataset = spec.load("dataset")(args=args, corpus=corpus, tokenizer=tokenizer, mode="train")
    shown = str(nlpbook.show_features(dataset, 0))
    assert "[CLS]" in shown
    assert len(shown.splitlines()) == len(dataset[0].input_ids) + 2
    assert f"{len(dataset):,} rows" in str(nlpbook.show_lengths(dataset))
    batch = data_collator([dataset[i] for i in range(4)])
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert len(batch["input_ids"]) == 4


def test_the_check_finds_nothing_wrong(trained):
    spec, args, _ = trained
    assert pipeline.check_task(spec.name, args).errors == ()
    flags = [f"--{name}={value}" for name, value in args.to_dict().items() if name in ("batch_size", "max_seq_length")]
    corpus = f"--downstream_corpus_name={args.downstream_corpus_name}"
    shown = run("check", spec.name, "--pretrained_model_name=builtin", corpus, *flags)
    assert "verdict: ready" in shown


# --- training ---------------------------------------------------------------------------------------------------------


def test_a_training_leaves_a_folder_that_says_what_it_is(trained):
    spec, args, folder = trained
    record = folder.read_training()
    assert record["finished"]
    assert record["settings"] == args.to_dict()
    assert len(folder.checkpoints) == 1
    assert folder.last.exists()
    assert folder.curves.exists()
    assert pipeline.find_model(folder.path)[0] is spec


def test_the_same_training_named_by_another_path_is_finished(trained, monkeypatch, caplog):
    spec, args, folder = trained
    monkeypatch.chdir(folder.path.parent)
    before = folder.last.stat().st_mtime_ns
    caplog.set_level("INFO", logger="ratsnlp")
    again = dataclasses.replace(args, downstream_model_dir="model", downstream_corpus_root_dir="elsewhere")
    assert pipeline.train(spec.name, again).resolve() == folder.checkpoints[0].resolve()
    assert "finished; nothing to do" in caplog.text
    assert folder.last.stat().st_mtime_ns == before
    with pytest.raises(ArgumentError, match="holds a training with other settings: seed was 7, is 8"):
        pipeline.train(spec.name, dataclasses.replace(args, seed=8))


def test_a_training_that_was_cut_goes_on(tmp_path, monkeypatch, capsys):
    """Of all tasks one after another, so that each is cut in a folder of its own."""
    for name in EVERY:
        spec, folder = TASKS[name], tmp_path / name
        args = rehearsal(spec, folder, max_train_examples=40)
        with monkeypatch.context() as patch:
            patch.setattr(ModelFolder, "write_training", cut_at_the_end(ModelFolder.write_training))
            with pytest.raises(KeyboardInterrupt):
                pipeline.train(name, args)
        capsys.readouterr()
        best = pipeline.train(name, args)
        assert f"resuming from {folder / 'model' / 'last.ckpt'}" in capsys.readouterr().err
        assert best.exists()
        assert ModelFolder(folder / "model").read_training()["finished"]


def cut_at_the_end(write):
    def write_or_stop(folder, args, *, finished, **more):
        if finished:
            raise KeyboardInterrupt
        write(folder, args, finished=finished, **more)

    return write_or_stop


# --- evaluating -------------------------------------------------------------------------------------------------------


def test_a_report_is_printed_written_and_drawn(trained):
    spec, args, folder = trained
    baselines = dict.fromkeys(spec.baselines, True)
    report = pipeline.evaluate(folder.path, **baselines)
    assert isinstance(report, Report)
    metrics = folder.read_metrics()
    assert metrics["examples"] > 20
    assert metrics["corpus"] == args.downstream_corpus_name
    names = {path.name for path in folder.evaluation.iterdir()}
    assert names >= {"metrics.json", "predictions.tsv", "report.html"}
    page = (folder.evaluation / "report.html").read_text(encoding="utf-8")
    assert "성적표" in page
    assert f"{metrics['examples']:,}" in page
    shown = str(report)
    for name in spec.baselines:
        assert name.replace("_", " ") in shown
        assert name.replace("_", " ") in page
    assert report.top_scores[0].key in metrics


def test_a_model_compared_with_itself_is_no_better(trained):
    _, _, folder = trained
    outcome = nlpbook.compare(folder.path, folder.path)
    scores = outcome.metrics()["scores"]
    assert scores
    assert all(score["difference"] == 0 for score in scores.values())
    assert "may be luck" in str(outcome)


def test_a_baseline_that_the_task_does_not_have_is_named(trained):
    spec, _, folder = trained
    with pytest.raises(ArgumentError, match=f"{spec.task_name}, whose baselines are: .*; got coin"):
        pipeline.evaluate(folder.path, coin=True)


# --- answering --------------------------------------------------------------------------------------------------------


def test_a_text_a_list_a_line_and_a_page_get_the_same_answer(trained):
    spec, _, folder = trained
    predictor, questions = pipeline.load_predictor(folder.path), questions_of(spec)
    answers = predictor(questions)
    json.dumps(answers)
    assert len(answers) == len(questions)
    first = spec.page.examples[0]
    assert predictor(*first) == predictor([questions[0]])[0]
    line = json.dumps(dict(zip(spec.page.fields, first, strict=True)), ensure_ascii=False)
    assert predictor.read_line(line if len(first) > 1 else first[0]) == questions[0]
    paged = predictor.answer_many(spec.page.examples)
    assert [{**answer, "kind": predictor.kind} for answer in answers] == paged
    assert json.loads(run("predict", folder.path, *first)) == predictor(*first)


def test_an_exported_model_answers_alike_and_opens_in_transformers(trained, tmp_path):
    spec, _, folder = trained
    out = exporting.export(folder.path, tmp_path / "exported")
    question = questions_of(spec)[0]
    before, after = (pipeline.load_predictor(place)([question]) for place in (folder.path, out))
    assert before == after
    assert spec.task_name in (out / "README.md").read_text(encoding="utf-8")
    model = spec.load("model").from_pretrained(out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    assert len(tokenizer) <= model.get_input_embeddings().weight.shape[0]


@pytest.mark.parametrize("engine", ["torch-int8", "onnx"])
def test_an_engine_decides_as_torch_does(trained, engine):
    spec, _, folder = trained
    predictor = pipeline.load_predictor(folder.path)
    expected = predictor.decide(questions_of(spec))
    predictor.use_engine(engine, samples=questions_of(spec), min_agreement=0.0)
    assert predictor.engine_name == engine
    assert len(predictor.decide(questions_of(spec))) == len(expected)
    if engine == "onnx":
        assert predictor.decide(questions_of(spec)) == expected


# --- serving ----------------------------------------------------------------------------------------------------------


def test_a_page_is_served_with_its_interface(trained):
    spec, _, folder = trained
    client = pipeline.build_app(folder.path).test_client()
    page = client.get("/").get_data(as_text=True)
    assert spec.page.title in page
    assert all(f'data-field="{name}"' in page for name in spec.page.fields)
    question = dict(zip(spec.page.fields, spec.page.examples[0], strict=True))
    answer = client.post("/api", json=question).get_json()
    assert answer["kind"] == pipeline.load_predictor(folder.path).kind
    assert question.items() <= answer.items()
    described = client.get("/openapi.json").get_json()
    assert spec.page.fields[0] in json.dumps(described)


@pytest.mark.browser
def test_an_example_is_answered_in_a_browser(trained, open_page):
    spec, _, folder = trained
    page = open_page(pipeline.build_app(folder.path))
    page.click(".chip")
    page.click("#ask")
    page.wait_for_selector("#result:visible")
    assert page.inner_text("#headline")
    assert page.errors == []


# --- the demo and the documents ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_the_demo_trains_scores_and_answers(name, tmp_path, monkeypatch, capsys):
    settings = demo.demo_arguments

    def rehearse(task, folder):
        return dataclasses.replace(settings(task, folder), test_mode=True)

    monkeypatch.setattr(demo, "demo_arguments", rehearse)
    demo.run_demo(name, tmp_path / "demo", opens_page=False)
    shown = capsys.readouterr().out
    spec = TASKS[name]
    answered = [json.loads(line) for line in shown.splitlines() if line.startswith("{")]
    assert [tuple(answer) for answer in answered] == [spec.demo.shown] * len(spec.demo.inputs)
    assert f"open the page: ratsnlp serve {tmp_path / 'demo'}" in shown


@pytest.mark.parametrize("name", OWN)
def test_a_task_is_in_the_readmes_and_has_its_notebooks(name):
    spec = TASKS[name]
    assert len(spec.notebooks) == 2
    for notebook in spec.notebooks:
        assert (NOTEBOOKS / f"{notebook}.ipynb").exists()
    for readme, title in (("README.md", spec.title), ("README.ko.md", spec.page.title)):
        assert f"| {title} |" in (ROOT / readme).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OWN)
def test_the_names_of_a_task_are_there(name):
    package = getattr(nlpbook, name)
    assert callable(package.get_web_service_app)
    assert all(hasattr(package, exported) for exported in package.__all__)


def test_nothing_outside_a_tasks_folder_names_a_task():
    source = ROOT / "src" / "ratsnlp"
    # the registry; the names of 1.x; a corpus of the book that is called as its task
    known = {"nlpbook/tasks.py", "nlpbook/checkpoints.py", "nlpbook/old_names.py", "nlpbook/data/download.py"}
    known.add("nlpbook/data/catalog.py")
    named = [
        f"{path.relative_to(source)}: {word}"
        for path in source.rglob("*.py")
        if path.relative_to(source).parts[1:2] not in [(task,) for task in OWN]
        and str(path.relative_to(source)) not in known
        for word in (f'"{task}"' for task in OWN)
        if word in path.read_text(encoding="utf-8").replace('for example "classification"', "")
    ]
    assert named == []


def test_the_built_in_model_and_corpora_need_no_folder_of_the_user():
    assert builtin_model() not in CORPUS_ROOT
