"""Single things: add, show, search, relabel."""

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer

from kenspeckle.cli import options
from kenspeckle.cli.files import parse_box
from kenspeckle.cli.output import cell, out, print_json, print_table, say
from kenspeckle.types import Enrolment, Item


def add(
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURE...", help="Pictures of one thing.", exists=True, dir_okay=False)
    ],
    label: Annotated[str | None, typer.Option("--label", "-l", help="Its name.")] = None,
    gallery: options.InGallery = "default",
    item_id: Annotated[str | None, typer.Option(help="Your own id; if it is there, the pictures join it.")] = None,
    negative: Annotated[bool, typer.Option("--negative", help="It looks alike, but must not be recognised.")] = False,
    box: Annotated[str | None, typer.Option(help="Where it is: x0,y0,x1,y1 in pixels.")] = None,
    crop: options.Crop = None,
    metadata: Annotated[str | None, typer.Option(help="A JSON object kept with the item.")] = None,
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Add a thing to a gallery: from then on it is recognised.

    \b
    Examples:
      kenspeckle gallery add front.jpg back.jpg --label "Oat yoghurt"
      kenspeckle gallery add shelf.jpg --label "Oat yoghurt" --box 120,40,380,620
      kenspeckle gallery add lookalike.jpg --negative
    """
    if (label is None) == (not negative):
        raise typer.BadParameter("give a --label, or --negative for something that must not be recognised")
    with options.connect(url, key) as client:
        enrolment = client.enrol(
            list(pictures),
            label,
            gallery=gallery,
            item_id=item_id,
            negative=negative,
            box=None if box is None else _box(box),
            crop=crop,
            metadata=None if metadata is None else _metadata(metadata),
        )
    if json:
        print_json(enrolment)
    else:
        _tell(enrolment)


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        return parse_box(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _metadata(text: str) -> dict[str, Any]:
    try:
        value = json_module.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"--metadata is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter("--metadata must be a JSON object, such as '{\"shelf\": 3}'")
    return value


def _tell(enrolment: Enrolment) -> None:
    name = "a negative" if enrolment.negative else str(enrolment.label)
    count = len(enrolment.references)
    pictures = "one picture" if count == 1 else f"{count} pictures"
    done = f"Added {name} with {pictures}" if enrolment.created else f"Added {pictures} to {name}"
    say(f"{done} (gallery {enrolment.gallery}, item {enrolment.item_id}).")
    for warning in enrolment.warnings:
        say(f"Picture {warning.reference + 1}: {warning.message}", "yellow")


def show(
    gallery: Annotated[str, typer.Argument(help="The gallery.")] = "default",
    item: Annotated[
        str | None, typer.Option("--item", help="Show only the item with this id, picture by picture.")
    ] = None,
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Show what is in a gallery.

    \b
    Examples:
      kenspeckle gallery show shop
      kenspeckle gallery show shop --item yoghurt-1
    """
    with options.connect(url, key) as client:
        found = [client.item(item, gallery=gallery)] if item else client.items(gallery)
        if json:
            for entry in found:
                print_json(entry)
        elif item:
            _print_item(*found)
        else:
            _print_items(list(found))


def search(
    text: Annotated[str, typer.Argument(help="Part of a label.")],
    gallery: options.InGallery = "default",
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Find items whose label contains a text.

    \b
    Example:
      kenspeckle gallery search yoghurt --gallery shop
    """
    with options.connect(url, key) as client:
        found = list(client.items(gallery, query=text))
    if json:
        for entry in found:
            print_json(entry)
    else:
        _print_items(found)


def relabel(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Id of the item.")],
    label: Annotated[str, typer.Argument(help="The right name.")],
    gallery: options.InGallery = "default",
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Give an item another label.

    \b
    Example:
      kenspeckle gallery relabel yoghurt-1 "Soy yoghurt" --gallery shop
    """
    with options.connect(url, key) as client:
        before = client.item(item, gallery=gallery)
        after = client.update_item(item, gallery=gallery, label=label, if_revision=before.revision)
    if json:
        print_json(after)
    else:
        say(f"{before.label} is now {after.label}.")


def _print_items(found: list[Item]) -> None:
    if not found:
        say("Nothing there.")
        return
    rows = [(entry.id, _name(entry), len(entry.references), _facts(entry)) for entry in found]
    print_table(["item", "label", "#pictures", "metadata"], rows)


def _print_item(item: Item) -> None:
    out().print(cell(f"{_name(item)} (item {item.id}, revision {item.revision})", "bold"))
    if item.metadata:
        out().print(cell(_facts(item)))
    rows = [(r.id, " ".join(str(round(side)) for side in r.box), r.source, r.created_at) for r in item.references]
    print_table(["reference", "box", "from", "added"], rows)


def _name(item: Item) -> str:
    return "(negative)" if item.negative else str(item.label)


def _facts(item: Item) -> str:
    return ", ".join(f"{name}: {value}" for name, value in item.metadata.items())
