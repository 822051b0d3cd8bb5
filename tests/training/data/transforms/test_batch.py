from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from training.data.transforms.batch import build_batch_transforms

LABELS = torch.arange(6)
IMAGES = LABELS.float()[:, None, None, None].expand(6, 3, 20, 30) + 1
"""Picture i is all i + 1, so that what was mixed can be read from its mean."""


def run(op: str, parameters: dict[str, Any], seed: int = 0, labels: Tensor = LABELS) -> tuple[Tensor, Tensor]:
    (transform,) = build_batch_transforms([{op: parameters}], 6)
    return transform(IMAGES, labels, np.random.default_rng(seed))


@pytest.mark.parametrize("op", ["MixupOperator", "CutmixOperator"])
@pytest.mark.parametrize("seed", range(5))
def test_labels_have_the_shares_of_the_pixels(op: str, seed: int) -> None:
    images, labels = run(op, {"alpha": 1.0}, seed)
    assert torch.allclose(labels.sum(dim=1), torch.ones(6))
    assert torch.allclose(images.mean(dim=(1, 2, 3)), labels @ torch.arange(1.0, 7.0), atol=1e-4)
    assert (IMAGES[:, 0, 0, 0] == torch.arange(1.0, 7.0)).all()


def test_a_mixed_picture_is_uniform_and_a_cut_one_is_a_rectangle() -> None:
    blended, _ = run("MixupOperator", {"alpha": 1.0})
    assert (blended - blended[:, :1, :1, :1]).abs().max() == 0
    cut, labels = run("CutmixOperator", {"alpha": 1.0}, 1)
    changed = cut[0, 0] != 1
    rows, columns = changed.any(dim=1).sum(), changed.any(dim=0).sum()
    assert changed.sum() == rows * columns
    assert labels[0, 0] == pytest.approx(1 - float(changed.float().mean()), abs=1e-6)


def test_shares_are_mixed_again() -> None:
    _, labels = run("MixupOperator", {"alpha": 1.0}, labels=torch.full((6, 6), 1 / 6))
    assert torch.allclose(labels, torch.full((6, 6), 1 / 6))


def test_one_operator_is_drawn_by_its_probability() -> None:
    parameters = {"MixupOperator": {"alpha": 0.8, "prob": 0.3}, "CutmixOperator": {"alpha": 1.0, "prob": 0.3}}
    plain = sum(torch.equal(run("OpSampler", parameters, seed)[0], IMAGES) for seed in range(300))
    assert 85 < plain < 160
    assert run("OpSampler", parameters)[1].shape == (6, 6)


@pytest.mark.parametrize(
    ("op", "parameters"),
    [("MixupOperator", {"alpha": 0}), ("CutmixOperator", {"alpha": -1}), ("OpSampler", {"MixupOperator": {"prob": 2}})],
)
def test_impossible_parameters_are_refused(op: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=op):
        run(op, parameters)
