"""The command that turns official weights into a bundle."""

import dataclasses
from pathlib import Path
from typing import Annotated

import torch
import typer

from kenspeckle.crop import CropRule
from training.config.schema import Config, load_config
from training.export.cli import Fp16Option, Int8Option, precisions, report
from training.export.extractor import Trained, make_extractor
from training.export.recmodel import trained_of
from training.importers.networks import import_recmodel, imported_arch
from training.options import (
    BundleOption,
    DataOption,
    OthersOption,
    ThreadsOption,
    command_line,
    config_file,
    sources_of,
)
from training.recmodel.build import arch_section

TERMS = "What the imported weights were trained on, and under what terms, is for whoever imports them to say."

app = typer.Typer()


@app.command()
def import_paddle(
    weights: Annotated[Path, typer.Argument(help=".pdparams (training) or .pdiparams (inference) file.", exists=True)],
    config: Annotated[
        Path, typer.Option("-c", "--config", parser=config_file, help="YAML or preset that it was trained with.")
    ],
    out: BundleOption,
    data: DataOption = None,
    others: OthersOption = None,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "imported-extractor",
    version: Annotated[str, typer.Option(help="Version of the model, as 1.0.0.")] = "1.0.0",
    fp16: Fp16Option = False,
    int8: Int8Option = False,
    threads: ThreadsOption = 1,
) -> None:
    """Make a bundle of weights of the old stack. Nothing in the file is executed; Paddle is not needed.

    Cohort and calibrator come from --data and --others, which are pictures of your own.

    Example: python -m training import-paddle best_model.pdparams
    -c GeneralRecognitionV2/GeneralRecognitionV2_PPLCNetV2_base --data shop --others anything --out bundles/shitu
    """
    torch.set_num_threads(threads)
    given = {"config": config, "data": data, "others": others, "out": out, "fp16": fp16, "int8": int8}
    command = command_line(f"import-paddle {weights}", **given)
    try:
        trained = imported(weights, load_config(config)[0], name, version)
        bundle = make_extractor(trained, sources_of(data, others), out, command, precisions(fp16, int8))
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    report(bundle)


def imported(weights: Path, config: Config, name: str, version: str) -> Trained:
    """The network of ``config`` with the weights of a file, fed as the old stack fed it: whole boxes, bilinear."""
    arch = imported_arch(arch_section(config, pretrained=False))
    trained = trained_of(import_recmodel(weights, arch), config, name, version)
    return dataclasses.replace(
        trained,
        summary=f"Weights of the old stack ({weights.name}, {arch['Backbone']['name']}), not trained further.",
        recipe={"Arch": arch},
        interpolation="bilinear",
        crop=CropRule(margin=0),
        seeds=(),
        limits=[*trained.limits, TERMS],
    )
