import os
from pathlib import Path

import pytest
import torch
from torch import nn

from training.engine import checkpoint
from training.engine.checkpoint import (
    load_checkpoint,
    load_modules,
    load_weights,
    module_weights,
    save_checkpoint,
)

MODULES = {"model": nn.Linear(3, 2), "loss": nn.BatchNorm1d(2)}
STATE = {"step": 7, "rng": torch.arange(4, dtype=torch.uint8), "nested": [{"a": (1, None, "x")}]}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "latest", module_weights(MODULES), STATE, summary={"epoch": 1})
    read = load_checkpoint(tmp_path / "latest")
    assert read.state["step"] == 7
    assert read.state["nested"] == STATE["nested"]
    assert torch.equal(read.state["rng"], STATE["rng"])
    assert read.averaged is None
    other = {"model": nn.Linear(3, 2), "loss": nn.BatchNorm1d(2)}
    load_modules(other, read.weights)
    assert torch.equal(other["model"].weight, MODULES["model"].weight)


def test_averaged_weights_are_the_ones_to_use(tmp_path: Path) -> None:
    average = {"weight": torch.zeros(2, 3), "bias": torch.ones(2)}
    save_checkpoint(tmp_path / "best_model", module_weights(MODULES), STATE, average)
    assert torch.equal(load_weights(tmp_path / "best_model")["weight"], average["weight"])
    assert set(load_weights(tmp_path / "best_model", "loss")) == set(MODULES["loss"].state_dict())


def test_a_write_that_fails_leaves_the_last_whole_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "latest", module_weights(MODULES), {"step": 1})

    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(checkpoint.torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(tmp_path / "latest", module_weights(MODULES), {"step": 2})
    assert load_checkpoint(tmp_path / "latest").state["step"] == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are looked up in /proc")
def test_files_are_synced_before_they_take_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(checkpoint.os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    save_checkpoint(tmp_path / "latest", module_weights(MODULES), {"step": 1})
    places = [str(Path(path).relative_to(tmp_path.resolve())) for path in synced]
    assert set(places[:3]) == {
        f".latest.part/{name}" for name in ("weights.safetensors", "state.pt", "checkpoint.json")
    }
    assert places[3:] == [".latest.part", "."]


def test_a_run_cut_off_between_the_renames_is_read_from_the_previous(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "latest", module_weights(MODULES), {"step": 1})
    (tmp_path / "latest").rename(tmp_path / ".latest.previous")
    assert load_checkpoint(tmp_path / "latest").state["step"] == 1
    save_checkpoint(tmp_path / "latest", module_weights(MODULES), {"step": 2})
    assert load_checkpoint(tmp_path / "latest").state["step"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]


def test_nothing_in_a_state_is_executed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "latest", module_weights(MODULES), {"step": 1})
    torch.save({"step": Hostile(tmp_path / "executed")}, tmp_path / "latest/state.pt")
    with pytest.raises(ValueError, match="damaged checkpoint"):
        load_checkpoint(tmp_path / "latest")
    assert not (tmp_path / "executed").exists()


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "latest", module_weights(MODULES), {"step": 1})
    weights = tmp_path / "latest/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:40])
    with pytest.raises(ValueError, match="damaged checkpoint"):
        load_checkpoint(tmp_path / "latest")
    with pytest.raises(FileNotFoundError, match="no checkpoint there"):
        load_checkpoint(tmp_path / "nothing")
