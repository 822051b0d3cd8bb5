"""``kenspeckle gallery``: everything about galleries and what is in them."""

import typer

from kenspeckle.cli.gallery import evaluate, importing, items, manage

gallery_app = typer.Typer(help="Galleries and the things in them.", no_args_is_help=True)
gallery_app.command("create")(manage.create)
gallery_app.command("add")(items.add)
gallery_app.command("import")(importing.import_source)
gallery_app.command("list")(manage.list_galleries)
gallery_app.command("show")(items.show)
gallery_app.command("search")(items.search)
gallery_app.command("relabel")(items.relabel)
gallery_app.command("delete")(manage.delete)
gallery_app.command("export")(manage.export)
gallery_app.command("evaluate")(evaluate.evaluate)

__all__ = ["gallery_app"]
