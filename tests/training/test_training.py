import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, RandomSampler
from transformers import BertForSequenceClassification, BertTokenizer

from ratsnlp import nlpbook
from ratsnlp.nlpbook import hardware, pipeline
from ratsnlp.nlpbook.checkpoints import read_description, select_checkpoint
from ratsnlp.nlpbook.classification import ClassificationDataset, ClassificationTask, NsmcCorpus
from ratsnlp.nlpbook.data import batches as sampler_module
from ratsnlp.nlpbook.data.batches import LengthGroupedSampler
from ratsnlp.nlpbook.errors import ArgumentError, CheckpointError, ModelLoadError
from ratsnlp.nlpbook.models import set_dropout
from ratsnlp.nlpbook.training import trainer as trainer_module

pytestmark = [
    # Lightning resumes by torch.load of its own checkpoints and warns that a fit was set up once already
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec"),
    pytest.mark.filterwarnings("ignore:.*GPU available but not used"),
]


@pytest.fixture
def prepare(make_args, tokenizer):
    """Return a function that gives settings, task and loaders of the tiny model on the small corpus."""

    def make(**changes):
        args = make_args(**changes)
        datasets = [
            ClassificationDataset(args=args, corpus=NsmcCorpus(), tokenizer=tokenizer, mode=mode)
            for mode in ("train", "test")
        ]
        pl.seed_everything(args.seed, verbose=False)
        model = BertForSequenceClassification.from_pretrained(args.pretrained_model_name, num_labels=2)
        return args, ClassificationTask(model, args), *nlpbook.get_dataloaders(args, *datasets)

    return make


def fit(args, task, train_loader, val_loader, *callbacks):
    trainer = nlpbook.get_trainer(args)
    trainer.callbacks.extend(callbacks)
    trainer.fit(task, train_dataloaders=train_loader, val_dataloaders=val_loader)
    return trainer


class Watch(pl.Callback):
    """Notes the learning rate after each epoch and the dropout's mode in each step."""

    def __init__(self):
        self.rates, self.modes = [], set()

    def on_train_batch_start(self, trainer, task, batch, batch_idx):
        self.modes |= {module.training for module in task.model.modules()}

    def on_train_epoch_end(self, trainer, task):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


