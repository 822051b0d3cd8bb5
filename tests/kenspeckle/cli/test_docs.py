"""The page on the command line is the command's own."""

from pathlib import Path

import pytest

from kenspeckle.cli import docs


def test_the_page_is_up_to_date() -> None:
    assert docs.PAGE.read_text(encoding="utf-8") == docs.render(), "run make docs"


def test_an_outdated_page_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "cli.md"
    monkeypatch.setattr(docs, "PAGE", page)
    assert docs.main(check=True) == 1
    page.write_text(docs.render(), encoding="utf-8")
    assert docs.main(check=True) == 0
    page.write_text(docs.render() + "x", encoding="utf-8")
    assert docs.main(check=True) == 1
