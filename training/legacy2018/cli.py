"""``legacy2018 SCRIPT --flag=value …``: every script of 2018 with its own flags."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import typer

from training.config.schema import Config, check_config
from training.export.onnx_graph import export_onnx
from training.export.recmodel import trained_of
from training.legacy2018.configuration import evaluation_configuration, training_configuration
from training.legacy2018.flags import NEUTRAL, parse_flags
from training.recmodel.cli_train import note, reported, sentences
from training.recmodel.evaluate import configured_evaluation, evaluation_loader, outputs_of
from training.recmodel.model import DistillationModel, RecModel
from training.recmodel.restore import restored
from training.recmodel.session import train_config

PASSED = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
FEATURES_SHOWN = 5

app = typer.Typer(name="legacy2018", help="The metric-learning scripts of 2018, flag by flag.", no_args_is_help=True)


@app.command("train_elem", context_settings=PASSED, add_help_option=False)
def train_elem(context: typer.Context) -> None:
    """First phase: softmax or arcmargin.

    Example: python -m training legacy2018 train_elem --model=ResNet50 --loss_name=arcmargin --arc_margin=0.15
    """
    _train("train_elem", context.args)


@app.command("train_pair", context_settings=PASSED, add_help_option=False)
def train_pair(context: typer.Context) -> None:
    """Second phase: triplet, quadruplet, eml or npairs.

    Example: python -m training legacy2018 train_pair --loss_name=eml --pretrained_model=output/ResNet50/latest
    """
    _train("train_pair", context.args)


@app.command("eval", context_settings=PASSED, add_help_option=False)
def evaluate(context: typer.Context) -> None:
    """Recall@1 of the test pictures, each against the rest.

    Example: python -m training legacy2018 eval --model=ResNet50 --pretrained_model=output/ResNet50/latest
    """
    with sentences():
        model, config = _network("eval", context.args)
        measure = configured_evaluation(config, {})
        assert measure is not None
        loader = evaluation_loader(_test_pictures(config))
        typer.echo(f"End test {len(loader.dataset)}, test_recall {measure(model)['recall@1']:.5f}")


@app.command("infer", context_settings=PASSED, add_help_option=False)
def infer(context: typer.Context) -> None:
    """Features of the test pictures, batch by batch.

    Example: python -m training legacy2018 infer --model=ResNet50 --pretrained_model=output/ResNet50/latest
    """
    with sentences():
        model, config = _network("infer", context.args)
        loader = evaluation_loader(_test_pictures(config))
        for number, features in enumerate(outputs_of(model, loader, "features", "Student")):
            typer.echo(f"Test-{number}-feature: {features[0, :FEATURES_SHOWN].tolist()}")


@app.command("export_model", context_settings=PASSED, add_help_option=False)
def export_model(context: typer.Context) -> None:
    """Write the network as ONNX; `export` makes a whole bundle.

    Example: python -m training legacy2018 export_model --model=ResNet50 --pretrained_model=output/ResNet50/latest
    """
    with sentences():
        model, config = _network("export_model", context.args)
        trained = trained_of(model, config, config.Arch.Backbone["name"] if config.Arch.Backbone else "", "1.0.0")
        folder = Path(_flags("export_model", context.args).model_save_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(export_onnx(trained.network, trained.width, trained.height))
        typer.echo(f"{folder / 'model.onnx'}: image (N, {trained.height}, {trained.width}, 3) uint8 → embedding")


def _flags(script: str, arguments: list[str]) -> Namespace:
    flags = parse_flags(script, arguments)
    for name, why in NEUTRAL.items():
        if any(argument.startswith(f"--{name}") for argument in arguments):
            note(f"--{name}: {why}")
    return flags


def _checked(content: dict[str, Any], script: str) -> Config:
    return check_config(content, script)[0]


def _train(script: str, arguments: list[str]) -> None:
    flags = _flags(script, arguments)
    with sentences():
        config = _checked(training_configuration(script, flags), script)
        with reported(config.Global.epochs) as report:
            train_config(config, report)
        typer.echo(f"run: {config.Global.output_dir}")


def _network(script: str, arguments: list[str]) -> tuple[RecModel | DistillationModel, Config]:
    """The network with its weights, for evaluation, and its configuration.

    Raises:
        ValueError: if no weights are given.
    """
    flags = _flags(script, arguments)
    if flags.pretrained_model is None:
        raise ValueError("--pretrained_model is missing: a checkpoint such as output/ResNet50/latest")
    config = _checked(evaluation_configuration(flags, flags.pretrained_model), script)
    return restored(config), config


def _test_pictures(config: Config) -> Any:
    assert config.DataLoader.Eval is not None
    return config.DataLoader.Eval.sources()[0]
