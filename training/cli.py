"""The command of training: the commands of every area, mounted side by side."""

import typer

from training.data.cli import app as data
from training.engine.memory import keep_freed_memory
from training.evaluation.cli import app as evaluation
from training.export.cli import app as export
from training.importers.cli import app as importers
from training.legacy2018.cli import app as legacy2018
from training.picodet.cli import app as picodet
from training.recmodel.cli import app as shipped
from training.recmodel.cli_train import app as recmodel

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Train, export and evaluate the models."""
    keep_freed_memory()


for area in (recmodel, shipped, data, evaluation, export, importers, legacy2018, picodet):
    app.add_typer(area)
