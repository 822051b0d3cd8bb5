"""Commands that tune the shipped extractor."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.data.pictures import Picture, folder_pictures
from training.data.select import ClassesByUse
from training.export.package import make_bundle, measured
from training.export.sources import folder_sources, left_out_sources
from training.options import DataOption, OthersOption, RunOption, ThreadsOption, command_line, sources_of
from training.recmodel.build import torch_device
from training.recmodel.cli_train import sentences
from training.recmodel.folder import fitted, folder_classes
from training.recmodel.recipe import SHIPPED, Recipe, read_recipe
from training.recmodel.start import begin, masks_of
from training.recmodel.tune import check_pictures, open_run
from training.recmodel.tune import tune as run_tuning

app = typer.Typer()
console = Console()

BUNDLE, FIRST_VERSION = "bundle", "0.1.0"
RecipeOption = Annotated[Path, typer.Option(help="Recipe (YAML).")]


@app.command()
def closed_form(
    out: RunOption,
    data: DataOption = None,
    others: OthersOption = None,
    recipe: RecipeOption = SHIPPED,
    threads: ThreadsOption = 1,
) -> None:
    """Fit the closed-form neck on the frozen trunk: seconds, no gradient step. Export the run with --mix 0.

    Example: python -m training closed-form --data shop --others anything --out runs/shop
    """
    torch.set_num_threads(threads)
    with sentences():
        settings = read_recipe(recipe)
        begin(sources_of(data, others, settings.unseen_fold).labelled, settings, open_run(out, settings).folder)
    console.print(f"run: {out}")


@app.command()
def tune(
    out: RunOption,
    data: DataOption = None,
    others: Annotated[
        Path | None,
        typer.Option(
            help="With --data: pictures of other things, in the same form, for retention and cohort; all of --data"
            " trains then."
        ),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help=f"Recipe (YAML); else {SHIPPED.name}, with --data its steps by their number.")
    ] = None,
    unseen_fold: Annotated[
        int | None,
        typer.Option(min=0, max=2, help="Fold of the shared classes that trains nothing; else the recipe's."),
    ] = None,
    device: Annotated[str, typer.Option(help="gpu, where there is one, or cpu.")] = "gpu",
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures; 0: none but this one.")] = 1,
    threads: ThreadsOption = 1,
) -> None:
    """Fine-tune the shipped extractor with retention; a run that was cut off goes on from its last checkpoint.

    Of one's own pictures (--data) it ends with a bundle. Without --others, some of their classes train nothing: cohort
    and calibrator are of these.

    Example: python -m training tune --data shop --out runs/shop
    """
    torch.set_num_threads(threads)
    with sentences():
        settings = read_recipe(recipe or SHIPPED)
        if unseen_fold is not None:
            settings = settings.model_copy(update={"unseen_fold": unseen_fold})
        if data is None:
            sources = sources_of(None, others, settings.unseen_fold)
            tune_with_bar(sources.labelled, sources.retained, settings, out, torch_device(device), workers)
        else:
            parts = folder_classes(data, out, leave_out=others is None)
            retained = parts.training if others is None else folder_pictures(others)
            settings = fitted(settings, parts.training) if recipe is None else settings
            tune_with_bar(parts.training, retained, settings, out, torch_device(device), workers)
        console.print(f"run: {out}", soft_wrap=True)
        if data is not None:
            make_own_bundle(out, parts, data, others)


def tune_with_bar(
    labelled: list[Picture], retained: list[Picture], recipe: Recipe, run: Path, device: str, workers: int
) -> None:
    """Tune with progress bars: of cutting things out, and of the steps."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    check_pictures(labelled, retained, recipe)
    open_run(run, recipe)
    with Progress(*columns, console=console) as progress:
        masks_of(labelled, recipe, run, partial(progress.track, description="cutting things out"))
        bar = progress.add_task(f"{len(labelled)} pictures", total=recipe.steps)

        def report(kind: str, record: dict[str, Any]) -> None:
            losses = ("softmax", "contrastive", "retention", "distillation")
            text = "  ".join(f"{name} {record[name]:.3f}" for name in losses if name in record)
            progress.update(bar, completed=record["batch"], description=text)

        run_tuning(labelled, retained, recipe, run, device, workers, report)


def make_own_bundle(run: Path, parts: ClassesByUse, data: Path, others: Path | None) -> None:
    """Make the bundle of a run on one's own pictures, if there are pictures for its cohort; say what it is worth."""
    out = run / BUNDLE
    if others is not None:
        command = command_line("export", run=run, data=data, others=others, out=out)
        bundle = make_bundle(run, folder_sources(data, others), out, run.name, FIRST_VERSION, command)
    elif parts.others:
        command = command_line("export", run=run, out=out)
        sources = left_out_sources(parts)
        bundle = make_bundle(run, sources, out, run.name, FIRST_VERSION, command)
        bundle = measured(bundle, sources.calibration[0], command)
        figures = "  ".join(f"{one.metric.split(': ')[1]} {one.value:.3f}" for one in bundle.card.evaluation)
        console.print(f"on {bundle.card.evaluation[0].data}: {figures}", soft_wrap=True, highlight=False)
    else:
        advice = f"for a bundle: python -m training export --run {run} --data {data} --others OTHERS --out BUNDLE"
        console.print(advice, soft_wrap=True)
        return
    console.print(f"bundle: {bundle.path}", soft_wrap=True)
