"""Commands that tune the shipped extractor."""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.options import DataOption, OthersOption, RunOption, ThreadsOption, sources_of
from training.recmodel.build import torch_device
from training.recmodel.cli_train import sentences
from training.recmodel.recipe import SHIPPED, read_recipe
from training.recmodel.start import begin
from training.recmodel.tune import open_run
from training.recmodel.tune import tune as run_tuning

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
    with sentences():
        settings = read_recipe(recipe)
        begin(sources_of(data, others, settings.unseen_fold).labelled, settings, open_run(out, settings).folder)
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
    device: Annotated[str, typer.Option(help="gpu, where there is one, or cpu.")] = "gpu",
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures; 0: none but this one.")] = 1,
    threads: ThreadsOption = 1,
) -> None:
    """Fine-tune the shipped extractor with retention; a run that was cut off goes on from its last checkpoint.

    Example: python -m training tune --data shop --others anything --out runs/shop
    """
    torch.set_num_threads(threads)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with sentences(), Progress(*columns, console=console) as progress:
        settings = read_recipe(recipe)
        if unseen_fold is not None:
            settings = settings.model_copy(update={"unseen_fold": unseen_fold})
        sources = sources_of(data, others, settings.unseen_fold)
        bar = progress.add_task(f"{len(sources.labelled)} pictures", total=settings.steps)

        def report(kind: str, record: dict[str, Any]) -> None:
            losses = ("softmax", "contrastive", "retention", "distillation")
            text = "  ".join(f"{name} {record[name]:.3f}" for name in losses if name in record)
            progress.update(bar, completed=record["batch"], description=text)

        run_tuning(sources.labelled, sources.retained, settings, out, torch_device(device), workers, report)
    console.print(f"run: {out}")
