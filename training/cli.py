"""Commands of training: extractor here, detector mounted beside it."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kenspeckle.bundle import Bundle, Measurement, read_bundle
from training.data.crops import SERVING_SIZE
from training.data.pictures import shared_data
from training.evaluation.decisions import decision_measurements
from training.evaluation.embed import bundle_embedder, graph_embedder, torch_embedder
from training.evaluation.mix import SHARES, mix_recalls
from training.evaluation.retrieval import retrieval_measurements
from training.export.onnx_graph import export_onnx
from training.export.package import evaluation_lines, load_run, make_bundle, with_evaluation
from training.export.sources import Sources, folder_sources, shared_sources
from training.picodet.cli import app as picodet
from training.recmodel.model import RecModel
from training.recmodel.recipe import SHIPPED, read_recipe
from training.recmodel.train import begin, fit_neck
from training.recmodel.train import train as run_training

app = typer.Typer(help="Train, export and evaluate the models.", no_args_is_help=True)
app.add_typer(picodet)
console = Console()

RunOption = Annotated[Path, typer.Option(help="Run folder.")]
DataOption = Annotated[Path | None, typer.Option(help="FOLDER/label/picture.jpg; the shared data folder if left out.")]
OthersOption = Annotated[
    Path | None, typer.Option(help="With --data: pictures of other things, in the same form, for retention and cohort.")
]
RecipeOption = Annotated[Path, typer.Option(help="Recipe (YAML).")]
ThreadsOption = Annotated[int, typer.Option(help="Threads of PyTorch.")]
BundleOption = Annotated[Path, typer.Option(help="Bundle folder.")]
WriteOption = Annotated[bool, typer.Option(help="Write the figures into the bundle's card and readme.")]


def _sources(data: Path | None, others: Path | None) -> Sources:
    if (data is None) != (others is None):
        raise typer.BadParameter("--data and --others go together")
    try:
        return shared_sources(shared_data()) if data is None or others is None else folder_sources(data, others)
    except (FileNotFoundError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error


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
    begin(_sources(data, others).labelled, read_recipe(recipe), out, pretrained=True)
    console.print(f"run: {out}")


@app.command()
def train(
    out: RunOption,
    data: DataOption = None,
    others: OthersOption = None,
    recipe: RecipeOption = SHIPPED,
    threads: ThreadsOption = 1,
) -> None:
    """Fine-tune the extractor with retention; a run that was cut off goes on from its last checkpoint.

    Example: python -m training train --data shop --others anything --out runs/shop
    """
    torch.set_num_threads(threads)
    sources, settings = _sources(data, others), read_recipe(recipe)
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


@app.command()
def choose_mix(run: RunOption, threads: ThreadsOption = 1) -> None:
    """Recall@1 on val photos for several shares of the tuned weights.

    Example: python -m training choose-mix --run runs/extractor
    """
    torch.set_num_threads(threads)
    console.print("share   val photos of trained classes   main-body val, leave one photo out")
    for share in SHARES:
        products, general = mix_recalls(graph_embedder(export_onnx(load_run(run, share), SERVING_SIZE)), shared_data())
        console.print(f"{share:5.2f}   {products:30.3f}   {general:35.3f}")


@app.command()
def export(
    run: RunOption,
    out: BundleOption,
    data: DataOption = None,
    others: OthersOption = None,
    mix: Annotated[float | None, typer.Option(help="Share of the tuned weights; the recipe's if left out.")] = None,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "kenspeckle-extractor",
    version: Annotated[str, typer.Option(help="Version of the model, as 1.0.0.")] = "0.1.0",
    threads: ThreadsOption = 1,
) -> None:
    """Export a run as a bundle, with cohort and calibrator, and verify it.

    Example: python -m training export --run runs/shop --data shop --others anything --out bundles/shop
    """
    torch.set_num_threads(threads)
    bundle = make_bundle(run, _sources(data, others), out, name, version, mix)
    console.print(f"{bundle.path}: {bundle.card.fingerprint}, smallest cosine {bundle.card.parity.value:.7f}")


@app.command()
def eval_extractor(bundle: BundleOption, write: WriteOption = False, threads: ThreadsOption = 1) -> None:
    """Recall@1 of a bundle on unseen grocery classes and general ones, beside the frozen trunk.

    Example: python -m training eval-extractor --bundle models/extractor
    """
    torch.set_num_threads(threads)
    opened, data = read_bundle(bundle), shared_data()
    frozen = RecModel(pretrained=True)
    trunk = torch_embedder(frozen, neck=False)
    command = "python -m training eval-extractor --bundle models/extractor"
    measured = retrieval_measurements(bundle_embedder(opened), "this bundle", data, command)
    measured += retrieval_measurements(trunk, "frozen trunk", data, command)
    fit_neck(frozen, shared_sources(data).labelled, shrinkage=0.5)
    measured += retrieval_measurements(torch_embedder(frozen), "frozen trunk + closed-form neck", data, command)
    _report(opened, measured, write)


@app.command()
def eval_decisions(bundle: BundleOption, write: WriteOption = False) -> None:
    """False-accept rates asked and got, known things accepted, calibration error, on unseen grocery classes.

    Example: python -m training eval-decisions --bundle models/extractor
    """
    opened = read_bundle(bundle)
    command = "python -m training eval-decisions --bundle models/extractor"
    _report(opened, decision_measurements(opened, shared_data(), command), write)


def _report(bundle: Bundle, measured: list[Measurement], write: bool) -> None:
    console.print(Markdown("\n".join(evaluation_lines(measured))))
    if write:
        with_evaluation(bundle, measured)
