"""A running extractor with toy bundles."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from services.extractor.app import create_app
from services.extractor.settings import ExtractorSettings
from tests.fixtures.bundles import write_extractor


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the toy bundles ``extractor`` (default) and ``other``."""
    folder = tmp_path_factory.mktemp("extractors")
    write_extractor(folder / "extractor")
    write_extractor(folder / "other", seed=1, name="other-extractor")
    return folder


@pytest.fixture(scope="session")
def client(bundles: Path) -> Iterator[TestClient]:
    """Client of an app that serves both."""
    settings = ExtractorSettings(
        bundles=(bundles / "extractor", bundles / "other"), max_request_crops=8, max_pixels=1_000_000, threads=1
    )
    with TestClient(create_app(settings)) as running:
        yield running
