"""The command that turns official weights into a bundle."""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from kenspeckle.crop import CropRule
from training.config.reading import read_yaml
from training.export.cli import Fp16Option, Int8Option, precisions, report
from training.export.extractor import Trained, make_extractor
from training.export.network import EmbeddingNetwork
from training.importers.official import OFFICIAL, import_recmodel, imported_arch, official_arch
from training.options import BundleOption, DataOption, OthersOption, ThreadsOption, sources_of
from training.recmodel.model import inference

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE = 224

app = typer.Typer()


@app.command()
def import_paddle(
    weights: Annotated[Path, typer.Argument(help=".pdparams (training) or .pdiparams (inference) file.", exists=True)],
    out: BundleOption,
    model: Annotated[str | None, typer.Option(help=f"Official model: {', '.join(OFFICIAL)}.")] = None,
    config: Annotated[Path | None, typer.Option(help="Or the YAML that the weights were trained with.")] = None,
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

    Example: python -m training import-paddle best_model.pdparams --model PP-ShiTuV2 --data shop --others anything
    --out bundles/shitu
    """
    torch.set_num_threads(threads)
    if (model is None) == (config is None):
        raise typer.BadParameter("give --model or --config")
    try:
        arch, width, height = _arch(model, config)
        network = import_recmodel(weights, arch)
    except (ValueError, KeyError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    served = inference(network)
    features = served(torch.zeros(1, 3, height, width))
    trained = Trained(
        network=EmbeddingNetwork(served, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        name=name,
        version=version,
        width=width,
        height=height,
        dim=features.shape[1],
        summary=f"Weights of the old stack ({weights.name}, {arch['Backbone']['name']}), not trained further.",
        recipe={"Arch": imported_arch(arch)},
        interpolation="bilinear",
        crop=CropRule(margin=0),
        limits=["What the imported weights were trained on, and under what terms, is for whoever imports them to say."],
    )
    command = f"python -m training import-paddle {weights} --out {out}"
    try:
        bundle = make_extractor(trained, sources_of(data, others), out, command, precisions(fp16, int8))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    report(bundle)


def _arch(model: str | None, config: Path | None) -> tuple[dict[str, Any], int, int]:
    """``Arch`` section, width and height of the input."""
    if config is None:
        return official_arch(str(model)), SIDE, SIDE
    content = read_yaml(config)
    if not isinstance(content.get("Arch"), dict) or "Backbone" not in content["Arch"]:
        raise ValueError(f"{config} has no Arch section with a Backbone")
    _, height, width = (content.get("Global") or {}).get("image_shape", (3, SIDE, SIDE))
    return content["Arch"], width, height
