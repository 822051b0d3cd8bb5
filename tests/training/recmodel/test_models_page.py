"""docs/training/models.md says what is there."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.importers.official import OFFICIAL
from training.recmodel.backbones import BACKBONES
from training.recmodel.fuse import fuse
from training.recmodel.necks import NECKS
from training.recmodel.stop import stop_after

PAGE = (Path(__file__).parents[3] / "docs/training/models.md").read_text(encoding="utf-8")
ROWS = {
    name: cells for name, *cells in re.findall(r"^\| `(\w+)` \| `(\w+)` \| (\d+) \| (.+) \| ([\d.]+) \|$", PAGE, re.M)
}


def test_every_backbone_has_a_row() -> None:
    assert set(ROWS) == set(BACKBONES)


def millions(net: nn.Module) -> str:
    return f"{sum(parameter.numel() for parameter in net.parameters()) / 1e6:.2f}"


@pytest.mark.parametrize("name", list(BACKBONES))
def test_a_row_has_the_counts_of_its_backbone(name: str) -> None:
    stop, width, parameters, billions = ROWS[name]
    with torch.device("meta"):
        net = BACKBONES.build({"name": name}).eval()
    stop_after(net, stop)
    whole = millions(net)
    fused = millions(fuse(net))
    counted = []

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        counted.append(output.numel() * module.weight[0].numel())

    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        output = net(torch.empty(1, 3, 224, 224, device="meta"))
    assert output.shape[1] == int(width)
    assert parameters == (whole if fused == whole else f"{whole} ({fused})")
    assert billions == f"{sum(counted) / 1e9:.3f}"


def test_every_neck_and_official_model_is_named() -> None:
    assert all(f"| `{name}` |" in PAGE for name in NECKS)
    assert all(f"`{name}`" in PAGE for name in OFFICIAL)
