import json
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from tests.training.recmodel.fixture_run import CONFIG, lay_out
from training.cli import app
from training.config.schema import load_config
from training.engine.checkpoint import load_checkpoint
from training.engine.loop import Trainer
from training.engine.run import Run
from training.recmodel.build import build_task, loop_settings
from training.recmodel.session import load_run, train_config

PRINTED = Path(__file__).parents[1] / "config/feature_learning.yaml"


@pytest.fixture(autouse=True)
def there(tmp_path, monkeypatch):
    """Run where ``tiny.yaml`` finds its pictures; drawing curves is tested elsewhere."""
    monkeypatch.chdir(lay_out(tmp_path))
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)


def config(*overrides):
    return load_config(CONFIG, overrides)[0]


def command(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_a_configuration_is_trained_measured_and_can_be_loaded():
    records = []
    progress = train_config(config(), lambda kind, record: records.append((kind, record)))
    assert progress.step == 8
    figures = [record for kind, record in records if kind == "eval"]
    assert list(figures[0]) == ["epoch", "recall@1", "recall@5", "mAP"]
    assert progress.best == max(figure["recall@1"] for figure in figures)
    assert json.loads(Path("run/classes.json").read_text()) == {"0": 0, "1": 1, "2": 2}
    model, used = load_run(Path("run"))
    assert used.model_dump(mode="json") == config().model_dump(mode="json")
    assert not model.training
    assert model(torch.zeros(2, 3, 32, 32))["features"].shape == (2, 8)


class CutOff(Exception):
    pass


def test_a_run_cut_off_within_an_epoch_ends_with_the_same_weights():
    whole, cut = config("Global.output_dir=whole", "EMA.decay=0.9"), config("Global.output_dir=cut", "EMA.decay=0.9")
    train_config(whole)
    steps = []

    def report(kind, record):
        steps.append(kind)
        if len(steps) == 8:  # 4 steps and an evaluation, then 3 more
            raise CutOff

    settings = loop_settings(cut).model_copy(update={"save_steps": 1})
    with pytest.raises(CutOff):
        Trainer(build_task(cut)[0], settings, Run(Path("cut"), cut.model_dump(mode="json")), report=report).train()
    saved = load_checkpoint(Path("cut/latest")).state["progress"]
    assert (saved["epoch"], saved["batch"]) == (1, 2)
    train_config(cut)
    left, right = load_checkpoint(Path("whole/latest")), load_checkpoint(Path("cut/latest"))
    for name, value in left.weights.items():
        assert torch.equal(right.weights[name], value), name
    for name, value in left.averaged.items():
        assert torch.equal(right.averaged[name], value), name


def test_a_forced_epoch_goes_on_where_the_last_ended():
    task, _ = build_task(config("Global.iter_per_epoch=3"))
    whole, _ = build_task(config())
    stretches = [b.indices.tolist() for epoch in range(4) for b in task.batches(epoch, 0)]
    passes = [b.indices.tolist() for epoch in range(3) for b in whole.batches(epoch, 0)]
    assert stretches == passes
    assert [b.indices.tolist() for b in task.batches(2, 1)] == passes[7:9]


def test_too_small_a_head_is_refused_with_both_numbers():
    result = command("-c", CONFIG, "-o", "Arch.Head.class_num=2")
    assert result.exit_code == 2
    assert "needs 3 classes" in " ".join(result.output.split())
    assert "class_num 2" in " ".join(result.output.split())


def test_a_head_without_a_number_takes_that_of_the_data(tmp_path):
    content = yaml.safe_load(CONFIG.read_text())
    del content["Arch"]["Head"]["class_num"]
    path = tmp_path / "open.yaml"
    path.write_text(yaml.safe_dump(content))
    task, _ = build_task(load_config(path)[0])
    assert task.modules["model"].head.weight.shape == (3, 8)


def test_the_resolved_configuration_is_printed_and_reads_back(tmp_path):
    result = command("-c", CONFIG, "-o", "Global.epochs=7", "--print-config")
    assert result.exit_code == 0, result.output
    path = tmp_path / "resolved.yaml"
    path.write_text(result.stdout)
    assert load_config(path)[0].model_dump(mode="json") == config("Global.epochs=7").model_dump(mode="json")
    assert not Path("run").exists()


def test_a_dry_run_takes_one_batch_through_everything():
    result = command("-c", CONFIG, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "15 pictures of 3 classes, 4 batches an epoch" in result.output
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("Arch.Backbone.name=PPLCNet_x0_26", "PPLCNet_x0_25"),
        ("Arch.Neck.class_nums=8", "class_num"),
        ("Loss.Train.0.CELoss.epsilo=0.1", "epsilon"),
        ("Optimizer.momentun=0.8", "momentum"),
        ("DataLoader.Train.sampler.name=PKSample", "PKSampler"),
        ("DataLoader.Train.dataset.transform_ops.0.ResizeImage.sizes=3", "size"),
        ("Global.checkpoints=nowhere", "nowhere: no checkpoint there"),
        ("Global.pretrained_model=nowhere", "nowhere"),
    ],
)
def test_a_mistake_ends_in_one_sentence_that_helps(override, message):
    result = command("-c", CONFIG, "-o", override)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())


def test_the_old_folder_of_weights_is_understood():
    train_config(config("Global.epochs=1"))
    trained = load_checkpoint(Path("run/latest")).weights
    task, _ = build_task(config("Global.pretrained_model=run/RecModel/latest"))
    for name, value in task.modules["model"].named_parameters():
        assert torch.equal(value, trained[f"model.{name}"])


def test_a_checkpoint_is_gone_on_from_in_the_same_folder_for_longer():
    train_config(config("Global.save_interval=1"))
    longer = config("Global.epochs=3", "Global.checkpoints=run/RecModel/epoch_1")
    records = []
    assert train_config(longer, lambda kind, record: records.append((kind, record["epoch"]))).epoch == 3
    assert records[0] == ("train", 2)
    assert train_config(longer, lambda kind, record: records.append(kind)).step == 12  # the same again: finished
    assert records[-1] == ("eval", 3)
    with pytest.raises(ValueError, match=r"another configuration .*Global\.epochs"):
        train_config(config("Global.epochs=4"))


def test_mixed_precision_follows_the_section():
    assert loop_settings(config()).precision == "fp32"
    assert loop_settings(config("AMP.level=O1")).precision == "bf16"
    assert loop_settings(config("AMP.dtype=float16")).precision == "fp16"
    assert loop_settings(config("AMP.use_amp=False")).precision == "fp32"


def test_mixed_precision_trains_a_whole_network():
    losses = []
    chosen = config("Global.eval_during_train=False", "Global.epochs=6", "AMP.dtype=bfloat16")
    train_config(chosen, lambda kind, record: losses.append(record["loss"]))
    assert sum(losses[-8:]) < 0.7 * sum(losses[:8])  # two of six epochs each
    weights = load_checkpoint(Path("run/latest")).weights.values()
    assert all(value.dtype in (torch.float32, torch.int64) for value in weights)


def test_accuracy_is_measured_where_topkacc_is_asked():
    records = []
    chosen = config("Metric.Eval.0={TopkAcc: {topk: [1, 3]}}", "Global.epochs=1")
    train_config(chosen, lambda kind, record: records.append((kind, record)))
    figures = records[-1][1]
    assert figures["top3"] == 1.0
    assert 0 <= figures["top1"] <= 1


def test_without_a_configuration_the_command_for_folders_is_named():
    said = " ".join(command().output.split())
    assert "give a configuration" in said
    assert "tune --data FOLDER" in said