# the schedule


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("exponential", [0.9, 0.81, 0.729, 0.6561]),
        ("linear", [0.75, 0.5, 0.25, 0.0]),
        ("cosine", [0.853553, 0.5, 0.146447, 0.0]),
        ("constant", [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_the_learning_rate_follows_the_schedule_after_each_epoch(prepare, scheduler, expected):
    args, *rest = prepare(scheduler=scheduler, epochs=4, learning_rate=1e-3)
    watch = Watch()
    fit(args, *rest, watch)
    assert watch.rates == pytest.approx([1e-3 * share for share in expected], abs=1e-8)


def test_warm_up_climbs_and_then_falls(prepare):
    _, task, *_ = prepare(scheduler="linear", warmup_ratio=0.25)
    shares = [task.rate_at(step, 8, 1) for step in range(9)]
    assert shares[:2] == pytest.approx([1 / 3, 2 / 3])
    assert shares[2] == 1.0
    assert shares[2:] == sorted(shares[2:], reverse=True)
    assert shares[8] == 0.0


def test_accumulated_batches_make_fewer_steps(prepare):
    args, *rest = prepare(accumulate_grad_batches=4)
    assert fit(args, *rest).global_step == 2


# the step


def test_dropout_is_on_while_training(prepare):
    args, *rest = prepare()
    watch = Watch()
    fit(args, *rest, watch)
    assert watch.modes == {True}


def test_weights_in_half_precision_are_cast_to_float32(prepare, caplog, tiny_bert):
    caplog.set_level("INFO", "ratsnlp")
    args, *_ = prepare()
    model = BertForSequenceClassification.from_pretrained(tiny_bert, num_labels=2, dtype=torch.float16)
    assert ClassificationTask(model, args).model.dtype == torch.float32
    assert "the model's weights are torch.float16; training casts them to float32" in caplog.text


def test_attention_dropout_can_be_set_apart_from_the_rest(prepare, caplog):
    _, task, *_ = prepare(attention_dropout=0.0)
    attention = task.model.bert.encoder.layer[0].attention
    assert (attention.self.dropout.p, attention.output.dropout.p) == (0.0, 0.1)
    _, kept, *_ = prepare()
    assert kept.model.bert.encoder.layer[0].attention.self.dropout.p == 0.1
    _, quiet, *_ = prepare(hidden_dropout=0.0)
    attention = quiet.model.bert.encoder.layer[0].attention
    assert (attention.self.dropout.p, attention.output.dropout.p, quiet.model.dropout.p) == (0.1, 0.0, 0.0)
    set_dropout(torch.nn.Linear(2, 2), hidden=None, attention=0.0)
    assert caplog.messages[-1] == "attention_dropout=0.0 has no effect on a Linear"


def test_biases_and_norms_are_not_decayed(prepare):
    args, task, *loaders = prepare(weight_decay=0.02)
    fit(args, task, *loaders)
    decayed, plain = task.optimizers().param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.02, 0.0)
    assert all(weight.ndim == 1 for weight in plain["params"])
    assert all(weight.ndim == 2 for weight in decayed["params"])
    assert len(plain["params"]) + len(decayed["params"]) == len(list(task.model.parameters()))


def test_validation_metrics_are_those_of_the_whole_split(prepare):
    args, task, train_loader, val_loader = prepare(batch_size=7)
    trainer = fit(args, task, train_loader, val_loader)
    task.model.eval()
    with torch.no_grad():
        pairs = [(task.model(**batch).logits.argmax(-1), batch["labels"]) for batch in val_loader]
    predicted, true = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    assert trainer.callback_metrics["val_acc"] == pytest.approx((predicted == true).float().mean().item())
    assert trainer.callback_metrics["val_macro_f1"] == pytest.approx(
        nlpbook.metrics.macro_f1(predicted, true, 2).item()
    )


@pytest.mark.parametrize("precision", ["bf16", "32"])
def test_every_precision_clips_and_steps(prepare, precision):
    args, task, *loaders = prepare(precision=precision, max_grad_norm=1e-9, weight_decay=0.0, learning_rate=1e-3)
    before = [weight.detach().clone() for weight in task.model.parameters()]
    fit(args, task, *loaders)
    assert all(weight.dtype == torch.float32 for weight in task.model.parameters())
    norm = torch.nn.utils.get_total_norm([w.grad for w in task.model.parameters() if w.grad is not None])
    assert norm <= 1.1e-9
    assert any(not torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))


def test_a_model_learns_the_small_corpus(prepare):
    args, *rest = prepare(epochs=15, learning_rate=1e-2, scheduler="linear")
    assert fit(args, *rest).callback_metrics["val_acc"] == 1.0


def test_the_same_seed_gives_the_same_run(prepare, tmp_path):
    finals = []
    for name in ("a", "b"):
        args, *rest = prepare(downstream_model_dir=str(tmp_path / name))
        finals.append(fit(args, *rest).callback_metrics["val_loss"].item())
    assert finals[0] == finals[1]


# the trainer


def test_the_older_keyword_works_and_says_its_new_name(prepare):
    args, task, train_loader, val_loader = prepare()
    trainer = nlpbook.get_trainer(args)
    with pytest.warns(FutureWarning, match="train_dataloader is now called train_dataloaders"):
        trainer.fit(task, train_dataloader=train_loader, val_dataloaders=val_loader)
    assert trainer.global_step == 8


