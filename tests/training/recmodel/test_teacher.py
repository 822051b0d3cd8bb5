"""Frozen teachers, torch and ONNX."""

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from tests.training.recmodel.fixture_run import CONFIG, lay_out
from training.config.reading import read_yaml
from training.config.schema import check_config
from training.losses import CombinedLoss
from training.recmodel.model import build_recmodel
from training.recmodel.session import train_config
from training.recmodel.teacher import OnnxNetwork, Teacher, onnx_teacher
from training.registry import UnknownName

SHIPPED = Path(__file__).parents[3] / "models/extractor/model.onnx"
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


def graph(path: Path, shape: list[int | str], kind: int, axes: list[int]) -> Path:
    """A graph that gives the mean of each channel."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["embedding"], keepdims=0),
    ]
    made = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor("axes", TensorProto.INT64, [2], axes)],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def images(size: int = 8, seed: int = 0) -> torch.Tensor:
    """Normalised images of whole pixels."""
    pixels = torch.randint(0, 256, (4, 3, size, size), generator=torch.Generator().manual_seed(seed))
    mean, std = torch.tensor(MEAN).reshape(3, 1, 1), torch.tensor(STD).reshape(3, 1, 1)
    return (pixels / 255 - mean) / std


def pixels_of(normalised: torch.Tensor) -> torch.Tensor:
    mean, std = torch.tensor(MEAN).reshape(3, 1, 1), torch.tensor(STD).reshape(3, 1, 1)
    return ((normalised * std + mean) * 255).round()


def test_a_graph_of_pixels_gets_them_back(tmp_path: Path) -> None:
    network = OnnxNetwork(graph(tmp_path / "m.onnx", ["n", 8, 8, 3], TensorProto.UINT8, [1, 2]), MEAN, STD)
    torch.testing.assert_close(network(images()), pixels_of(images()).mean((2, 3)))


def test_a_graph_of_images_gets_them_as_they_are_at_any_size(tmp_path: Path) -> None:
    network = OnnxNetwork(graph(tmp_path / "m.onnx", ["n", 3, "h", "w"], TensorProto.FLOAT, [2, 3]), MEAN, STD)
    for size in (8, 11):
        torch.testing.assert_close(network(images(size)), images(size).mean((2, 3)))


def test_images_are_scaled_to_the_size_of_the_graph(tmp_path: Path) -> None:
    network = OnnxNetwork(graph(tmp_path / "m.onnx", ["n", 3, 4, 4], TensorProto.FLOAT, [2, 3]), MEAN, STD)
    constant = images()[:, :, :1, :1].expand(-1, -1, 8, 8)
    torch.testing.assert_close(network(constant), constant[:, :, 0, 0])


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (["n", 3, 8, 8], TensorProto.DOUBLE),
        (["n", 8, 8, 3], TensorProto.FLOAT),
        (["n", 3, 8, 8], TensorProto.UINT8),
        (["n", 3, 8], TensorProto.FLOAT),
    ],
)
def test_a_graph_without_an_image_input_is_refused(tmp_path: Path, shape: list, kind: int) -> None:
    with pytest.raises(ValueError, match="a teacher takes images"):
        OnnxNetwork(graph(tmp_path / "m.onnx", shape, kind, [1, 2]))


def test_the_shipped_extractor_teaches_as_it_serves() -> None:
    pixels = torch.randint(0, 256, (2, 224, 224, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    served = onnxruntime.InferenceSession(SHIPPED).run(None, {"image": pixels.numpy()})[0]
    normalised = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN).reshape(3, 1, 1)) / torch.tensor(STD).reshape(
        3, 1, 1
    )
    taught = Teacher(OnnxNetwork(SHIPPED, MEAN, STD))(normalised)["features"]
    np.testing.assert_allclose(taught.numpy(), served, atol=1e-5)


def test_a_teacher_stays_as_it_is() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.BatchNorm1d(5))
    teacher = Teacher(network).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    features = teacher(images())["features"]
    assert not features.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_of_a_rec_model_it_gives_the_features() -> None:
    class Outputs(nn.Module):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"backbone": images.mean((2, 3)) + 1, "features": images.mean((2, 3))}

    torch.testing.assert_close(Teacher(Outputs())(images())["features"], images().mean((2, 3)))


def test_a_copy_of_a_teacher_gives_the_same(tmp_path: Path) -> None:
    """The moving average of the weights copies the whole model."""
    teacher = onnx_teacher(str(graph(tmp_path / "m.onnx", ["n", 8, 8, 3], TensorProto.UINT8, [1, 2])), MEAN, STD)
    torch.testing.assert_close(copy.deepcopy(teacher)(images()), teacher(images()))


def test_a_configuration_trains_a_student_of_an_onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lay_out(tmp_path))
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)
    graph(tmp_path / "m.onnx", ["n", 3, "h", "w"], TensorProto.FLOAT, [2, 3])
    content = read_yaml(CONFIG)
    student = content["Arch"]
    student["Neck"]["class_num"] = 3
    del student["Head"]
    content["Arch"] = {
        "name": "DistillationModel",
        "models": [{"Teacher": {"name": "OnnxTeacher", "path": "m.onnx"}}, {"Student": student}],
    }
    content["Loss"] = {
        "Train": [{"DistillationCosineLoss": {"weight": 1.0}}, {"DistillationRelationalLoss": {"weight": 1.0}}]
    }
    content["EMA"] = {"decay": 0.9}
    records = []
    train_config(check_config(content)[0], lambda kind, record: records.append((kind, record)))
    losses = [record["loss"] for kind, record in records if kind == "train"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert any(kind == "eval" for kind, _ in records)


def test_a_file_that_is_not_there_and_a_teacher_to_serve_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="names an ONNX file"):
        onnx_teacher(str(tmp_path / "m.onnx"))
    graph(tmp_path / "m.onnx", ["n", 3, "h", "w"], TensorProto.FLOAT, [2, 3])
    models = [{"Teacher": {"name": "OnnxTeacher", "path": str(tmp_path / "m.onnx")}}]
    with pytest.raises(UnknownName, match="unknown model 'Teacher'"):
        build_recmodel({"name": "DistillationModel", "models": models, "infer_model_name": "Teacher"})


def test_a_student_comes_near_its_teacher() -> None:
    torch.manual_seed(0)
    student, other = (nn.Sequential(nn.Flatten(), nn.Linear(192, 6)) for _ in range(2))
    teacher = Teacher(other)
    loss = CombinedLoss([{"DistillationCosineLoss": {"weight": 1}}, {"DistillationRelationalLoss": {"weight": 1}}])
    optimiser = torch.optim.Adam(student.parameters(), 1e-2)
    seen = []
    for _ in range(40):
        outputs = {"Student": {"features": student(images())}, "Teacher": teacher(images())}
        value = torch.stack(list(loss(outputs, torch.arange(4)).values())).sum()
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        seen.append(value.item())
    assert seen[-1] < 0.01 * seen[0]
