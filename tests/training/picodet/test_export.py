import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.picodet.export import (
    MAX_BOXES,
    SCORE_THRESHOLD,
    detect_torch,
    export_onnx,
    greedy_suppression,
    postprocess,
)
from training.picodet.model import ModelConfig, PicoDet
from training.picodet.package import box_parity, probe_pictures

SIZE = 192


@pytest.fixture(scope="module")
def suppression():
    model = onnx.parser.parse_model(postprocess(classes=1))
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def model():
    """Untrained, but claiming so loudly that there is much to suppress."""
    torch.manual_seed(0)
    network = PicoDet(ModelConfig({"name": "LCNet", "scale": 0.35}, channels=32, tower_depth=1)).eval()
    for output in network.head.outputs:
        torch.nn.init.normal_(output.weight, std=0.5)
        torch.nn.init.constant_(output.bias, 0.0)
    return network


@pytest.fixture(scope="module")
def exported(model):
    return export_onnx(model, SIZE)


@pytest.fixture(scope="module")
def session(exported):
    return onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def pictures():
    return probe_pictures(SIZE, np.random.default_rng(3))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 4), cells=st.integers(MAX_BOXES, 250), level=st.floats(0, 1)
)
def test_the_graph_suppresses_as_the_plain_greedy_rule(suppression, seed, batch, cells, level):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 200, (batch, cells, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 120, (batch, cells, 2))], axis=2).astype(np.float32)
    scores = np.stack([rng.permutation(cells) / cells * level for _ in range(batch)]).astype(np.float32)
    got_boxes, got_scores, counts = suppression.run(None, {"raw_boxes": boxes, "raw_scores": scores[:, None]})
    for index in range(batch):
        kept = greedy_suppression(boxes[index], scores[index])
        assert counts[index] == len(kept)
        np.testing.assert_array_equal(got_boxes[index, : len(kept)], boxes[index, kept])
        np.testing.assert_array_equal(got_scores[index, : len(kept)], scores[index, kept])
        assert not got_boxes[index, len(kept) :].any()
        assert not got_scores[index, len(kept) :].any()


def test_nothing_sure_enough_gives_no_boxes(suppression):
    boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (2, MAX_BOXES, 1))
    scores = np.full((2, MAX_BOXES), SCORE_THRESHOLD, np.float32)
    scores[1, 5] = 0.5
    _, got, counts = suppression.run(None, {"raw_boxes": boxes, "raw_scores": scores[:, None]})
    assert counts.tolist() == [0, 1]
    assert got[1, 0] == 0.5


def test_exported_boxes_are_those_of_the_network(model, exported, pictures):
    assert len(detect_torch(model, pictures)[0][1]) > 5
    assert box_parity(model, exported, pictures) < 0.01


def test_boxes_lie_inside_and_scores_fall(session, pictures):
    boxes, scores, counts = session.run(None, {"image": pictures})
    assert boxes.shape == (4, MAX_BOXES, 4)
    assert counts.dtype == np.int64
    assert counts.min() > 0
    assert boxes.min() >= 0
    assert boxes.max() <= SIZE
    assert bool((np.diff(scores, axis=1) <= 0).all())


def test_a_picture_gets_the_same_boxes_alone_and_in_any_batch(session, pictures):
    together = session.run(None, {"image": pictures})
    for index in range(len(pictures)):
        alone = session.run(None, {"image": pictures[index : index + 1]})
        assert alone[2][0] == together[2][index]
        np.testing.assert_allclose(alone[0][0], together[0][index], atol=1e-3)
        np.testing.assert_allclose(alone[1][0], together[1][index], atol=1e-5)


def test_the_graph_uses_standard_operators_and_names_no_files(exported):
    graph = onnx.load_from_string(exported)
    assert [opset.domain for opset in graph.opset_import] == [""]
    assert graph.opset_import[0].version >= 17
    assert not any(node.doc_string or node.metadata_props for node in graph.graph.node)


@pytest.mark.parametrize("size", [200, 64])
def test_a_size_that_cannot_work_is_refused(model, size):
    with pytest.raises(ValueError, match=str(size)):
        export_onnx(model, size)
