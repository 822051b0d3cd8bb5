"""Commands that measure models."""

import re
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kenspeckle.bundle import Bundle, BundleError, Measurement, read_bundle
from kenspeckle.bundle.bundle import MODEL
from training.data.crops import SERVING_SIZE
from training.data.pictures import shared_data
from training.evaluation.decisions import decision_measurements
from training.evaluation.embed import bundle_embedder, graph_embedder, torch_embedder
from training.evaluation.infer import infer as embed_folder
from training.evaluation.metrics import figure_names
from training.evaluation.mix import SHARES, mix_recalls
from training.evaluation.protocol import RetrievalProtocol
from training.evaluation.report import write_report
from training.evaluation.retrieval import retrieval_measurements
from training.evaluation.suite import (
    SetResult,
    Suite,
    SuiteSet,
    evaluate_suite,
    figure_table,
    read_suite,
    recall_table,
)
from training.export.extractor import with_evaluation
from training.export.onnx_graph import export_onnx
from training.export.package import load_run
from training.export.sources import shared_sources
from training.export.text import evaluation_lines
from training.options import BundleOption, RunOption, ThreadsOption
from training.recmodel.shipped import ShippedExtractor
from training.recmodel.train import fit_neck

app = typer.Typer()
console = Console()

ALL_FIGURES = tuple(figure_names((1, 5, 10)))
VariantOption = Annotated[str, typer.Option(help="Model file of the bundle, e.g. model.int8.onnx.")]
WriteOption = Annotated[bool, typer.Option(help="Write the figures into the bundle's card and readme.")]


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
def eval_extractor(bundle: BundleOption, write: WriteOption = False, threads: ThreadsOption = 1) -> None:
    """Recall@1 of a bundle on unseen grocery classes and general ones, beside the frozen trunk.

    Example: python -m training eval-extractor --bundle models/extractor
    """
    torch.set_num_threads(threads)
    opened, data = read_bundle(bundle), shared_data()
    frozen = ShippedExtractor(pretrained=True)
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


@app.command()
def evaluate(
    bundle: BundleOption,
    suite: Annotated[Path | None, typer.Option(help="File of test sets (YAML).")] = None,
    data: Annotated[Path | None, typer.Option(help="Instead: FOLDER/label/picture.jpg, each against the rest.")] = None,
    gallery: Annotated[Path | None, typer.Option(help="With --data: folder of the gallery in the same form.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables, worst cases and maps, set by set.")] = None,
    variant: VariantOption = MODEL,
    rerank: Annotated[bool, typer.Option(help="Rank by k-reciprocal neighbours.")] = False,
) -> None:
    """Retrieval figures of a bundle on one's own test sets: recall, precision, mAP, mINP, R-precision, open set.

    Example: python -m training evaluate --bundle models/extractor --suite sets.yaml --out report
    """
    if (suite is None) == (data is None):
        raise typer.BadParameter("give either --suite or --data")
    opened = _open_bundle(bundle)
    protocol = RetrievalProtocol(figures=ALL_FIGURES, rerank=rerank)

    def report(result: SetResult) -> None:
        console.print(f"{result.name}: {len(result.queries.pool)} queries, {len(result.gallery.pool)} gallery entries")
        if out is not None:
            folder = out / re.sub(r"[^\w.-]+", "-", result.name)
            write_report(folder, result.name, result.figures, result.queries, result.gallery)
            console.print(f"written: {folder}", soft_wrap=True)

    try:
        sets = read_suite(suite) if suite is not None else _one_set(data, gallery)
        with console.status("embedding"):
            means = evaluate_suite(bundle_embedder(opened, variant), sets, protocol, report)
    except (ValueError, BundleError) as error:
        raise typer.BadParameter(str(error)) from error
    console.print(Markdown("\n".join([*recall_table(means, opened.card.name), "", *figure_table(means)])))


@app.command()
def infer(
    bundle: BundleOption,
    images: Annotated[Path, typer.Option(help="Folder of pictures; those below it too.")],
    out: Annotated[Path, typer.Option(help="Folder for embeddings.npz and pictures.csv.")],
    variant: VariantOption = MODEL,
) -> None:
    """Write the embeddings of a folder of pictures; what was cut off goes on.

    Example: python -m training infer --bundle models/extractor --images photos --out embeddings
    """
    opened = _open_bundle(bundle)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("pictures", total=None)
        try:
            embed = bundle_embedder(opened, variant)
            fingerprint = opened.card.models[variant].fingerprint
            done = embed_folder(embed, fingerprint, images, out, lambda n, m: bar.update(task, completed=n, total=m))
        except (ValueError, BundleError) as error:
            raise typer.BadParameter(str(error)) from error
    console.print(f"{out}: {done[0]} embedded, {done[1]} unreadable", soft_wrap=True)


def _open_bundle(path: Path) -> Bundle:
    try:
        return read_bundle(path)
    except BundleError as error:
        raise typer.BadParameter(str(error)) from error


def _one_set(data: Path | None, gallery: Path | None) -> Suite:
    def section(folder: Path) -> dict[str, str]:
        return {"name": "FolderDataset", "image_root": str(folder)}

    assert data is not None
    return Suite(
        sets=[SuiteSet(name=data.name, query=section(data), gallery=None if gallery is None else section(gallery))]
    )


def _report(bundle: Bundle, measured: list[Measurement], write: bool) -> None:
    console.print(Markdown("\n".join(evaluation_lines(measured))))
    if write:
        with_evaluation(bundle, measured)
