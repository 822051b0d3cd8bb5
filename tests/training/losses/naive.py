"""Every loss once more, slowly: float64 vectors, loops over pictures and pairs, the formula as its paper writes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp, log, log1p, tanh
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

Rows = NDArray[np.float64]
Naive = Callable[[nn.Module, Any, list[int]], float]


def unit(rows: Rows) -> Rows:
    return np.stack([row / np.sqrt(np.dot(row, row)) for row in rows])


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def relu(value: float) -> float:
    return max(0.0, value)


def sigmoid(value: float) -> float:
    return 0.5 * (1 + tanh(value / 2))


def squared(a: Rows, b: Rows) -> float:
    return float(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def partners(labels: list[int], i: int) -> list[int]:
    return [j for j in range(len(labels)) if j != i and labels[j] == labels[i]]


def strangers(labels: list[int], i: int) -> list[int]:
    return [j for j in range(len(labels)) if labels[j] != labels[i]]


def softmax(logits: Rows) -> list[float]:
    powers = [exp(v - max(logits)) for v in logits]
    return [p / sum(powers) for p in powers]


def cross_entropy(logits: Rows, labels: list[int], epsilon: float = 0.0) -> float:
    values = []
    for row, label in zip(logits, labels, strict=True):
        shares = softmax(row)
        target = [(1 - epsilon) * (c == label) + epsilon / len(row) for c in range(len(row))]
        values.append(-sum(t * log(s) for t, s in zip(target, shares, strict=True)))
    return mean(values)


def batch_hard(distance: Callable[[Rows, Rows], float], margin: float, rows: Rows, labels: list[int]) -> float:
    values = []
    for i in range(len(rows)):
        near = [distance(rows[i], rows[j]) for j in partners(labels, i)]
        far = [distance(rows[i], rows[j]) for j in strangers(labels, i)]
        if near and far:
            values.append(relu(max(near) - min(far) + margin))
    return mean(values)


def euclidean(a: Rows, b: Rows) -> float:
    return squared(a, b) ** 0.5


def all_triplets(margin: float, rows: Rows, labels: list[int]) -> float:
    rows = unit(rows)
    return mean(
        [
            relu(squared(rows[a], rows[p]) - squared(rows[a], rows[n]) + margin)
            for a in range(len(rows))
            for p in partners(labels, a)
            for n in strangers(labels, a)
        ]
    )


def angular(rows: Rows, labels: list[int], weight: float = 0.1, ap_value: float = 0.8, an_value: float = 0.4) -> float:
    rows, values = unit(rows), []
    for i in range(len(rows)):
        same = [float(rows[i] @ rows[j]) for j in partners(labels, i)]
        other = [float(rows[i] @ rows[j]) for j in strangers(labels, i)]
        if same and other:
            ap, an = min(same), max(other)
            values.append(relu(an - ap + 0.5) + weight * (relu(ap_value - ap) + relu(an - an_value)))
    return mean(values)


def margin_sample_mining(rows: Rows, labels: list[int]) -> float:
    rows = unit(rows)
    near = [squared(rows[i], rows[j]) for i in range(len(rows)) for j in partners(labels, i)]
    far = [squared(rows[i], rows[j]) for i in range(len(rows)) for j in strangers(labels, i)]
    return relu(max(near) - min(far) + 0.1) if near and far else 0.0


def eml(rows: Rows, labels: list[int]) -> float:
    values = []
    for i in range(len(rows)):
        near = [squared(rows[i], rows[j]) for j in partners(labels, i)]
        far = [squared(rows[i], rows[j]) for j in strangers(labels, i)]
        if near and far:
            spread = mean([exp(d) for d in near]) * mean([exp(-d) for d in far])
            values.append(log(1 + 1e5 * spread) / log(1 + 1e5))
    return mean(values)


def n_pairs(rows: Rows, labels: list[int]) -> float:
    pairs, waiting = [], {}
    for i, label in enumerate(labels):
        if label in waiting:
            pairs.append((waiting.pop(label), i))
        else:
            waiting[label] = i
    values = []
    for a, p in pairs:
        others = [float(rows[a] @ rows[q]) for _, q in pairs if labels[q] != labels[a]]
        own = float(rows[a] @ rows[p])
        values.append(log(1 + sum(exp(other - own) for other in others)))
    lengths = [float(rows[i] @ rows[i]) for pair in pairs for i in pair]
    return mean(values) + 0.5 * 0.01 * mean(lengths)


def supervised_contrastive(rows: Rows, labels: list[int], temperature: float) -> float:
    rows, values = unit(rows), []
    for i in range(len(rows)):
        total = sum(exp(float(rows[i] @ rows[j]) / temperature) for j in range(len(rows)) if j != i)
        shares = [log(exp(float(rows[i] @ rows[j]) / temperature) / total) for j in partners(labels, i)]
        if shares:
            values.append(-mean(shares))
    return mean(values)


def pairwise_cosface(rows: Rows, labels: list[int], margin: float = 0.35, gamma: float = 16.0) -> float:
    rows, values = unit(rows), []
    for i in range(len(rows)):
        near = sum(exp(-gamma * float(rows[i] @ rows[j])) for j in partners(labels, i))
        far = sum(exp(gamma * (float(rows[i] @ rows[j]) + margin)) for j in strangers(labels, i))
        if near and far:
            values.append(log(1 + near * far))
    return mean(values)


def contrastive(rows: Rows, labels: list[int], margin: float = 0.5) -> float:
    rows, total = unit(rows), 0.0
    for i in range(len(rows)):
        total += sum(1 - float(rows[i] @ rows[j]) for j in partners(labels, i) if rows[i] @ rows[j] < 1 - 1e-5)
        total += sum(float(rows[i] @ rows[j]) for j in strangers(labels, i) if rows[i] @ rows[j] > margin)
    return total / len(rows)


def center(loss: nn.Module, rows: Rows, labels: list[int]) -> float:
    centres = loss.centers.detach().numpy().astype(np.float64)
    return mean([squared(row, centres[label]) for row, label in zip(rows, labels, strict=True)])


def proxy_anchor(loss: nn.Module, rows: Rows, labels: list[int], margin: float = 0.1, alpha: float = 32.0) -> float:
    rows, proxies = unit(rows), unit(loss.loss.proxies.detach().numpy().astype(np.float64))
    pull, push = [], []
    for number, proxy in enumerate(proxies):
        own = [exp(-alpha * (float(r @ proxy) - margin)) for r, c in zip(rows, labels, strict=True) if c == number]
        other = [exp(alpha * (float(r @ proxy) + margin)) for r, c in zip(rows, labels, strict=True) if c != number]
        if own:
            pull.append(log1p(sum(own)))
        push.append(log1p(sum(other)))
    return mean(pull) + mean(push)


def multi_similarity(rows: Rows, labels: list[int]) -> float:
    rows, values = unit(rows), []
    if len(set(labels)) == 1 or not any(partners(labels, i) for i in range(len(labels))):
        return 0.0
    for i in range(len(rows)):
        near = [float(rows[i] @ rows[j]) for j in partners(labels, i)]
        far = [float(rows[i] @ rows[j]) for j in strangers(labels, i)]
        hard_near = [s for s in near if s < max(far) + 0.1]
        hard_far = [s for s in far if near and s > min(near) - 0.1]
        pull = log(1 + sum(exp(-2 * (s - 0.5)) for s in hard_near)) / 2
        push = log(1 + sum(exp(50 * (s - 0.5)) for s in hard_far)) / 50
        values.append(pull + push)
    return mean(values)


def koleo(rows: Rows, labels: list[int]) -> float:
    rows = unit(rows)
    others = [[euclidean(a, b) for j, b in enumerate(rows) if j != i] for i, a in enumerate(rows)]
    return -mean([log(min(distances) + 1e-8) for distances in others if distances])


def dshsd(rows: Rows, logits: Rows, labels: list[int]) -> float:
    bits, values = rows.shape[1], []
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            distance = squared(a, b)
            values.append(distance / 2 if labels[i] == labels[j] else relu(2 * bits - distance) / 2)
    return cross_entropy(logits, labels) + 0.05 * mean(values)


def lcdsh(rows: Rows, labels: list[int]) -> float:
    likelihood, locality = [], []
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            product = min(50.0, max(-50.0, 0.5 * float(a @ b)))
            bits = 0.5 * float(np.sign(a) @ np.sign(b))
            likelihood.append(log(1 + exp(-product if labels[i] == labels[j] else product)))
            locality.append((sigmoid(product) - sigmoid(bits)) ** 2)
    return mean(likelihood) + 3 * mean(locality)


def dch(rows: Rows, labels: list[int]) -> float:
    bits, gamma, cauchy = rows.shape[1], 20.0, []
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows))]
    alike = sum(labels[i] == labels[j] for i, j in pairs)

    def hamming(a: Rows, b: Rows) -> float:
        return (1 - min(0.99, float(unit(a[None])[0] @ unit(b[None])[0]))) * bits / 2

    for i, j in pairs:
        same = labels[i] == labels[j]
        weight = 1.0 if alike == len(pairs) else len(pairs) / (alike if same else len(pairs) - alike)
        distance = hamming(rows[i], rows[j])
        cauchy.append(weight * (same * log(distance / gamma) + log(1 + gamma / distance)))
    lengths = [log(1 + hamming(np.abs(row), np.ones(bits)) / gamma) for row in rows]
    return mean(cauchy) + 0.1 * mean(lengths)


def mutual(logits: Rows, others: Rows) -> float:
    values = []
    for a, b in zip(logits, others, strict=True):
        p, q = softmax(a), softmax(b)
        forth = sum(x * log(x / y) for x, y in zip(p, q, strict=True))
        back = sum(y * log(y / x) for x, y in zip(p, q, strict=True))
        values.append((forth + back) / 2)
    return mean(values)


def mean_squared(a: Rows, b: Rows) -> float:
    return mean([squared(x, y) / len(x) for x, y in zip(a, b, strict=True)])


def cosine_distance(a: Rows, b: Rows) -> float:
    return mean([1 - float(x @ y) for x, y in zip(unit(a), unit(b), strict=True)])


def relation_distance(a: Rows, b: Rows) -> float:
    a, b = unit(a), unit(b)
    n = range(len(a))
    return mean([(float(a[i] @ a[j]) - float(b[i] @ b[j])) ** 2 for i in n for j in n])


def domain_shuffle(rows: Rows, domains: Rows, labels: list[int]) -> float:
    rows, values, n = unit(rows), [], range(len(rows))
    for i in n:
        far = [euclidean(rows[i], rows[j]) for j in n if domains[j] != domains[i]]
        near = [euclidean(rows[i], rows[j]) for j in strangers(labels, i) if domains[j] == domains[i]]
        if near:
            values.append(log1p(exp(max(far, default=0.0) - min(near))))
    return mean(values)


def domain_scatter(rows: Rows, domains: Rows) -> float:
    rows, values = unit(rows), []
    for domain in sorted(set(domains.tolist())):
        own = [row for row, other in zip(rows, domains, strict=True) if other == domain]
        middle = unit(np.mean(own, axis=0)[None])[0]
        values.append(mean([float(row @ middle) for row in own]))
    return mean(values)


def smoothed_for_metabin(logits: Rows, labels: list[int]) -> float:
    values = []
    for row, label in zip(logits, labels, strict=True):
        shares = softmax(row)
        others = [log(share) for c, share in enumerate(shares) if c != label]
        values.append(-0.9 * log(shares[label]) - 0.1 * mean(others))
    return mean(values)


@dataclass(frozen=True)
class Case:
    """Parameters of a loss and its slow form; ``networks``: it reads outputs by network, ``domains``: domains too."""

    naive: Naive
    options: dict[str, Any] = field(default_factory=dict)
    networks: bool = False
    domains: bool = False


CLASSES, DIM = 6, 8
PAIR = {"model_name_pairs": [["Student", "Teacher"]]}
ABSOLUTE = {"add_absolute": True, "absolute_loss_weight": 0.1, "ap_value": 0.8, "an_value": 0.4}


def of_features(formula: Callable[..., float], *given: Any) -> Naive:
    return lambda loss, outputs, labels: formula(*given, outputs["features"], labels)


def of_pair(formula: Callable[[Rows, Rows], float], key: str) -> Naive:
    return lambda loss, outputs, labels: formula(outputs["Student"][key], outputs["Teacher"][key])


CASES: dict[str, Case] = {
    "CELoss": Case(lambda loss, outputs, labels: cross_entropy(outputs["logits"], labels, 0.1), {"epsilon": 0.1}),
    "TripletLoss": Case(of_features(batch_hard, euclidean, 1.0)),
    "TripletLossV2": Case(lambda loss, o, labels: batch_hard(euclidean, 0.5, unit(o["features"]), labels)),
    "TriHardLoss": Case(lambda loss, o, labels: batch_hard(squared, 0.1, unit(o["features"]), labels)),
    "TripletLoss2018": Case(of_features(all_triplets, 0.1)),
    "TripletAngularMarginLoss": Case(of_features(angular), ABSOLUTE),
    "TripletAngularMarginLoss_XBM": Case(
        of_features(angular), {**ABSOLUTE, "start_iter": 1, "xbm_size": 40, "xbm_weight": 1.0, "feat_dim": DIM}
    ),
    "MSMLoss": Case(of_features(margin_sample_mining)),
    "QuadrupletLoss": Case(of_features(margin_sample_mining)),
    "EmlLoss": Case(of_features(eml)),
    "NpairsLoss": Case(of_features(n_pairs)),
    "CenterLoss": Case(
        lambda loss, o, labels: center(loss, o["features"], labels), {"num_classes": CLASSES, "feat_dim": DIM}
    ),
    "SupConLoss": Case(lambda loss, o, labels: supervised_contrastive(o["features"], labels, 0.07), {"views": 2}),
    "PairwiseCosface": Case(of_features(pairwise_cosface), {"margin": 0.35, "gamma": 16}),
    "ContrastiveLoss": Case(of_features(contrastive)),
    "ContrastiveLoss_XBM": Case(
        of_features(contrastive), {"start_iter": 1, "xbm_size": 40, "xbm_weight": 1.0, "embedding_size": DIM}
    ),
    "ProxyAnchor": Case(
        lambda loss, o, labels: proxy_anchor(loss, o["features"], labels),
        {"num_classes": CLASSES, "embedding_size": DIM},
    ),
    "MultiSimilarity": Case(of_features(multi_similarity)),
    "KoLeo": Case(of_features(koleo)),
    "DSHSDLoss": Case(lambda loss, o, labels: dshsd(o["features"], o["logits"], labels), {"alpha": 0.05}),
    "LCDSHLoss": Case(of_features(lcdsh)),
    "DCHLoss": Case(of_features(dch), {"gamma": 20.0, "_lambda": 0.1}),
    "CELossForMetaBIN": Case(lambda loss, o, labels: smoothed_for_metabin(o["logits"], labels), {"epsilon": 0.1}),
    "TripletLossForMetaBIN": Case(of_features(batch_hard, euclidean, 1.0)),
    "InterDomainShuffleLoss": Case(
        lambda loss, o, labels: domain_shuffle(o["features"], o["domains"], labels), domains=True
    ),
    "IntraDomainScatterLoss": Case(lambda loss, o, labels: domain_scatter(o["features"], o["domains"]), domains=True),
    "DMLLoss": Case(of_pair(mutual, "logits"), networks=True),
    "DistillationGTCELoss": Case(
        lambda loss, o, labels: sum(cross_entropy(network["logits"], labels) for network in o.values()),
        {"model_names": ["Student", "Teacher"]},
        networks=True,
    ),
    "DistillationDMLLoss": Case(of_pair(mutual, "logits"), PAIR, networks=True),
    "DistillationDistanceLoss": Case(of_pair(mean_squared, "features"), PAIR, networks=True),
    "DistillationCosineLoss": Case(of_pair(cosine_distance, "features"), PAIR, networks=True),
    "DistillationRelationalLoss": Case(of_pair(relation_distance, "features"), PAIR, networks=True),
}
