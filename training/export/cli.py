"""Commands that make bundles."""

from typing import Annotated

import torch
import typer
from rich.console import Console

from kenspeckle.bundle import Bundle
from training.export.package import make_bundle
from training.export.variants import Precision
from training.options import BundleOption, DataOption, OthersOption, RunOption, ThreadsOption, sources_of

Fp16Option = Annotated[bool, typer.Option("--fp16", help="Add a variant with weights in half precision.")]
Int8Option = Annotated[bool, typer.Option("--int8", help="Add a variant in eight-bit integers, calibrated on --data.")]

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
    fp16: Fp16Option = False,
    int8: Int8Option = False,
    threads: ThreadsOption = 1,
) -> None:
    """Export a run as a bundle, with cohort and calibrator, and verify it.

    Example: python -m training export --run runs/shop --data shop --others anything --out bundles/shop
    """
    torch.set_num_threads(threads)
    bundle = make_bundle(run, sources_of(data, others), out, name, version, mix, precisions(fp16, int8))
    report(bundle)


def report(bundle: Bundle) -> None:
    """What was made, and how its variants compare."""
    card = bundle.card
    console.print(f"{bundle.path}: {card.fingerprint}, {card.parity.metric} {card.parity.value:.7f}", soft_wrap=True)
    for name, model in card.models.items():
        for one in model.measured:
            console.print(f"{name}: {one.metric} {one.value:g} on {one.data}", soft_wrap=True)


def precisions(fp16: bool, int8: bool) -> list[Precision]:
    """The variants that the options ask for."""
    asked: list[tuple[Precision, bool]] = [("fp16", fp16), ("int8", int8)]
    return [precision for precision, wanted in asked if wanted]
