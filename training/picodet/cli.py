"""Commands of the detector: train, export, evaluate."""

import os
from pathlib import Path
from typing import Annotated, Any, get_args

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kenspeckle.bundle import Bundle, Measurement, read_bundle
from training.engine.loop import Trainer
from training.engine.parallel import local_rank, start_processes, stop_processes
from training.engine.run import Run, code_revision
from training.export.variants import Precision
from training.options import command_line
from training.picodet.data import DataError, Picture, read_checked
from training.picodet.evaluation.detectors import (
    Detector,
    bundle_detector,
    class_names,
    detect_all,
    milliseconds,
    whole_picture,
)
from training.picodet.evaluation.measure import measurements
from training.picodet.evaluation.report import write_report
from training.picodet.export import export_onnx
from training.picodet.model import PicoDet
from training.picodet.old_yaml import open_recipe
from training.picodet.package import (
    REPOSITORY,
    bundle_recipe,
    evaluation_table,
    make_bundle,
    remake_bundle,
    with_evaluation,
)
from training.picodet.presets import S
from training.picodet.recipe import Recipe, training_pictures, validation_pictures
from training.picodet.task import DetectionTask
from training.picodet.teachers.adapter import localizer
from training.picodet.teachers.agreement import Rule
from training.picodet.teachers.label import Origin, open_teacher, picture_files, pseudo_labels, write_coco
from training.picodet.variants import add_variants

SHARED = Path(os.environ.get("KENSPECKLE_SHARED", REPOSITORY.parent / "shared"))
RECIPE = Path(__file__).parent / "recipes" / "main-object.yaml"
CHECKED_BOXES = Path("grocery/boxes/checked.json")

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

app = typer.Typer(help="PicoDet: detection of main objects.", no_args_is_help=True)
console = Console()

RecipeOption = Annotated[Path, typer.Option(help="Recipe (YAML), or a detection configuration of the old stack.")]
DataOption = Annotated[Path, typer.Option(help="Folder that the recipe's paths are relative to.")]


@app.command("picodet")
def train(
    out: Annotated[Path, typer.Option(help="Run folder; a run that was cut off goes on from there.")],
    recipe: RecipeOption = RECIPE,
    data: DataOption = SHARED / "data",
    threads: Annotated[int, typer.Option(help="Threads of PyTorch.")] = 1,
) -> None:
    """Train a detector; under torchrun with several processes.

    Example: python -m training picodet --data ../shared/data --out runs/detector
    """
    torch.set_num_threads(threads)
    try:
        settings = open_recipe(recipe, data)
        start_processes(settings.train.loop.device)
        pictures, validation = training_pictures(settings, data), validation_pictures(settings, data)
        run_training(settings, DetectionTask(settings, pictures, validation), out)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    finally:
        stop_processes()
    console.print(f"run: {out}")


def run_training(recipe: Recipe, task: DetectionTask, out: Path) -> None:
    """Train ``task`` in the run folder ``out``, with a progress bar in the first process."""
    loop = recipe.train.loop
    if loop.device == "cuda":
        loop = loop.model_copy(update={"device": f"cuda:{local_rank()}"})
    with Progress(*COLUMNS, console=console, disable=local_rank() > 0) as progress:
        bar = progress.add_task("starting", total=loop.epochs * task.batches_per_epoch)

        def report(kind: str, record: dict[str, Any]) -> None:
            figures = {name: value for name, value in record.items() if isinstance(value, float)}
            text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
            if kind == "train":
                done = (record["epoch"] - 1) * task.batches_per_epoch + record["batch"]
                progress.update(bar, completed=done, description=text)
            else:
                progress.console.print(f"epoch {record['epoch']}: {text}")

        run = Run(out, recipe.model_dump(mode="json")) if local_rank() == 0 else None
        Trainer(task, loop, run, report=report).train()


