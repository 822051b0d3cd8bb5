"""Galleries as wholes: create, list, delete, export."""

from pathlib import Path
from typing import Annotated

import typer

from kenspeckle.cli import options
from kenspeckle.cli.output import print_json, print_table, progress, say
from kenspeckle.client import Client
from kenspeckle.types import Gallery

Name = Annotated[str, typer.Argument(help="Lower-case letters, digits, '.', '_' and '-'.")]


def create(
    name: Name,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    forget_pictures: Annotated[
        bool, typer.Option("--forget-pictures", help="Keep no pictures; such a gallery cannot be re-embedded.")
    ] = False,
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Make an empty gallery (adding to one that is missing makes it too).

    \b
    Example:
      kenspeckle gallery create shop --description "everything on the shelves"
    """
    with options.connect(url, key) as client:
        made = client.create_gallery(name, description=description, keep_pictures=not forget_pictures)
    if json:
        print_json(made)
    else:
        say(f"Made gallery {made.name}.")


def list_galleries(json: options.Json = False, url: options.Url = None, key: options.Key = None) -> None:
    """List the galleries.

    \b
    Example:
      kenspeckle gallery list
    """
    with options.connect(url, key) as client:
        galleries = list(client.galleries())
    if json:
        for entry in galleries:
            print_json(entry)
    elif galleries:
        print_table(["gallery", "#items", "#labels", "#references", "#revision", "description"], map(_row, galleries))
    else:
        say('There is no gallery yet; the first thing makes one: kenspeckle gallery add PICTURE --label "…"')


def _row(gallery: Gallery) -> list[object]:
    counts = [gallery.items, gallery.labels, gallery.references, gallery.revision]
    return [gallery.name, *counts, gallery.description]


def delete(
    gallery: Annotated[str, typer.Argument(help="The gallery.")],
    item: Annotated[str | None, typer.Option("--item", help="Delete only the item with this id.")] = None,
    reference: Annotated[str | None, typer.Option("--reference", help="Delete only this picture of the item.")] = None,
    yes: options.Yes = False,
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Delete a gallery, an item or one picture of an item. It is gone with the answer.

    \b
    Examples:
      kenspeckle gallery delete shop --item yoghurt-1
      kenspeckle gallery delete shop --item yoghurt-1 --reference 0190b6c2
      kenspeckle gallery delete shop --yes
    """
    if reference and not item:
        raise typer.BadParameter("--reference needs the --item that it belongs to")
    with options.connect(url, key) as client:
        what = _what(client, gallery, item, reference)
        if not yes:
            typer.confirm(f"Delete {what} for good?", abort=True)
        if item is None:
            client.delete_gallery(gallery)
        elif reference is None:
            client.delete_item(item, gallery=gallery)
        else:
            client.delete_reference(item, reference, gallery=gallery)
    if json:
        print_json({"deleted": {"gallery": gallery, "item": item, "reference": reference}})
    else:
        say(f"Deleted {what}.")


def _what(client: Client, gallery: str, item: str | None, reference: str | None) -> str:
    if item is None:
        found = client.gallery(gallery)
        return f"gallery {gallery} with {found.items} items and {found.references} pictures"
    if reference is None:
        return f"item {item} of gallery {gallery}"
    return f"picture {reference} of item {item} of gallery {gallery}"


def export(
    gallery: Annotated[str, typer.Argument(help="The gallery.")],
    file: Annotated[Path, typer.Argument(help="The .tar to write.", dir_okay=False)],
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Write a gallery with pictures, labels, metadata and embeddings to one .tar ('gallery import' reads it).

    \b
    Example:
      kenspeckle gallery export shop shop.tar
    """
    with options.connect(url, key) as client, progress() as bar:
        task = bar.add_task("exporting, bytes", total=None)
        client.export_gallery(gallery, file, progress=lambda count: bar.advance(task, count))
    if json:
        print_json({"gallery": gallery, "file": str(file), "bytes": file.stat().st_size})
    else:
        say(f"Wrote {file} ({file.stat().st_size / 1e6:.1f} MB).")
