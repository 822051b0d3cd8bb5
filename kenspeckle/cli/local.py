"""``kenspeckle serve`` and ``kenspeckle train``: doors to what is installed beside this package, or is not."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

import kenspeckle
from kenspeckle.cli.output import fail


def serve(
    host: Annotated[str, typer.Option(envvar="KENSPECKLE_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, envvar="KENSPECKLE_PORT", help="Port to listen on.")] = 8000,
    data: Annotated[
        Path,
        typer.Option(envvar="KENSPECKLE_INDEXER_DATA_DIR", help="Folder of galleries and pictures; made if missing."),
    ] = Path("data"),
    models: Annotated[
        Path | None,
        typer.Option(envvar="KENSPECKLE_MODELS_DIR", help="Folder of the model bundles (default: those shipped)."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", envvar="KENSPECKLE_INSECURE", help="Listen beyond this machine without keys.")
    ] = False,
) -> None:
    """Run the whole stack in one process on one port, with its console at /.

    \b
    Examples:
      kenspeckle serve
      kenspeckle serve --port 9000 --data /srv/kenspeckle
    """
    standalone = _beside("services.standalone", "serve", "The services are")
    shipped = Path(kenspeckle.__file__).parents[1] / "models"
    standalone.serve(host=host, port=port, data=data, models=models or shipped, insecure=insecure)


def train(context: typer.Context) -> None:
    """Train, evaluate and export models ('kenspeckle train --help' lists the commands).

    \b
    Examples:
      kenspeckle train --help
      kenspeckle train tune --data photos/ --out runs/first
    """
    training = _beside("training.cli", "train", "The training package is")
    training.app(args=context.args, prog_name="kenspeckle train")


def _beside(module: str, extra: str, what: str) -> ModuleType:
    """Import a module of the checkout that this package is in."""
    checkout = Path(kenspeckle.__file__).parents[1]
    top = module.partition(".")[0]
    if not (checkout / top).is_dir():
        fail(
            f"{what} not part of the published package: get a checkout of the repository"
            f" and run pip install -e '.[{extra}]' in it."
        )
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == top:
            raise
        torch = " and PyTorch (pip install torch)" if extra == "train" else ""
        fail(f"{error.name} is missing: run pip install 'kenspeckle[{extra}]'{torch}.")
