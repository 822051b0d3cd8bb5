import math
from pathlib import Path

import pytest
import torch
import torch.multiprocessing

from tests.training.engine.toy import OPTIMISER, PICTURES, Toy, make_network, settings
from training.engine.checkpoint import load_checkpoint, module_weights
from training.engine.loop import Diverged, Trainer
from training.engine.parallel import start_processes, stop_processes
from training.engine.run import Run

PLATEAU = {"name": "Adam", "lr": {"name": "ReduceOnPlateau", "learning_rate": 0.05, "factor": 0.5, "patience": 0}}


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    """Drawing is tested with the run folder; here it would take most of the time."""
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)


def run_folder(folder):
    return Run(folder, {"toy": 1})


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(value, right[name]) for name, value in left.items())


class CutOff(Exception):
    pass


def cut_at(step):
    seen = []

    def report(kind, record):
        seen.append(kind)
        if len(seen) == step:
            raise CutOff

    return report


@pytest.mark.parametrize(("cut", "optimiser"), [(2, OPTIMISER), (5, PLATEAU), (8, OPTIMISER)])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path, cut: int, optimiser: object) -> None:
    how = settings(ema_decay=0.9, accumulate=2, save_steps=1, log_steps=1, evaluate_every=1)
    metrics = [0.5, 0.4, 0.45]
    whole = Toy(optimiser=optimiser, metrics=metrics)
    Trainer(whole, how, run_folder(tmp_path / "whole")).train()
    with pytest.raises(CutOff):
        Trainer(
            Toy(optimiser=optimiser, metrics=metrics), how, run_folder(tmp_path / "cut"), report=cut_at(cut)
        ).train()
    rest = load_checkpoint(tmp_path / "cut/latest").state["progress"]["epoch"] if cut > 1 else 0
    resumed = Toy(optimiser=optimiser, metrics=metrics[rest:])
    trainer = Trainer(resumed, how, run_folder(tmp_path / "cut"))
    trainer.train()
    assert trainer.progress.best == 0.5  # of the first epoch: not lost
    left, right = load_checkpoint(tmp_path / "whole/latest"), load_checkpoint(tmp_path / "cut/latest")
    assert same(left.weights, right.weights)
    assert same(left.averaged, right.averaged)
    assert same(module_weights(whole.modules), module_weights(resumed.modules))
    clocks = ("samples_per_s", "input_wait_share")
    whole_log, cut_log = run_folder(tmp_path / "whole").records(), run_folder(tmp_path / "cut").records()
    strip = lambda records: [{k: v for k, v in r.items() if k not in clocks} for r in records]  # noqa: E731
    assert strip(whole_log) == strip(cut_log)


def test_a_run_goes_on_from_a_checkpoint_of_another_folder(tmp_path: Path) -> None:
    Trainer(Toy(), settings(), run_folder(tmp_path / "whole")).train()
    Trainer(Toy(), settings(keep_every=1), run_folder(tmp_path / "first")).train()
    assert {p.name for p in (tmp_path / "first").iterdir() if p.is_dir()} >= {"epoch_1", "epoch_2", "epoch_3", "latest"}
    second = Trainer(Toy(), settings(), run_folder(tmp_path / "second"), resume=tmp_path / "first/epoch_2")
    assert second.progress.epoch == 2
    second.train()
    assert same(load_checkpoint(tmp_path / "whole/latest").weights, load_checkpoint(tmp_path / "second/latest").weights)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    Trainer(Toy(), settings(), run_folder(tmp_path)).train()
    told = []
    Trainer(Toy(), settings(), run_folder(tmp_path), report=lambda *record: told.append(record)).train()
    assert told == []


def test_accumulated_batches_make_the_step_of_one_large_batch() -> None:
    sgd = {"name": "SGD", "lr": 0.1}
    small, large = Toy(plain=True, batch_size=4, optimiser=sgd), Toy(plain=True, batch_size=8, optimiser=sgd)
    for task, accumulate in ((small, 2), (large, 1)):
        task.modules["loss"].bank.fill_(0.0)
        task.modules["loss"].bank.requires_grad_(False)
        task.modules["loss"].register_forward_hook(lambda module, *_: (module.bank.zero_(), None)[1])
        Trainer(task, settings(accumulate=accumulate)).train()
    for left, right in zip(small.modules["model"].parameters(), large.modules["model"].parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ramp", [False, True])
def test_the_average_is_the_exponential_one_of_every_weight_and_buffer(ramp: bool) -> None:
    task, decay = Toy(), 0.8
    trainer = Trainer(task, settings(ema_decay=decay, ema_ramp=ramp, epochs=2))
    start = {name: value.double() for name, value in task.modules["model"].state_dict().items()}
    expected, count, step = {} if ramp else start, 0, trainer._step

    def watched(group):
        nonlocal count
        step(group)
        share = min(decay, (1 + count) / (10 + count)) if ramp else decay
        for name, value in task.modules["model"].state_dict().items():
            old = expected.get(name)
            moved = value.double() if old is None else share * old + (1 - share) * value.double()
            expected[name] = moved
        count += 1

    trainer._step = watched
    trainer.train()
    assert count == 10
    for name, value in trainer.network.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-6)


