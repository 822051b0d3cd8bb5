"""A running indexer with the cohort of the toy extractor."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kenspeckle.bundle import Bundle, read_bundle
from services.indexer.app import create_app
from tests.fixtures.bundles import write_extractor
from tests.services.indexer.helpers import Running, settings_for


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with two extractor bundles of different fingerprints."""
    folder = tmp_path_factory.mktemp("models")
    write_extractor(folder / "extractor")
    write_extractor(folder / "other", seed=1, name="other-extractor")
    return folder


@pytest.fixture(scope="session")
def bundle(models: Path) -> Bundle:
    """The bundle whose embeddings most tests store."""
    return read_bundle(models / "extractor")


@pytest.fixture(scope="session")
def other_fingerprint(models: Path) -> str:
    """The other known fingerprint."""
    return read_bundle(models / "other").card.fingerprint


@pytest.fixture(scope="session")
def fingerprint(bundle: Bundle) -> str:
    """The fingerprint of most embeddings."""
    return bundle.card.fingerprint


@pytest.fixture
def client(tmp_path: Path, models: Path) -> Iterator[TestClient]:
    """Client of a fresh indexer that is open to all."""
    with TestClient(create_app(settings_for(tmp_path / "data", models))) as running:
        yield running


@pytest.fixture
def running(tmp_path: Path, models: Path) -> Iterator[Running]:
    """A fresh indexer without HTTP."""
    indexer = Running(settings_for(tmp_path / "data", models))
    yield indexer
    indexer.close()
