"""Cohorts of the fingerprints in a folder of bundles."""

from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from kenspeckle.bundle import Bundle
from services.indexer.app import create_app
from services.indexer.cohorts import Cohorts
from tests.fixtures.bundles import write_extractor, write_variant
from tests.services.indexer.helpers import new_item, png, post_item, post_search, settings_for, vectors


@pytest.fixture
def variant(tmp_path: Path) -> Bundle:
    """A bundle with an int8 variant, in the folder ``models``."""
    return write_variant(tmp_path / "models/variant", write_extractor(tmp_path / "plain"))


def test_every_variant_of_a_bundle_has_its_own_cohort(variant: Bundle) -> None:
    cohorts = Cohorts(variant.path.parent)
    cohorts.load()
    fingerprint = variant.card.models["model.int8.onnx"].fingerprint
    plain, other = cohorts.get(variant.card.fingerprint), cohorts.get(fingerprint)
    assert plain is not None
    assert other is not None
    assert plain.shape == other.shape
    assert not np.array_equal(plain, other)
    assert [model.fingerprint for model in cohorts.models] == [variant.card.fingerprint]


def test_a_gallery_holds_embeddings_of_a_variant(variant: Bundle, tmp_path: Path) -> None:
    fingerprint = variant.card.models["model.int8.onnx"].fingerprint
    with TestClient(create_app(settings_for(tmp_path / "data", variant.path.parent))) as client:
        assert post_item(client, new_item(fingerprint, label="one"), vectors(1), [png(1)]).status_code == 201
        answer = post_search(client, fingerprint, vectors(1)).json()
        assert answer["hits"][0]["candidates"][0]["label"] == "one"
        assert answer["cohort_size"] == len(variant.cohort())
        assert post_search(client, variant.card.fingerprint, vectors(1)).status_code == 409


def test_only_the_bits_of_hashing_models_are_searched_as_bits(tmp_path: Path) -> None:
    plain = write_extractor(tmp_path / "models/plain")
    hashing = write_extractor(tmp_path / "models/hashing", name="toy-hashing", hashing=True)
    cohorts = Cohorts(tmp_path / "models")
    cohorts.load()
    assert cohorts.hashing(hashing.card.fingerprint)
    assert not cohorts.hashing(plain.card.fingerprint)
    assert not cohorts.hashing(None)
