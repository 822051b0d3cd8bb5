from torch import nn

from training.engine.parameters import ParameterRule, parameter_rules


def test_rules_multiply_along_the_way_down_and_frozen_parameters_have_none() -> None:
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)), nn.Linear(2, 1))
    net[0].lr_multiplier = 0.5
    net[0][1].lr_multiplier = 0.1
    net[0][1].decays = False
    net[1].lr_multipliers = {"bias": 2.0}
    net[1].weight.requires_grad_(False)
    assert parameter_rules(net) == {
        "0.0.weight": ParameterRule(lr=0.5),
        "0.0.bias": ParameterRule(lr=0.5),
        "0.1.weight": ParameterRule(lr=0.05, decays=False),
        "0.1.bias": ParameterRule(lr=0.05, decays=False),
        "1.bias": ParameterRule(lr=2.0),
    }
