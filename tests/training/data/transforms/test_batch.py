from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from training.data.transforms.batch import build_batch_transforms
from training.data.transforms.fmix import greatest, low_frequency_field

LABELS = torch.arange(6)
IMAGES = LABELS.float()[:, None, None, None].expand(6, 3, 20, 30) + 1
"""Picture i is all i + 1, so that what was mixed can be read from its mean."""


def run(op: str, parameters: dict[str, Any], seed: int = 0, labels: Tensor = LABELS) -> tuple[Tensor, Tensor]:
    (transform,) = build_batch_transforms([{op: parameters}], 6)
    return transform(IMAGES, labels, np.random.default_rng(seed))


HYBRID = {"label_smoothing": 0.0}


@pytest.mark.parametrize(
    ("op", "parameters"),
    [
        ("MixupOperator", {"alpha": 1.0}),
        ("CutmixOperator", {"alpha": 1.0}),
        ("FmixOperator", {"alpha": 1.0}),
        ("FmixOperator", {"max_soft": 0.3, "reformulate": True}),
        *(("MixupCutmixHybrid", {**HYBRID, "cutmix_alpha": 1.0, "mode": mode}) for mode in ("batch", "pair", "elem")),
        ("MixupCutmixHybrid", {**HYBRID, "mixup_alpha": 0.0, "cutmix_minmax": [0.2, 0.8]}),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_labels_have_the_shares_of_the_pixels(op: str, parameters: dict[str, Any], seed: int) -> None:
    images, labels = run(op, parameters, seed)
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
    [
        ("MixupOperator", {"alpha": 0}),
        ("CutmixOperator", {"alpha": -1}),
        ("FmixOperator", {"max_soft": 0.6}),
        ("OpSampler", {"MixupOperator": {"prob": 2}}),
        ("MixupCutmixHybrid", {"mode": "element"}),
        ("MixupCutmixHybrid", {"mixup_alpha": 0}),
        ("MixupCutmixHybrid", {"cutmix_minmax": [0.8, 0.2]}),
    ],
)
def test_impossible_parameters_are_refused(op: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=op):
        run(op, parameters)


def test_a_shape_covers_its_share_in_few_pieces() -> None:
    rng = np.random.default_rng(0)
    field = low_frequency_field(40, 61, 3.0, rng)
    mask = greatest(field, 0.3, 0.0)
    assert field.shape == (40, 61)
    assert mask.mean() == pytest.approx(0.3, abs=1e-3)
    assert field[mask == 1].min() >= field[mask == 0].max()
    assert np.abs(np.diff(mask, axis=1)).mean() < 0.1
    assert np.abs(np.diff(greatest(rng.normal(size=(40, 61)), 0.3, 0.0), axis=1)).mean() > 0.35
    assert greatest(field, 0.0, 0.2).max() == 0
    assert greatest(field, 1.0, 0.2).min() == 1


def test_a_soft_edge_falls_linearly_around_the_share() -> None:
    ramp = np.arange(100.0)[::-1].reshape(10, 10)
    mask = greatest(ramp, 0.5, 0.2).ravel()
    assert mask[:30].tolist() == [1] * 30
    assert mask[70:].tolist() == [0] * 30
    np.testing.assert_allclose(mask[30:70], np.linspace(1, 0, 40))


def test_the_hybrid_mixes_with_the_other_end_and_smooths_labels() -> None:
    images, labels = run("MixupCutmixHybrid", {"label_smoothing": 0.3, "mode": "pair"})
    own = (labels - 0.3 / 6) / 0.7
    for place in range(6):
        assert own[place].sum() == pytest.approx(1, abs=1e-5)
        assert set(torch.nonzero(own[place] > 1e-6).ravel().tolist()) <= {place, 5 - place}
        assert own[place, place] == pytest.approx(float(own[5 - place, 5 - place]), abs=1e-6)
    plain, smooth = run("MixupCutmixHybrid", {"prob": 0.0, "label_smoothing": 0.3})
    assert torch.equal(plain, IMAGES)
    assert torch.allclose(smooth, 0.7 * torch.eye(6) + 0.05)
    assert not torch.equal(images, IMAGES)


def test_the_hybrid_draws_by_its_probabilities() -> None:
    asked = {"cutmix_alpha": 1.0, "prob": 0.6, "switch_prob": 0.25}
    kinds = Counter(kind(run("MixupCutmixHybrid", asked, seed)[0]) for seed in range(400))
    assert 130 < kinds["plain"] < 210  # some rectangles are empty
    assert 30 < kinds["cut"] < 80
    assert 140 < kinds["blended"] < 220


def kind(images: Tensor) -> str:
    if torch.equal(images, IMAGES):
        return "plain"
    return "blended" if (images - images[:, :1, :1, :1]).abs().max() == 0 else "cut"