def test_both_keywords_at_once_are_an_error(prepare):
    args, task, train_loader, _ = prepare()
    with pytest.raises(TypeError, match=r"got both train_dataloaders and its older name"):
        nlpbook.get_trainer(args).fit(task, train_dataloaders=train_loader, train_dataloader=train_loader)


def test_an_unknown_monitor_is_refused_before_training(prepare):
    args, *rest = prepare(monitor="max val_accuracy")
    with pytest.raises(
        ArgumentError, match=r"monitor names 'val_accuracy', which ClassificationTask does not log; it lo"
    ):
        fit(args, *rest)


def test_a_trainer_wants_a_model_folder(make_args):
    with pytest.raises(ArgumentError, match=r"downstream_model_dir is not given; name the folder"):
        nlpbook.get_trainer(make_args(downstream_model_dir=None))


def test_a_model_folder_that_cannot_be_made_is_named(make_args, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArgumentError, match=r"downstream_model_dir .*file/model cannot be made: Not a directory"):
        nlpbook.get_trainer(make_args(downstream_model_dir=str(tmp_path / "file" / "model")))


@pytest.mark.parametrize(
    ("monitor", "values", "epoch"),
    [
        ("max val_acc", (0.5, 0.9, 0.9, 0.8), 2),  # of two as good the later
        ("max val_acc", (0.5, 0.9, 0.91, 0.8), 2),
        ("min val_acc", (0.5, 0.4, 0.4, 0.6), 2),
        ("max epoch", (0.9, 0.9, 0.1, 0.1), 3),  # whatever validation says
    ],
)
def test_the_monitored_metric_chooses_the_checkpoint(prepare, monitor, values, epoch):
    args, task, *loaders = prepare(monitor=monitor, epochs=len(values))
    task.summarize = lambda: {"val_acc": torch.tensor(values[task.current_epoch]), "val_macro_f1": torch.tensor(0.0)}
    nlpbook.get_trainer(args).fit(task, *loaders)
    folder = Path(args.downstream_model_dir)
    last, best = sorted(folder.glob("*.ckpt"), reverse=True)
    assert (last.name, best.name.partition("-")[0]) == ("last.ckpt", f"epoch={epoch}")
    assert select_checkpoint(folder) == best


def test_get_trainer_can_return_the_checkpoint_callback_too(make_args):
    callback, trainer = nlpbook.get_trainer(make_args(), return_trainer_only=False)
    assert isinstance(callback, ModelCheckpoint)
    assert isinstance(trainer, pl.Trainer)


def test_tpu_cores_without_a_tpu_warn_once_and_train_on_what_there_is(make_args, caplog):
    nlpbook.get_trainer(make_args(tpu_cores=8))
    assert [r.getMessage() for r in caplog.records if r.name == "ratsnlp"] == [
        "tpu_cores=8, but there is no TPU here; training on what there is"
    ]


@pytest.mark.parametrize(
    ("cores", "devices", "precision"), [(8, "auto", "bf16-true"), (1, 1, "bf16-true"), (0, "auto", None)]
)
def test_a_tpu_gets_all_cores_or_one_and_no_mixed_precision(make_args, monkeypatch, cores, devices, precision):
    monkeypatch.setattr(hardware.XLAAccelerator, "is_available", staticmethod(lambda: True))
    chosen = hardware.select_hardware(make_args(tpu_cores=cores, precision="auto"))
    assert chosen["devices"] == devices
    assert chosen["accelerator"] == ("tpu" if cores else "gpu" if torch.cuda.is_available() else "auto")
    if precision:
        assert chosen["precision"] == precision


