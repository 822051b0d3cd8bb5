import pytest
import torch
from torch import Tensor, nn

from training.recmodel.model import DistillationModel, RecModel, build_recmodel, inference
from training.recmodel.shipped import ShippedExtractor
from training.registry import Registry, UnknownName

BACKBONE = {"name": "PPLCNet_x0_25", "class_expand": 24}
ARCH = {
    "name": "RecModel",
    "infer_output_key": "features",
    "infer_add_softmax": "false",
    "is_rec": True,
    "Backbone": BACKBONE,
    "BackboneStopLayer": {"name": "flatten_0"},
    "Neck": {"name": "FC", "embedding_size": 24, "class_num": 8},
    "Head": {"name": "Sum", "embedding_size": 8, "class_num": 3},
}


class Sum(nn.Module):
    """A head whose logits are easily foretold: the sum of the features plus the label."""

    def __init__(self, embedding_size: int, class_num: int) -> None:
        super().__init__()
        self.class_num = class_num

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        sums = features.sum(1, keepdim=True).expand(-1, self.class_num)
        return sums if labels is None else sums + labels[:, None]


@pytest.fixture(autouse=True)
def _heads_of_this_module(monkeypatch: pytest.MonkeyPatch) -> None:
    registry: Registry[nn.Module] = Registry("head")
    registry.register("Sum")(Sum)
    monkeypatch.setattr("training.recmodel.model.HEADS", registry)


def without(*keys: str, **changes: object) -> dict[str, object]:
    return {key: value for key, value in {**ARCH, **changes}.items() if key not in keys}


def test_outputs_are_those_of_backbone_neck_and_head() -> None:
    model = build_recmodel(ARCH).eval()
    images, labels = torch.randn(2, 3, 32, 32), torch.tensor([5, 7])
    outputs = model(images, labels)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "backbone": (2, 24),
        "neck": (2, 8),
        "features": (2, 8),
        "logits": (2, 3),
    }
    torch.testing.assert_close(outputs["neck"], model.neck(model.backbone(images)))
    assert outputs["features"] is outputs["neck"]
    torch.testing.assert_close(outputs["logits"][:, 0], outputs["features"].sum(1) + labels)
    torch.testing.assert_close(model(images)["logits"][:, 0], outputs["features"].sum(1))


def test_without_neck_the_features_are_the_backbones() -> None:
    outputs = build_recmodel(without("Neck", "Head")).eval()(torch.randn(2, 3, 32, 32))
    assert list(outputs) == ["backbone", "features"]
    assert torch.equal(outputs["features"], outputs["backbone"])


def test_the_head_can_see_the_backbone() -> None:
    arch = without(head_feature_from="backbone", Head={"name": "Sum", "embedding_size": 24, "class_num": 3})
    outputs = build_recmodel(arch).eval()(torch.randn(2, 3, 32, 32))
    torch.testing.assert_close(outputs["logits"][:, 0], outputs["backbone"].sum(1))


