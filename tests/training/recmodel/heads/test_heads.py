"""Heads against formulas written out with angles, and what holds for all of them."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.training.reference import needs_recmodel_arrays, recmodel_arrays
from training.recmodel.heads import HEADS, AdaMargin, ArcMargin, MarginHead

DIM, CLASSES = 8, 6
OPTIONS: dict[str, dict[str, Any]] = {
    "FC": {},
    "ArcMargin": {"margin": 0.2, "scale": 30},
    "SubCenterArcMargin": {"margin": 0.2, "scale": 30, "sub_centers": 2},
    "CosMargin": {"margin": 0.2, "scale": 30},
    "CircleMargin": {"margin": 0.35, "scale": 64},
    "AdaMargin": {},
}
MARGINS = sorted(set(OPTIONS) - {"FC"})


def build(name: str, **options: Any) -> torch.nn.Module:
    torch.manual_seed(5)
    return HEADS.build({"name": name, "embedding_size": DIM, "class_num": CLASSES, **OPTIONS[name], **options})


def random(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LABELS = torch.tensor([0, 3, 3, 1, 5, 2, 2])


def angle(feature: torch.Tensor, direction: torch.Tensor) -> float:
    return math.acos(float(feature @ direction / feature.norm() / direction.norm()))


def arc(theta: float, head: ArcMargin) -> float:
    if theta + head.margin < math.pi:
        return head.scale * math.cos(theta + head.margin)
    return head.scale * (math.cos(theta) - head.margin * math.sin(head.margin))


def circle(c: float, true: bool) -> float:
    own, other = max(0, 1.35 - c) * (c - 0.65), max(0, c + 0.35) * (c - 0.35)
    return 64 * (own if true else other)


NAIVE: dict[str, Callable[[float, bool, torch.nn.Module], float]] = {
    "ArcMargin": lambda theta, true, head: arc(theta, head) if true else 30 * math.cos(theta),
    "CosMargin": lambda theta, true, head: 30 * (math.cos(theta) - 0.2 * true),
    "CircleMargin": lambda theta, true, head: circle(math.cos(theta), true),
}


@pytest.mark.parametrize("name", NAIVE)
def test_logits_are_the_formula_of_the_angle(name: str) -> None:
    head, features = build(name).double(), random(7)
    with torch.no_grad():
        features[0] = -2 * head.weight[0]
        features[0, 0] += 1e-2
    logits = head(features, LABELS)
    for row, (feature, label) in enumerate(zip(features, LABELS.tolist(), strict=True)):
        for number in range(CLASSES):
            expected = NAIVE[name](angle(feature, head.weight[number].detach()), number == label, head)
            assert logits[row, number].item() == pytest.approx(expected, abs=2e-4)


def test_a_class_with_sub_centres_has_the_cosine_of_its_nearest() -> None:
    head, features = build("SubCenterArcMargin").double(), random(7)
    directions = head.weight.detach()
    nearest = [
        [min(angle(feature, directions[2 * c]), angle(feature, directions[2 * c + 1])) for c in range(CLASSES)]
        for feature in features
    ]
    logits = head(features, LABELS)
    for row, label in enumerate(LABELS.tolist()):
        for number in range(CLASSES):
            expected = arc(nearest[row][number], head) if number == label else 30 * math.cos(nearest[row][number])
            assert logits[row, number].item() == pytest.approx(expected, abs=2e-4)


def test_ada_margin_grows_with_the_length_of_the_feature() -> None:
    head = build("AdaMargin", t_alpha=0.5)
    features = random(7).float() * torch.linspace(0.5, 6, 7)[:, None]
    lengths = features.norm(dim=1)
    mean, deviation = 10 + 0.5 * lengths.mean().item(), 50 + 0.5 * lengths.std().item()
    logits = head(features, LABELS)
    assert head.batch_mean.item() == pytest.approx(mean, rel=1e-5)
    assert head.batch_std.item() == pytest.approx(deviation, rel=1e-5)
    for row, label in enumerate(LABELS.tolist()):
        theta = angle(features[row], head.weight[label].detach())
        g = max(-1.0, min(1.0, 0.333 * (lengths[row].item() - mean) / (deviation + 1e-3)))
        assert logits[row, label].item() == pytest.approx(64 * (math.cos(theta - 0.4 * g) - 0.4 - 0.4 * g), abs=2e-3)


def test_easy_margin_leaves_classes_behind_alone() -> None:
    head = build("ArcMargin", easy_margin=True).double()
    features = torch.stack([head.weight[0].detach(), -head.weight[0].detach()]) + 0.01 * random(2)
    labels = torch.zeros(2, dtype=torch.int64)
    logits, cosines = head(features, labels), head(features)
    assert logits[1, 0].item() == pytest.approx(30 * cosines[1, 0].item())
    assert logits[0, 0].item() < 30 * cosines[0, 0].item() - 0.1


@pytest.mark.parametrize("name", MARGINS)
def test_without_labels_or_training_there_are_plain_cosines(name: str) -> None:
    head, features = build(name), random(7).float()
    weight = head.weight.detach().reshape(CLASSES, -1, DIM)
    cosines = torch.einsum("nd,ckd->nck", F.normalize(features), F.normalize(weight, dim=2)).amax(2)
    torch.testing.assert_close(head(features), cosines)
    head.eval()
    torch.testing.assert_close(head(features, LABELS), cosines)


@pytest.mark.parametrize("name", OPTIONS)
def test_zero_features_and_a_batch_of_one_give_finite_logits_and_gradients(name: str) -> None:
    for rows in (1, 5):
        head = build(name)
        features = torch.zeros(rows, DIM)
        features[1:] = random(rows - 1).float()
        features.requires_grad_()
        logits = head(features, LABELS[:rows])
        F.cross_entropy(logits, LABELS[:rows]).backward()
        assert logits.isfinite().all()
        assert features.grad is not None
        assert features.grad.isfinite().all()
        assert head.weight.grad.isfinite().all()
        assert all(buffer.isfinite().all() for buffer in head.buffers())


@pytest.mark.parametrize("name", MARGINS)
def test_a_perfect_match_has_a_finite_gradient(name: str) -> None:
    head = build(name)
    features = head.weight.detach()[: CLASSES * getattr(head, "sub_centers", 1) : getattr(head, "sub_centers", 1)]
    features = features.clone().requires_grad_()
    F.cross_entropy(head(features, torch.arange(CLASSES)), torch.arange(CLASSES)).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("name", ["ArcMargin", "SubCenterArcMargin", "CosMargin", "AdaMargin"])
def test_a_margin_makes_the_task_harder(name: str) -> None:
    head, features = build(name), random(7).float()
    scale = getattr(head, "scale", 64)
    held, free = head(features, LABELS), scale * head(features)
    true = LABELS[:, None]
    assert (held.gather(1, true) < free.gather(1, true)).all()


@pytest.mark.parametrize("name", MARGINS)
def test_half_precision_and_autocast_count_in_single(name: str) -> None:
    head, features = build(name), random(7).to(torch.bfloat16)
    expected = build(name)(features.float(), LABELS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(features, LABELS[:, None])
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - {"AdaMargin"}))
@given(order=st.permutations(range(7)))
@settings(max_examples=5, deadline=None)
def test_a_picture_has_its_logits_wherever_it_stands(name: str, order: list[int]) -> None:
    head, features = build(name).double(), random(7)
    torch.testing.assert_close(head(features[order], LABELS[order]), head(features, LABELS)[order])


@pytest.mark.parametrize("name", MARGINS)
def test_only_the_direction_of_features_and_weights_counts(name: str) -> None:
    head, features = build(name), random(7).float()
    plain = head.eval()(features)
    with torch.no_grad():
        head.weight *= 3
    torch.testing.assert_close(head(5 * features), plain)


def test_a_batch_of_one_leaves_the_running_length_alone() -> None:
    head = build("AdaMargin")
    assert isinstance(head, AdaMargin)
    head(random(1).float(), LABELS[:1])
    assert (head.batch_mean.item(), head.batch_std.item()) == (20, 100)


def test_fc_has_a_bias_unless_told_otherwise() -> None:
    features = random(3).float()
    head = build("FC")
    torch.testing.assert_close(head(features, LABELS[:3]), features @ head.weight.T + head.bias)
    assert build("FC", bias_attr=False).bias is None


def test_every_head_is_tested() -> None:
    assert set(OPTIONS) == set(HEADS)
    assert all(isinstance(build(name), MarginHead) for name in MARGINS)


STORED: dict[str, tuple[str, dict[str, Any]]] = {
    "fc": ("FC", {}),
    "arcmargin_m0.5_s80_default": ("ArcMargin", {}),
    "arcmargin_m0.2_s30": ("ArcMargin", {"margin": 0.2, "scale": 30}),
    "arcmargin_m0.15_s32": ("ArcMargin", {"margin": 0.15, "scale": 32}),
    "arcmargin_m0_s32": ("ArcMargin", {"margin": 0.0, "scale": 32}),
    "arcmargin_m0.15_s80_easy": ("ArcMargin", {"margin": 0.15, "scale": 80.0, "easy_margin": True}),
    "cosmargin_default": ("CosMargin", {}),
    "cosmargin_m0.2_s30": ("CosMargin", {"margin": 0.2, "scale": 30.0}),
    "circlemargin": ("CircleMargin", {"margin": 0.35, "scale": 64}),
    "circlemargin_m0.25_s256": ("CircleMargin", {"margin": 0.25, "scale": 256}),
    "adamargin_default": ("AdaMargin", {}),
    "adamargin_talpha0.01": ("AdaMargin", {"t_alpha": 0.01}),
}


class TestAgainstTheOldStack:
    pytestmark = needs_recmodel_arrays

    @pytest.mark.parametrize("file", STORED)
    def test_logits_and_gradients(self, file: str) -> None:
        name, options = STORED[file]
        stored = recmodel_arrays(f"head_{file}")
        head = HEADS.build({"name": name, "embedding_size": 8, "class_num": 6, **options})
        head.weight.data = stored["weight"].T.contiguous()
        if "bias" in stored:
            head.bias.data = stored["bias"]
        steps = [""] if "train_out" in stored else [f"_{i}" for i in range(3) if f"train_out_{i}" in stored]
        for number, step in enumerate(steps):
            head.weight.grad = None
            features = (stored["x"] * (1 + 0.5 * number)).requires_grad_()
            logits = head(features, stored["label"])
            (logits * stored["cotangent"]).sum().backward()
            torch.testing.assert_close(logits.detach(), stored[f"train_out{step}"], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(features.grad, stored[f"grad_x{step}"], rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(head.weight.grad.T, stored[f"grad_weight{step}"], rtol=1e-3, atol=1e-5)
            if name == "AdaMargin":
                torch.testing.assert_close(head.batch_mean, stored[f"batch_mean{step}"], rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(head.batch_std, stored[f"batch_std{step}"], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("file", [file for file in STORED if "adamargin" not in file])
    def test_evaluation(self, file: str) -> None:
        stored = recmodel_arrays(f"head_{file}")
        name, options = STORED[file]
        head = HEADS.build({"name": name, "embedding_size": 8, "class_num": 6, **options}).eval()
        head.weight.data = stored["weight"].T.contiguous()
        if "bias" in stored:
            head.bias.data = stored["bias"]
        torch.testing.assert_close(head(stored["x"]).detach(), stored["eval_out"], rtol=1e-4, atol=1e-5)
