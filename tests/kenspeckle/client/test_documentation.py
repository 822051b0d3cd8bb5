"""The page on the client is true: its examples run against the real stack, and it names every error."""

import re
from pathlib import Path

import pytest

import kenspeckle.client
from tests.fixtures.bundles import scene

PAGE = Path(__file__).parents[3] / "docs" / "client.md"


def test_every_example_runs(
    own_stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KENSPECKLE_URL", own_stack)
    monkeypatch.chdir(tmp_path)
    scene(1, None).save("mug.jpg")
    scene(1, 2).save("desk.jpg")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    names: dict[str, object] = {"__name__": "example"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert Path("desk-annotated.jpg").stat().st_size > 1000
    assert "known My mug" in capsys.readouterr().out


def test_every_error_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    errors = [name for name in kenspeckle.client.__all__ if issubclass(_class(name), Exception)]
    assert len(errors) >= 8
    assert [name for name in errors if f"`{name}`" not in text and name != "KenspeckleError"] == []


def _class(name: str) -> type:
    found = getattr(kenspeckle.client, name)
    return found if isinstance(found, type) else object
