"""Commands that measure networks and bundles on any pictures."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kenspeckle.bundle import BundleError, read_bundle
from kenspeckle.bundle.bundle import MODEL
from training.data.labels import read_classes
from training.engine.checkpoint import WEIGHTS
from training.evaluation.cli_shipped import app as shipped
from training.evaluation.embed import Embedder, bundle_embedder, network_embedder
from training.evaluation.infer import embedded
from training.evaluation.infer import infer as embed_folder
from training.evaluation.metrics import figure_names
from training.evaluation.protocol import RetrievalProtocol
from training.evaluation.report import write_report
from training.evaluation.suite import (
    SetResult,
    Suite,
    SuiteSet,
    evaluate_suite,
    figure_table,
    read_suite,
    recall_table,
)
from training.export.recmodel import evaluation_ops
from training.options import ConfigOption, OverrideOption, ThreadsOption
from training.recmodel.build import torch_device
from training.recmodel.cli_train import read_config, sentences
from training.recmodel.evaluate import configured_evaluation
from training.recmodel.model import inference
from training.recmodel.restore import config_of_run, restored
from training.recmodel.session import CLASSES, load_run, run_checkpoint

app = typer.Typer()
app.add_typer(shipped)
console = Console()
messages = Console(stderr=True)

ALL_FIGURES = tuple(figure_names((1, 5, 10)))
BundleOrNone = Annotated[Path | None, typer.Option(help="Bundle folder.")]
RunOrNone = Annotated[Path | None, typer.Option(help="Run folder, or one of its checkpoints.")]
VariantOption = Annotated[str, typer.Option(help="Model file of the bundle, e.g. model.int8.onnx.")]


@app.command("eval")
def eval_config(
    config: ConfigOption = None,
    override: OverrideOption = None,
    run: RunOrNone = None,
    threads: ThreadsOption = 1,
) -> None:
    """Measure trained weights on DataLoader.Eval by Metric.Eval of their configuration.

    \b
    Example: python -m training eval --run output
    Example: python -m training eval -c recipe.yaml -o Global.pretrained_model=output/best_model
    """
    torch.set_num_threads(threads)
    with sentences():
        if (config is None) == (run is None):
            raise ValueError("give a run with --run, or a configuration with -c")
        if run is not None:
            model, settings = load_run(run)
            classes = read_classes(run_checkpoint(run).parent / CLASSES)
        else:
            assert config is not None
            settings, classes = read_config(config, override or []), {}
            model = restored(settings)
        evaluate = configured_evaluation(settings, classes)
        if evaluate is None:
            raise ValueError("nothing to measure: DataLoader.Eval or Metric.Eval is missing in the configuration")
        figures = evaluate(model.to(torch_device(settings.Global.device)))
    shown = ", ".join(f"{name}: {value:.5f}" for name, value in figures.items())
    console.print(f"[Eval][Epoch 0][Avg]{shown}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def evaluate(
    bundle: BundleOrNone = None,
    run: RunOrNone = None,
    suite: Annotated[Path | None, typer.Option(help="File of test sets (YAML).")] = None,
    data: Annotated[Path | None, typer.Option(help="Instead: FOLDER/label/picture.jpg, each against the rest.")] = None,
    gallery: Annotated[Path | None, typer.Option(help="With --data: folder of the gallery in the same form.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables, worst cases and maps, set by set.")] = None,
    variant: VariantOption = MODEL,
    rerank: Annotated[bool, typer.Option(help="Rank by k-reciprocal neighbours.")] = False,
    threads: ThreadsOption = 1,
) -> None:
    """Retrieval figures on one's own test sets: recall, precision, mAP, mINP, R-precision, open set.

    \b
    Example: python -m training evaluate --bundle models/extractor --suite sets.yaml --out report
    Example: python -m training evaluate --run runs/first --data photos
    """
    torch.set_num_threads(threads)

    def report(result: SetResult) -> None:
        console.print(f"{result.name}: {len(result.queries.pool)} queries, {len(result.gallery.pool)} gallery entries")
        if out is not None:
            folder = out / re.sub(r"[^\w.-]+", "-", result.name)
            write_report(folder, result.name, result.figures, result.queries, result.gallery)
            console.print(f"written: {folder}", soft_wrap=True)

    with sentences():
        sets, model = _sets(suite, data, gallery), _model(bundle, run, variant)
        protocol = RetrievalProtocol(figures=ALL_FIGURES, rerank=rerank)
        with console.status("embedding"):
            means = evaluate_suite(model.embed, sets, protocol, report)
    console.print(Markdown("\n".join([*recall_table(means, model.name), "", *figure_table(means)])))


@app.command()
def infer(
    images: Annotated[Path, typer.Option(help="Folder of pictures; those below it too.")],
    out: Annotated[Path, typer.Option(help="Folder for embeddings.npz and pictures.csv.")],
    bundle: BundleOrNone = None,
    run: RunOrNone = None,
    variant: VariantOption = MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print each one too, as a line: path, embedding.")] = False,
    threads: ThreadsOption = 1,
) -> None:
    """Write the embeddings of a folder of pictures; what was cut off goes on.

    Example: python -m training infer --bundle models/extractor --images photos --out embeddings
    """
    torch.set_num_threads(threads)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with sentences(), Progress(*columns, console=messages) as bar:
        task = bar.add_task("pictures", total=None)
        model = _model(bundle, run, variant)
        done = embed_folder(
            model.embed, model.fingerprint, images, out, lambda n, m: bar.update(task, completed=n, total=m)
        )
    messages.print(f"{out}: {done[0]} embedded, {done[1]} unreadable", soft_wrap=True)
    if as_json:
        for path, vector in embedded(out):
            typer.echo(json.dumps({"path": path, "embedding": [round(float(value), 6) for value in vector]}))


@dataclass(frozen=True)
class _Model:
    name: str
    fingerprint: str
    embed: Embedder


def _model(bundle: Path | None, run: Path | None, variant: str) -> _Model:
    """What embeds: a bundle as served, or a run with the transforms of its evaluation.

    Raises:
        ValueError: if neither or both are given, or it cannot be used.
    """
    if (bundle is None) == (run is None):
        raise ValueError("give either --bundle or --run")
    if run is not None:
        settings = config_of_run(run)
        served = inference(restored(settings)).to(torch_device(settings.Global.device))
        embed = network_embedder(served, evaluation_ops(settings))
        weights = (run_checkpoint(run) / WEIGHTS).read_bytes()
        return _Model(run.name, f"weights:{hashlib.sha256(weights).hexdigest()}", embed)
    assert bundle is not None
    try:
        opened = read_bundle(bundle)
        embed = bundle_embedder(opened, variant)
    except BundleError as error:
        raise ValueError(str(error)) from error
    return _Model(opened.card.name, opened.card.models[variant].fingerprint, embed)


def _sets(suite: Path | None, data: Path | None, gallery: Path | None) -> Suite:
    if (suite is None) == (data is None):
        raise ValueError("give either --suite or --data")
    if suite is not None:
        return read_suite(suite)
    assert data is not None
    query, known = ({"name": "FolderDataset", "image_root": str(folder)} for folder in (data, gallery))
    return Suite(sets=[SuiteSet(name=data.name, query=query, gallery=None if gallery is None else known)])
