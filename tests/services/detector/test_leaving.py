"""A caller who hangs up leaves no work behind."""

import asyncio
import base64
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from services import standalone
from tests.fixtures.bundles import scene
from tests.fixtures.servers import serving
from tests.fixtures.stacks import encode, standalone_app


@pytest.mark.parametrize("path", ["/recognize", "/recognition/prediction"])
def test_recognition_ends_when_its_caller_hangs_up(
    tmp_path: Path, toy_models: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    begun, dropped = threading.Event(), threading.Event()

    async def endless(*_: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            dropped.set()
            raise

    monkeypatch.setattr(standalone.LocalExtractor, "embed", endless)
    picture = encode(scene(1, 2))
    body: dict[str, Any] = {"content": picture}
    if path != "/recognize":
        body = {"json": {"key": ["image"], "value": [base64.b64encode(picture).decode()]}}
    with serving(standalone_app(toy_models, tmp_path / "data")) as url:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url + path, timeout=httpx.Timeout(5, read=0.3), **body)
        assert begun.is_set()
        assert dropped.wait(5)
        # And the place that it held is free again.
        monkeypatch.undo()
        assert httpx.post(f"{url}/recognize", content=picture).status_code == 200
