"""kenspeckle key, job and model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from kenspeckle.cli import app, options
from kenspeckle.client import Client, RetryPolicy
from tests.fixtures.bundles import write_extractor, write_variant

NOW = "2026-01-01T00:00:00Z"
KEY = {"id": "k1", "name": "camera", "role": "recognize", "created_at": NOW}
JOB = {"id": "j1", "kind": "reembed", "gallery": "shop", "state": "running", "done": 3, "total": 9, "message": "",
       "created_at": NOW, "updated_at": NOW}  # fmt: skip
MODEL = {"name": "toy", "version": "1.0.0", "kind": "extractor", "fingerprint": "sha256:1", "width": 32, "height": 32,
         "interpolation": "bilinear", "licence": "Apache-2.0"}  # fmt: skip
ANSWERS: dict[tuple[str, str], Any] = {
    ("POST", "/keys"): {**KEY, "key": "ksp_secret"},
    ("GET", "/keys"): {"items": [KEY]},
    ("DELETE", "/keys/k1"): None,
    ("GET", "/jobs"): {"items": [JOB]},
    ("GET", "/jobs/j1"): JOB,
    ("POST", "/jobs/j1/cancel"): {**JOB, "state": "cancelled"},
    ("GET", "/models"): [MODEL],
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=ANSWERS[request.method, request.url.path])

    def connect(url: str | None, key: str | None) -> Client:
        return Client(url, key, retry=RetryPolicy(attempts=1), http_transport=httpx.MockTransport(handle))

    monkeypatch.setattr(options, "connect", connect)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments, **kwargs: CliRunner().invoke(app, [str(part) for part in arguments], **kwargs)


def test_the_secret_of_a_new_key_is_all_that_goes_to_standard_output(run: Any) -> None:
    result = run("key", "create", "camera")
    assert result.stdout == "ksp_secret\n"
    assert "not shown again" in result.stderr


def test_keys_are_listed_and_deleted(run: Any) -> None:
    assert "camera" in run("key", "list").output
    assert run("key", "delete", "k1", input="n\n").exit_code == 1
    assert run("key", "delete", "k1", "--yes").exit_code == 0
    assert run("key", "create", "camera", "--role", "king").exit_code == 2


def test_jobs_are_listed_shown_and_cancelled(run: Any) -> None:
    assert "3 of 9" in run("job", "list").output
    assert json.loads(run("job", "show", "j1", "--json").stdout)["state"] == "running"
    assert "cancelled" in run("job", "cancel", "j1").output


def test_running_models_are_listed(run: Any) -> None:
    assert "toy 1.0.0" in run("model", "list").output


def test_a_whole_bundle_is_shown_and_verified(run: Any, tmp_path: Path) -> None:
    bundle = write_extractor(tmp_path / "toy")
    shown = run("model", "show", tmp_path / "toy")
    for text in ("toy-extractor 1.0.0", bundle.card.fingerprint, "random colour fields", "5.00%"):
        assert text in shown.output
    assert json.loads(run("model", "show", tmp_path / "toy", "--json").stdout)["fingerprint"] == bundle.card.fingerprint
    assert run("model", "verify", tmp_path / "toy").exit_code == 0


def test_variants_are_shown_with_their_figures_and_verified(run: Any, tmp_path: Path) -> None:
    bundle = write_variant(tmp_path / "variant", write_extractor(tmp_path / "toy"))
    shown = run("model", "show", bundle.path).stdout
    assert "model.int8.onnx" in shown
    assert "-0.01" in shown
    assert run("model", "verify", bundle.path).exit_code == 0


def test_a_tampered_bundle_is_refused_with_its_reason(run: Any, tmp_path: Path) -> None:
    write_extractor(tmp_path / "toy")
    (tmp_path / "toy" / "LICENSE").write_text("mine\n")
    result = run("model", "verify", tmp_path / "toy")
    assert result.exit_code == 1
    assert "sha256 differs" in result.output.replace("\n", " ")
    assert run("model", "show", tmp_path / "gone").exit_code == 1
