"""Any network to a bundle: embeddings and bits, sizes, variants, against the network itself and plain NumPy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kenspeckle.bundle import Bundle, read_bundle, verify_bundle
from tests.training.pictures import draw_folder
from training.evaluation.embed import bundle_embedder, comparable
from training.export import extractor
from training.export.extractor import Trained, add_variants, make_extractor, with_evaluation
from training.export.network import EmbeddingNetwork
from training.export.onnx_graph import export_onnx, run_onnx
from training.export.sources import Sources, folder_sources
from training.export.variants import half_weights, quantised

WIDTH, HEIGHT = 32, 48
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Trunk(nn.Module):
    """Two convolutions with normalisation and a mean over the picture."""

    def __init__(self, dim: int = 16, squash: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 12, 5, 2, 2), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, dim, 3, 2, 1), nn.Flatten(2)
        )
        self.squash = squash

    def forward(self, images: Tensor) -> Tensor:
        features = self.layers(images).amax(dim=2)
        return torch.tanh(features) if self.squash else features


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """A few drawn things, and others."""
    root = tmp_path_factory.mktemp("pictures")
    return folder_sources(
        draw_folder(root / "things", 6, 6, seed=0, side=40), draw_folder(root / "others", 4, 4, seed=1, side=40)
    )


def trained(hashing: bool = False) -> Trained:
    trunk = Trunk(squash=hashing)
    network = EmbeddingNetwork(trunk, mean=MEAN, std=STD, binarize="sign" if hashing else None)
    return Trained(network, "toy", "1.0.0", WIDTH, HEIGHT, 16, "A toy.", {"steps": 0}, network.output)


@pytest.fixture(scope="module")
def made(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with both variants."""
    out = tmp_path_factory.mktemp("bundle")
    return make_extractor(trained(), sources, out, "command", ["fp16", "int8"])


def test_pixels_are_scaled_and_features_of_unit_length() -> None:
    network = EmbeddingNetwork(nn.Flatten(), scale=1 / 128, mean=MEAN, std=STD)
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3), np.uint8)
    planes = ((images / 128 - np.array(MEAN)) / np.array(STD)).transpose(0, 3, 1, 2).reshape(2, -1)
    expected = planes / np.linalg.norm(planes, axis=1, keepdims=True)
    np.testing.assert_allclose(network(torch.from_numpy(images)).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("method", "threshold"), [("sign", 0.0), ("round", 0.5)])
def test_bits_are_set_where_features_are_above_the_threshold(method: str, threshold: float) -> None:
    network = EmbeddingNetwork(nn.Flatten(), binarize=method)  # type: ignore[arg-type]
    images = np.random.default_rng(0).integers(0, 256, (4, 2, 4, 3), np.uint8)
    features = (images / 255).transpose(0, 3, 1, 2).reshape(4, -1)
    expected = np.packbits(features > threshold, axis=1)
    np.testing.assert_array_equal(network(torch.from_numpy(images)).numpy(), expected)
    np.testing.assert_array_equal(run_onnx(export_onnx(network, 4, 2, "bits"), images), expected)


def test_the_bundle_agrees_with_the_network_for_any_batch_and_size(made: Bundle, sources: Sources) -> None:
    assert made.card.parity.value >= 0.9999
    assert (made.card.input.width, made.card.input.height) == (WIDTH, HEIGHT)
    one = trained()
    crops = one.cut.crops(sources.labelled)
    with torch.inference_mode():
        expected = one.network(torch.from_numpy(crops)).numpy()
    np.testing.assert_allclose(run_onnx(made.contents["model.onnx"], crops, batch=5), expected, atol=1e-5)
    np.testing.assert_allclose(bundle_embedder(made)(sources.labelled).vectors, expected, atol=1e-5)


