from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kenspeckle.bundle import read_bundle
from tests.fixtures.bundles import thing, write_extractor
from training.cli import app
from training.evaluation.embed import bundle_embedder
from training.evaluation.protocol import RetrievalProtocol
from training.evaluation.suite import SetResult, evaluate_suite, read_suite, recall_table


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy pictures of things, as folders and as a list, and a bundle that tells them apart."""
    folder = tmp_path_factory.mktemp("suite")
    write_extractor(folder / "bundle")
    rng = np.random.default_rng(0)
    lines = []
    for part, seeds in (("query", (1, 2, 3, 4)), ("gallery", (1, 2, 3))):
        for seed in seeds:
            (folder / part / f"thing {seed}").mkdir(parents=True)
            for number in range(3):
                pixels = np.asarray(thing(seed, 40), np.float32) + rng.normal(0, 60, (40, 40, 3))
                name = f"{part}/thing {seed}/{number}.png"
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
                if part == "query":
                    lines.append(f"{name}\t{seed}\tcamera{number % 2}")
    (folder / "query.txt").write_text("\n".join(lines))
    (folder / "suite.yaml").write_text(
        """
sets:
  - name: apart
    query: {name: FolderDataset, image_root: query}
    gallery: {name: FolderDataset, image_root: gallery}
  - name: cameras
    query: {name: ShiTuRecDataset, image_root: ., cls_label_path: query.txt}
"""
    )
    return folder


def test_every_set_is_measured_by_its_own_rule(root: Path) -> None:
    results: dict[str, SetResult] = {}
    embed = bundle_embedder(read_bundle(root / "bundle"))

    def keep(result: SetResult) -> None:
        results[result.name] = result

    means = evaluate_suite(embed, read_suite(root / "suite.yaml"), RetrievalProtocol(), keep)
    assert list(means) == ["apart", "cameras"]
    apart, cameras = results["apart"], results["cameras"]
    assert (len(apart.queries.pool), len(apart.gallery.pool)) == (12, 9)
    assert apart.figures.answerable().sum() == 9
    assert means["apart"]["recall@1"] > 0.8
    assert means["apart"]["AUROC"] > 0.5
    groups, labels = cameras.queries.pool.groups, cameras.queries.pool.labels
    assert groups is not None
    nearest = cameras.figures.nearest
    assert not ((groups[nearest] == groups) & (labels[nearest] == labels)).any()
    assert "AUROC" not in means["cameras"]


def test_the_table_has_recall_and_map_in_percent() -> None:
    means = {"one": {"recall@1": 0.5, "mAP": 0.25}, "two": {"recall@1": 1.0, "mAP": 0.999}}
    assert recall_table(means, "toy") == [
        "| recall@1 % (mAP %) | one | two |",
        "| --- | --- | --- |",
        "| toy | 50.0 (25.0) | 100.0 (99.9) |",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sets: []", "sets"),
        ("sets: [{name: x, query: {name: FolderDataset}, colour: blue}]", "colour"),
        ("sets: [{name: x, query: {image_root: here}}]", "FolderDataset"),
        ("sets: [", "cannot be read"),
    ],
)
def test_a_suite_that_cannot_be_used_says_why(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "suite.yaml").write_text(text)
    with pytest.raises(ValueError, match=reason):
        read_suite(tmp_path / "suite.yaml")


def test_the_command_prints_the_table_and_writes_the_reports(root: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "--bundle", str(root / "bundle"), "--suite", str(root / "suite.yaml")]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "recall@1 % (mAP %)" in result.output
    assert "identified at FAR 0.1" in result.output
    for name in ("figures.json", "per_class.csv", "worst.html", "map.png"):
        assert (tmp_path / "apart" / name).exists()
        assert (tmp_path / "cameras" / name).exists()


def test_a_folder_is_evaluated_against_itself_or_another_one(root: Path) -> None:
    arguments = ["evaluate", "--bundle", str(root / "bundle"), "--data", str(root / "query")]
    alone = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert alone.exit_code == 0, alone.output
    assert "12 queries, 12 gallery entries" in alone.output
    other = CliRunner().invoke(app, [*arguments, "--gallery", str(root / "gallery")], env={"COLUMNS": "200"})
    assert "12 queries, 9 gallery entries" in other.output


def test_what_cannot_be_evaluated_is_told_without_a_traceback(root: Path, tmp_path: Path) -> None:
    bundle = ["evaluate", "--bundle", str(root / "bundle")]
    for arguments in (bundle, ["evaluate", "--bundle", str(tmp_path), "--data", str(root)]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
    assert CliRunner().invoke(app, [*bundle, "--data", str(tmp_path / "gone")]).exit_code == 2