@app.command("export-picodet")
def export(
    run: Annotated[Path, typer.Option(help="Run folder of `picodet`; or a bundle, to export its checkpoint anew.")],
    out: Annotated[Path, typer.Option(help="Bundle folder to write.")],
    recipe: RecipeOption = RECIPE,
    data: DataOption = SHARED / "data",
    variant: Annotated[
        list[str] | None, typer.Option(help="fp16 or int8, beside the full model; repeatable.", show_default=False)
    ] = None,
) -> None:
    """Export a run as a bundle and verify it; variants are measured on the recipe's validation pictures.

    A bundle has its own recipe.

    Example: python -m training export-picodet --run runs/detector --out models/detector --variant int8
    """
    unknown = set(variant or ()) - set(get_args(Precision))
    if unknown:
        raise typer.BadParameter(f"--variant {min(unknown)}: one of {', '.join(get_args(Precision))}")
    try:
        old = read_bundle(run) if (run / "card.json").exists() else None
        settings = open_recipe(recipe, data) if old is None else bundle_recipe(old)
        pictures = training_pictures(settings, data)
        if old is None:
            bundle = make_bundle(run, settings, pictures, code_revision(), out)
        else:
            bundle = remake_bundle(old, pictures, out)
        if variant:
            chosen: list[Precision] = [one for one in get_args(Precision) if one in variant]
            given = {"run": run, "out": out, "recipe": None if recipe == RECIPE else recipe}
            command = command_line("export-picodet", **given, variant=chosen)
            bundle = add_variants(bundle, chosen, pictures, validation_pictures(settings, data), command)
    except (ValueError, FileNotFoundError) as error:
        raise typer.BadParameter(str(error)) from error
    console.print(f"{bundle.path}: {bundle.card.fingerprint}, box error {bundle.card.parity.value:.2g} px")
    for name, model in bundle.card.models.items():
        for line in evaluation_table([one.model_dump() for one in model.measured]) if model.measured else []:
            console.print(f"{name}: {line}", soft_wrap=True, markup=False, highlight=False)


@app.command("eval-picodet")
def evaluate_bundle(
    bundle: Annotated[Path, typer.Option(help="Bundle folder.")],
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe whose validation pictures are looked at; the bundle's own if left out.")
    ] = None,
    data: DataOption = SHARED / "data",
    teacher: Annotated[Path, typer.Option(help="Yardstick: Mobile Object Localizer v1 as ONNX.")] = (
        SHARED / "weights/teacher/mobile_object_localizer_v1.onnx"
    ),
    report: Annotated[Path | None, typer.Option(help="Folder for a page with pictures, curves and failures.")] = None,
    write: Annotated[bool, typer.Option(help="Write the figures into the bundle's card and readme.")] = False,
) -> None:
    """AP, best-box rate and recall of a bundle, of the whole picture and of a teacher, and their CPU time.

    Where --data has grocery/boxes/checked.json, its hand-checked boxes are a source of their own.

    Example: python -m training eval-picodet --bundle models/detector --report runs/report
    """
    try:
        opened = read_bundle(bundle)
        settings = bundle_recipe(opened) if recipe is None else open_recipe(recipe, data)
        pictures = [*validation_pictures(settings, data), *checked_pictures(data)]
        if not pictures:
            raise DataError(f"{recipe or bundle}: the recipe lists no validation pictures")
        detectors = {"this bundle": bundle_detector(opened), "whole picture": whole_picture, **opened_teacher(teacher)}
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    found = {name: detect_all(detector, pictures) for name, detector in detectors.items()}
    command, names = command_line("eval-picodet", bundle=bundle, recipe=recipe), class_names(opened)
    measured: list[Measurement] = []
    for name, detections in found.items():
        measured += measurements(name, pictures, detections, command, names if name == "this bundle" else ())
    measured += speed(opened, teacher, command)
    for line in evaluation_table([measurement.model_dump() for measurement in measured]):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    if report is not None:
        console.print(f"page: {write_report('this bundle', pictures, found, report, names)}")
    if write:
        with_evaluation(opened, measured)


