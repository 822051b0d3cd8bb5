"""kenspeckle gallery: single things and whole galleries."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def tea(command: Any, photos: Path) -> Path:
    picture = photos / "Tea" / "a.png"
    assert command("gallery", "add", picture, "--label", "Tea", "--item-id", "t1").exit_code == 0
    return picture


def test_add_sends_what_was_given(command: Any, photos: Path, service: Any) -> None:
    result = command("gallery", "add", photos / "Tea" / "a.png", "--label", "Tea", "--gallery", "shop",
                     "--box", "1,2,30,40", "--metadata", '{"shelf": 3}', "--crop", "whole")  # fmt: skip
    assert result.exit_code == 0
    assert "Added Tea with one picture (gallery shop" in result.output
    sent = service.enrolled[0]
    assert (sent["label"], sent["box"], sent["metadata"], sent["crop"]) == (
        "Tea", "[1.0, 2.0, 30.0, 40.0]", '{"shelf": 3}', "whole")  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [[], ["--label", "Tea", "--negative"], ["--label", "Tea", "--box", "1,2,3"], ["--label", "Tea", "--box", "5,5,1,1"],
     ["--label", "Tea", "--metadata", "[1]"], ["--label", "Tea", "--metadata", "{"]],
)  # fmt: skip
def test_add_refuses_what_makes_no_sense(command: Any, photos: Path, service: Any, wrong: list[str]) -> None:
    assert command("gallery", "add", photos / "Tea" / "a.png", *wrong).exit_code == 2
    assert not service.enrolled


def test_create_list_show_and_search(command: Any, tea: Path) -> None:
    assert command("gallery", "create", "shop", "--description", "all").exit_code == 0
    listed = command("gallery", "list").output
    assert "default" in listed
    assert "shop" in listed
    assert "t1" in command("gallery", "show").output
    assert json.loads(command("gallery", "search", "Te", "--json").stdout)["id"] == "t1"
    assert "Nothing there" in command("gallery", "search", "coffee").output


def test_relabel_asks_for_the_revision_that_it_read(command: Any, tea: Path, service: Any) -> None:
    result = command("gallery", "relabel", "t1", "Green tea")
    assert "Tea is now Green tea." in result.output
    assert service.requests[-1].headers["If-Match"] == '"1"'


def test_delete_asks_first(command: Any, tea: Path, service: Any) -> None:
    refused = command("gallery", "delete", "default", input="n\n")
    assert refused.exit_code == 1
    assert "gallery default with 1 items and 1 pictures" in refused.output
    assert "default" in service.galleries
    assert command("gallery", "delete", "default", "--item", "t1", input="y\n").exit_code == 0
    assert service.galleries["default"] == {}
    assert command("gallery", "delete", "default", "--yes").exit_code == 0
    assert service.galleries == {}


def test_a_reference_is_deleted_only_with_its_item(command: Any, tea: Path) -> None:
    assert command("gallery", "delete", "default", "--reference", "r", "--yes").exit_code == 2


def test_export_writes_the_file(command: Any, tea: Path, tmp_path: Path) -> None:
    result = command("gallery", "export", "default", tmp_path / "out.tar", "--json")
    assert json.loads(result.stdout)["bytes"] == len(b"tar of default")
    assert (tmp_path / "out.tar").read_bytes() == b"tar of default"


def test_a_refused_change_is_a_sentence_and_not_a_traceback(command: Any, tea: Path) -> None:
    result = command("gallery", "relabel", "nobody", "x")
    assert result.exit_code == 1
    assert "there is no item nobody" in result.output
    assert "Traceback" not in result.output
