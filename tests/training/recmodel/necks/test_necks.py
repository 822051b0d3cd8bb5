"""Necks against written-out formulas, and against arrays of the old implementation where they are at hand."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.training.shared import fixtures
from training.engine.parameters import parameter_rules
from training.recmodel.backbones.metabin import held_statistics
from training.recmodel.necks import FC, NECKS, BNNeck, FRFNNeck, HashNeck, MetaBNNeck, VehicleNeck
from training.registry import UnknownName

CONFIGS = {
    "FC": {"embedding_size": 6, "class_num": 4},
    "BNNeck": {"num_features": 6},
    "MetaBNNeck": {"num_features": 6},
    "VehicleNeck": {"in_channels": 6, "out_channels": 4},
    "FRFNNeck": {"num_features": 6, "low_dim": 4},
    "Tanh": {},
    "HashNeck": {"embedding_size": 6, "bits": 4},
    "Identity": {},
}


def stored(name: str) -> dict[str, NDArray[np.float32]]:
    return dict(np.load(fixtures("recmodel") / f"neck_{name}.npz"))


def put(parameter: Tensor, value: NDArray[np.float32]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(value))


def test_the_table_covers_the_registry() -> None:
    assert set(CONFIGS) == set(NECKS)


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_neck_takes_a_pooled_map_and_gives_rows_and_gradients(name: str) -> None:
    torch.manual_seed(0)
    neck = NECKS.build({"name": name, **CONFIGS[name]})
    x = torch.randn(5, 6, 1, 1, requires_grad=True)
    y = neck(x)
    assert y.shape == (5, 6 if name in ("BNNeck", "MetaBNNeck", "Tanh", "Identity") else 4)
    (y * torch.randn_like(y)).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    neck.eval()
    assert torch.equal(neck(x)[2:3], neck(x[2:3])) or torch.allclose(neck(x)[2:3], neck(x[2:3]), atol=1e-6)


def test_fc_is_a_linear_layer() -> None:
    neck, x = FC(3, 2), torch.randn(4, 3)
    weight = neck.fc.weight.tolist()
    expected = [[sum(w * v for w, v in zip(row, xs, strict=True)) for row in weight] for xs in x.tolist()]
    torch.testing.assert_close(neck(x), torch.tensor(expected))
    assert set(FC(3, 2, bias_attr=False).state_dict()) == {"fc.weight"}


def test_fc_can_bring_its_input_to_unit_length() -> None:
    plain = FC(3, 2)
    unit = FC(3, 2, normalize_input=True)
    unit.load_state_dict(plain.state_dict())
    x = torch.randn(4, 3) * 7
    torch.testing.assert_close(unit(x), plain(x / x.norm(dim=1, keepdim=True)))


def test_old_attributes_say_how_a_neck_starts_and_learns() -> None:
    constant = {"initializer": {"name": "Constant", "value": 0.25}, "learning_rate": 0.1}
    neck = FC(3, 2, weight_attr=constant)
    assert neck.fc.weight.unique().tolist() == [0.25]
    assert parameter_rules(neck)["fc.weight"].lr == 0.1
    with pytest.raises(UnknownName, match="did you mean Constant"):
        FC(3, 2, weight_attr={"initializer": {"name": "constant"}})


@pytest.mark.parametrize("bias_attr", [False, {"learning_rate": 1.0e-20}, {"learning_rate": 0}])
def test_the_shift_of_bnneck_stays_where_it_is_told_to(bias_attr: object) -> None:
    neck = BNNeck(4, bias_attr=bias_attr)
    assert set(parameter_rules(neck)) == {"feat_bn.weight"}
    assert set(parameter_rules(BNNeck(4))) == {"feat_bn.weight", "feat_bn.bias"}
    assert set(parameter_rules(BNNeck(4, bias=False))) == {"feat_bn.weight"}


@pytest.mark.parametrize("biased", [False, True])
def test_bnneck_normalises_by_the_batch_and_keeps_running_statistics(biased: bool) -> None:
    neck = BNNeck(3, biased_running_variance=biased)
    x = torch.randn(6, 3) * 2 + 1
    mean, variance = x.mean(0), x.var(0, unbiased=False)
    torch.testing.assert_close(neck(x), (x - mean) / (variance + 1e-5).sqrt())
    torch.testing.assert_close(neck.feat_bn.running_mean, 0.1 * mean)
    torch.testing.assert_close(neck.feat_bn.running_var, 0.9 + 0.1 * x.var(0, unbiased=not biased))


def test_a_last_batch_of_one_row_is_normalised_by_the_running_statistics() -> None:
    neck = BNNeck(3).train()
    neck(torch.randn(8, 3) * 2 + 1)
    before = {name: value.clone() for name, value in neck.state_dict().items()}
    x = torch.randn(1, 3, requires_grad=True)
    trained = neck(x)
    trained.sum().backward()
    assert x.grad.abs().min() > 0
    assert all(torch.equal(value, before[name]) for name, value in neck.state_dict().items())
    assert torch.equal(trained, neck.eval()(x))


def test_global_statistics_are_used_and_kept_in_training() -> None:
    neck, x = BNNeck(3, use_global_stats=True).train(), torch.randn(6, 3) + 5
    torch.testing.assert_close(neck(x), x / (1 + 1e-5) ** 0.5)
    assert not neck.feat_bn.running_mean.any()


def test_vehicle_neck_is_a_linear_layer_on_a_pooled_map_and_its_bias_can_be_left_out() -> None:
    neck, x = VehicleNeck(3, 2), torch.randn(4, 3, 1, 1)
    torch.testing.assert_close(neck(x), x[:, :, 0, 0] @ neck.conv.weight[:, :, 0, 0].T + neck.conv.bias)
    assert set(VehicleNeck(3, 2, bias_attr=False).state_dict()) == {"conv.weight"}


def test_vehicle_neck_says_where_to_stop_the_backbone() -> None:
    with pytest.raises(ValueError, match=r"BackboneStopLayer\.name to avg_pool"):
        VehicleNeck(3, 2)(torch.randn(4, 3))


def test_hash_codes_are_soft_in_training_and_signs_in_evaluation() -> None:
    neck, x = HashNeck(3, 8), torch.randn(5, 3)
    soft, hard = neck.train()(x), neck.eval()(x)
    torch.testing.assert_close(soft, torch.tanh(neck.fc(x)))
    assert torch.equal(hard, torch.where(soft >= 0, 1.0, -1.0))


def test_the_held_neck_of_metabin_takes_no_note_of_the_batch() -> None:
    neck, x = MetaBNNeck(4).train(), torch.randn(6, 4) + 2
    with held_statistics(nn.Sequential(neck)):
        held = neck(x)
    assert not neck.feat_bn.running_mean.any()
    torch.testing.assert_close(held, neck(x))
    assert neck.feat_bn.running_mean.any()


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bnneck", "metabnneck"])
def test_bnnecks_give_the_stored_training_steps(name: str) -> None:
    arrays = stored(name)
    neck = BNNeck(8, biased_running_variance=True) if name == "bnneck" else MetaBNNeck(8)
    put(neck.feat_bn.weight, arrays["gamma"])
    put(neck.feat_bn.bias, arrays["beta"])
    for step in range(2):
        x = torch.from_numpy(arrays["x"] * np.float32(1 + step)).requires_grad_()
        y = neck(x)
        (y * torch.from_numpy(arrays["cotangent"])).sum().backward()
        np.testing.assert_allclose(y.detach(), arrays[f"train_out_{step}"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(x.grad, arrays[f"grad_x_{step}"], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(neck.feat_bn.running_mean, arrays[f"running_mean_{step}"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(neck.feat_bn.running_var, arrays[f"running_var_{step}"], rtol=1e-4, atol=1e-5)
    evaluated = neck.eval()(torch.from_numpy(arrays["x"])).detach()
    np.testing.assert_allclose(evaluated, arrays["eval_out"], rtol=1e-4, atol=1e-5)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["fc", "vehicleneck", "frfn"])
def test_linear_necks_give_the_stored_outputs(name: str) -> None:
    arrays = stored(name)
    neck: nn.Module
    if name == "vehicleneck":
        neck = VehicleNeck(6, 4)
        put(neck.conv.weight, arrays["weight"])
        put(neck.conv.bias, arrays["bias"])
    elif name == "fc":
        neck = FC(8, 5)
        put(neck.fc.weight, arrays["weight"].T)
        put(neck.fc.bias, arrays["bias"])
    else:
        neck = FRFNNeck(8, 5)
        for layer in ("fc1", "fc2"):
            put(neck.get_parameter(f"{layer}.weight"), arrays[f"{layer}_weight"].T)
            put(neck.get_parameter(f"{layer}.bias"), arrays[f"{layer}_bias"])
    np.testing.assert_allclose(neck(torch.from_numpy(arrays["x"])).detach(), arrays["out"], rtol=1e-4, atol=1e-5)
