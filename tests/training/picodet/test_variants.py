import numpy as np
import pytest
import torch

from kenspeckle.bundle import read_bundle, verify_bundle
from tests.training.picodet.drawn import draw_pictures, recipe
from training.engine.checkpoint import LATEST, save_checkpoint
from training.picodet.model import PicoDet
from training.picodet.package import make_bundle
from training.picodet.variants import add_variants


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, pictures):
    """Of an untrained network that claims loudly."""
    folder = tmp_path_factory.mktemp("bundle")
    settings = recipe(input_size=192, pseudo_boxes=[])
    torch.manual_seed(0)
    model = PicoDet(settings.model)
    for output in model.head.outputs:
        torch.nn.init.normal_(output.weight, std=0.5)
        torch.nn.init.constant_(output.bias, 0.0)
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    save_checkpoint(folder / "run" / LATEST, weights, {}, summary={"step": 3})
    made = make_bundle(folder / "run", settings, pictures, "", folder / "out")
    return add_variants(made, ["fp16", "int8"], pictures, pictures, "the command")


def test_variants_stand_beside_the_model_with_their_own_answers(bundle):
    assert set(bundle.card.models) == {"model.onnx", "model.fp16.onnx", "model.int8.onnx"}
    for name in bundle.card.models:
        verify_bundle(read_bundle(bundle.path), variant=name)
    probe = bundle.arrays("probe.npz")
    assert not np.array_equal(probe["scores"], probe["scores.int8"])
    assert len({model.fingerprint for model in bundle.card.models.values()}) == 3


def test_every_variant_is_measured_beside_the_model(bundle):
    for name in ("model.fp16.onnx", "model.int8.onnx"):
        figures = {one.metric: one.value for one in bundle.card.models[name].measured}
        assert figures["variant: bytes"] < figures["model.onnx: bytes"]
        for metric in ("best box IoU >= 0.5", "recall@5", "AP50:95", "CPU ms, one thread"):
            assert f"variant: {metric}" in figures
            assert f"model.onnx: {metric}" in figures
    assert bundle.card.models["model.onnx"].measured == []


def test_boxes_are_decoded_in_floating_point(bundle):
    """The eight-bit graph finds boxes near those of the full one: its integers end before the decoding."""
    probe = bundle.arrays("probe.npz")
    full, small = probe["boxes"][0, :3], probe["boxes.int8"][0, : probe["count.int8"][0]]
    nearest = np.abs(full[:, None] - small[None]).max(axis=2).min(axis=1)
    assert nearest.min() < 8
    assert len(np.unique(small.round(3))) > 30


def test_integers_need_pictures(bundle):
    with pytest.raises(ValueError, match="calibrated"):
        add_variants(bundle, ["int8"], [], [], "the command")
