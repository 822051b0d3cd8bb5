"""Options that several commands share."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from training.data.pictures import shared_data
from training.export.sources import Sources, folder_sources, shared_sources
from training.presets import find_config

RunOption = Annotated[Path, typer.Option(help="Run folder.")]
DataOption = Annotated[Path | None, typer.Option(help="FOLDER/label/picture.jpg; the shared data folder if left out.")]
OthersOption = Annotated[
    Path | None, typer.Option(help="With --data: pictures of other things, in the same form, for retention and cohort.")
]
ThreadsOption = Annotated[int, typer.Option(help="Threads of PyTorch.")]


def command_line(name: str, **options: object) -> str:
    """The command with these options as one would type it, without those that are None, False or empty."""
    parts = ["python -m training", name]
    for key, value in options.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is True:
                parts.append(f"--{key}")
            elif one is not None and one is not False:
                parts.append(f"--{key} {shlex.quote(str(one))}")
    return " ".join(parts)


def config_file(written: str) -> Path:
    """The file of a configuration or preset.

    Raises:
        typer.BadParameter: if there is no such thing.
    """
    try:
        return find_config(written)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


ConfigOption = Annotated[
    Path | None, typer.Option("-c", "--config", parser=config_file, help="Configuration: a YAML file, or a preset.")
]
OverrideOption = Annotated[
    list[str] | None,
    typer.Option("-o", "--override", metavar="KEY=VALUE", help="Replace a value, e.g. Global.epochs=3; repeatable."),
]
BundleOption = Annotated[Path, typer.Option(help="Bundle folder.")]


def sources_of(data: Path | None, others: Path | None, unseen_fold: int = 0) -> Sources:
    """The pictures of ``--data`` and ``--others``, or of the shared data folder where both are left out.

    Args:
        unseen_fold: of the shared classes, kept out of training.

    Raises:
        typer.BadParameter: if only one is given, or a folder cannot be used.
    """
    if (data is None) != (others is None):
        raise typer.BadParameter("--data and --others go together")
    try:
        if data is None or others is None:
            return shared_sources(shared_data(), unseen_fold)
        return folder_sources(data, others)
    except (FileNotFoundError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
