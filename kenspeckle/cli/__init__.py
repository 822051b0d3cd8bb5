"""The ``kenspeckle`` command."""

from kenspeckle.cli.app import app, main

__all__ = ["app", "main"]
