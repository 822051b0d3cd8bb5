"""The page on losses names every loss and head with its parameters, and its example works."""

import inspect
import re
from pathlib import Path

import pytest
import torch

from training.losses import LOSSES
from training.recmodel.heads import HEADS

PAGE = (Path(__file__).parents[3] / "docs/training/losses.md").read_text(encoding="utf-8")
NAMED = {*re.findall(r"`(\w+)(?:[ :][^`]*)?`", PAGE)}


@pytest.mark.parametrize("registry", [LOSSES, HEADS], ids=["losses", "heads"])
def test_every_name_and_parameter_is_on_the_page(registry) -> None:
    for name in registry:
        assert name in NAMED
        missing = set(inspect.signature(registry.get(name)).parameters) - NAMED
        assert not missing, f"{name}: {missing}"


def test_the_example_of_an_own_loss_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOSSES, "_factories", dict(LOSSES._factories))
    (code,) = re.findall(r"```python\n(from torch import Tensor\n.*?)```", PAGE, re.DOTALL)
    exec(code, {})
    value = LOSSES.build({"name": "SpreadLoss"})({"features": torch.eye(3)[[0, 0, 1]]}, torch.tensor([0, 1, 1]))
    assert value.item() == pytest.approx(0.5)
