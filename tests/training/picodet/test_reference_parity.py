"""Assignment, losses and network against arrays of the published implementation (optional data folder)."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from training.picodet.assign import simota
from training.picodet.boxes import cells, decode
from training.picodet.criterion import detection_losses
from training.picodet.model import ModelConfig, PicoDet

SHARED = Path(os.environ.get("KENSPECKLE_SHARED", Path(__file__).parents[4] / "shared"))
FIXTURES, PARITY = SHARED / "reference/fixtures/picodet", SHARED / "weights/parity"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FIXTURES.exists(), reason=f"no reference arrays at {FIXTURES} (KENSPECKLE_SHARED)"),
]
SIZE = (320, 320)


@pytest.fixture(scope="module")
def rules():
    sys.path.insert(0, str(PARITY))
    import make_parity_weights

    yield make_parity_weights
    sys.path.remove(str(PARITY))


def fixture_logits(rules, tag, classes):
    levels = []
    for index, side in enumerate((40, 20, 10, 5)):
        scores = 4 * rules.uniform(f"{tag}cls{index}", 2 * classes * side * side) - 3.5
        bins = 4 * rules.uniform(f"{tag}reg{index}", 2 * 32 * side * side) - 2
        stacked = [scores.reshape(2, classes, -1), bins.reshape(2, 32, -1)]
        levels.append(np.concatenate(stacked, axis=1).astype(np.float32).transpose(0, 2, 1))
    cells_of = torch.from_numpy(np.concatenate(levels, axis=1))
    return cells_of[..., :classes], cells_of[..., classes:]


def fixture_truth(stored, tag):
    pairs = []
    for index in range(2):
        there = stored[f"{tag}/gt_mask"][index, :, 0] > 0
        boxes = torch.from_numpy(stored[f"{tag}/gt_boxes"][index][there])
        pairs.append((boxes, torch.from_numpy(stored[f"{tag}/gt_labels"][index, there, 0])))
    return pairs


@pytest.mark.parametrize(("tag", "classes"), [("c1", 1), ("c3", 3)])
def test_simota_chooses_the_stored_cells_and_boxes(rules, tag, classes):
    stored = np.load(FIXTURES / "expected_assign_loss.npz")
    class_logits, distance_logits = fixture_logits(rules, tag, classes)
    centres, strides = cells(*SIZE)
    for index, (boxes, labels) in enumerate(fixture_truth(stored, tag)):
        predicted = decode(distance_logits[index], centres, strides)
        found = simota(class_logits[index].sigmoid(), predicted, centres, strides, boxes, labels)
        expected = stored[f"{tag}/simota_{index}_labels"]
        assert found.cells.tolist() == np.flatnonzero(expected < classes).tolist()
        assert labels[found.boxes].tolist() == expected[found.cells].tolist()
        np.testing.assert_allclose(boxes[found.boxes], stored[f"{tag}/simota_{index}_boxes"][found.cells], rtol=1e-6)


@pytest.mark.parametrize(("tag", "classes"), [("c1", 1), ("c3", 3)])
def test_losses_equal_the_stored_ones(rules, tag, classes):
    stored = np.load(FIXTURES / "expected_assign_loss.npz")
    truth = fixture_truth(stored, tag)
    logits = fixture_logits(rules, tag, classes)
    losses = detection_losses(*logits, SIZE, [boxes for boxes, _ in truth], [labels for _, labels in truth])
    for ours, theirs in {"vfl": "vfl", "giou": "bbox", "dfl": "dfl"}.items():
        assert float(losses[ours]) == pytest.approx(float(stored[f"{tag}/v1_loss_{theirs}"]), rel=1e-4)


def own_name(name):
    """Name of a tensor here for its name in the published network."""
    renames = [
        (r"_mean$", "running_mean"),
        (r"_variance$", "running_var"),
        (r"^backbone\.blocks(\d)\.", lambda m: f"backbone.stages.{int(m[1]) - 2}."),
        (r"^neck\.conv_t\.convs\.", "neck.lateral."),
        (r"^neck\.downsamples\.", "neck.downsample."),
        (r"(first_top|second_top)_conv\.", r"\1."),
        (r"_blocks\.(\d)\.blocks\.0\.conv1\.", r".\1.bottleneck.0."),
        (r"_blocks\.(\d)\.blocks\.0\.conv2\.", r".\1.bottleneck.1."),
        (r"(top_down|bottom_up)_blocks\.", r"\1."),
        (r"dwconv\.", "0.conv."),
        (r"bn1\.", "0.bn."),
        (r"pwconv\.", "1.conv."),
        (r"bn2\.", "1.bn."),
        (r"head\.conv_feat\.cls_conv_dw(\d)\.(\d)\.", r"head.towers.\1.\2.0."),
        (r"head\.conv_feat\.cls_conv_pw(\d)\.(\d)\.", r"head.towers.\1.\2.1."),
        (r"norm\.", "bn."),
        (r"head\.head_cls(\d)\.", r"head.outputs.\1."),
    ]
    for pattern, new in renames:
        name = re.sub(pattern, new, name)
    return name


def parity_state(rules):
    import json

    manifest = json.loads((PARITY / "manifest.json").read_text())
    listed = manifest["models"]["detector_lcnet_x2_5_mainbody"]["parameters"]
    stats = np.load(PARITY / "bn_stats.npz")
    state = {}
    for entry in listed:
        name = entry["name"]
        if "scale_reg" in name or "project" in name:
            continue
        statistic = {name: stats[f"detector_lcnet_x2_5_mainbody/{name}"]} if name[-5:] in ("_mean", "iance") else None
        state[own_name(name)] = torch.from_numpy(rules.parameter(name, entry["shape"], statistic))
    return state


@pytest.mark.parametrize(("tag", "height", "width"), [("d2", 416, 320)])
def test_network_with_the_reference_weights_gives_the_stored_boxes(rules, tag, height, width):
    stored = np.load(FIXTURES / "expected_detector.npz")
    model = PicoDet(ModelConfig("lcnet-2.5", channels=128, tower_depth=4)).eval()
    missing, unexpected = model.load_state_dict(parity_state(rules), strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    normalised = torch.from_numpy(rules.make_input(tag, 1, height, width)).float()
    with torch.no_grad():
        class_logits, distance_logits = model(normalised * model.std + model.mean)
    boxes = decode(distance_logits, *cells(height, width))
    np.testing.assert_allclose(boxes, stored[f"{tag}/boxes"], atol=2e-2)
    np.testing.assert_allclose(class_logits.sigmoid().transpose(1, 2), stored[f"{tag}/scores"], atol=3e-4)
