import json
import subprocess
import sys

import pytest

from ratsnlp.nlpbook import settings
from ratsnlp.nlpbook.arguments import DeployArguments, TrainArguments
from ratsnlp.nlpbook.classification import ClassificationTrainArguments
from ratsnlp.nlpbook.errors import ArgumentError
from ratsnlp.nlpbook.settings import load_arguments, parse_flags

PUBLISHED = (
    "pretrained_model_name, downstream_task_name, downstream_corpus_name, downstream_corpus_root_dir, "
    "downstream_model_dir, max_seq_length, save_top_k, monitor, seed, overwrite_cache, force_download, test_mode, "
    "learning_rate, epochs, batch_size, cpu_workers, fp16, tpu_cores"
)


def test_published_settings_come_first_and_in_the_published_order():
    assert ", ".join(settings.settings_of(ClassificationTrainArguments)).startswith(f"{PUBLISHED}, ")


def test_published_defaults_are_kept():
    args = ClassificationTrainArguments()
    assert (args.pretrained_model_name, args.max_seq_length, args.learning_rate) == ("beomi/kcbert-base", 128, 5e-5)
    assert (args.save_top_k, args.monitor, args.scheduler) == (1, "min val_loss", "exponential")


def test_one_error_names_everything_that_is_wrong():
    with pytest.raises(ArgumentError) as caught:
        TrainArguments(epochs=0, learning_rate=0, batch_size=0, scheduler="step", warmup_ratio=1, monitor="val_loss")
    assert str(caught.value) == (
        "TrainArguments cannot be used as given:\n"
        "  - learning_rate must be a number > 0, got 0\n"
        "  - epochs must be a whole number >= 1, got 0\n"
        "  - batch_size must be a whole number >= 1, got 0\n"
        "  - scheduler must be one of exponential, linear, cosine, constant, got 'step'\n"
        "  - warmup_ratio must be a number >= 0 and < 1, got 1\n"
        "  - monitor must read 'min NAME' or 'max NAME', got 'val_loss'"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"monitor": "val_loss"}, r"monitor must read 'min NAME' or 'max NAME', got 'val_loss'"),
        ({"monitor": "max epoch", "patience": 2}, r"patience waits for a better epoch, .*'max epoch' takes the last"),
        ({"monitor": "min "}, r"monitor must read 'min NAME' or 'max NAME', got 'min '"),
        ({"epochs": "many"}, r"epochs must be a whole number >= 1, got 'many'"),
        ({"epochs": True}, r"epochs must be a whole number >= 1, got True"),
        ({"epochs": 1.5}, r"epochs must be a whole number >= 1, got 1.5"),
        ({"learning_rate": float("nan")}, r"learning_rate must be a number > 0, got nan"),
        ({"test_mode": 3}, r"test_mode must be true or false, got 3"),
        ({"pretrained_model_name": None}, r"pretrained_model_name must be text, got None"),
        ({"seed": -1}, r"seed must be a whole number >= 0 and <= 4294967295 or null, got -1"),
        ({"fp16": True, "precision": "bf16"}, r"fp16=True asks for half precision, but precision is 'bf16'"),
    ],
)
def test_each_bad_setting_is_named_with_what_was_found(changes, message):
    with pytest.raises(ArgumentError, match=message):
        TrainArguments(**changes)


def test_numbers_in_quotes_are_understood():
    args = TrainArguments(learning_rate="1e-4", epochs="2", test_mode="true", seed="none", precision=32)
    assert (args.learning_rate, args.epochs, args.test_mode, args.seed, args.precision) == (1e-4, 2, True, None, "32")


def test_settings_load_from_json_and_yaml_alike(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"epochs": 2, "learning_rate": 1e-4}), encoding="utf-8")
    (tmp_path / "a.yaml").write_text("epochs: 2\nlearning_rate: 1e-4\n", encoding="utf-8")
    loaded = [load_arguments(TrainArguments, tmp_path / name) for name in ("a.json", "a.yaml")]
    assert loaded[0] == loaded[1] == TrainArguments(epochs=2, learning_rate=1e-4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{"epoch": 3}', r"epoch \(in .*a\.json\) is not a setting; did you mean epochs\?"),
        ("a.json", '{"epochs": 3', r"the settings file .*a\.json cannot be read: Expecting"),
        ("a.yaml", "epochs: [", r"the settings file .*a\.yaml cannot be read"),
        ("a.yaml", "3", r"the settings file .*a\.yaml must hold names with values, found int"),
    ],
)
def test_a_broken_settings_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ArgumentError, match=message):
        load_arguments(TrainArguments, tmp_path / name)


def test_a_missing_settings_file_is_named(tmp_path):
    with pytest.raises(ArgumentError, match=r"the settings file .*none\.json does not exist"):
        load_arguments(TrainArguments, tmp_path / "none.json")


def test_flags_win_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("epochs: 2\nbatch_size: 4\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["train.py", str(tmp_path / "a.yaml"), "--epochs", "5", "--test_mode"])
    args = load_arguments(TrainArguments)
    assert (args.epochs, args.batch_size, args.test_mode) == (5, 4, True)


def test_a_flag_can_switch_off():
    assert parse_flags(TrainArguments, ["--test_mode", "false"]).test_mode is False


def test_an_unknown_flag_is_named():
    with pytest.raises(ArgumentError, match=r"No such option.*--epoch.*Try --help"):
        parse_flags(TrainArguments, ["--epoch", "5"])


def test_in_a_notebook_the_kernels_command_line_is_not_read(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "/root/kernel-123.json"])
    monkeypatch.setattr(settings, "in_notebook", lambda: True)
    assert load_arguments(TrainArguments) == TrainArguments()


def test_deploy_settings_want_a_folder_or_a_file():
    with pytest.raises(
        ArgumentError, match=r"give downstream_model_dir \(a model folder\) or downstream_model_checkpoint"
    ):
        DeployArguments()


def test_deploy_settings_refuse_two_different_files():
    with pytest.raises(ArgumentError, match=r"name two different files"):
        DeployArguments(downstream_model_checkpoint_fpath="a.ckpt", downstream_model_checkpoint_path="b.ckpt")


def test_deploy_settings_choose_the_checkpoint_and_remember_the_training(trained, tiny_bert, capsys):
    args = DeployArguments(downstream_model_dir=str(trained))
    assert args.downstream_model_checkpoint_fpath == args.downstream_model_checkpoint_path
    assert f"downstream_model_checkpoint_fpath: {trained}" in capsys.readouterr().out
    assert (args.pretrained_model_name, args.max_seq_length) == (tiny_bert, 32)


def test_deploy_settings_take_the_older_name(trained, capsys):
    path = str(next(trained.glob("epoch=*.ckpt")))
    assert DeployArguments(downstream_model_checkpoint_path=path).downstream_model_checkpoint_fpath == path
    capsys.readouterr()


def test_settings_import_without_torch_and_what_comes_with_it():
    heavy = ("torch", "transformers", "pytorch_lightning", "matplotlib", "flask", "numpy")
    code = (
        "import sys\n"
        f"for name in {heavy!r}: sys.modules[name] = None\n"
        "from ratsnlp import nlpbook\n"
        "from ratsnlp.nlpbook.classification import ClassificationTrainArguments, ClassificationDeployArguments\n"
        "print(ClassificationTrainArguments(epochs=2).epochs)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("2", "")


def test_every_setting_has_one_line_of_help():
    for setting in settings.settings_of(ClassificationTrainArguments).values():
        assert setting.help, setting.name
        assert "\n" not in setting.help
