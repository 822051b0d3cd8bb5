"""The command: its parts put together, and errors as sentences."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from kenspeckle import __version__
from kenspeckle.cli import local, operations, recognize
from kenspeckle.cli.gallery import gallery_app
from kenspeckle.cli.output import fail
from kenspeckle.client import KenspeckleError


class Sentences(TyperGroup):
    """Ends with one red sentence where something went wrong that a person can mend."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            sys.stderr.close()
            raise typer.Exit(0) from None
        except KenspeckleError as error:
            fail(f"{error}.")
        except OSError as error:
            fail(f"{error.filename or 'A file'}: {error.strerror or error}.")


app = typer.Typer(
    cls=Sentences,
    help="Show it a thing once; from then on it knows the thing when it sees it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(local.serve)
app.command("recognize")(recognize.recognize)
app.add_typer(gallery_app, name="gallery")
app.add_typer(operations.key_app, name="key")
app.add_typer(operations.model_app, name="model")
app.add_typer(operations.job_app, name="job")
app.command(
    "train",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)(local.train)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Show it a thing once; from then on it knows the thing when it sees it.

    \b
    First steps:
      kenspeckle serve
      kenspeckle gallery add yoghurt.jpg --label "Oat yoghurt"
      kenspeckle recognize shelf.jpg
    """


def main() -> None:
    """Entry point of the ``kenspeckle`` command."""
    app(prog_name="kenspeckle")
