"""What holds for every loss: its slow form, any batch, any order, any precision."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.training.losses.naive import CASES, CLASSES, DIM, Case
from training.losses import LOSSES

IN_ORDER = {"NpairsLoss"}
"""Losses that pair the pictures of a class in the order of the batch."""

BATCHES = {
    "unbalanced": [0, 3, 3, 1, 0, 0, 4, 5, 3, 0, 1],
    "odd and short": [2, 2, 5],
    "one picture": [1],
    "a class alone": [4, 4, 4, 2],
    "all of one class": [3, 3, 3, 3, 3],
    "all of different classes": [0, 1, 2, 3],
}


def build(name: str) -> nn.Module:
    torch.manual_seed(3)
    return LOSSES.build({"name": name, **CASES[name].options})


def outputs_of(case: Case, rows: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    random = torch.Generator().manual_seed(seed)

    def network() -> dict[str, Tensor]:
        sizes = {"features": DIM, "logits": CLASSES}
        made = {key: torch.randn(rows, size, generator=random, dtype=torch.float64) for key, size in sizes.items()}
        leaves = {key: value.to(dtype).requires_grad_() for key, value in made.items()}
        return leaves | ({"domains": torch.arange(rows) // 2 % 3} if case.domains else {})

    return {"Student": network(), "Teacher": network()} if case.networks else network()


def leaves(outputs: dict[str, Any]) -> list[Tensor]:
    return [leaf for value in outputs.values() for leaf in (value.values() if isinstance(value, dict) else [value])]


def as_arrays(outputs: dict[str, Any]) -> dict[str, Any]:
    return {
        key: as_arrays(value) if isinstance(value, dict) else value.detach().numpy().astype(np.float64)
        for key, value in outputs.items()
    }


def test_every_registered_loss_has_its_slow_form() -> None:
    assert set(CASES) == set(LOSSES)


@pytest.mark.parametrize("labels", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("name", CASES)
def test_a_loss_is_its_formula_on_any_batch(name: str, labels: list[int]) -> None:
    case, loss = CASES[name], build(name)
    outputs = outputs_of(case, len(labels))
    value = loss(outputs, torch.tensor(labels))
    assert value.shape == ()
    assert value.item() == pytest.approx(case.naive(loss, as_arrays(outputs), labels), rel=2e-5, abs=1e-6)
    value.backward()
    gradients = [leaf.grad for leaf in leaves(outputs) if leaf.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_that_of_the_value(name: str) -> None:
    """Differences of the value along random directions, in float64."""
    case, loss = CASES[name], build(name).double()
    labels = torch.tensor(BATCHES["unbalanced"])
    outputs = outputs_of(case, len(labels), 1, torch.float64)
    loss(outputs, labels).backward()
    if name in ("DistillationCosineLoss", "DistillationRelationalLoss"):
        assert all(leaf.grad is None for leaf in outputs["Teacher"].values())
    learning = [leaf for leaf in leaves(outputs) if leaf.grad is not None]
    directions = [torch.randn(leaf.shape, dtype=torch.float64) for leaf in learning]
    slope = sum(float((leaf.grad * way).sum()) for leaf, way in zip(learning, directions, strict=True))
    step, values = 1e-6, []
    loss.eval()
    for sign in (1, -1):
        with torch.no_grad():
            for leaf, way in zip(learning, directions, strict=True):
                leaf += sign * step * way
            values.append(float(loss(outputs, labels)))
            for leaf, way in zip(learning, directions, strict=True):
                leaf -= sign * step * way
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("name", CASES)
def test_half_and_double_precision_count_as_well_as_single(name: str, dtype: torch.dtype) -> None:
    """Half-precision features are counted in float32: the value is that of the rounded features."""
    case, loss = CASES[name], build(name).eval()
    labels = torch.tensor(BATCHES["unbalanced"])
    outputs = outputs_of(case, len(labels), 2, dtype)
    value = loss(outputs, labels)
    expected = case.naive(loss, as_arrays({k: _float(v) for k, v in outputs.items()}), labels.tolist())
    assert value.item() == pytest.approx(expected, rel=2e-5, abs=1e-6)
    assert value.dtype in (torch.float32, torch.float64)
    value.backward()


def _float(value: Any) -> Any:
    return {k: _float(v) for k, v in value.items()} if isinstance(value, dict) else value.double()


@pytest.mark.parametrize("name", sorted(set(CASES) - IN_ORDER))
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_the_order_of_a_batch_changes_nothing(name: str, data: st.DataObject) -> None:
    case, loss = CASES[name], build(name).double().eval()
    labels = data.draw(st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=9))
    order = data.draw(st.permutations(range(len(labels))))
    outputs = outputs_of(case, len(labels), len(labels), torch.float64)
    shuffled = {key: _reordered(value, order) for key, value in outputs.items()}
    numbers = torch.tensor(labels)
    assert loss(shuffled, numbers[order]).item() == pytest.approx(loss(outputs, numbers).item(), rel=1e-9, abs=1e-12)


def _reordered(value: Any, order: list[int]) -> Any:
    return {k: _reordered(v, order) for k, v in value.items()} if isinstance(value, dict) else value[order]


@pytest.mark.parametrize("name", CASES)
def test_zero_and_equal_features_give_no_nan(name: str) -> None:
    case, loss = CASES[name], build(name)
    labels = torch.tensor([0, 0, 1, 1, 2])
    outputs = outputs_of(case, len(labels))
    with torch.no_grad():
        for leaf in leaves(outputs):
            leaf[0] = 0
            leaf[2] = leaf[3]
    value = loss(outputs, labels)
    value.backward()
    assert torch.isfinite(value)
    for leaf in leaves(outputs):
        assert leaf.grad is None or (leaf.grad.isfinite().all() and leaf.grad.abs().max() < 1e6)


@pytest.mark.parametrize("name", CASES)
def test_labels_may_stand_in_a_column(name: str) -> None:
    case, loss = CASES[name], build(name).eval()
    labels = torch.tensor(BATCHES["unbalanced"])
    outputs = outputs_of(case, len(labels))
    assert torch.equal(loss(outputs, labels[:, None]), loss(outputs, labels))


def test_an_output_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"'backbone'.*features, logits"):
        LOSSES.build({"name": "TripletLossV2", "feature_from": "backbone"})(
            outputs_of(CASES["TripletLossV2"], 3), torch.tensor([0, 0, 1])
        )
    with pytest.raises(ValueError, match=r"'Student'.*features, logits"):
        build("DistillationDMLLoss")(outputs_of(CASES["CELoss"], 3), torch.tensor([0, 0, 1]))
