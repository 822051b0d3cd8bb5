"""kenspeckle serve and train, the whole command, and its errors."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import kenspeckle
from kenspeckle.cli import app


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as it lies in a checkout that has neither services nor training yet."""
    package = tmp_path / "kenspeckle" / "__init__.py"
    monkeypatch.setattr(kenspeckle, "__file__", str(package))
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_serve_hands_its_options_to_the_services(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got: dict[str, Any] = {}
    module = types.ModuleType("services.standalone")
    module.serve = lambda **options: got.update(options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "services.standalone", module)
    (checkout / "services").mkdir()
    result = run("serve", "--port", "9000", "--data", "/srv/k", "--insecure")
    assert result.exit_code == 0, result.output
    assert got == {
        "host": "127.0.0.1", "port": 9000, "data": Path("/srv/k"), "models": checkout / "models", "insecure": True,
    }  # fmt: skip


def test_train_hands_over_everything_that_follows(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[str] = []
    module = types.ModuleType("training.cli")
    module.app = lambda args, prog_name: got.extend(args)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "training.cli", module)
    (checkout / "training").mkdir()
    assert run("train", "export", "--run", "runs/1", "--help").exit_code == 0
    assert got == ["export", "--run", "runs/1", "--help"]


@pytest.mark.parametrize("command", ["serve", "train"])
def test_what_is_not_there_is_said_with_what_to_do(checkout: Path, command: str) -> None:
    result = run(command)
    assert result.exit_code == 1
    assert "get a checkout" in result.output
    assert "Traceback" not in result.output


def test_a_missing_dependency_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'faiss'", name="faiss")

    (checkout / "services").mkdir()
    monkeypatch.setattr("kenspeckle.cli.local.importlib.import_module", missing)
    result = run("serve")
    assert result.exit_code == 1
    assert "faiss is missing: run pip install 'kenspeckle[serve]'" in result.output.replace("\n", " ")


def test_no_answer_is_one_sentence_that_says_what_to_do() -> None:
    result = run("gallery", "list", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "kenspeckle serve" in result.output.replace("\n", " ")
    assert "Traceback" not in result.output


def test_what_is_no_address_is_one_sentence() -> None:
    result = run("gallery", "list", "--url", "nonsense")
    assert result.exit_code == 1
    assert "is not an address" in result.output


def test_every_command_has_examples_and_json_and_the_address(command_paths: list[list[str]]) -> None:
    assert len(command_paths) >= 20
    for path in command_paths:
        text = run(*path, "--help").output
        if path not in (["train"],):
            assert "Example" in text, path
        if path not in (["train"], ["serve"]):
            assert "--json" in text, path
        if path[0] in ("recognize", "gallery", "key", "job"):
            assert "--url" in text, path
            assert "--key" in text, path


@pytest.fixture
def command_paths() -> list[list[str]]:
    import typer.main

    def below(command: Any, path: list[str]) -> list[list[str]]:
        children = getattr(command, "commands", {})
        return [deep for name, child in children.items() for deep in below(child, [*path, name])] or [path]

    return [path for path in below(typer.main.get_command(app), []) if path != ["train"]]
