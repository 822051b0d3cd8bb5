"""How parameters start."""

import math

import pytest
import torch

from training.engine.parameters import parameter_rules
from training.recmodel.attributes import start
from training.registry import UnknownName

ROWS, COLUMNS = 120, 80
DEVIATIONS = {
    "Constant": ({"value": 0.5}, 0.0),
    "Normal": ({"std": 0.02}, 0.02),
    "TruncatedNormal": ({"std": 0.02}, 0.02 * 0.8796),
    "Uniform": ({"low": -0.3, "high": 0.3}, 0.6 / math.sqrt(12)),
    "XavierNormal": ({}, math.sqrt(2 / (ROWS + COLUMNS))),
    "XavierUniform": ({}, math.sqrt(2 / (ROWS + COLUMNS))),
    "KaimingNormal": ({}, math.sqrt(2 / COLUMNS)),
    "KaimingUniform": ({"fan_in": 50}, math.sqrt(2 / 50)),
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_an_initialiser_gives_its_deviation(name: str) -> None:
    options, deviation = DEVIATIONS[name]
    module = torch.nn.Linear(COLUMNS, ROWS)
    torch.manual_seed(0)
    start(module, "weight", {"initializer": {"name": name, **options}}, {"name": "Constant"})
    assert module.weight.std().item() == pytest.approx(deviation, rel=0.03)
    if name == "Constant":
        assert module.weight.mean().item() == 0.5


def test_kaiming_knows_the_slope_of_a_leaky_relu() -> None:
    module = torch.nn.Linear(COLUMNS, ROWS)
    options = {"name": "KaimingNormal", "nonlinearity": "leaky_relu", "negative_slope": 1.0}
    torch.manual_seed(0)
    start(module, "weight", {"initializer": options}, {"name": "Constant"})
    assert module.weight.std().item() == pytest.approx(math.sqrt(1 / COLUMNS), rel=0.03)


def test_without_an_attribute_the_default_holds() -> None:
    module = torch.nn.Linear(3, 2)
    start(module, "bias", None, {"name": "Constant", "value": 0.25})
    assert module.bias.tolist() == [0.25, 0.25]


def test_a_share_of_the_learning_rate_is_noted_for_the_optimiser() -> None:
    module = torch.nn.Linear(3, 2)
    start(module, "weight", {"learning_rate": 0.1}, {"name": "XavierNormal"})
    start(module, "bias", {"learning_rate": 2}, {"name": "Constant"})
    rules = parameter_rules(module)
    assert (rules["weight"].lr, rules["bias"].lr) == (0.1, 2.0)


def test_unknown_keys_and_initialisers_are_refused() -> None:
    module = torch.nn.Linear(3, 2)
    with pytest.raises(ValueError, match="unknown attribute regulariser"):
        start(module, "weight", {"regulariser": {}}, {"name": "Constant"})
    with pytest.raises(UnknownName, match="KaimingNormal"):
        start(module, "weight", {"initializer": {"name": "KaimingNorm"}}, {"name": "Constant"})
