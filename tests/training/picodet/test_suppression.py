"""Suppression in the exported graph: against a plain form of the published rule, and against its stored rows."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests.training.picodet.reference import stored
from training.picodet.boxes import cells, decode
from training.picodet.export import greedy_suppression, postprocess

CANDIDATES, KEPT, LEAST_SCORE, MOST_IOU = 1000, 100, 0.025, 0.6


def session(classes):
    model = onnx.parser.parse_model(postprocess(classes))
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def published_rule(boxes, scores):
    """Rows (class, cell, score): per class the 1000 best, greedy suppression; over all classes the 100 best."""
    rows = []
    for label, of_class in enumerate(scores):
        order = [int(i) for i in np.argsort(-of_class, kind="stable") if of_class[i] > LEAST_SCORE][:CANDIDATES]
        kept = []
        for cell in order:
            if all(iou(boxes[cell], boxes[other]) <= MOST_IOU for other in kept):
                kept.append(cell)
            if len(kept) == KEPT:
                break
        rows += [(label, cell, of_class[cell]) for cell in kept]
    return sorted(rows, key=lambda row: -row[2])[:KEPT]


def field(seed, classes):
    """Boxes as a network at 320 pixels decodes them, and scores that are high in a few places, no two equal."""
    rng = np.random.default_rng(seed)
    centres, strides = cells(320, 320)
    logits = torch.from_numpy(rng.normal(0, 1.5, (len(centres), 32)).astype(np.float32))
    boxes = decode(logits, centres, strides).numpy()
    spots = rng.uniform(0, 320, (4, 2))
    near = np.exp(-(np.linalg.norm(centres.numpy()[:, None] - spots[None], axis=2).min(axis=1) ** 2) / 1500)
    scores = near[None] * rng.random((classes, len(centres))) + 1e-6 * rng.permutation(len(centres))
    return boxes, scores.astype(np.float32)


@pytest.mark.parametrize("classes", [1, 3])
def test_fifty_random_score_fields_keep_what_the_published_rule_keeps_in_its_order(classes):
    graph, compared = session(classes), 0
    for seed in range(50 if classes == 1 else 10):
        boxes, scores = field(seed, classes)
        expected = published_rule(boxes.astype(float), scores)
        got = graph.run(None, {"raw_boxes": boxes[None], "raw_scores": scores[None]})
        count = int(got[2][0])
        assert count == len(expected)
        np.testing.assert_array_equal(got[0][0, :count], boxes[[cell for _, cell, _ in expected]])
        np.testing.assert_array_equal(got[1][0, :count], [score for *_, score in expected])
        if classes > 1:
            assert got[3][0, :count].tolist() == [label for label, *_ in expected]
        else:
            assert greedy_suppression(boxes, scores[0]) == [cell for _, cell, _ in expected]
        compared += count
    assert compared > 300


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "tag", "classes"),
    [("detector", tag, 1) for tag in ("d0", "d1", "d2")] + [("detector_v2", tag, 3) for tag in ("v0", "v1")],
)
def test_the_stored_scores_and_boxes_give_the_stored_rows(file, tag, classes):
    arrays = stored(file)
    boxes, scores = arrays[f"{tag}/boxes"], arrays[f"{tag}/scores"]
    got = session(classes).run(None, {"raw_boxes": boxes, "raw_scores": scores})
    scale_y, scale_x = arrays[f"{tag}/scale_factor"]
    first = 0
    for picture, count in enumerate(arrays[f"{tag}/nms_count"].tolist()):
        rows = arrays[f"{tag}/nms"][first : first + count]
        rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        first += count
        assert got[2][picture] == count
        np.testing.assert_allclose(got[1][picture, :count], rows[:, 1], rtol=1e-6)
        scaled = got[0][picture, :count] / np.array([scale_x, scale_y] * 2, np.float32)
        np.testing.assert_allclose(scaled, rows[:, 2:], rtol=1e-5, atol=1e-3)
        if classes > 1:
            assert got[3][picture, :count].tolist() == rows[:, 0].astype(int).tolist()


@pytest.mark.parametrize(("height", "width"), [(64, 96), (200, 152), (416, 320)])
def test_any_size_is_decoded_as_cell_by_cell(height, width):
    rng = np.random.default_rng(height)
    levels, expected = [], []
    for stride in (8, 16, 32, 64):
        rows, columns = -(-height // stride), -(-width // stride)
        logits = rng.normal(0, 2, (rows * columns, 4, 8))
        levels.append(logits)
        for cell, sides in enumerate(logits):
            x, y = cell % columns + 0.5, cell // columns + 0.5
            shares = np.exp(sides) / np.exp(sides).sum(axis=1, keepdims=True)
            left, top, right, bottom = (float((share * np.arange(8)).sum()) for share in shares)
            expected.append([(x - left) * stride, (y - top) * stride, (x + right) * stride, (y + bottom) * stride])
    stacked = torch.from_numpy(np.concatenate(levels).reshape(-1, 32).astype(np.float32))
    np.testing.assert_allclose(decode(stacked, *cells(height, width)), expected, atol=1e-3)