def opened_teacher(path: Path) -> dict[str, Detector]:
    """The teacher by the name of its figures; nothing, and said so, if it is not there.

    Raises:
        DataError: if it cannot be opened.
    """
    if not path.exists():
        console.print(f"no teacher beside it: there is no {path}")
        return {}
    return {"teacher": localizer(path)}


def checked_pictures(data: Path) -> list[Picture]:
    """The hand-checked pictures in ``data``; none, and said so, if they are not there.

    Raises:
        DataError: if their file has another form.
    """
    path = data / CHECKED_BOXES
    if not path.exists():
        console.print(f"no hand-checked boxes: there is no {path}")
        return []
    return read_checked(path, path.parents[1], "single")


def speed(bundle: Bundle, teacher: Path, command: str) -> list[Measurement]:
    """CPU milliseconds of the bundle, of PicoDet-S (untrained: time only) and of the teacher."""
    size = bundle.card.input.width
    shape = (1, size, size, 3)
    times = {"this bundle": milliseconds(bundle.contents["model.onnx"], shape)}
    times["PicoDet-S (2022) on LCNet x0.75, same input"] = milliseconds(export_onnx(PicoDet(S), size), shape)
    if teacher.exists():
        times["teacher, 192 x 192"] = milliseconds(teacher, (1, 192, 192, 3))
    return [
        Measurement(metric="CPU ms, one thread", data=name, value=round(value, 1), command=command)
        for name, value in times.items()
    ]


@app.command("pseudo-label")
def pseudo_label(
    pictures: Annotated[Path, typer.Argument(help="Folder of pictures, or a list file with one path a line.")],
    out: Annotated[Path, typer.Option(help="COCO file to write; its picture names are relative to its folder.")],
    teacher: Annotated[
        list[Path], typer.Option(help="Bundle folder, adapter file (YAML) or Mobile Object Localizer; repeatable.")
    ],
    licence: Annotated[str, typer.Option(help="Licence of the pictures.")],
    source: Annotated[
        str, typer.Option(help="Origin of the pictures, for model cards; the folder's name if left out.")
    ] = "",
    agree: Annotated[
        int, typer.Option(min=1, help="Teachers that must have a box; the rest are regions to ignore.")
    ] = 1,
    min_score: Annotated[float, typer.Option(help="Boxes of a lower score are not looked at.")] = 0.3,
    iou: Annotated[float, typer.Option(help="Overlap from which on boxes of two teachers are one object.")] = 0.6,
    max_boxes: Annotated[int, typer.Option(min=1, help="Most boxes of a picture.")] = 5,
) -> None:
    """Let other detectors draw the boxes of pictures that have none.

    Example: python -m training pseudo-label photos --teacher models/detector --teacher mine.yaml --agree 2
    --licence MIT --out photos/boxes.json
    """
    if agree > len(teacher):
        raise typer.BadParameter(f"--agree {agree}: there are {len(teacher)} teachers")
    name = source or pictures.stem
    try:
        files, teachers = picture_files(pictures), [open_teacher(path) for path in teacher]
        with Progress(*COLUMNS, console=console) as progress:
            bar = progress.add_task("pictures", total=len(files))
            rule, origin = Rule(min_score, agree, iou, max_boxes), Origin(pictures.stem, name, licence)
            content = pseudo_labels(files, teachers, rule, origin, out.parent, lambda: progress.advance(bar))
    except DataError as error:
        raise typer.BadParameter(str(error)) from error
    write_coco(content, out)
    ignored = sum(annotation["ignore"] for annotation in content["annotations"])
    boxes = len(content["annotations"]) - ignored
    console.print(
        f"{out}: {boxes} boxes, {ignored} regions to ignore, {len(content['images'])} of {len(files)} pictures"
    )
