"""The command against a small service in memory: galleries are dictionaries, recognition looks pictures up."""

import hashlib
import io
import json
import re
import threading
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from kenspeckle.cli import app, options
from kenspeckle.client import Client, RetryPolicy

NOW = "2026-01-01T00:00:00Z"


def problem(status: int, slug: str, detail: str) -> httpx.Response:
    body = {"type": f"urn:kenspeckle:problem:{slug}", "title": "No", "status": status, "detail": detail}
    return httpx.Response(status, json=body)


class FakeService:
    """Answers like the services, as far as the command needs it. ``known`` maps picture digests to labels."""

    def __init__(self) -> None:
        self.galleries: dict[str, dict[str, dict[str, Any]]] = {}
        self.enrolled: list[dict[str, str]] = []
        self.keys_seen: dict[str, str] = {}
        self.requests: list[httpx.Request] = []
        self.refuse: set[bytes] = set()
        self.down_after: int | None = None
        self.decisions: dict[str, str] = {}
        self.lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self.lock:
            self.requests.append(request)
            if request.url.path == "/gallery":
                return self._enrol(request)
            if request.url.path == "/recognize":
                return self._recognize(request)
            return self._manage(request.method, request.url.path.strip("/").split("/")[1:], request)

    def _enrol(self, request: httpx.Request) -> httpx.Response:
        if self.down_after is not None and len(self.enrolled) >= self.down_after:
            raise httpx.ReadError("gone", request=request)
        fields = form(request)
        key = request.headers["Idempotency-Key"]
        if fields["image"] in self.refuse:
            return problem(422, "unprocessable", "image: the picture is truncated")
        name, item_id = fields["gallery"].decode(), fields.get("item_id", b"made").decode()
        items = self.galleries.setdefault(name, {})
        if key not in self.keys_seen:
            self.keys_seen[key] = item_id
            self.enrolled.append({field: value.decode("latin-1") for field, value in fields.items()})
            item = items.setdefault(item_id, self._item(item_id, fields.get("label", b"").decode() or None))
            digest = hashlib.sha256(fields["image"]).hexdigest()
            item["references"].append({"id": digest, "box": [0, 0, 4, 4], "source": "whole"})
        item = items[item_id]
        answer = {"gallery": name, "item_id": item_id, "label": item["label"], "created": True, "revision": 1}
        return httpx.Response(201, json={**answer, "references": item["references"][-1:]})

    @staticmethod
    def _item(item_id: str, label: str | None) -> dict[str, Any]:
        return {"id": item_id, "label": label, "references": [], "revision": 1, "created_at": NOW, "metadata": {}}

    def _recognize(self, request: httpx.Request) -> httpx.Response:
        if request.content in self.refuse:
            return problem(415, "not-a-picture", "image: this is no picture")
        digest = hashlib.sha256(request.content).hexdigest()
        name = request.url.params["gallery"]
        if name not in self.galleries:
            return problem(404, "not-found", f"there is no gallery {name}")
        found = [item for item in self.galleries[name].values() if any(r["id"] == digest for r in item["references"])]
        nearest = found or list(self.galleries[name].values())[:1]
        verdict = self.decisions.get(digest, "known" if found else "unknown")
        thing = {
            "box": [10.0, 20.0, 110.0, 90.0], "source": "detector", "detection_score": 0.9, "decision": verdict,
            "label": None if verdict == "unknown" else nearest[0]["label"], "item_id": None,
            "probability": 0.97 if found else 0.2, "similarity": 0.8, "margin": 0.2,
            "p_value": 0.001 if found else 0.4, "reason": "because of its p value",
            "candidates": [{"item_id": item["id"], "label": item["label"], "similarity": 0.8, "reference_id": digest}
                           for item in nearest],
        }  # fmt: skip
        answer = {
            "image": {"width": 120, "height": 100, "sha256": digest},
            "objects": [thing],
            "gallery": {"name": name, "revision": 1},
            "models": {"detector": "sha256:1", "extractor": "sha256:2"},
            "request_id": "r",
        }
        return httpx.Response(200, json=answer)

    def _manage(self, method: str, parts: list[str], request: httpx.Request) -> httpx.Response:
        if not parts:
            if method == "POST":
                name = json.loads(request.content)["name"]
                self.galleries[name] = {}
                return httpx.Response(201, json=self._gallery(name))
            return httpx.Response(200, json={"items": [self._gallery(name) for name in self.galleries]})
        if parts[0] not in self.galleries:
            return problem(404, "not-found", f"there is no gallery {parts[0]}")
        items = self.galleries[parts[0]]
        if parts[1:] == ["export"]:
            return httpx.Response(200, content=b"tar of " + parts[0].encode())
        if "references" in parts:
            return httpx.Response(200, content=PICTURES["red"])
        if parts[1:] == ["items"]:
            part = request.url.params.get("q", "")
            return httpx.Response(200, json={"items": [i for i in items.values() if part in (i["label"] or "")]})
        if len(parts) == 1:
            if method == "DELETE":
                del self.galleries[parts[0]]
                return httpx.Response(204)
            return httpx.Response(200, json=self._gallery(parts[0]))
        if parts[2] not in items:
            return problem(404, "not-found", f"there is no item {parts[2]}")
        if method == "DELETE":
            del items[parts[2]]
            return httpx.Response(200, json={"revision": 2})
        if method == "PATCH":
            items[parts[2]] |= json.loads(request.content)
        return httpx.Response(200, json=items[parts[2]])

    def _gallery(self, name: str) -> dict[str, Any]:
        items = self.galleries[name]
        counts = {
            "items": len(items),
            "labels": len(items),
            "references": sum(len(i["references"]) for i in items.values()),
        }
        return {"name": name, "revision": 1, "fingerprint": None, "keep_pictures": True, "created_at": NOW, **counts}


def form(request: httpx.Request) -> dict[str, bytes]:
    """Fields of a multipart request (the last of each name)."""
    head = b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + request.content)
    found = {}
    for part in message.iter_parts():
        name = re.search(r'name="([^"]+)"', str(part["Content-Disposition"]))
        assert name
        found[name[1]] = part.get_payload(decode=True)
    return found


def picture(colour: str, size: tuple[int, int] = (120, 100)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = {colour: picture(colour) for colour in ("red", "green", "blue", "white", "black")}


@pytest.fixture(scope="session")
def pictures() -> dict[str, bytes]:
    """PNG files by colour."""
    return PICTURES


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def command(service: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Run ``kenspeckle`` with arguments against the fake service."""

    def connect(url: str | None, key: str | None) -> Client:
        return Client(url, key, retry=RetryPolicy(attempts=1), http_transport=httpx.MockTransport(service))

    monkeypatch.setattr(options, "connect", connect)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("KENSPECKLE_URL", raising=False)
    monkeypatch.delenv("KENSPECKLE_KEY", raising=False)
    return lambda *arguments, **options: CliRunner().invoke(app, [str(part) for part in arguments], **options)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of folders: two red teas, a green mug, one unknown."""
    root = tmp_path / "photos"
    for folder, name, colour in (("Tea", "a", "red"), ("Tea", "b", "white"), ("Mug", "a", "green")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f"{name}.png").write_bytes(PICTURES[colour])
    return root
