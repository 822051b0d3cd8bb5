"""Options that many commands share, and the client that they give."""

from typing import Annotated, Literal

import typer

from kenspeckle.client import Client
from kenspeckle.client.transport import DEFAULT_URL

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="KENSPECKLE_URL", help=f"Address of the service (default {DEFAULT_URL})."),
]
Key = Annotated[str | None, typer.Option("--key", envvar="KENSPECKLE_KEY", help="API key.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
InGallery = Annotated[str, typer.Option("--gallery", "-g", help="The gallery.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Crop = Annotated[
    Literal["auto", "whole"] | None,
    typer.Option("--crop", help="auto: the best detected object; whole: the whole picture."),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--false-accept-rate", min=0.0, max=1.0, help="Share of unrelated things that may be taken for known."
    ),
]


def connect(url: str | None, key: str | None) -> Client:
    """The client of a command."""
    return Client(url, key)
