from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from training.config.overrides import apply_overrides
from training.config.reading import ConfigError, parse_value, read_yaml
from training.config.schema import Config, load_config

PRINTED = Path(__file__).parent / "feature_learning.yaml"
AGREED = "Arch.Head.class_num=30671"


def changed(tmp_path, old, new):
    path = tmp_path / "config.yaml"
    text = PRINTED.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_class_numbers_that_disagree_are_both_named():
    with pytest.raises(ConfigError, match=r"Global\.class_num is 30671, but Arch\.Head\.class_num is 431"):
        load_config(PRINTED)


def test_the_printed_file_is_understood_once_its_class_numbers_agree():
    config, notes = load_config(PRINTED, [AGREED])
    assert config.Arch.Head["class_num"] == 30671
    assert config.Metric.Eval == [{"Recallk": {"topk": [1, 5]}}, {"mAP": {}}]
    assert config.Arch.BackboneStopLayer.name == "adaptive_avg_pool2d_0"
    assert config.Global.epochs == 160
    assert config.Global.checkpoints is None
    assert [note.split(":")[0] for note in notes] == [
        "use_visualdl",
        "save_inference_dir",
        "infer_add_softmax",
        "Eval",
    ]


def test_the_stray_character_is_in_the_file():
    assert "{}‎" in PRINTED.read_text(encoding="utf-8")


def test_a_configuration_does_not_change():
    config, _ = load_config(PRINTED, [AGREED])
    with pytest.raises(ValidationError, match="frozen"):
        config.Global.epochs = 3


def test_the_resolved_form_says_the_same():
    config, _ = load_config(PRINTED, [AGREED])
    plain = config.model_dump(mode="json")
    read_again = Config.model_validate(yaml.safe_load(yaml.safe_dump(plain)))
    assert read_again.model_dump(mode="json") == plain


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 160", "epoch: 160", r"Global: unknown key 'epoch'; did you mean epochs"),
        ("Optimizer:", "Optimiser:", r"unknown key 'Optimiser'; did you mean Optimizer"),
        ("  Neck:", "  Necks:", r"Arch: unknown key 'Necks'; did you mean Neck"),
        ("epochs: 160", "epochs: many", r"Global\.epochs: .*integer"),
        ("pretrained_model: null", "pretrained_model: https://x.test/a.pdparams", "nothing is downloaded"),
        (
            'eval_mode: "retrieval"',
            "train_mode: fixmatch",
            r"Global\.train_mode: fixmatch is not part of.* labelled ones",
        ),
        ('eval_mode: "retrieval"', "train_mode: fast", r"Global\.train_mode"),
        ('eval_mode: "retrieval"', "eval_mode: adaface", r"Global\.eval_mode: adaface is not part of.* retrieval"),
        (
            "  Eval:\n    - CELoss",
            "  MetaTrain:\n    - CELoss",
            r"Loss\.MetaTrain is for Global\.train_mode: metabin",
        ),
        (
            'eval_mode: "retrieval"',
            "train_mode: metabin",
            r"metabin needs Loss\.Basic, Loss\.MetaTrain, Loss\.MetaTest",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match=message):
        load_config(changed(tmp_path, old, new), [AGREED])


def test_anchors_and_numbers_without_a_point_are_understood(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("Arch: {Neck: {size: &dim 512}, Head: {size: *dim}}\nrate: 1e-3\nother: -2E+2\nname: 1e\n")
    content = read_yaml(path)
    assert content["Arch"]["Head"]["size"] == 512
    assert content["rate"] == 0.001
    assert content["other"] == -200.0
    assert content["name"] == "1e"


def test_nothing_in_a_file_is_executed(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("Global: !!python/object/apply:os.system ['false']\n")
    with pytest.raises(ConfigError, match="no YAML"):
        read_yaml(path)
    with pytest.raises(ConfigError, match="no YAML"):
        parse_value("!!python/name:os.system")


def test_overrides_set_values_by_key_and_index():
    content = {"Metric": {"Eval": [{"Recallk": {"topk": [1]}}]}, "Global": {"epochs": 1}}
    made, notes = apply_overrides(
        content, ["Metric.Eval.0.Recallk.topk=[1,5]", "Global.epochs=3", "Global.url=http://a/?b=c", "EMA.decay=0.9"]
    )
    assert made["Metric"]["Eval"] == [{"Recallk": {"topk": [1, 5]}}]
    assert made["Global"] == {"epochs": 3, "url": "http://a/?b=c"}
    assert made["EMA"] == {"decay": 0.9}
    assert content["Global"] == {"epochs": 1}
    assert notes == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("None", None),
        ("null", None),
        ("True", True),
        ("false", False),
        ("1e-4", 1e-4),
        ("[a, 1]", ["a", 1]),
        ("x", "x"),
    ],
)
def test_values_of_overrides_are_yaml(text, value):
    assert apply_overrides({"Global": {}}, [f"Global.key={text}"])[0]["Global"]["key"] == value


def test_the_bare_key_of_the_old_documents_is_taken_with_a_hint():
    config, notes = load_config(PRINTED, [AGREED, "eval_during_train=False"])
    assert config.Global.eval_during_train is False
    assert "write -o Global.eval_during_train=False" in notes[0]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("Global.epochs", "wanted KEY=VALUE"),
        ("Metric.Eval.7.mAP={}", "a list of 2, '7' is no index"),
        ("Global.epochs.x=1", r"Global\.epochs is the value 160"),
        ("Global.epoch=3", "unknown key 'epoch'; did you mean epochs"),
        ("Optimiser.lr=3", "did you mean Optimizer"),
        ("epoch=3", "unknown key 'epoch'; did you mean epochs"),
    ],
)
def test_overrides_that_mean_nothing_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(PRINTED, [AGREED, override])
