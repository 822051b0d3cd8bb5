"""Commands that train the extractor."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.options import DataOption, OthersOption, RunOption, ThreadsOption, sources_of
from training.recmodel.recipe import SHIPPED, read_recipe
from training.recmodel.train import begin
from training.recmodel.train import train as run_training

app = typer.Typer()
console = Console()

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
    settings = read_recipe(recipe)
    begin(sources_of(data, others, settings.unseen_fold).labelled, settings, out, pretrained=True)
    console.print(f"run: {out}")


@app.command()
def tune(
    out: RunOption,
    data: DataOption = None,
    others: OthersOption = None,
    recipe: RecipeOption = SHIPPED,
    unseen_fold: Annotated[
        int | None,
        typer.Option(min=0, max=2, help="Fold of the shared classes that trains nothing; else the recipe's."),
    ] = None,
    threads: ThreadsOption = 1,
) -> None:
    """Fine-tune the shipped extractor with retention; a run that was cut off goes on from its last checkpoint.

    Example: python -m training tune --data shop --others anything --out runs/shop
    """
    torch.set_num_threads(threads)
    settings = read_recipe(recipe)
    if unseen_fold is not None:
        settings = settings.model_copy(update={"unseen_fold": unseen_fold})
    sources = sources_of(data, others, settings.unseen_fold)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"{len(sources.labelled)} pictures", total=settings.steps)

        def report(step: int, losses: dict[str, float]) -> None:
            text = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
            progress.update(task, completed=step, description=text)

        try:
            run_training(sources.labelled, sources.retained, settings, out, progress=report)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    console.print(f"run: {out}")
