import itertools
import json
import math

import pytest
import torch

from tests.training.shared import fixtures
from training.engine.schedules import build_schedule
from training.registry import UnknownName

EPOCHS, STEPS = 10, 4
PLATEAU_METRICS = [0.1, 0.2, 0.2, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]


def rates(config, epochs=EPOCHS, steps=STEPS, count=None):
    schedule = build_schedule(config, epochs, steps)
    return [schedule.rate(step) for step in range(count or epochs * steps)]


def torch_rates(make, base, count=EPOCHS * STEPS):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=base)
    scheduler = make(optimizer)
    got = []
    for _ in range(count):
        got.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return got


LR = torch.optim.lr_scheduler
SAME_IN_TORCH = {
    "cosine": (
        {"name": "Cosine", "learning_rate": 0.4, "eta_min": 0.01},
        lambda o: LR.CosineAnnealingLR(o, 40, eta_min=0.01),
    ),
    "linear": (
        {"name": "Linear", "learning_rate": 0.4, "power": 2.0},
        lambda o: LR.PolynomialLR(o, 40, power=2.0),
    ),
    "step": ({"name": "Step", "learning_rate": 0.4, "step_size": 3, "gamma": 0.5}, lambda o: LR.StepLR(o, 12, 0.5)),
    "multistep": (
        {"name": "MultiStepDecay", "learning_rate": 0.4, "milestones": [2, 5], "gamma": 0.3},
        lambda o: LR.MultiStepLR(o, [8, 20], 0.3),
    ),
    "cyclic": (
        {
            "name": "Cyclic",
            "base_learning_rate": 0.4,
            "max_learning_rate": 0.9,
            "step_size_up": 3,
            "step_size_down": 5,
            "mode": "triangular2",
        },
        lambda o: LR.CyclicLR(o, 0.4, 0.9, 3, 5, mode="triangular2", cycle_momentum=False),
    ),
    "cyclic exp_range": (
        {
            "name": "Cyclic",
            "base_learning_rate": 0.4,
            "max_learning_rate": 0.9,
            "step_size_up": 4,
            "mode": "exp_range",
            "exp_gamma": 0.95,
        },
        lambda o: LR.CyclicLR(o, 0.4, 0.9, 4, mode="exp_range", gamma=0.95, cycle_momentum=False),
    ),
    "constant": (0.4, lambda o: LR.ConstantLR(o, 1.0)),
}


@pytest.mark.parametrize("name", SAME_IN_TORCH)
def test_a_schedule_without_warmup_is_the_one_of_torch(name):
    config, make = SAME_IN_TORCH[name]
    assert rates(config) == pytest.approx(torch_rates(make, 0.4), rel=1e-9, abs=1e-12)


def test_warmup_rises_linearly_and_then_the_rule_starts_at_zero():
    got = rates({"name": "Cosine", "learning_rate": 0.2, "warmup_epoch": 2, "warmup_start_lr": 0.02})
    warm = [0.02 + 0.18 * t / 8 for t in range(8)]
    after = [0.1 * (1 + math.cos(math.pi * t / 32)) for t in range(32)]
    assert got == pytest.approx(warm + after)


def test_boundaries_come_later_by_the_warmup():
    got = rates({"name": "MultiStepDecay", "learning_rate": 1.0, "milestones": [3], "warmup_epoch": 2})
    assert got[19] == 1.0
    assert got[20] == pytest.approx(0.1)


def test_by_epoch_the_rate_changes_once_an_epoch():
    got = rates({"name": "Linear", "learning_rate": 1.0, "by_epoch": True, "warmup_epoch": 2})
    assert got[::STEPS] == pytest.approx([0, 0.5] + [1 - t / 8 for t in range(8)])
    assert all(len({*got[i : i + STEPS]}) == 1 for i in range(0, len(got), STEPS))


def test_a_warmup_longer_than_the_run_is_cut():
    assert rates({"name": "Cosine", "learning_rate": 0.4, "warmup_epoch": 12})[-1] == pytest.approx(0.4 * 39 / 40)


def test_a_fraction_of_an_epoch_warms_up():
    got = rates({"name": "Cosine", "learning_rate": 0.4, "warmup_epoch": 1.5})
    assert got[6] == pytest.approx(0.4)
    assert got[5] < 0.4


def test_piecewise_lists_hold_beside_a_learning_rate(caplog):
    config = {"name": "Piecewise", "decay_epochs": [2], "values": [0.5, 0.05], "learning_rate": 0.1}
    assert rates(config)[:: EPOCHS * STEPS - 1] == [0.5, 0.05]
    assert "learning_rate 0.1 is not used" in caplog.text
    with pytest.raises(ValueError, match="need 2 values"):
        rates({"name": "Piecewise", "decay_epochs": [2], "values": [0.5]})
    with pytest.raises(ValueError, match="needs decay_epochs"):
        rates({"name": "Piecewise"})


def test_piecewise_without_lists_falls_to_a_tenth_every_30_epochs():
    got = rates({"name": "Piecewise", "learning_rate": 1.0}, epochs=70, steps=1)
    assert got == pytest.approx([1.0] * 30 + [0.1] * 30 + [0.01] * 10)


def test_a_plateau_lowers_the_rate_and_is_taken_up_again():
    config = {"name": "ReduceOnPlateau", "learning_rate": 0.1, "mode": "max", "factor": 0.5, "patience": 1}
    first, second = build_schedule(config, 12, 1), build_schedule(config, 12, 1)
    got = []
    for index, metric in enumerate(PLATEAU_METRICS):
        got.append(first.rate(index))
        first.observe(metric)
        second.load_state_dict(first.state_dict())
        assert second.rate(index + 1) == first.rate(index + 1)
    assert got == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 2 + [0.0125] * 2)


def test_unknown_names_and_keys_are_refused():
    with pytest.raises(UnknownName, match="Cosine"):
        rates({"name": "Cosin", "learning_rate": 0.1})
    with pytest.raises(UnknownName, match="warmup_epoch"):
        rates({"name": "Cosine", "learning_rate": 0.1, "warm_epoch": 1})


@pytest.mark.shared
def test_schedules_agree_with_those_of_the_old_stack():
    """Two runs are left out: a warm-up of Linear with by_epoch counted steps there, epochs here."""
    runs = json.loads((fixtures("recmodel") / "lr_schedules.json").read_text())["runs"]
    compared = 0
    for run in runs:
        params, steps = run["params"], run["step_each_epoch"]
        by_epoch = params.get("by_epoch", False)
        if "error" in run or (run["name"] == "Linear" and by_epoch and params["warmup_epoch"]):
            continue
        schedule = build_schedule({"name": run["name"], **params}, run["epochs"], steps)
        got, metrics = [], itertools.cycle(PLATEAU_METRICS)
        for index in range(len(run["lr"])):
            got.append(schedule.rate(index * steps if by_epoch else index))
            schedule.observe(next(metrics))
        assert got == pytest.approx(run["lr"], rel=1e-6, abs=1e-12), run["name"]
        compared += 1
    assert compared == 33
