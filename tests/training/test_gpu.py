"""What holds on the CPU holds on a CUDA GPU."""

import copy
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from tests.training.losses.naive import CASES
from tests.training.losses.test_all_losses import BATCHES, build, leaves, outputs_of
from tests.training.picodet.drawn import draw_pictures, recipe
from tests.training.presets.test_presets import LABELS, NAMES, changed, configuration, network, total
from tests.training.recmodel.fixture_run import CONFIG, lay_out
from training.config.schema import Config, load_config
from training.engine.checkpoint import load_weights
from training.engine.loop import Trainer
from training.engine.parallel import from_all, from_first, gather, mean_over_processes, stop_processes
from training.losses import CombinedLoss
from training.picodet.task import DetectionTask
from training.recmodel.session import load_run, train_config

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and there is none")
SMOOTH = ["DataLoader.Train.sampler.batch_size=8", "Optimizer.lr.learning_rate=0.001"]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where ``tiny.yaml`` finds its pictures, in exact arithmetic, without drawing curves."""
    monkeypatch.chdir(lay_out(tmp_path))
    monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def config(*overrides: str) -> Config:
    return load_config(CONFIG, [*SMOOTH, *overrides])[0]


def trained(name: str, *overrides: str) -> dict[str, torch.Tensor]:
    train_config(config("Global.device=gpu", f"Global.output_dir={name}", *overrides))
    return load_weights(Path(name) / "latest")


def furthest(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    assert left.keys() == right.keys()
    pairs = [(value, right[name]) for name, value in left.items() if value.is_floating_point()]
    return max(((a - b).abs().max() / (1 + b.abs().max())).item() for a, b in pairs)


@pytest.mark.usefixtures("there")
def test_a_run_gives_the_weights_of_one_on_the_cpu() -> None:
    train_config(config("Global.output_dir=cpu"))
    assert furthest(trained("gpu"), load_weights(Path("cpu/latest"))) < 1e-3
    model, _ = load_run(Path("gpu"))
    assert model(torch.zeros(2, 3, 32, 32))["features"].shape == (2, 8)


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_precision_stays_near_full_precision(dtype: str) -> None:
    half = trained("half", "AMP.use_amp=True", f"AMP.dtype={dtype}", "Global.channels_last=True")
    assert 0 < furthest(half, trained("full")) < 0.05


@pytest.mark.usefixtures("there")
def test_a_compiled_network_trains_to_the_same_weights() -> None:
    assert furthest(trained("compiled", "Global.to_static=True"), trained("plain")) < 1e-3


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_run_that_was_cut_off_ends_with_the_same_weights(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    how = [f"AMP.use_amp={dtype != 'float32'}", "AMP.dtype=float16", "EMA.decay=0.9", "Global.save_steps=1"]
    whole = trained("whole", *how)

    def cut_off(kind: str, record: dict[str, float]) -> None:
        if record["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_config(config("Global.device=gpu", "Global.output_dir=cut", *how), cut_off)
    assert furthest(trained("cut", *how), whole) < 1e-5


@pytest.mark.parametrize("name", CASES)
def test_a_loss_is_that_of_the_cpu(name: str) -> None:
    labels, loss = torch.tensor(BATCHES["unbalanced"]), build(name)
    outputs = outputs_of(CASES[name], len(labels))
    there = copy.deepcopy(loss).cuda()

    def moved(value: object) -> object:
        if isinstance(value, dict):
            return {key: moved(inner) for key, inner in value.items()}
        return value.detach().cuda().requires_grad_(value.requires_grad)  # type: ignore[attr-defined]

    on_gpu = moved(outputs)
    found = there(on_gpu, labels.cuda())
    assert found.item() == pytest.approx(loss(outputs, labels).item(), rel=1e-4, abs=1e-6)
    found.backward()
    assert all(leaf.grad.isfinite().all() for leaf in leaves(on_gpu) if leaf.grad is not None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_takes_a_step_forward_and_backward(name: str) -> None:
    given = configuration(name)
    model = network(given, classes=5).cuda().train()
    loss = CombinedLoss(changed(given.Loss.Train, num_classes=5)).cuda()
    images, labels = torch.randn(len(LABELS), 3, 224, 224, device="cuda"), LABELS.cuda()
    total(loss(model(images, labels) | {"domains": labels % 2}, labels)).backward()
    assert any(p.grad is not None and p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_detector_trains(tmp_path: Path, precision: str) -> None:
    settings = recipe(train={"batches_per_epoch": 3, "loop": {"epochs": 2, "device": "cuda", "precision": precision}})
    task = DetectionTask(settings, draw_pictures(tmp_path))
    losses = []
    Trainer(task, settings.train.loop, report=lambda kind, record: losses.append(record["loss"])).train()
    assert torch.tensor(losses).isfinite().all()
    assert next(task.modules["model"].parameters()).is_cuda


def test_processes_talk_by_nccl(tmp_path: Path) -> None:
    """A group of one, since two need two GPUs."""
    dist.init_process_group("nccl", f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    try:
        rows = torch.randn(3, 2, device="cuda", requires_grad=True)
        gathered = gather(rows)
        assert torch.equal(gathered, rows)
        gathered.sum().backward()
        assert rows.grad is not None
        assert torch.equal(rows.grad, torch.ones_like(rows))
        assert mean_over_processes(rows[0, 0]).item() == rows[0, 0].item()
        assert from_first("a") == "a"
        assert from_all({"a": 1}) == [{"a": 1}]
    finally:
        stop_processes()