def test_variants_are_other_functions_with_measured_figures(made: Bundle, sources: Sources) -> None:
    assert set(made.card.models) == {"model.onnx", "model.fp16.onnx", "model.int8.onnx"}
    assert len({model.fingerprint for model in made.card.models.values()}) == 3
    used = sources.calibration[0]

    def recall(variant: str) -> float:
        embed = bundle_embedder(made, variant)
        queries, gallery = embed(used.queries), embed(used.references)
        nearest = (queries.vectors @ gallery.vectors.T).argmax(axis=1)
        return float((gallery.labels[nearest] == queries.labels).mean())

    for variant in ("model.fp16.onnx", "model.int8.onnx"):
        verify_bundle(made, variant=variant)
        figures = {one.metric: one.value for one in made.card.models[variant].measured}
        assert figures["recall@1"] == pytest.approx(recall(variant), abs=1e-4)
        assert figures["change of recall@1"] == pytest.approx(recall(variant) - recall("model.onnx"), abs=1e-4)
        assert figures["min_cosine to model.onnx"] > 0.9
        assert figures["bytes"] == len(made.contents[variant])
        assert 0 < figures["processor time beside model.onnx"] < 50
        assert variant in made.contents["README.md"].decode()
    assert made.card.models["model.onnx"].measured == []


def test_figures_of_variants_stay_when_evaluations_are_added(made: Bundle) -> None:
    before = made.card.models["model.int8.onnx"].measured
    after = with_evaluation(made, [one.model_copy(update={"command": "another"}) for one in before[:1]])
    assert after.card.models["model.int8.onnx"].measured == before
    assert after.card.fingerprint == made.card.fingerprint


def test_variants_are_added_to_a_bundle_later(made: Bundle, sources: Sources, tmp_path: Path) -> None:
    plain = make_extractor(trained(), sources, tmp_path / "plain", "command")
    later = add_variants(plain, sources, tmp_path / "later", "command", ["int8"])
    assert later.card.fingerprint == plain.card.fingerprint
    assert later.contents["model.int8.onnx"] == made.contents["model.int8.onnx"]
    figures = [bundle.card.models["model.int8.onnx"].measured for bundle in (later, made)]
    timeless = [[one for one in measured if "time" not in one.metric] for measured in figures]
    assert timeless[0] == timeless[1]
    np.testing.assert_array_equal(later.cohort("model.int8.onnx"), made.cohort("model.int8.onnx"))
    again = add_variants(made, sources, tmp_path / "again", "command", ["int8"])
    assert again.contents["model.int8.onnx"] == made.contents["model.int8.onnx"]
    assert again.card.models["model.fp16.onnx"] == made.card.models["model.fp16.onnx"]
    fewer = replace(sources, cohort=sources.cohort[:-1])
    with pytest.raises(ValueError, match="exported with"):
        add_variants(plain, fewer, tmp_path / "wrong", "command", ["int8"])


def test_half_weights_are_the_nearest_half_precision_numbers() -> None:
    network = EmbeddingNetwork(Trunk())
    graph = export_onnx(network, 32)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(layer.weight.half().float())
    smaller = half_weights(graph)
    np.testing.assert_allclose(run_onnx(smaller, images), run_onnx(export_onnx(network, 32), images), atol=2e-3)
    assert len(smaller) < len(graph)


def test_integers_need_pictures() -> None:
    with pytest.raises(ValueError, match="calibrated"):
        quantised(b"", np.empty((0, 32, 32, 3), np.uint8))


def test_a_hashing_network_becomes_a_bundle_of_bits(sources: Sources, tmp_path: Path) -> None:
    bundle = make_extractor(trained(hashing=True), sources, tmp_path / "bits", "command")
    assert (bundle.card.output.kind, bundle.card.parity.metric) == ("bits", "min_bit_agreement")
    pool = bundle_embedder(bundle)(sources.labelled)
    bits = run_onnx(bundle.contents["model.onnx"], trained(hashing=True).cut.crops(sources.labelled))
    shares = (np.unpackbits(bits, axis=1)[:, None] == np.unpackbits(bits, axis=1)[None]).mean(axis=2)
    np.testing.assert_allclose(pool.vectors @ pool.vectors.T, shares, atol=1e-6)
    np.testing.assert_allclose(comparable(bits), pool.vectors)
    assert read_bundle(tmp_path / "bits").cohort().shape == (8, 16)


def test_a_graph_that_differs_from_the_network_is_not_shipped(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = export_onnx(EmbeddingNetwork(Trunk()), WIDTH, HEIGHT)
    monkeypatch.setattr(extractor, "export_onnx", lambda *arguments: other)
    with pytest.raises(ValueError, match="differs from the network"):
        make_extractor(trained(), sources, tmp_path / "wrong", "command")
    assert not (tmp_path / "wrong").exists()
