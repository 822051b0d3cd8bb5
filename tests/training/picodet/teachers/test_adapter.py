import numpy as np
import onnx
import pytest
import yaml
from PIL import Image

from tests.training.picodet.reference import SHARED
from training.picodet.data import DataError
from training.picodet.teachers.adapter import (
    BoxesRule,
    InputRule,
    OnnxDetector,
    ScoresRule,
    best_scores,
    corners,
    localizer,
    prepared,
    read_adapter,
)

# A "detector" with two constant boxes whose scores are the mean of the picture and its half.
GRAPH = """
<ir_version: 9, opset_import: ["" : 17]>
constant (float[1, 3, 32, 32] image) => (float[1, 2, 4] boxes, float[1, 2] scores)
<float[1, 2, 4] fixed = {8, 8, 16, 24, 0, 0, 30, 40}, float[1, 2] shares = {0.5, 1}, int64[2] shape = {1, 1}>
{
    mean = ReduceMean <keepdims = 0> (image)
    row = Reshape (mean, shape)
    scores = Mul (row, shares)
    boxes = Identity (fixed)
}
"""
ADAPTER = {
    "name": "Constant",
    "model": "constant.onnx",
    "licence": "MIT",
    "input": {"width": 32, "height": 32, "std": [255, 255, 255]},
    "boxes": {"output": "boxes"},
    "scores": {"output": 1},
}


@pytest.fixture
def folder(tmp_path):
    onnx.save(onnx.parser.parse_model(GRAPH), tmp_path / "constant.onnx")
    (tmp_path / "adapter.yaml").write_text(yaml.safe_dump(ADAPTER))
    return tmp_path


def opened(folder):
    adapter = read_adapter(folder / "adapter.yaml")
    return OnnxDetector(adapter, folder / adapter.model)


def white(width, height):
    return Image.new("RGB", (width, height), (255, 255, 255))


def test_boxes_come_in_pixels_of_the_picture_best_first_and_inside_of_it(folder):
    found = opened(folder)(white(64, 32))
    assert found.boxes.tolist() == [[0, 0, 60, 32], [16, 8, 32, 24]]
    assert found.scores.tolist() == pytest.approx([1.0, 0.5])


def test_overlapping_boxes_are_suppressed_where_the_graph_does_not(folder):
    adapter = read_adapter(folder / "adapter.yaml").model_copy(update={"suppress": 0.1})
    found = OnnxDetector(adapter, folder / adapter.model)(white(32, 32))
    assert found.boxes.tolist() == [[0, 0, 30, 32]]


def test_the_ratio_is_kept_where_asked(folder):
    rule = InputRule(width=32, height=32, keep_ratio=True)
    tensor, scale = prepared(white(64, 32), rule)
    assert tensor.shape == (1, 3, 32, 32)
    assert scale == (2, 2)
    assert tensor[0, 0, 8, 8] == 255
    assert tensor[0, 0, 24, 8] == 114


def test_input_follows_its_rule():
    rule = InputRule(width=4, height=2, mean=(0.0, 55.0, 255.0), std=(255.0, 100.0, 1.0))
    tensor, _ = prepared(white(8, 8), rule)
    assert tensor.dtype == np.float32
    assert tensor[0, :, 0, 0].tolist() == pytest.approx([1, 2, 0])
    assert prepared(white(8, 8), InputRule(width=4, height=2, layout="nhwc", dtype="uint8"))[0].shape == (1, 2, 4, 3)


@pytest.mark.parametrize(
    ("order", "sides"),
    [("xyxy", [1, 2, 5, 8]), ("yxyx", [2, 1, 8, 5]), ("xywh", [1, 2, 4, 6]), ("cxcywh", [3, 5, 4, 6])],
)
def test_every_order_of_sides_becomes_corners(order, sides):
    output = np.array([[sides]], np.float32)
    assert corners(output, BoxesRule(output=0, order=order)).tolist() == [[1, 2, 5, 8]]
    turned = output.transpose(0, 2, 1)
    assert corners(turned, BoxesRule(output=0, order=order, channels_first=True)).tolist() == [[1, 2, 5, 8]]


def test_the_best_of_several_classes_counts():
    output = np.array([[[9.0, 0.0, 2.0], [9.0, -1.0, -3.0]]])
    rule = ScoresRule(output=0, kind="logit", channels=(1, None))
    assert best_scores(output, rule).tolist() == pytest.approx([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(1))])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"boxes": {"output": "boxen"}}, "no output 'boxen'; it has boxes, scores"),
        ({"scores": {"output": 7}}, "no output 7"),
        ({"model": "none.onnx"}, "none.onnx: ONNX Runtime cannot open it"),
        ({"boxes": {"output": 0, "order": "zyx"}}, "boxes.order"),
        ({"colour": 1}, "colour"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(folder, change, reason):
    (folder / "adapter.yaml").write_text(yaml.safe_dump(ADAPTER | change))
    with pytest.raises(DataError, match=reason):
        opened(folder)


@pytest.mark.shared
def test_the_localizer_draws_the_stored_boxes():
    import json

    model = SHARED / "weights/teacher/mobile_object_localizer_v1.onnx"
    if not model.exists():
        pytest.skip(f"no teacher at {model} (set KENSPECKLE_SHARED)")
    stored = json.loads((SHARED / "data/grocery/boxes/localizer.json").read_text())["images"]
    detect = localizer(model)
    for name in list(stored)[:3]:
        with Image.open(SHARED / "data/grocery" / name) as photo:
            found = detect(photo.convert("RGB"))
        np.testing.assert_allclose(found.boxes[0], stored[name]["boxes"][0], atol=1.0)
        assert found.scores[0] == pytest.approx(stored[name]["scores"][0], abs=0.02)
