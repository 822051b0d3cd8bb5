import json
from pathlib import Path

import pytest
from PIL import Image

from training.engine.run import Run, read_log


def test_a_run_folder_says_what_it_was_made_with_and_how_it_went(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {"Global": {"epochs": 2, "seed": 0}})
    for step in range(1, 4):
        run.log("train", step, {"loss": 1.0 / step, "lr": 0.1})
    run.log("eval", 3, {"recall@1": 0.5})
    run.close()
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"config.yaml", "environment.json", "log.jsonl", "tensorboard", "curves.png"}
    assert "torch" in json.loads((tmp_path / "run/environment.json").read_text())["packages"]
    with Image.open(tmp_path / "run/curves.png") as curves:
        assert curves.width > 1000  # loss, lr and recall side by side
    assert [record["step"] for record in read_log(tmp_path / "run/log.jsonl")] == [1, 2, 3, 3]


def test_the_log_goes_on_where_the_checkpoint_is(tmp_path: Path) -> None:
    run = Run(tmp_path, {})
    for step in range(1, 6):
        run.log("train", step, {"loss": 0.0})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"kind": "tra')
    run.rewind(3)
    run.log("train", 4, {"loss": 9.0})
    assert [(r["step"], r["loss"]) for r in run.records()] == [(1, 0.0), (2, 0.0), (3, 0.0), (4, 9.0)]
    run.close()


def test_a_folder_is_not_shared_by_two_configurations(tmp_path: Path) -> None:
    Run(tmp_path, {"Global": {"epochs": 2}, "sizes": (1, 2)}).close()
    Run(tmp_path, {"Global": {"epochs": 2}, "sizes": [1, 2]}).close()
    with pytest.raises(ValueError, match=r"differs in Global\.epochs, Arch\)"):
        Run(tmp_path, {"Global": {"epochs": 3}, "sizes": [1, 2], "Arch": {"name": "RecModel"}})


def test_a_folder_is_taken_over_where_that_is_asked(tmp_path: Path) -> None:
    assert not Run(tmp_path, {"epochs": 2}).continued
    assert Run(tmp_path, {"epochs": 2}).continued
    assert not Run(tmp_path, {"epochs": 3}, replace=True).continued
    assert Run(tmp_path, {"epochs": 3}).continued
