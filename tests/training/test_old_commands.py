"""Every command in the right column of docs/training/old-commands.md runs, on small pictures and for a few steps."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import save_file
from torch import nn
from torch.multiprocessing import start_processes
from typer.testing import CliRunner

from kenspeckle.cli import app as kenspeckle
from tests.fixtures.bundles import scene, thing, write_models
from tests.fixtures.servers import serving
from tests.fixtures.stacks import standalone_app
from tests.training.pictures import draw_folder
from tests.training.recmodel.fixture_run import lay_out
from training.cli import app as training
from training.legacy2018.flags import SCRIPTS
from training.recmodel.backbones import BACKBONES
from training.recmodel.backbones.build import build_backbone

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs/training/old-commands.md"
ROW = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)
COMMANDS = [now for _, now in ROW.findall(PAGE.read_text(encoding="utf-8")) if " " in now]
NETWORK = "PPLCNet_x0_25"
SMALL_OPS = "[{ResizeImage: {size: 32}}, {NormalizeImage: {scale: 1.0/255.0, order: hwc}}]"
SMALL_SET = f"{{name: ImageNetDataset, image_root: pictures, cls_label_path: list.txt, transform_ops: {SMALL_OPS}}}"
SMALL = (
    "Global.epochs=1",
    "Global.save_interval=0",
    "Global.device=cpu",
    "Arch.Head.class_num=3",
    f"Arch.Backbone.name={NETWORK}",
    f"DataLoader.Train.dataset={SMALL_SET}",
    "DataLoader.Train.loader.num_workers=0",
    f"DataLoader.Eval={{Query: {{dataset: {SMALL_SET}, sampler: {{batch_size: 8}}}}}}",
)
SMALL_SAMPLER = {
    "GeneralRecognition_PPLCNet_x2_5": ("DataLoader.Train.sampler.batch_size=5",),
    "GeneralRecognitionV2_PPLCNetV2_base": (
        "DataLoader.Train.sampler={name: PKSampler, batch_size: 6, sample_per_id: 2}",
        "Arch.Backbone.pretrained=False",
    ),
}
SMALL_FLAGS = {
    "train": "--image_shape=3,32,32 --train_batch_size=4 --total_iter_num=2 --test_iter_step=2 --save_iter_step=2"
    " --class_dim=3 --use_gpu=false --lr_steps=1",
    "other": "--image_shape=3,32,32 --use_gpu=0",
}


def small(command: str) -> list[str]:
    """The words of a command, with what makes it small at the end."""
    words = shlex.split(command)
    if "legacy2018" in words:
        script = words[words.index("legacy2018") + 1]
        return words + SMALL_FLAGS["train" if script.startswith("train") else "other"].split()
    if "-c" in words:
        name = Path(words[words.index("-c") + 1]).stem
        elsewhere = [] if "checkpoints" in command else ["Global.output_dir=again"]
        overrides = [*SMALL, *SMALL_SAMPLER[name], *elsewhere]
        return words + [part for override in overrides for part in ("-o", override)]
    return words


def as_torchrun(number: int, count: int, arguments: list[str]) -> None:
    """What ``torchrun`` starts, in a forked process: fresh interpreters would spend a minute on imports alone."""
    os.environ.update(RANK=str(number), LOCAL_RANK=str(number), WORLD_SIZE=str(count))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29533", GLOO_SOCKET_IFNAME="lo")
    training(arguments, standalone_mode=False)


def run(command: str) -> str:
    words = small(command)
    if words[0] == "torchrun":
        processes = int(words[1].removeprefix("--nproc-per-node="))
        arguments = words[words.index("training") + 1 :]
        start_processes(as_torchrun, (processes, arguments), nprocs=processes, start_method="fork")
        return "as many processes ended well"
    if words[0] == "kenspeckle":
        result = CliRunner().invoke(kenspeckle, words[1:])
    else:
        assert words[:3] == ["python", "-m", "training"]
        result = CliRunner().invoke(training, words[3:])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def narrow_resnet(class_num: int = 1000) -> nn.Module:
    """Features as wide as those of ResNet50, whose weights would fill the disk; that net has tests of its own."""
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(3, 8, 3, 4),
            wide=nn.Conv2d(8, 2048, 1),
            avg_pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(2048, class_num),
        )
    )


@pytest.fixture(autouse=True, scope="module")
def small_networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES._factories, "ResNet50", narrow_resnet)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands find their pictures, lists, gallery and bundles."""
    folder = lay_out(tmp_path_factory.mktemp("old"))
    draw_folder(folder / "others", 4, 4, seed=1, side=40)
    sop = folder / "data/Stanford_Online_Products"
    shutil.copytree(folder / "pictures", sop / "pictures")
    pictures = [path.relative_to(sop) for path in sorted(sop.rglob("*.png"))]
    rows = [f"{n} {int(path.parent.name[-1]) + 1} 1 {path}\n" for n, path in enumerate(pictures)]
    for name in ("Ebay_train.txt", "Ebay_test.txt"):
        (sop / name).write_text("image_id class_id super_class_id path\n" + "".join(rows))
    gallery = folder / "drink_dataset/gallery"
    gallery.mkdir(parents=True)
    for number in range(3):
        thing(number).save(gallery / f"{number}.png")
    (gallery / "drink_label.txt").write_text("".join(f"{n}.png\tDrink {n}\n" for n in range(3)))
    (folder / "more.txt").write_text("2.png\tAnother drink\n")
    (folder / "photos").mkdir()
    scene(1, 2).save(folder / "photo.png")
    scene(0, None).save(folder / "photos/one.png")
    write_models(folder / "models")
    (folder / "weights").mkdir()
    save_file(build_backbone({"name": NETWORK}).state_dict(), folder / f"weights/{NETWORK}_ssld_pretrained.safetensors")
    return folder


