"""Values and gradients of the losses against arrays of the old stack (optional data folder)."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.training.reference import RECMODEL, needs_recmodel_arrays, recmodel_arrays
from training.losses import LOSSES, CombinedLoss
from training.losses.distillation import mutual_divergence

pytestmark = needs_recmodel_arrays

V2 = {"add_absolute": True, "absolute_loss_weight": 0.1, "ap_value": 0.8, "an_value": 0.4, "upstream_offset": True}
BATCHES = ("rand", "cluster_shuffled")
SINGLE: dict[str, tuple[str, dict[str, Any]]] = {
    "celoss_plain": ("CELoss", {}),
    "celoss_none": ("CELoss", {"reduction": "none"}),
    "celoss_eps0.1": ("CELoss", {"epsilon": 0.1}),
    "celoss_eps1_disabled": ("CELoss", {"epsilon": 1.0}),
    "celoss_sum_eps0.05": ("CELoss", {"epsilon": 0.05, "reduction": "sum"}),
    "celoss_softlabel": ("CELoss", {"softmax_labels": True}),
    "celoss_softlabel_eps0.1": ("CELoss", {"epsilon": 0.1, "softmax_labels": True}),
    **{f"triplet_m{margin}_{batch}": ("TripletLoss", {"margin": margin}) for margin in (1.0, 0.3) for batch in BATCHES},
    **{f"tripletv2_default_{batch}": ("TripletLossV2", {}) for batch in BATCHES},
    **{
        f"tripletv2_nonorm_m0.3_{batch}": ("TripletLossV2", {"margin": 0.3, "normalize_feature": False})
        for batch in BATCHES
    },
    **{f"tam_default_{batch}": ("TripletAngularMarginLoss", {}) for batch in BATCHES},
    **{f"tam_shituv2_{batch}": ("TripletAngularMarginLoss", V2) for batch in BATCHES},
    **{f"pairwisecosface_{batch}": ("PairwiseCosface", {"margin": 0.35, "gamma": 64}) for batch in BATCHES},
    **{f"contrastive_m0.5_{batch}": ("ContrastiveLoss", {"margin": 0.5, "embedding_size": 16}) for batch in BATCHES},
    "supcon_views2_all": ("SupConLoss", {"views": 2, "contrast_mode": "all"}),
    "supcon_views4_all": ("SupConLoss", {"views": 4, "contrast_mode": "all"}),
    "supcon_views4_t0.1_nonorm": ("SupConLoss", {"views": 4, "temperature": 0.1, "normalize_feature": False}),
    "supcon_views2_duplicate_ids": ("SupConLoss", {"views": 2}),
    "trihardloss_k2": ("TriHardLoss", {"batch_size": 24, "samples_each_class": 2, "margin": 0.1}),
    "trihardloss_k4": ("TriHardLoss", {"batch_size": 24, "samples_each_class": 4, "margin": 0.1}),
    "msmloss_k2": ("MSMLoss", {"batch_size": 24, "samples_each_class": 2, "margin": 0.1}),
    "msmloss_k4": ("MSMLoss", {"batch_size": 24, "samples_each_class": 4, "margin": 0.1}),
    "eml_k2": ("EmlLoss", {"batch_size": 24, "samples_each_class": 2}),
    "eml_k4_large": ("EmlLoss", {"batch_size": 24, "samples_each_class": 4}),
    "npairs": ("NpairsLoss", {"reg_lambda": 0.01}),
    "center": ("CenterLoss", {"num_classes": 6, "feat_dim": 16}),
    "dshsd": ("DSHSDLoss", {"alpha": 0.05}),
    "lcdsh": ("LCDSHLoss", {"n_class": 6, "_lambda": 3}),
    "dch": ("DCHLoss", {"gamma": 20.0, "_lambda": 0.1, "n_class": 6}),
    "metabin_celossformetabin": ("CELossForMetaBIN", {"epsilon": 0.1}),
    "metabin_tripletlossformetabin": ("TripletLossForMetaBIN", {"margin": 0.3}),
    "metabin_interdomainshuffleloss": ("InterDomainShuffleLoss", {}),
    "metabin_intradomainscatterloss": ("IntraDomainScatterLoss", {}),
}
DOUBLED = {"msmloss_k2", "msmloss_k4"}
"""The old framework's gradient is twice the true one."""


