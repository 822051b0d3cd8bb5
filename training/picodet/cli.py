"""Commands of the detector: train, export, evaluate."""

import math
import os
import subprocess
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kenspeckle.bundle import Bundle, Measurement, read_bundle
from training.picodet.data import DataError, Picture, read_checked, read_coco
from training.picodet.evaluate import (
    Detector,
    Score,
    bundle_detector,
    evaluate,
    milliseconds,
    teacher_detector,
    whole_picture,
    wilson,
)
from training.picodet.export import export_onnx
from training.picodet.model import ModelConfig, PicoDet
from training.picodet.package import REPOSITORY, evaluation_table, make_bundle, with_evaluation
from training.picodet.recipe import read_recipe, training_pictures
from training.picodet.train import fit

SHARED = Path(os.environ.get("KENSPECKLE_SHARED", REPOSITORY.parent / "shared"))
RECIPE = Path(__file__).parent / "recipes" / "main-object.yaml"
EVALUATION_COMMAND = "python -m training eval-picodet --bundle models/detector"

app = typer.Typer(help="PicoDet: detection of main objects.", no_args_is_help=True)
console = Console()

RecipeOption = Annotated[Path, typer.Option(help="Recipe (YAML): data, network, schedule.")]
DataOption = Annotated[Path, typer.Option(help="Folder that the recipe's paths are relative to.")]


@app.command("picodet")
def train(
    out: Annotated[Path, typer.Option(help="Run folder; a run that was cut off goes on from there.")],
    recipe: RecipeOption = RECIPE,
    data: DataOption = SHARED / "data",
    start: Annotated[Path | None, typer.Option(help="Start from the weights of this checkpoint.")] = None,
    minutes: Annotated[float, typer.Option(help="Shorten the schedule so that it ends in this time.")] = math.inf,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch.")] = 1,
) -> None:
    """Train a detector.

    Example: python -m training picodet --data ../shared/data --out runs/detector
    """
    torch.set_num_threads(threads)
    try:
        settings = read_recipe(recipe)
        pictures = training_pictures(settings, data)
    except DataError as error:
        raise typer.BadParameter(str(error)) from error
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"{len(pictures)} pictures", total=settings.train.steps)

        def report(values: dict[str, float]) -> None:
            losses = "  ".join(f"{name} {values[name]:.3f}" for name in ("vfl", "giou", "dfl"))
            text = f"{losses}  {values['images_per_s']:.1f} pictures/s"
            progress.update(task, completed=values["progress"] * settings.train.steps, description=text)

        fit(settings.train, pictures, settings.weights, out, report, time.time() + 60 * minutes, start)
    console.print(f"weights: {out / 'checkpoint.safetensors'}")


@app.command("export-picodet")
def export(
    run: Annotated[Path, typer.Option(help="Run folder of `picodet`.")],
    out: Annotated[Path, typer.Option(help="Bundle folder to write.")],
    recipe: RecipeOption = RECIPE,
    data: DataOption = SHARED / "data",
) -> None:
    """Export a run as a bundle and verify it.

    Example: python -m training export-picodet --run runs/detector --out models/detector
    """
    settings = read_recipe(recipe)
    bundle = make_bundle(run, settings, training_pictures(settings, data), _revision(), out)
    console.print(f"{bundle.path}: {bundle.card.fingerprint}, box error {bundle.card.parity.value:.2g} px")


@app.command("eval-picodet")
def evaluate_bundle(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")],
    data: Annotated[Path, typer.Option(help="Folder with mainbody/ and grocery/.")] = SHARED / "data",
    teacher: Annotated[Path, typer.Option(help="Yardstick: Mobile Object Localizer v1 as ONNX.")] = (
        SHARED / "weights/teacher/mobile_object_localizer_v1.onnx"
    ),
    write: Annotated[bool, typer.Option(help="Write the figures into the bundle's card and readme.")] = False,
) -> None:
    """Best-box rate and recall of a bundle, of the whole picture and of the teacher, and their CPU time.

    Example: python -m training eval-picodet --bundle models/detector
    """
    opened = read_bundle(bundle)
    pictures = read_coco(data / "mainbody/annotations_val.json")
    pictures += read_checked(data / "grocery/boxes/checked.json", data / "grocery", "single")
    detectors = {
        "this bundle": bundle_detector(opened),
        "whole picture": whole_picture,
        "teacher": teacher_detector(teacher),
    }
    measurements = quality(detectors, pictures) + speed(opened, teacher)
    for line in evaluation_table([measurement.model_dump() for measurement in measurements]):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    if write:
        with_evaluation(opened, measurements)


def quality(detectors: dict[str, Detector], pictures: list[Picture]) -> list[Measurement]:
    """Best-box rate and recall@5 of every detector, per source and over all pictures of the COCO files."""
    measurements = []
    for name, detector in detectors.items():
        scores = evaluate(detector, pictures)
        photos = [score for source, score in scores.items() if not source.startswith("checked")]
        total = sum(photos, Score(0, 0, 0, 0))
        for source, score in {**scores, "mainbody val, all": total}.items():
            best = _share(f"{name}: best box IoU >= 0.5", source, score.best_right, score.photos)
            measurements += [best, _share(f"{name}: recall@5", source, score.recalled, score.objects)]
    return measurements


def speed(bundle: Bundle, teacher: Path) -> list[Measurement]:
    """CPU milliseconds of the bundle, of PicoDet-S on LCNet x0.75 (untrained: time only) and of the teacher."""
    size = bundle.card.input.width
    small = PicoDet(ModelConfig({"name": "LCNet", "scale": 0.75}))
    times = {
        "this bundle": milliseconds(bundle.contents["model.onnx"], (1, size, size, 3)),
        "PicoDet-S on LCNet x0.75, same input": milliseconds(export_onnx(small, size), (1, size, size, 3)),
        "teacher, 192 x 192": milliseconds(teacher, (1, 192, 192, 3)),
    }
    return [
        Measurement(metric="CPU ms, one thread", data=name, value=round(value, 1), command=EVALUATION_COMMAND)
        for name, value in times.items()
    ]


def _share(metric: str, source: str, hits: int, total: int) -> Measurement:
    low, high = wilson(hits, total)
    return Measurement(
        metric=metric,
        data=source,
        value=round(hits / total, 4),
        interval=(round(low, 4), round(high, 4)),
        command=EVALUATION_COMMAND,
    )


def _revision() -> str:
    """Commit of the checkout, empty outside of one."""
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()
