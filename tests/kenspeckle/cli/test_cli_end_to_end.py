"""The command against the real stack with toy models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from kenspeckle.cli import app
from kenspeckle.client import Client
from tests.fixtures.bundles import cross, scene, thing


@pytest.fixture
def run(stack: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    monkeypatch.setenv("KENSPECKLE_URL", stack)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(app, [str(part) for part in arguments])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four things in folders by their names."""
    for seed in range(4):
        folder = tmp_path / "photos" / f"Thing {seed}"
        folder.mkdir(parents=True)
        thing(seed).save(folder / "front.png")
    return tmp_path / "photos"


def test_import_recognise_correct_export_and_import_again(run: Any, photos: Path, tmp_path: Path) -> None:
    assert run("gallery", "import", photos, "--gallery", "store", "--crop", "whole").exit_code == 0
    scene(1, 2).save(tmp_path / "scene.png")
    result = run("recognize", tmp_path / "scene.png", "--gallery", "store", "--annotate", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    objects = json.loads(result.stdout)["objects"]
    assert sorted(found["label"] for found in objects) == ["Thing 1", "Thing 2"]
    with Image.open(tmp_path / "out" / "scene.jpg") as drawn:
        assert drawn.size == (640, 400)

    assert run("gallery", "relabel", "Thing 1", "Teapot", "--gallery", "store").exit_code == 0
    assert "Teapot" in run("recognize", tmp_path / "scene.png", "--gallery", "store").output
    assert run("gallery", "export", "store", tmp_path / "store.tar").exit_code == 0
    imported = run("gallery", "import", tmp_path / "store.tar", "--gallery", "store-copy")
    assert "4 items and 4 pictures" in imported.output
    assert "Teapot" in run("recognize", tmp_path / "scene.png", "--gallery", "store-copy").output
    assert run("gallery", "delete", "store-copy", "--yes").exit_code == 0
    assert run("recognize", tmp_path / "scene.png", "--gallery", "store-copy").exit_code == 1


def test_an_import_that_is_repeated_adds_nothing(run: Any, photos: Path, stack: str) -> None:
    for _ in range(2):
        assert run("gallery", "import", photos, "--gallery", "twice").exit_code == 0
    assert run("gallery", "import", photos, "--gallery", "twice", "--again").exit_code == 0
    with Client(stack) as client:
        assert client.gallery("twice").references == 8


def test_a_deleted_gallery_is_imported_anew(run: Any, photos: Path, stack: str) -> None:
    for _ in range(2):
        assert run("gallery", "import", photos, "--gallery", "anew").exit_code == 0
        with Client(stack) as client:
            assert client.gallery("anew").references == 4
            client.delete_gallery("anew")


def test_a_broken_picture_is_reported_and_the_others_are_in(run: Any, photos: Path, stack: str) -> None:
    (photos / "Thing 0" / "broken.png").write_bytes((photos / "Thing 0" / "front.png").read_bytes()[:100])
    result = run("gallery", "import", photos, "--gallery", "partly")
    assert result.exit_code == 1
    assert "broken.png" in (photos.parent / "photos.failed.csv").read_text()
    with Client(stack) as client:
        assert client.gallery("partly").references == 4


def test_an_evaluation_tells_known_from_unknown(run: Any, photos: Path, tmp_path: Path) -> None:
    assert run("gallery", "import", photos, "--gallery", "judged", "--crop", "whole").exit_code == 0
    (photos / "_unknown").mkdir()
    cross().save(photos / "_unknown" / "cross.png")
    result = run(
        "gallery", "evaluate", photos, "--gallery", "judged", "--whole", "--json", "--html", tmp_path / "p.html"
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["known"], found["unknown"], found["recall_at_1"], found["false_accepts"]) == (4, 1, 1.0, 0.0)
    assert (tmp_path / "p.html").read_text().startswith("<!doctype html>")


def test_models_jobs_and_galleries_are_listed(run: Any) -> None:
    assert "toy-extractor" in run("model", "list").output
    assert run("job", "list").exit_code == 0
    assert "default" in run("gallery", "list").output