def test_the_average_begins_anew_in_every_cycle() -> None:
    task = Toy(batch_size=PICTURES)  # one step an epoch
    trainer = Trainer(task, settings(epochs=3, ema_decay=0.9, ema_cycle=2))
    trainer.train()
    assert all(
        torch.equal(a, b) for a, b in zip(trainer.network.parameters(), task.modules["model"].parameters(), strict=True)
    )
    longer = Trainer(Toy(batch_size=PICTURES), settings(epochs=3, ema_decay=0.9))
    longer.train()
    pairs = zip(longer.network.parameters(), trainer.network.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_the_averaged_network_is_evaluated() -> None:
    task = Toy()
    trainer = Trainer(task, settings(epochs=2, evaluate_every=1, ema_decay=0.9))
    trainer.train()
    assert all(torch.equal(a, b) for a, b in zip(task.evaluated[-1], trainer.network.parameters(), strict=True))


def test_a_loss_that_is_no_number_is_named_and_the_checkpoint_left(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"bank is nan at step 7 \(epoch 2, batch 3\).*learning rate"):
        Trainer(Toy(poison=7), settings(), run_folder(tmp_path)).train()
    checkpoint = load_checkpoint(tmp_path / "latest")
    assert checkpoint.state["progress"]["step"] == 5
    assert all(torch.isfinite(value).all() for value in checkpoint.weights.values())


def test_training_stops_when_evaluations_get_no_better(tmp_path: Path) -> None:
    task = Toy(epochs=9, metrics=[0.1, 0.3, 0.3, 0.2, 0.9])
    progress = Trainer(task, settings(epochs=9, evaluate_every=1, patience=2), run_folder(tmp_path)).train()
    assert progress.epoch == 4
    assert progress.best == 0.3
    best = load_checkpoint(tmp_path / "best_model").state["progress"]
    assert best["epoch"] == 2  # the first of the equals


def test_evaluation_keeps_its_times() -> None:
    task = Toy(epochs=6)
    Trainer(task, settings(epochs=6, evaluate_every=2, evaluate_from=3)).train()
    assert len(task.evaluated) == 2


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_trains_about_the_same(precision: str) -> None:
    full, mixed = Toy(plain=True), Toy(plain=True)
    Trainer(full, settings()).train()
    Trainer(mixed, settings(precision=precision, loss_scale=8.0)).train()
    for left, right in zip(full.modules["model"].parameters(), mixed.modules["model"].parameters(), strict=True):
        assert right.dtype == torch.float32
        assert not torch.equal(left, right)
        torch.testing.assert_close(left, right, rtol=0.1, atol=0.05)


def test_a_step_whose_scaled_gradients_overflow_is_left_out_and_the_scale_halved() -> None:
    task = Toy(plain=True, optimiser={"name": "SGD", "lr": 0.1})
    start = make_network(plain=True).state_dict()
    trainer = Trainer(task, settings(precision="fp16", loss_scale=2.0**20))
    scales, moved, step = [], [], trainer._step

    def watched(group):
        step(group)
        scales.append(trainer._scaler.get_scale())
        moved.append(not same(task.modules["model"].state_dict(), start))

    trainer._step = watched
    trainer.train()
    fitting = moved.index(True)
    assert 0 < fitting < len(moved)
    assert scales[:fitting] == [2.0 ** (19 - number) for number in range(fitting)]
    assert scales[fitting:] == [scales[fitting - 1]] * (len(scales) - fitting)
    assert all(torch.isfinite(value).all() for value in task.modules["model"].state_dict().values())


def test_the_switches_of_memory_format_and_compiler_reach_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda network: compiled.append(network) or network)
    task = Toy()
    task.modules["model"].append(torch.nn.Unflatten(1, (4, 1, 1)))
    task.modules["model"].append(torch.nn.Conv2d(4, 4, 3, padding=1))
    task.modules["model"].append(torch.nn.Flatten())
    Trainer(task, settings(epochs=1, channels_last=True, compile=True)).train()
    assert compiled == [task.modules["model"]]
    assert task.modules["model"][-2].weight.is_contiguous(memory_format=torch.channels_last)


def test_the_log_tells_losses_rate_and_pace(tmp_path: Path) -> None:
    records = []
    Trainer(Toy(), settings(), run_folder(tmp_path), report=lambda kind, record: records.append(record)).train()
    assert [record["batch"] for record in records] == [2, 4, 5] * 2 + [1, 3, 5] or len(records) == 9
    for record in records:
        assert record["loss"] == pytest.approx(record["bank"] + record["size"])
        assert record["samples_per_s"] > 0
        assert 0 <= record["input_wait_share"] <= 1
    assert records[-1]["lr"] == pytest.approx(0.05 * (1 + math.cos(math.pi * 9 / 10)))


def test_no_batches_are_an_error_that_says_why() -> None:
    class Empty(Toy):
        batches_per_epoch = 0

    with pytest.raises(ValueError, match="drop_last"):
        Trainer(Empty(), settings())


def _one_of_two(number: int, folder: str) -> None:
    torch.set_num_threads(1)
    start_processes("cpu", f"file://{folder}/meeting", number, 2)
    task = Toy(plain=True, epochs=2)
    Trainer(
        task, settings(epochs=2, evaluate_every=1), run_folder(Path(folder) / "two") if number == 0 else None
    ).train()
    stop_processes()


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Batches of 5 are split 3 and 2; centres and memory bank see the gathered features."""
    one = Toy(plain=True, epochs=2)
    Trainer(one, settings(epochs=2, evaluate_every=1), run_folder(tmp_path / "one")).train()
    torch.multiprocessing.start_processes(_one_of_two, (str(tmp_path),), nprocs=2, start_method="fork")
    left, right = load_checkpoint(tmp_path / "one/latest"), load_checkpoint(tmp_path / "two/latest")
    for name, value in left.weights.items():
        torch.testing.assert_close(right.weights[name], value, rtol=1e-5, atol=1e-6, msg=name)
    start = module_weights({"model": make_network(plain=True)})
    assert not torch.allclose(left.weights["model.0.weight"], start["model.0.weight"])
    assert len(right.state["generators"]) == 2
