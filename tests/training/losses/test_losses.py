import math

import pytest
import torch
from torch.nn import functional as F

from training.losses import CosineSoftmax, retention, supervised_contrastive


def unit(rows: int, dim: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_cosine_softmax_is_cross_entropy_over_turned_cosines(margin: float) -> None:
    embeddings, weights, labels = unit(5, 6, 0), 3 * unit(4, 6, 1), torch.tensor([0, 3, 1, 1, 2])
    loss = CosineSoftmax(weights, scale=10, smoothing=0)(embeddings, labels, margin)
    total = 0.0
    for vector, label in zip(embeddings, labels.tolist(), strict=True):
        logits = []
        for number, weight in enumerate(weights):
            angle = math.acos(float(vector @ weight / weight.norm()))
            logits.append(10 * math.cos(angle + margin if number == label else angle))
        total += math.log(sum(math.exp(logit) for logit in logits)) - logits[label]
    assert loss.item() == pytest.approx(total / 5, rel=1e-4)


def test_a_margin_makes_the_task_harder_and_has_a_finite_gradient_at_a_perfect_match() -> None:
    weights = torch.eye(3, dtype=torch.float64)
    head, embeddings = CosineSoftmax(weights, 10, 0), torch.eye(3, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(3)
    plain, hard = head(embeddings, labels, 0.0), head(embeddings, labels, 0.3)
    hard.backward()
    assert hard.item() > plain.item()
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()


def test_supervised_contrastive_matches_the_sum_over_partners() -> None:
    embeddings, labels = unit(7, 5, 2), [0, 0, 1, 1, 1, 2, 0]
    per_picture = []
    for i, label in enumerate(labels):
        others = [j for j in range(7) if j != i]
        total = sum(math.exp(float(embeddings[i] @ embeddings[j]) / 0.2) for j in others)
        partners = [j for j in others if labels[j] == label]
        if partners:
            shares = [math.exp(float(embeddings[i] @ embeddings[j]) / 0.2) / total for j in partners]
            per_picture.append(-sum(map(math.log, shares)) / len(shares))
    loss = supervised_contrastive(embeddings, torch.tensor(labels), 0.2)
    assert float(loss) == pytest.approx(sum(per_picture) / len(per_picture))


def test_retention_is_zero_at_the_start_and_weighs_both_parts() -> None:
    ours, start = unit(4, 6, 3), unit(4, 6, 4)
    assert float(retention(2 * start, start, 8, 40)) == pytest.approx(0, abs=1e-9)
    moved = sum(1 - float(ours[i] @ start[i]) for i in range(4)) / 4
    relations = [float(ours[i] @ ours[j] - start[i] @ start[j]) ** 2 for i in range(4) for j in range(4)]
    assert float(retention(ours, start, 8, 40)) == pytest.approx(8 * moved + 40 * sum(relations) / 16)
