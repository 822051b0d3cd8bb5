"""What no test within one process can show: killed runs go on, several processes train as one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
import yaml
from torch.multiprocessing import start_processes

from tests.training.engine import unnormed
from tests.training.pictures import draw_folder
from tests.training.recmodel.fixture_run import CONFIG
from training.engine.checkpoint import load_checkpoint
from training.engine.run import Run, read_log

CHECKOUT = Path(__file__).parents[3]
CLOCKS = ("samples_per_s", "input_wait_share")
SUDDENLY = "EMA.decay=0.9", "Global.update_freq=2", "Global.save_steps=3", "DataLoader.Train.loader.num_workers=1"


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with pictures of four classes; drawing curves is tested elsewhere."""
    pictures = draw_folder(tmp_path / "pictures", 4, 5, seed=0)
    lines = [f"{path.relative_to(pictures)} {path.parent.name[-1]}" for path in sorted(pictures.rglob("*.png"))]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)


def arguments(folder: str, *overrides: str) -> list[str]:
    given = ("Arch.Head.class_num=4", "Global.eval_during_train=False", f"Global.output_dir={folder}", *overrides)
    return ["train", "-c", str(CONFIG), *(part for one in given for part in ("-o", one))]


def fresh(*command: str) -> subprocess.Popen[str]:
    """A new interpreter, as a person starts one."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.Popen([sys.executable, *command], text=True, stdout=subprocess.PIPE, env=environment)


def hanging_at(step: int) -> Callable[..., None]:
    log = Run.log

    def hang(self: Run, kind: str, at: int, values: dict[str, object]) -> None:
        log(self, kind, at, values)
        if at == step:
            time.sleep(600)

    return hang


def wait_for(step: int, folder: str) -> None:
    """Until the log of a run has a step."""
    until = time.monotonic() + 120
    while not any(record["step"] >= step for record in read_log(Path(folder) / "log.jsonl")):
        assert time.monotonic() < until, "the run never came that far"
        time.sleep(0.02)


def same_run(one: str, other: str) -> None:
    """Weights, averages and logs are equal, bit for bit."""
    left, right = (load_checkpoint(Path(folder) / "latest") for folder in (one, other))
    assert left.weights.keys() == right.weights.keys()
    assert left.averaged is not None
    assert right.averaged is not None
    assert all(torch.equal(value, right.weights[name]) for name, value in left.weights.items())
    assert all(torch.equal(value, right.averaged[name]) for name, value in left.averaged.items())
    logs = [read_log(Path(folder) / "log.jsonl") for folder in (one, other)]
    plain = [[{k: v for k, v in record.items() if k not in CLOCKS} for record in log] for log in logs]
    assert plain[0] == plain[1]


def test_a_killed_run_ends_as_one_that_was_never_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after step 8, in the third of five epochs of three steps; the checkpoint is of step 7."""
    overrides = ("Global.epochs=5", *SUDDENLY)
    context = get_context("fork")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "log", hanging_at(8))
        victim = context.Process(target=unnormed.command, args=(0, 1, 0, arguments("killed", *overrides)))
        victim.start()
    wait_for(8, "killed")
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    assert load_checkpoint(Path("killed/latest")).state["progress"]["step"] < 8
    for folder in ("killed", "whole"):
        again = context.Process(target=unnormed.command, args=(0, 1, 0, arguments(folder, *overrides)))
        again.start()
        again.join()
        assert again.exitcode == 0
    same_run("whole", "killed")


@pytest.mark.slow
def test_a_killed_command_ends_as_one_that_was_never_killed() -> None:
    """The same with interpreters of its own, killed wherever it is."""
    overrides = ("Global.epochs=80", *SUDDENLY)
    victim = fresh("-m", "training", *arguments("killed", *overrides))
    wait_for(20, "killed")
    victim.kill()
    victim.communicate()
    assert victim.returncode == -signal.SIGKILL
    assert 0 < load_checkpoint(Path("killed/latest")).state["progress"]["step"] < 240
    for folder in ("killed", "whole"):
        again = fresh("-m", "training", *arguments(folder, *overrides))
        assert "240 steps" in again.communicate()[0]
    same_run("whole", "killed")


JOINED = (
    "Global.epochs=3",
    "Arch={Backbone: {name: Unnormed}, Neck: {name: FC, embedding_size: 16, class_num: 8},"
    " Head: {name: ArcMargin, embedding_size: 8, class_num: 4, margin: 0.2, scale: 30}}",
    "Optimizer.lr.learning_rate=0.1",
    "DataLoader.Train.dataset.transform_ops=[{ResizeImage: {size: 32}},"
    " {NormalizeImage: {scale: 1.0/255.0, order: hwc}}]",  # nothing random: its draws are those of each process
)


def trained_as_one(together: Callable[[list[str]], None]) -> None:
    """Two processes with batches of 4 and one with batches of 8: the same losses, the same weights."""
    sampler = "DataLoader.Train.sampler.batch_size"
    together(arguments("two", *JOINED, f"{sampler}=4"))
    alone = get_context("fork").Process(
        target=unnormed.command, args=(0, 1, 0, arguments("one", *JOINED, f"{sampler}=8"))
    )
    alone.start()
    alone.join()
    one, two = (load_checkpoint(Path(folder) / "latest") for folder in ("one", "two"))
    assert len(two.state["generators"]) == 2
    for name, value in one.weights.items():
        torch.testing.assert_close(two.weights[name], value, rtol=1e-4, atol=1e-6, msg=name)
    logs = [read_log(Path(folder) / "log.jsonl") for folder in ("one", "two")]
    losses = [[record["loss"] for record in log] for log in logs]
    assert len(losses[0]) == len(losses[1]) == 3 * 3
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][-1] < losses[0][0]
    content = yaml.safe_load(Path("two/config.yaml").read_text())
    assert content["DataLoader"]["Train"]["sampler"]["batch_size"] == 4


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def test_two_processes_train_as_one_with_the_joined_batch() -> None:
    port = free_port()
    trained_as_one(
        lambda given: start_processes(unnormed.command, (2, port, given), nprocs=2, start_method="fork")  # type: ignore[no-untyped-call]
    )


@pytest.mark.slow
def test_torchrun_trains_as_one_process_with_the_joined_batch() -> None:
    def launch(given: list[str]) -> None:
        launcher = ("-m", "torch.distributed.run", f"--master-port={free_port()}", "--nproc-per-node=2")
        assert "9 steps" in fresh(*launcher, unnormed.__file__, *given).communicate()[0]

    trained_as_one(launch)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler (g++), none is installed")
def test_a_compiled_network_trains_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file's ``to_static``; checkpoints know nothing of it."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiler"))
    for folder, compiled in (("plain", False), ("compiled", True)):
        done = fresh(unnormed.__file__, *arguments(folder, *JOINED, f"Global.to_static={compiled}")).communicate()[0]
        assert "15 steps" in done
    assert list((tmp_path / "compiler").rglob("*.so")), "nothing was compiled"
    plain, compiled_run = (load_checkpoint(Path(folder) / "latest") for folder in ("plain", "compiled"))
    assert plain.weights.keys() == compiled_run.weights.keys()
    for name, value in plain.weights.items():
        torch.testing.assert_close(compiled_run.weights[name], value, rtol=1e-3, atol=1e-5, msg=name)