@pytest.mark.parametrize(
    ("changes", "accelerator", "has_bf16", "expected"),
    [
        ({"precision": "auto"}, "auto", True, "bf16-mixed"),
        ({"precision": "auto"}, "auto", False, "32-true"),
        ({"precision": "32"}, "gpu", True, "32-true"),
        ({"precision": "16"}, "gpu", True, "16-mixed"),
        ({"precision": "16"}, "auto", True, "bf16-mixed"),
        ({"precision": "auto", "fp16": True}, "gpu", True, "16-mixed"),
        ({"precision": "bf16"}, "tpu", True, "bf16-true"),
    ],
)
def test_precision_is_what_the_hardware_is_good_at(make_args, monkeypatch, changes, accelerator, has_bf16, expected):
    monkeypatch.setattr(hardware, "bf16_is_faster", lambda accelerator: has_bf16)
    assert hardware.select_precision(make_args(**changes), accelerator) == expected


def test_set_seed_says_the_seed(make_args, capsys):
    nlpbook.set_seed(make_args(seed=7))
    nlpbook.set_seed(make_args(seed=None))
    assert capsys.readouterr().out == "set seed: 7\nnot fixed seed\n"


def test_set_logger_twice_does_not_double_the_lines(make_args, capsys):
    args = make_args()
    nlpbook.set_logger(args)
    nlpbook.set_logger(args)
    capsys.readouterr()
    logging.getLogger("ratsnlp").info("한 번")
    assert capsys.readouterr().err == "INFO:ratsnlp:한 번\n"


def test_a_rehearsal_takes_a_few_batches_and_saves_everything(prepare):
    args, *rest = prepare(test_mode=True, epochs=5)
    trainer = fit(args, *rest)
    assert trainer.global_step == trainer_module.REHEARSAL_BATCHES
    held = {path.name for path in Path(args.downstream_model_dir).iterdir()}
    assert {"last.ckpt", "curves.png", "logs"} < held
    assert len([name for name in held if name.startswith("epoch=0-val_loss=")]) == 1


def test_patience_stops_early(prepare):
    args, *rest = prepare(patience=1, epochs=20, learning_rate=1e-12, monitor="max val_acc")
    assert fit(args, *rest).current_epoch < 5


def test_logs_are_csv_and_tensorboard(prepare):
    args, *rest = prepare()
    fit(args, *rest)
    logs = Path(args.downstream_model_dir) / "logs"
    assert list(logs.rglob("metrics.csv"))
    assert list(logs.rglob("events.out.tfevents.*"))


def test_logs_of_a_folder_on_drive_stay_off_it(make_args, monkeypatch, tmp_path):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    for logger in trainer_module.build_loggers(Path("/gdrive/My Drive/nlpbook/checkpoint-doccls")):
        assert "gdrive" not in str(logger.save_dir)


# length-grouped batches


def test_each_epoch_draws_every_row_once_in_another_order():
    lengths = torch.randint(4, 60, (500,), generator=torch.Generator().manual_seed(0))
    sampler = LengthGroupedSampler(lengths, 8, shuffle=True, seed=7)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(first) == sorted(second) == list(range(500))
    assert first != second
    assert first == list(LengthGroupedSampler(lengths, 8, shuffle=True, seed=7))


def test_grouped_batches_hold_far_less_padding_than_random_ones():
    lengths = torch.randint(4, 128, (4000,), generator=torch.Generator().manual_seed(0))

    def padding(order):
        batches = lengths[torch.tensor(order)].split(16)
        return 1 - lengths.sum() / sum(len(b) * b.max() for b in batches)

    grouped = padding(list(LengthGroupedSampler(lengths, 16, shuffle=True)))
    assert grouped < 0.1 * padding(torch.randperm(4000).tolist())


def test_two_processes_share_the_rows_evenly(monkeypatch):
    lengths = torch.randint(4, 60, (101,), generator=torch.Generator().manual_seed(0))
    drawn = {True: [], False: []}
    for rank in (0, 1):
        monkeypatch.setattr(sampler_module, "process_rank", lambda rank=rank: (rank, 2))
        for shuffle, rows in drawn.items():
            sampler = LengthGroupedSampler(lengths, 8, shuffle=shuffle, seed=7)
            rows.append(list(sampler))
            assert len(sampler) == len(rows[-1])
    assert [len(rows) for rows in drawn[True]] == [51, 51]  # equally many steps, one row drawn twice
    assert set(drawn[True][0]) | set(drawn[True][1]) == set(range(101))
    assert sorted(drawn[False][0] + drawn[False][1]) == list(range(101))  # metrics count every row once