def close(ours: Tensor, theirs: Tensor, rtol: float, atol: float = 1e-5) -> None:
    torch.testing.assert_close(ours.detach(), theirs.reshape(ours.shape), rtol=rtol, atol=atol)


@pytest.mark.parametrize("file", SINGLE)
def test_value_and_gradient(file: str) -> None:
    stored = recmodel_arrays(f"loss_{file}")
    name, options = SINGLE[file]
    loss = LOSSES.build({"name": name, **options})
    if name == "CenterLoss":
        loss.centers.data = stored["param_centers"]
    outputs = {key: stored[key].requires_grad_() for key in ("features", "logits") if f"grad_{key}" in stored}
    domains = {"domains": stored["domain"]} if "domain" in stored else {}
    value = loss({**outputs, **domains}, stored["label"])
    close(value, stored["loss"], 1e-4)
    value.sum().backward()
    factor = 0.5 if file in DOUBLED else 1.0
    for key, leaf in outputs.items():
        assert leaf.grad is not None
        close(leaf.grad, factor * stored[f"grad_{key}"], 1e-3)
    if name == "CenterLoss":
        close(loss.centers.grad, stored["grad_param_centers"], 1e-3)


def test_no_file_is_left_out() -> None:
    """Those that are not in the list have their own tests."""
    others = {"combined_v2", "combined_single_weight_ignored", "dml", "tam_xbm", "contrastive_xbm"}
    distillation = {"distillationgtceloss", "distillationdmlloss", "distillationdistanceloss"}
    files = {path.stem.removeprefix("loss_") for path in RECMODEL.glob("loss_*.npz")}
    assert files == set(SINGLE) | others | distillation


@pytest.mark.parametrize("batch", BATCHES)
def test_the_true_hinge_of_the_angular_loss(batch: str) -> None:
    stored = recmodel_arrays(f"loss_tam_shituv2_{batch}")
    cases = json.loads((RECMODEL / "loss_tam_corrected.json").read_text(encoding="utf-8"))["cases"]
    (case,) = [c for c in cases if c["file"] == f"loss_tam_shituv2_{batch}.npz"]
    loss = LOSSES.build({"name": "TripletAngularMarginLoss", **V2, "upstream_offset": False})
    features = stored["features"].requires_grad_()
    value = loss({"features": features}, stored["label"])
    assert value.item() == pytest.approx(case["corrected"], rel=1e-5)
    value.backward()
    assert features.grad is not None
    close(features.grad, stored["grad_features"], 1e-3)


def memory_loss(file: str, upstream: bool = False) -> nn.Module:
    sizes = {"start_iter": 1, "xbm_size": 30, "xbm_weight": 1.0, "upstream_memory": upstream}
    if file == "tam_xbm":
        return LOSSES.build({"name": "TripletAngularMarginLoss_XBM", **sizes, **V2, "feat_dim": 8})
    return LOSSES.build({"name": "ContrastiveLoss_XBM", **sizes, "embedding_size": 8})


@pytest.mark.parametrize(("upstream", "steps"), [(False, 3), (True, 4)])
@pytest.mark.parametrize("file", ["tam_xbm", "contrastive_xbm"])
def test_losses_with_a_memory(file: str, upstream: bool, steps: int) -> None:
    """Ours until the memory is full: from then on the old stack overwrote its newest rows instead of its oldest."""
    stored, loss = recmodel_arrays(f"loss_{file}"), memory_loss(file, upstream)
    for step in range(steps):
        features = stored[f"features_{step}"].requires_grad_()
        value = loss({"features": features}, stored[f"label_{step}"])
        close(value, stored[f"loss_{step}"], 1e-4)
        value.backward()
        assert features.grad is not None
        close(features.grad, stored[f"grad_features_{step}"], 1e-3)
        close(loss.memory.features, stored[f"bank_feats_{step}"], 1e-4)
        assert int(loss.memory.added) == int(stored[f"bank_ptr_{step}"])


