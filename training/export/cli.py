"""Commands that make bundles."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from kenspeckle.bundle import Bundle, BundleError, read_bundle
from training.export.extractor import add_variants, make_extractor
from training.export.package import make_bundle, measured, recipe_of
from training.export.recmodel import bundle_of_run, trained_of
from training.export.sources import left_out_sources
from training.export.variants import Precision
from training.options import (
    BundleOption,
    ConfigOption,
    DataOption,
    OthersOption,
    OverrideOption,
    ThreadsOption,
    command_line,
    sources_of,
)
from training.recmodel.cli_train import read_config, sentences
from training.recmodel.folder import classes_by_use
from training.recmodel.restore import restored
from training.recmodel.start import START

Fp16Option = Annotated[bool, typer.Option("--fp16", help="Add a variant with weights in half precision.")]
Int8Option = Annotated[bool, typer.Option("--int8", help="Add a variant in eight-bit integers, calibrated on --data.")]

app = typer.Typer()
console = Console()


@app.command()
def export(
    out: BundleOption,
    run: Annotated[Path | None, typer.Option(help="Run folder (of train or tune), or a checkpoint.")] = None,
    config: ConfigOption = None,
    override: OverrideOption = None,
    data: DataOption = None,
    others: OthersOption = None,
    mix: Annotated[float | None, typer.Option(help="Of a run of tune: share of the tuned weights.")] = None,
    peer: Annotated[
        list[Path] | None, typer.Option(help="Of a run of tune: runs with other folds held out, to calibrate on.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "kenspeckle-extractor",
    version: Annotated[str, typer.Option(help="Version of the model, as 1.0.0.")] = "0.1.0",
    fp16: Fp16Option = False,
    int8: Int8Option = False,
    threads: ThreadsOption = 1,
) -> None:
    """Export trained weights as a bundle, with cohort and calibrator of --data and --others, and verify it.

    A run of tune --data that left classes out needs neither: its cohort and calibrator are of these classes.

    \b
    Example: python -m training export --run runs/shop --data shop --others anything --out bundles/shop
    Example: python -m training export -c recipe.yaml -o Global.pretrained_model=output/best_model --int8
             --data shop --others anything --out bundles/shop
    """
    torch.set_num_threads(threads)
    with sentences():
        if (config is None) == (run is None):
            raise ValueError("give a run with --run, or a configuration with -c")
        chosen = precisions(fp16, int8)
        tuned = run is not None and (run / START).exists()
        if not tuned and (mix is not None or peer):
            raise ValueError("--mix and --peer are for runs of tune, which know what they started from and left out")
        left_out = classes_by_use(run) if run is not None and data is None and others is None else None
        given = {"run": run, "config": config, "override": override, "data": data, "others": others, "mix": mix}
        command = command_line("export", **given, peer=peer, out=out, fp16=fp16, int8=int8)
        fold = recipe_of(run).unseen_fold if run is not None and tuned else 0
        sources = sources_of(data, others, fold) if left_out is None else left_out_sources(left_out)
        if run is not None and tuned:
            bundle = make_bundle(run, sources, out, name, version, command, mix, chosen, peer or [])
            if left_out is not None:
                bundle = measured(bundle, sources.calibration[0], command)
        elif run is not None:
            bundle = bundle_of_run(run, sources, out, name, version, command, chosen)
        else:
            assert config is not None
            settings = read_config(config, override or [])
            trained = trained_of(restored(settings), settings, name, version)
            bundle = make_extractor(trained, sources, out, command, chosen)
    report(bundle)


@app.command()
def variants(
    bundle: BundleOption,
    out: Annotated[Path, typer.Option(help="Folder of the bundle with variants.")],
    data: DataOption = None,
    others: OthersOption = None,
    fp16: Fp16Option = False,
    int8: Int8Option = False,
) -> None:
    """Add smaller forms to a bundle and measure them, with the pictures that it was exported with.

    Example: python -m training variants --bundle models/extractor --out models/smaller --fp16 --int8
    """
    with sentences():
        chosen = precisions(fp16, int8)
        if not chosen:
            raise ValueError("give --fp16, --int8 or both")
        given = {"data": data, "others": others, "out": out, "fp16": fp16, "int8": int8}
        command = command_line("variants", bundle=bundle, **given)
        try:
            report(add_variants(read_bundle(bundle), sources_of(data, others), out, command, chosen))
        except BundleError as error:
            raise ValueError(str(error)) from error


def report(bundle: Bundle) -> None:
    """What was made, and how its variants compare."""
    card = bundle.card
    console.print(f"{bundle.path}: {card.fingerprint}, {card.parity.metric} {card.parity.value:.7f}", soft_wrap=True)
    for name, model in card.models.items():
        for one in model.measured:
            console.print(f"{name}: {one.metric} {one.value:.10g} on {one.data}", soft_wrap=True)


def precisions(fp16: bool, int8: bool) -> list[Precision]:
    """The variants that the options ask for."""
    asked: list[tuple[Precision, bool]] = [("fp16", fp16), ("int8", int8)]
    return [precision for precision, wanted in asked if wanted]