def test_lightning_keeps_the_sampler_and_tells_it_the_epoch(prepare):
    args, task, train_loader, val_loader = prepare(epochs=3)
    fit(args, task, train_loader, val_loader)
    assert isinstance(train_loader.sampler, LengthGroupedSampler)
    assert train_loader.sampler.epoch == 2


# the pipeline


def test_a_finished_training_is_not_repeated(trained, make_args, caplog):
    record = json.loads((trained / "training.json").read_text(encoding="utf-8"))
    from ratsnlp.nlpbook.classification import ClassificationTrainArguments

    caplog.set_level("INFO", "ratsnlp")
    before = {path: path.stat().st_mtime_ns for path in trained.glob("*.ckpt")}
    best = pipeline.train("classification", ClassificationTrainArguments(**record["settings"]))
    assert best in before
    assert {path: path.stat().st_mtime_ns for path in trained.glob("*.ckpt")} == before
    assert "holds this training, finished; nothing to do" in caplog.text


def test_other_settings_in_the_same_folder_are_refused_by_name(trained, make_args):
    record = json.loads((trained / "training.json").read_text(encoding="utf-8"))
    from ratsnlp.nlpbook.classification import ClassificationTrainArguments

    args = replace(ClassificationTrainArguments(**record["settings"]), epochs=9, learning_rate=1e-5)
    with pytest.raises(
        ArgumentError, match=r"other settings: learning_rate was 0\.005, is 1e-05; epochs was 2, is 9\..*--restart"
    ):
        pipeline.train("classification", args)


class CutError(Exception):
    """Stands for a machine that is taken away."""


def test_a_cut_training_resumes_and_ends_as_an_uncut_one(make_args, tmp_path, monkeypatch):
    def run(name):
        args = make_args(downstream_model_dir=str(tmp_path / name), epochs=3, learning_rate=1e-3)
        return pipeline.train("classification", args)

    uncut = torch.load(run("uncut").parent / "last.ckpt")["state_dict"]

    class CutInEpochTwo(trainer_module.Curves):
        def on_train_epoch_start(self, trainer, task):
            if trainer.current_epoch == 2:
                raise CutError

    with monkeypatch.context() as patched:
        patched.setattr(trainer_module, "Curves", CutInEpochTwo)
        with pytest.raises(CutError):
            run("cut")
    assert torch.load(tmp_path / "cut" / "last.ckpt")["epoch"] == 1
    resumed = torch.load(run("cut").parent / "last.ckpt")["state_dict"]
    assert all(torch.equal(uncut[name], resumed[name]) for name in uncut)


def test_restart_starts_again(make_args):
    first = pipeline.train("classification", make_args())
    pipeline.train("classification", make_args(epochs=2), restart=True)
    assert json.loads((first.parent / "training.json").read_text(encoding="utf-8"))["settings"]["epochs"] == 2
    assert (first.parent / "last.ckpt").exists()


def split_sizes(args):
    spec = pipeline.TASKS["classification"]
    tokenizer = BertTokenizer.from_pretrained(args.pretrained_model_name, do_lower_case=False)
    return pipeline.split_datasets(spec, args, tokenizer, pipeline.build_corpus(spec, args))


def test_validation_rows_are_held_out_of_train(make_args):
    train, val = split_sizes(make_args(validation_ratio=0.2))
    assert (len(train), len(val)) == (48, 12)
    assert set(train.selected.tolist()).isdisjoint(val.selected.tolist())
    assert val.row_values("label").float().mean() == 0.5