@pytest.mark.parametrize("file", ["tam_xbm", "contrastive_xbm"])
def test_a_full_memory_with_the_rows_of_the_old_stack(file: str) -> None:
    """Given the same 18 older rows, the step that fills the memory has the same value and gradient."""
    stored = recmodel_arrays(f"loss_{file}")
    loss = memory_loss(file)
    loss.memory.features.copy_(stored["bank_feats_3"])
    loss.memory.labels.copy_(stored["bank_targets_3"])
    loss.memory.added.fill_(18)
    loss.memory.batches.fill_(3)
    features = stored["features_3"].requires_grad_()
    value = loss({"features": features}, stored["label_3"])
    close(value, stored["loss_3"], 1e-4)
    value.backward()
    assert features.grad is not None
    close(features.grad, stored["grad_features_3"], 1e-3)


def test_mutual_divergence() -> None:
    stored = recmodel_arrays("loss_dml")
    ours, theirs = stored["x"].requires_grad_(), stored["target"].requires_grad_()
    value = mutual_divergence(ours, theirs)
    value.backward()
    close(value, stored["loss"], 1e-4)
    assert ours.grad is not None
    assert theirs.grad is not None
    close(ours.grad, stored["grad_x"], 1e-3)
    close(theirs.grad, stored["grad_target"], 1e-3)


@pytest.mark.parametrize(
    ("name", "key", "options"),
    [
        ("DistillationGTCELoss", "logits", {"model_names": ["Student", "Teacher"]}),
        ("DistillationDMLLoss", "logits", {"model_name_pairs": [["Student", "Teacher"]]}),
        ("DistillationDistanceLoss", "backbone", {"model_name_pairs": [["Student", "Teacher"]], "mode": "l2"}),
    ],
)
def test_losses_between_networks(name: str, key: str, options: dict[str, Any]) -> None:
    stored = recmodel_arrays(f"loss_{name.lower()}")
    outputs = {who: {key: stored[f"{who.lower()}_{key}"].requires_grad_()} for who in ("Student", "Teacher")}
    value = LOSSES.build({"name": name, "key": key, **options})(outputs, stored["label"])
    value.backward()
    close(value, stored["loss"], 1e-4)
    for who, network in outputs.items():
        assert network[key].grad is not None
        close(network[key].grad, stored[f"grad_{who.lower()}_{key}"], 1e-3)


def test_the_weighted_sum() -> None:
    stored = recmodel_arrays("loss_combined_v2")
    outputs = {key: stored[key].requires_grad_() for key in ("features", "logits")}
    loss = CombinedLoss(
        [{"CELoss": {"weight": 1.0, "epsilon": 0.1}}, {"TripletAngularMarginLoss": {"weight": 0.5, **V2}}]
    )
    values = loss(outputs, stored["label"])
    close(values["CELoss"], stored["celoss"], 1e-4)
    close(values["TripletAngularMarginLoss"], stored["tam"], 1e-4)
    total = torch.stack(list(values.values())).sum()
    close(total, stored["loss"], 1e-4)
    total.backward()
    for key, leaf in outputs.items():
        assert leaf.grad is not None
        close(leaf.grad, stored[f"grad_{key}"], 1e-3)


@pytest.mark.parametrize(("ignored", "factor"), [(True, 1.0), (False, 0.25)])
def test_the_weight_of_a_single_loss(ignored: bool, factor: float) -> None:
    stored = recmodel_arrays("loss_combined_single_weight_ignored")
    loss = CombinedLoss([{"CELoss": {"weight": 0.25}}], single_weight_ignored=ignored)
    close(loss({"logits": stored["logits"]}, stored["label"])["CELoss"], factor * stored["loss"], 1e-4)


def test_the_triplets_of_2018() -> None:
    stored = recmodel_arrays("pairs2018_triplet")
    loss = LOSSES.build({"name": "TripletLoss2018", "margin": 0.1, "consecutive_triplets": True})
    value = loss({"features": stored["x"]}, torch.from_numpy(np.zeros(24, np.int64)))
    close(value, stored["loss"], 1e-4)


@pytest.mark.parametrize("each", [2, 4])
def test_the_quadruplets_of_2018(each: int) -> None:
    stored = recmodel_arrays(f"pairs2018_quadruplet_k{each}")
    loss = LOSSES.build({"name": "QuadrupletLoss", "margin": 0.1, "samples_each_class": each})
    close(loss({"features": stored["x"]}, torch.arange(24) // each), stored["loss"], 1e-4)
