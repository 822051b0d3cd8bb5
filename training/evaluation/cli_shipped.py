"""Commands that measure the shipped extractor."""

from typing import Annotated

import torch
import typer
import yaml
from rich.console import Console
from rich.markdown import Markdown

from kenspeckle.bundle import Bundle, Measurement, read_bundle
from training.data.crops import SERVING_SIZE
from training.data.pictures import shared_data
from training.evaluation.decisions import decision_measurements
from training.evaluation.embed import bundle_embedder, graph_embedder, torch_embedder
from training.evaluation.mix import SHARES, mix_recalls
from training.evaluation.retrieval import retrieval_measurements
from training.export.extractor import RECIPE, with_evaluation
from training.export.onnx_graph import export_onnx
from training.export.package import finished, recipe_of
from training.export.sources import shared_sources
from training.export.text import evaluation_lines
from training.options import BundleOption, RunOption, ThreadsOption
from training.recmodel.recipe import Recipe
from training.recmodel.shipped import ShippedExtractor, served, served_extractor
from training.recmodel.start import fit_neck

app = typer.Typer()
console = Console()

FoldOption = Annotated[
    int | None,
    typer.Option("--unseen-fold", min=0, max=2, help="Fold that trained nothing, where the bundle is none of tune."),
]
WriteOption = Annotated[bool, typer.Option(help="Write the figures into the bundle's card and readme.")]


@app.command()
def choose_mix(run: RunOption, threads: ThreadsOption = 1) -> None:
    """Recall@1 on val photos for several shares of the tuned weights.

    Example: python -m training choose-mix --run runs/extractor
    """
    torch.set_num_threads(threads)
    recipe, data = recipe_of(run), shared_data()
    labelled = shared_sources(data, recipe.unseen_fold).labelled
    console.print("share   val photos of trained classes   main-body val, leave one photo out")
    for share in SHARES:
        network = finished(run, recipe.model_copy(update={"mix": share}), labelled)
        products, general = mix_recalls(
            graph_embedder(export_onnx(served_extractor(network), SERVING_SIZE)), data, recipe.unseen_fold
        )
        console.print(f"{share:5.2f}   {products:30.3f}   {general:35.3f}")


@app.command()
def eval_extractor(
    bundle: BundleOption, write: WriteOption = False, unseen: FoldOption = None, threads: ThreadsOption = 1
) -> None:
    """Recall@1 of a bundle on unseen grocery classes and general ones, beside the frozen trunk.

    Example: python -m training eval-extractor --bundle models/extractor
    """
    torch.set_num_threads(threads)
    opened, data = read_bundle(bundle), shared_data()
    fold = unseen_fold(opened) if unseen is None else unseen
    frozen = ShippedExtractor(pretrained=True)
    trunk = torch_embedder(served(frozen.backbone))
    command = "python -m training eval-extractor --bundle models/extractor"
    measured = retrieval_measurements(bundle_embedder(opened), "this bundle", data, fold, command)
    measured += retrieval_measurements(trunk, "frozen trunk", data, fold, command)
    fit_neck(frozen, shared_sources(data, fold).labelled, shrinkage=0.5)
    measured += retrieval_measurements(
        torch_embedder(served_extractor(frozen)), "frozen trunk + closed-form neck", data, fold, command
    )
    _report(opened, measured, write)


@app.command()
def eval_decisions(bundle: BundleOption, write: WriteOption = False) -> None:
    """False-accept rates asked and got, known things accepted, calibration error, on unseen grocery classes.

    Example: python -m training eval-decisions --bundle models/extractor
    """
    opened = read_bundle(bundle)
    command = "python -m training eval-decisions --bundle models/extractor"
    _report(opened, decision_measurements(opened, shared_data(), unseen_fold(opened), command), write)


def unseen_fold(bundle: Bundle) -> int:
    """The fold of the shared classes that trained nothing in a bundle, as its recipe says.

    Raises:
        typer.BadParameter: if it is no recipe of ``tune``.
    """
    try:
        return Recipe.model_validate(yaml.safe_load(bundle.contents[RECIPE])).unseen_fold
    except ValueError:
        raise typer.BadParameter("the bundle does not say which fold it left out: give --unseen-fold") from None


def _report(bundle: Bundle, measured: list[Measurement], write: bool) -> None:
    console.print(Markdown("\n".join(evaluation_lines(measured))))
    if write:
        with_evaluation(bundle, measured)
