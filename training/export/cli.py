"""Commands that make bundles."""

from typing import Annotated

import torch
import typer
from rich.console import Console

from training.export.package import make_bundle
from training.options import BundleOption, DataOption, OthersOption, RunOption, ThreadsOption, sources_of

app = typer.Typer()
console = Console()


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
    bundle = make_bundle(run, sources_of(data, others), out, name, version, mix)
    console.print(f"{bundle.path}: {bundle.card.fingerprint}, smallest cosine {bundle.card.parity.value:.7f}")
