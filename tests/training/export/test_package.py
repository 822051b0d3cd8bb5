import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kenspeckle.bundle import Measurement, read_bundle, verify_bundle
from tests.training.pictures import draw_folder
from training.engine.checkpoint import save_checkpoint
from training.evaluation.embed import bundle_embedder, torch_embedder
from training.export.extractor import probe_pictures, with_evaluation
from training.export.package import finished, load_run, make_bundle
from training.export.sources import folder_sources
from training.recmodel.recipe import Recipe
from training.recmodel.shipped import served_extractor
from training.recmodel.start import START, begin
from training.recmodel.tune import open_run

RECIPE = Recipe(steps=1, size=32, dim=16, classes_per_batch=3, mix=0.0)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the closed-form neck on a few drawn things."""
    root = tmp_path_factory.mktemp("exported")
    sources = folder_sources(
        draw_folder(root / "things", 4, 4, seed=0, side=40), draw_folder(root / "others", 4, 4, seed=1, side=40)
    )
    begin(sources.labelled, RECIPE, open_run(root / "run", RECIPE).folder)
    make_bundle(root / "run", sources, root / "bundle", "toy", "1.2.3", "command")
    return root


def test_an_exported_bundle_verifies_and_agrees_with_the_network(exported: Path) -> None:
    bundle = read_bundle(exported / "bundle")
    verify_bundle(bundle)
    assert bundle.card.parity.value >= 0.9999
    assert (bundle.card.name, bundle.card.version) == ("toy", "1.2.3")
    pictures = folder_sources(exported / "things", exported / "others").labelled
    by_graph, by_network = (
        bundle_embedder(bundle)(pictures),
        torch_embedder(served_extractor(load_run(exported / "run", 0)))(pictures),
    )
    assert float((by_graph.vectors * by_network.vectors).sum(axis=1).min()) >= 0.9999


def test_the_cohort_is_the_half_of_the_other_pictures(exported: Path) -> None:
    bundle = read_bundle(exported / "bundle")
    assert bundle.cohort().shape == (8, 16)
    np.testing.assert_allclose(np.linalg.norm(bundle.cohort(), axis=1), 1, atol=1e-5)


def test_members_of_the_cohort_are_left_out_by_what_they_show(exported: Path) -> None:
    bundle = read_bundle(exported / "bundle")
    rule = bundle.leave_out()
    assert rule is not None
    assert rule.same_thing == (bundle.card.calibration.same_thing if bundle.card.calibration else None)
    shown = bundle.arrays("cohort.npz")["labels"]
    assert [len(set(rule.kinds[shown == label].tolist())) for label in np.unique(shown)] == [1] * 4
    assert len(np.unique(rule.kinds)) == 4


def test_a_neck_is_fitted_anew_on_the_trunk_that_is_exported(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "run", tmp_path / "run")
    start = load_file(tmp_path / "run" / START)
    changed = {name: value * 1.5 if name.startswith("neck") else value for name, value in start.items()}
    changed["neck.fc.bias"] = changed["neck.fc.bias"] + 1
    save_checkpoint(tmp_path / "run/latest", {}, {}, changed, {"step": 1})
    labelled = folder_sources(exported / "things", exported / "others").labelled
    kept, anew = (
        finished(tmp_path / "run", RECIPE.model_copy(update={"mix": 1.0, "refit": refit}), labelled).neck.fc.bias
        for refit in (False, True)
    )
    torch.testing.assert_close(kept, changed["neck.fc.bias"])
    torch.testing.assert_close(anew, start["neck.fc.bias"], atol=1e-4, rtol=1e-3)


def test_evaluations_of_one_command_replace_each_other_and_appear_in_the_readme(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "bundle", tmp_path / "bundle")
    for command, value in (("a", 0.5), ("b", 0.25), ("a", 0.75)):
        figure = Measurement(metric="known things rightly accepted", data="drawn", value=value, command=command)
        with_evaluation(read_bundle(tmp_path / "bundle"), [figure])
    evaluation = read_bundle(tmp_path / "bundle").card.evaluation
    assert [(m.command, m.value) for m in evaluation] == [("b", 0.25), ("a", 0.75)]
    assert "0.750" in (tmp_path / "bundle/README.md").read_text(encoding="utf-8")


def test_weights_that_are_not_there_are_missed(exported: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no checkpoint there"):
        load_run(exported / "run", 0.5)


def test_an_unfinished_run_is_not_exported(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "run", tmp_path / "run")
    save_checkpoint(tmp_path / "run/latest", {}, {}, load_file(tmp_path / "run" / START), {"step": 0})
    with pytest.raises(ValueError, match="has done 0 of 1 steps"):
        load_run(tmp_path / "run", 0.5)


def test_probe_pictures_differ_and_use_the_whole_range() -> None:
    probe = probe_pictures(64, 64)
    assert probe.shape == (4, 64, 64, 3)
    assert probe.min() < 20
    assert probe.max() > 235
    assert not np.array_equal(probe[0], probe[1])
