"""A running stack with toy models, and ways to talk to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.fixtures.bundles import write_models
from tests.fixtures.stacks import encode, standalone_app


@pytest.fixture(scope="session")
def toy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the toy bundles."""
    return write_models(tmp_path_factory.mktemp("toy-models"))


@pytest.fixture
def stack(tmp_path: Path, toy_models: Path) -> Iterator[TestClient]:
    """Client of a fresh stack that is open to all."""
    with TestClient(standalone_app(toy_models, tmp_path / "data")) as client:
        yield client


@pytest.fixture
def add(stack: TestClient) -> Callable[..., dict[str, Any]]:
    """Adds a picture to the gallery; gives the answer."""

    def call(image: Image.Image, **fields: Any) -> dict[str, Any]:
        response = stack.post("/gallery", files={"image": encode(image)}, data={"crop": "whole", **fields})
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        return answer

    return call


@pytest.fixture
def recognize(stack: TestClient) -> Callable[..., dict[str, Any]]:
    """Recognises a picture; gives the answer."""

    def call(image: Image.Image, **params: Any) -> dict[str, Any]:
        response = stack.post("/recognize", content=encode(image), params=params)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    return call