@pytest.fixture(scope="module")
def trained(files: Path) -> Path:
    """The same with weights of both recipes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(files)
        patch.setattr("training.engine.run.draw_curves", lambda records, path: None)
        patch.setenv("KENSPECKLE_WEIGHTS", str(files / "weights"))
        run("python -m training train -c GeneralRecognition/GeneralRecognition_PPLCNet_x2_5")
        (files / "again").rename(files / "output")
        run("python -m training legacy2018 train_elem --loss_name=arcmargin --model_save_dir=phase")
    for name in ("imagenet", "arcmargin"):
        shutil.copytree(files / "phase/ResNet50/latest", files / name)
    return files


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """Go to a fresh copy of a folder, so that no command sees what another one wrote."""

    def enter(source: Path) -> Path:
        folder = tmp_path / "work"
        shutil.copytree(source, folder, copy_function=os.link)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("KENSPECKLE_WEIGHTS", "weights")
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr("training.engine.run.draw_curves", lambda records, path: None)
        return folder

    return enter


def test_the_page_has_all_kinds_of_commands() -> None:
    assert len(COMMANDS) == len(set(COMMANDS)) == 29
    scripts = {words[4] for words in map(str.split, COMMANDS) if words[3:4] == ["legacy2018"]}
    assert scripts == set(SCRIPTS)


def test_every_flag_of_2018_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert {flag for flags in SCRIPTS.values() for flag in flags} <= set(re.findall(r"`-*(\w+)`", page))


@pytest.mark.slow
def test_torchrun_itself_starts_the_command(trained: Path, work: Callable[[Path], Path]) -> None:
    work(trained)
    (command,) = (small(c) for c in COMMANDS if c.startswith("torchrun"))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--master-port=29534", *command[1:]]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(launcher, capture_output=True, text=True, env=environment, check=False, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("kenspeckle")])
def test_a_training_command_runs(command: str, trained: Path, work: Callable[[Path], Path]) -> None:
    work(trained)
    assert run(command)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("kenspeckle")])
def test_a_deploy_command_runs(
    command: str, files: Path, work: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = work(files)
    with serving(standalone_app(folder / "models", folder / "served")) as url:
        monkeypatch.setenv("KENSPECKLE_URL", url)
        if "recognize" in command or "evaluate" in command or "more" in command:
            run("kenspeckle gallery import drink_dataset/gallery/drink_label.txt --image-root drink_dataset/gallery")
        run(command)
