import argparse

import pytest

from training.config.schema import check_config
from training.engine.schedules import build_schedule
from training.legacy2018.configuration import evaluation_configuration, training_configuration
from training.legacy2018.flags import SCRIPTS, parse_flags, truth


def configured(script, *arguments):
    content = training_configuration(script, parse_flags(script, arguments))
    return check_config(content)[0]


def test_defaults_are_those_of_the_first_phase():
    config = configured("train_elem")
    assert (config.Global.epochs, config.Global.iter_per_epoch) == (30, 1000)
    assert config.Arch.Head == {"name": "FC", "embedding_size": 2048, "class_num": 11318}
    assert config.Loss.Train == [{"CELoss": {"weight": 1.0}}]
    rates = build_schedule(config.Optimizer["lr"], 30, 1000)
    found = [rates.rate(step) for step in (0, 14999, 15000, 24999, 25000)]
    assert found == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001])


@pytest.mark.parametrize(
    ("total", "test", "save", "epochs", "steps", "evaluations", "kept"),
    [(30000, 1000, 1000, 30, 1000, 1, 1), (10, 5, 2, 10, 1, 5, 2), (9000, 3000, 4500, 6, 1500, 2, 3)],
)
def test_counts_of_steps_keep_their_meaning(total, test, save, epochs, steps, evaluations, kept):
    flags = (f"--total_iter_num={total}", f"--test_iter_step={test}", f"--save_iter_step={save}")
    settings = configured("train_elem", *flags).Global
    assert (settings.epochs, settings.iter_per_epoch) == (epochs, steps)
    assert (settings.eval_interval, settings.save_interval) == (evaluations, kept)


def test_arcmargin_takes_its_three_flags():
    flags = ("--loss_name=arcmargin", "--arc_scale=30", "--arc_margin=0.2", "--arc_easy_margin=1", "--class_dim=7")
    head = configured("train_elem", *flags).Arch.Head
    assert head["name"] == "ArcMargin"
    assert (head["scale"], head["margin"], head["easy_margin"], head["class_num"]) == (30.0, 0.2, True, 7)


@pytest.mark.parametrize(
    ("flags", "key", "value"),
    [
        (("--loss_name=triplet", "--margin=0.3"), "margin", 0.3),
        (("--loss_name=quadruplet", "--samples_each_class=4"), "samples_each_class", 4),
        (("--loss_name=eml", "--samples_each_class=5"), "samples_each_class", 5),
        (("--loss_name=npairs", "--npairs_reg_lambda=0.5"), "reg_lambda", 0.5),
    ],
)
def test_pairs_take_the_flags_of_their_loss(flags, key, value):
    config = configured("train_pair", *flags)
    ((_, options),) = config.Loss.Train[0].items()
    assert options[key] == value
    assert config.Arch.Head is None


def test_an_embedding_gets_a_neck_and_sizes_reach_the_transforms():
    config = configured("train_elem", "--embedding_size", "128", "--image_shape=3,96,64", "--train_batch_size=9")
    assert config.Arch.Neck["class_num"] == config.Arch.Head["embedding_size"] == 128
    crops = [op["RandCropImage"] for op in config.DataLoader.Train.dataset["transform_ops"] if "RandCropImage" in op]
    assert crops[0]["size"] == [64, 96]
    assert config.Global.image_shape == (3, 96, 64)
    assert config.DataLoader.Train.sampler["batch_size"] == 9


def test_measuring_needs_no_head():
    content = evaluation_configuration(parse_flags("eval", ["--model=ResNet101", "--batch_size=3"]), "weights")
    config = check_config(content)[0]
    assert config.Arch.Head is None
    assert config.Arch.Backbone["name"] == "ResNet101"
    assert config.DataLoader.Eval.Query.sampler["batch_size"] == 3


@pytest.mark.parametrize(("word", "value"), [("true", True), ("False", False), ("1", True), ("0", False)])
def test_booleans_are_words(word, value):
    assert truth(word) is value


def test_other_words_and_flags_are_refused(capsys):
    with pytest.raises(argparse.ArgumentTypeError, match="true, false, 1 or 0"):
        truth("perhaps")
    for arguments in (["--modle=ResNet50"], ["--model=ResNet18"], ["--loss_name=triplet"]):
        with pytest.raises(SystemExit):
            parse_flags("train_elem", arguments)
    with pytest.raises(ValueError, match="piecewise_decay"):
        configured("train_elem", "--lr_strategy=cosine")


def test_help_names_every_flag(capsys):
    for script, flags in SCRIPTS.items():
        with pytest.raises(SystemExit):
            parse_flags(script, ["--help"])
        shown = capsys.readouterr().out
        assert all(f"--{flag}" in shown for flag in flags)