def test_a_pooled_map_reaches_the_neck_as_a_map_and_the_losses_as_rows() -> None:
    vehicle = {"name": "VehicleNeck", "in_channels": 24, "out_channels": 8}
    arch = without(BackboneStopLayer={"name": "dropout"}, Neck=vehicle)
    outputs = build_recmodel(arch).eval()(torch.randn(2, 3, 32, 32))
    assert outputs["backbone"].shape == (2, 24)
    assert outputs["features"].shape == (2, 8)


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (without(name="ResNet50"), "unknown Arch 'ResNet50'; did you mean DistillationModel, RecModel"),
        (without(Necks={}), "key of Arch 'Necks'; did you mean Neck"),
        (without(BackboneStopLayer={"name": "flaten"}), "stop layer 'flaten'; did you mean flatten"),
        (without(Backbone={"name": "PPLCNet_x1"}), "backbone 'PPLCNet_x1'; did you mean PPLCNet_x1_"),
        (without(Backbone={**BACKBONE, "scale": 2}), "parameter of backbone PPLCNet_x0_25 'scale'"),
        (without(Neck={"name": "BNNek"}), "neck 'BNNek'; did you mean BNNeck"),
        (without(Head={"name": "Som"}), "head 'Som'; did you mean Sum"),
    ],
)
def test_unknown_names_are_errors_with_the_near_ones(arch: dict[str, object], message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        build_recmodel(arch)


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (without(BackboneStopLayer={}), r"Neck .* does not take the backbone's \(N, 1000\)"),
        (without(Neck={"name": "BNNeck", "num_features": 25}), r"does not take the backbone's \(N, 24\)"),
        (without(Neck={"name": "VehicleNeck", "in_channels": 24, "out_channels": 8}), "set Arch.BackboneStopLayer"),
        (without("Neck"), "Head.embedding_size is 8, but what the head sees has 24 numbers"),
    ],
)
def test_parts_that_do_not_fit_are_errors_before_training(arch: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_recmodel(arch)


def test_what_is_served_is_the_network_without_its_head() -> None:
    model, images = build_recmodel(ARCH), torch.randn(2, 3, 32, 32)
    served = inference(model)
    assert not served.training
    assert not any("head" in name for name, _ in served.named_modules())
    torch.testing.assert_close(served(images), model.eval()(images)["features"])
    backbone = inference(build_recmodel(without(infer_output_key="backbone")))
    assert backbone(images).shape == (2, 24)
    assert inference(build_recmodel(without(infer_output_key=None)))(images).shape == (2, 8)
    with pytest.raises(ValueError, match="'logits' is not exported"):
        inference(build_recmodel(without(infer_output_key="logits")))


def test_the_shipped_extractor_is_one_of_these_models() -> None:
    torch.manual_seed(0)
    shipped = ShippedExtractor(dim=16)
    neck = {"name": "FC", "embedding_size": 1280, "class_num": 16, "normalize_input": True}
    model = build_recmodel({"Backbone": {"name": "EfficientNetLite0"}, "Neck": neck}).eval()
    model.load_state_dict(shipped.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(images)["features"], shipped(images)["features"])


def two_models(**changes: object) -> dict[str, object]:
    return {
        "name": "DistillationModel",
        "models": [{"Teacher": ARCH}, {"Student": ARCH}],
        "freeze_params_list": [True, False],
        "pretrained_list": [None, None],
        "infer_model_name": "Student",
        "is_rec": True,
        **changes,
    }


def test_a_frozen_teacher_gets_no_gradient_and_keeps_its_statistics() -> None:
    model = build_recmodel(two_models()).train()
    assert isinstance(model, DistillationModel)
    before = {name: value.clone() for name, value in model.models["Teacher"].state_dict().items()}
    outputs = model(torch.randn(4, 3, 32, 32), torch.zeros(4, dtype=torch.int64))
    assert list(outputs) == ["Teacher", "Student"]
    (outputs["Teacher"]["features"].sum() + outputs["Student"]["features"].sum()).backward()
    assert all(parameter.grad is None for parameter in model.models["Teacher"].parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.models["Teacher"].state_dict().items())
    assert model.models["Student"].neck.fc.weight.grad is not None
    assert model.student is model.models["Student"]
    assert inference(model).neck is model.student.neck


def test_lists_of_a_distillation_have_one_entry_a_model() -> None:
    with pytest.raises(ValueError, match="2 models: freeze_params_list and pretrained_list need as many"):
        build_recmodel(two_models(freeze_params_list=[True]))
    with pytest.raises(UnknownName, match="unknown model 'Studnt'; did you mean Student"):
        build_recmodel(two_models(infer_model_name="Studnt"))


def test_batch_norms_are_shared_between_processes_on_gpus_where_the_file_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shared(model: nn.Module) -> int:
        return sum(isinstance(module, nn.SyncBatchNorm) for module in model.modules())

    arch = without(use_sync_bn=True, Neck={"name": "BNNeck", "num_features": 24}, Head=None)
    assert shared(build_recmodel(arch)) == 0
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert shared(build_recmodel(arch)) == 28
    assert shared(build_recmodel({**arch, "use_sync_bn": False})) == 0


def test_a_recmodel_is_built_of_plain_modules_too() -> None:
    model = RecModel(nn.Flatten(), neck=nn.Linear(12, 2))
    assert model(torch.zeros(3, 3, 2, 2))["features"].shape == (3, 2)
