from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.training.pictures import draw_folder
from training.cli import app
from training.options import command_line


def test_every_command_is_listed_and_gives_an_example() -> None:
    runner = CliRunner()
    listing = runner.invoke(app, ["--help"]).output
    for command in (
        "train",
        "closed-form",
        "tune",
        "export",
        "choose-mix",
        "eval-extractor",
        "eval-decisions",
        "eval",
        "evaluate",
        "variants",
        "infer",
        "picodet",
    ):
        assert command in listing
        assert "Example: python -m training" in runner.invoke(app, [command, "--help"], terminal_width=200).output


def test_own_data_need_pictures_of_other_things(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "things", 2, 1, seed=0)
    result = CliRunner().invoke(app, ["closed-form", "--data", str(folder), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "go together" in result.output


def test_without_the_shared_data_the_place_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSPECKLE_SHARED", str(tmp_path / "nowhere"))
    result = CliRunner().invoke(app, ["closed-form", "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "KENSPECKLE_SHARED" in result.output


def test_a_command_is_written_as_one_would_type_it() -> None:
    options = {"run": Path("my runs/a"), "mix": None, "peer": ["x", "y"], "int8": True, "fp16": False, "seed": 0}
    expected = "python -m training export --run 'my runs/a' --peer x --peer y --int8 --seed 0"
    assert command_line("export", **options) == expected
