import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kenspeckle.bundle import read_bundle
from tests.fixtures.bundles import DIM, thing, write_extractor
from training.cli import app
from training.data.pictures import Picture
from training.evaluation import infer as module
from training.evaluation.embed import bundle_embedder
from training.evaluation.infer import infer


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_extractor(tmp_path_factory.mktemp("bundle")).path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    for seed in range(5):
        thing(seed, 40).save(folder / ("below" if seed % 2 else ".") / f"{seed}.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not looked at")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_readable_pictures_are_embedded_and_the_others_named(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    command = ["infer", "--bundle", str(bundle), "--images", str(pictures), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    assert "5 embedded, 1 unreadable" in result.output
    names = [row["path"] for row in rows(tmp_path / "out/pictures.csv")]
    assert sorted(names) == ["0.png", "2.png", "4.png", "below/1.png", "below/3.png"]
    expected = bundle_embedder(read_bundle(bundle))([Picture(pictures / name, "") for name in names]).vectors
    with np.load(tmp_path / "out/embeddings.npz", allow_pickle=False) as archive:
        assert archive["embeddings"].shape == (5, DIM)
        np.testing.assert_allclose(archive["embeddings"], expected, atol=1e-6)
    assert [row["path"] for row in rows(tmp_path / "out/unreadable.csv")] == ["broken.jpg"]


def test_json_prints_a_line_for_each_picture_and_nothing_else(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    command = ["infer", "--bundle", str(bundle), "--images", str(pictures), "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["path"] for line in lines] == [row["path"] for row in rows(tmp_path / "out/pictures.csv")]
    with np.load(tmp_path / "out/embeddings.npz", allow_pickle=False) as archive:
        np.testing.assert_allclose([line["embedding"] for line in lines], archive["embeddings"], atol=1e-6)
    assert "5 embedded" in result.stderr


def test_what_was_cut_off_goes_on_where_it_was(
    bundle: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PORTION", 2)
    embed, seen = bundle_embedder(read_bundle(bundle)), []

    def counted(chosen: list[Picture]) -> object:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append([picture.path.name for picture in chosen])
        return embed(chosen)

    with pytest.raises(KeyboardInterrupt):
        infer(counted, "fp", pictures, tmp_path / "out")  # type: ignore[arg-type]
    assert seen == [["0.png", "2.png"], ["4.png", "1.png"]]
    later: list[str] = []

    def rest(chosen: list[Picture]) -> object:
        later.extend(picture.path.name for picture in chosen)
        return embed(chosen)

    steps: list[tuple[int, int]] = []
    assert infer(rest, "fp", pictures, tmp_path / "out", lambda *at: steps.append(at)) == (5, 1)  # type: ignore[arg-type]
    assert set(later) == {"3.png", "broken.jpg"}
    assert steps == [(2, 6), (4, 6), (6, 6)]
    names = [row["path"] for row in rows(tmp_path / "out/pictures.csv")]
    expected = embed([Picture(pictures / name, "") for name in names]).vectors
    with np.load(tmp_path / "out/embeddings.npz", allow_pickle=False) as archive:
        np.testing.assert_allclose(archive["embeddings"], expected, atol=1e-6)


def test_another_model_or_folder_does_not_go_on(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    embed = bundle_embedder(read_bundle(bundle))
    infer(embed, "fp", pictures, tmp_path / "out")
    with pytest.raises(ValueError, match="begun with other"):
        infer(embed, "another", pictures, tmp_path / "out")
    thing(9, 40).save(pictures / "new.png")
    with pytest.raises(ValueError, match="begun with other"):
        infer(embed, "fp", pictures, tmp_path / "out")


def test_a_folder_without_pictures_is_told(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    command = ["infer", "--bundle", str(bundle), "--images", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert "no pictures" in result.output