def test_with_max_train_examples_the_first_rows_train_and_later_ones_validate(make_args):
    train, val = split_sizes(make_args(max_train_examples=30, validation_ratio=0.2))
    assert train.selected.tolist() == list(range(30))
    assert len(val) == 6
    assert min(val.selected.tolist()) >= 30


def test_validation_on_the_test_split_must_be_asked_for(make_args):
    train, val = split_sizes(make_args(validate_on="test"))
    assert (len(train), len(val), val.mode) == (60, 24, "test")


def test_own_files_train_and_validate(make_args, corpora, tmp_path, monkeypatch):
    monkeypatch.chdir(corpora)
    train, val = split_sizes(make_args(train_file="nsmc/ratings_test.txt", validation_file="nsmc/ratings_train.txt"))
    assert (len(train), len(val)) == (24, 60)


def test_an_unknown_corpus_is_named(make_args):
    with pytest.raises(
        ArgumentError, match=r"downstream_corpus_name 'nscm' is not known to this task; it reads nsmc, bu"
    ):
        pipeline.train("classification", make_args(downstream_corpus_name="nscm"))


def test_a_model_that_cannot_be_had_is_named(make_args):
    with pytest.raises(
        ModelLoadError, match=r"pretrained_model_name 'no/such-model' cannot be loaded: it is not a fold"
    ):
        pipeline.train("classification", make_args(pretrained_model_name="no/such-model"))


def test_a_folder_without_a_model_is_named(make_args, tmp_path):
    with pytest.raises(ModelLoadError, match=r"cannot be loaded: the folder is there, but"):
        pipeline.train("classification", make_args(pretrained_model_name=str(tmp_path)))


def test_a_folder_of_an_unknown_task_is_named(trained, tmp_path):
    path = next(trained.glob("epoch=*.ckpt"))
    raw = torch.load(path)
    raw["ratsnlp"]["task"] = "juggling"
    torch.save(raw, tmp_path / path.name)
    with pytest.raises(CheckpointError, match=r"was trained for 'juggling'; known are classification"):
        pipeline.load_predictor(tmp_path)


TWO_PROCESSES = """
import sys
from ratsnlp.cli import main
sys.argv[0] = __file__
main()
"""


@pytest.mark.skipif(torch.cuda.device_count() == 1, reason="two processes want two GPUs, or none")
@pytest.mark.parametrize("start", ["command", "torchrun"])
def test_two_processes_train_to_the_metrics_of_one(make_args, tmp_path, start):
    script = tmp_path / "train.py"
    script.write_text(TWO_PROCESSES, encoding="utf-8")
    metrics = {}
    for devices in (1, 2):
        args = make_args(downstream_model_dir=str(tmp_path / f"by-{devices}"), epochs=4, learning_rate=1e-2)
        settings = args.to_dict() | {"devices": devices, "batch_size": 16 // devices, "strategy": "ddp"}
        if devices == 1:
            settings["strategy"] = "auto"
        (tmp_path / f"{devices}.json").write_text(json.dumps(settings), encoding="utf-8")
        command = [str(script), "train", "classification", str(tmp_path / f"{devices}.json")]
        torchrun = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29581"]
        launcher = torchrun if start == "torchrun" and devices == 2 else []
        done = subprocess.run([sys.executable, *launcher, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("best checkpoint: ") == 1
        best = pipeline.select_checkpoint(tmp_path / f"by-{devices}")
        metrics[devices] = read_description(best)["metrics"]
    assert metrics[2]["val_acc"] == pytest.approx(metrics[1]["val_acc"], abs=0.17)
    assert metrics[2]["val_loss"] == pytest.approx(metrics[1]["val_loss"], abs=0.1)


def test_plain_loaders_train_too(prepare):
    args, task, train_loader, val_loader = prepare()
    dataset = train_loader.dataset
    plain = DataLoader(dataset, batch_size=8, sampler=RandomSampler(dataset), collate_fn=nlpbook.data_collator)
    assert fit(args, task, plain, val_loader).global_step == 8
