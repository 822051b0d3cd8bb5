"""``kenspeckle gallery import``."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from kenspeckle.cli import options
from kenspeckle.cli.gallery.sources import Row, SourceError, read_source
from kenspeckle.cli.gallery.state import ImportState, digest_of
from kenspeckle.cli.output import print_json, problem_json, progress, say
from kenspeckle.cli.parallel import in_order
from kenspeckle.client import Client, Conflict, ConnectionFailed, KenspeckleError, KeyRefused, UnusablePicture
from kenspeckle.types import Enrolment, ItemId

FOR_EVALUATION = "_unknown"
_ITEM_ID: TypeAdapter[str] = TypeAdapter(ItemId)

ImageRoot = Annotated[
    Path | None, typer.Option("--image-root", help="Folder that paths in a list or CSV start from.", exists=True)
]


@dataclass
class Tally:
    """What became of the rows."""

    added: int = 0
    already: int = 0
    repeated: int = 0
    failed: list[tuple[Row, KenspeckleError]] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)

    def sentence(self, gallery: str) -> str:
        """The sum of it."""
        parts = [f"{self.added} pictures added to gallery {gallery}"]
        if self.already:
            parts.append(f"{self.already} were there from an earlier run (--again adds them once more)")
        if self.repeated:
            parts.append(f"{self.repeated} rows say the same as another")
        parts += [f"{count} × warning {code}" for code, count in sorted(self.warnings.items())]
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        return "; ".join(parts) + "."


def import_source(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="CSV, folder of folders, old list, or exported .tar.")
    ],
    gallery: options.InGallery = "default",
    image_root: ImageRoot = None,
    crop: options.Crop = None,
    again: Annotated[bool, typer.Option("--again", help="Forget what an earlier run imported.")] = False,
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Add many things at once. An import that was interrupted goes on where it stopped when it is started again.

    A CSV file has the columns path and label, and optionally item_id, box (x0,y0,x1,y1) and metadata.NAME. In a
    folder of folders the name of a folder is the label. Rows without an item_id make one item per label. Rows that
    fail are written to SOURCE.failed.csv with the reason; put right, that file can be imported.

    \b
    Examples:
      kenspeckle gallery import products.csv --gallery shop
      kenspeckle gallery import photos/ --gallery shop
      kenspeckle gallery import drink_label.txt --image-root drink_dataset/gallery
      kenspeckle gallery import shop.tar --gallery shop-copy
    """
    with options.connect(url, key) as client:
        if source.suffix.lower() == ".tar":
            _import_archive(client, source, gallery, json)
            return
        rows = [row for row in read_source(source, image_root) if row.label != FOR_EVALUATION]
        if not rows:
            raise SourceError(f"{source} names only pictures for 'gallery evaluate'")
        tally = _import_rows(client, source, rows, gallery, crop, again, json)
    report = _report(source, tally.failed)
    if json:
        counts = {"added": tally.added, "already": tally.already, "repeated": tally.repeated}
        print_json({"summary": {**counts, "failed": len(tally.failed), "report": report and str(report)}})
    say(tally.sentence(gallery), "green" if not tally.failed else "yellow")
    if tally.failed:
        row, error = tally.failed[0]
        say(f"The first: row {row.number}, {row.picture}: {error}. All of them are in {report}.", "bold red")
        raise typer.Exit(1)


def _import_archive(client: Client, source: Path, gallery: str, json: bool) -> None:
    with progress() as bar:
        task = bar.add_task("importing, bytes", total=source.stat().st_size if source.is_file() else None)
        made = client.import_gallery(gallery, source, progress=lambda count: bar.advance(task, count))
    if json:
        print_json(made)
    else:
        say(f"Made gallery {made.name} with {made.items} items and {made.references} pictures.", "green")


def _import_rows(
    client: Client, source: Path, rows: list[Row], gallery: str, crop: Any, again: bool, json: bool
) -> Tally:
    made_at = _ensure(client, gallery)
    state = ImportState([client.transport.url, gallery, made_at, str(source.resolve())], again)
    tally = Tally()

    def work(row: Row) -> Enrolment | str:
        if row.problem:
            raise KenspeckleError(row.problem)
        content = _read(row.picture)
        digest = digest_of(row, content, {"crop": crop})
        if not state.claim(digest):
            return "repeated"
        if state.is_done(digest):
            return "already"
        enrolment = client.enrol(
            content,
            row.label,
            gallery=gallery,
            item_id=row.item_id or item_id_of(row.label),
            box=row.box,
            crop=crop,
            metadata=row.metadata or None,
            idempotency_key="import-" + hashlib.sha256(f"{made_at} {state.nonce} {digest}".encode()).hexdigest(),
        )
        state.add(digest)
        return enrolment

    try:
        with progress() as bar:
            task = bar.add_task("importing", total=len(rows))
            for row, result in in_order(work, rows):
                bar.advance(task)
                _count(tally, row, result)
                if json:
                    _print_row(row, result)
    except KeyboardInterrupt:
        say(f"Interrupted: {tally.sentence(gallery)} The same command goes on from here.", "yellow")
        raise typer.Exit(1) from None
    finally:
        state.close()
    return tally


def _ensure(client: Client, gallery: str) -> str:
    """Make the gallery if it is missing; gives when it was made, which tells it from an earlier one of its name."""
    known = {entry.name: entry for entry in client.galleries()}
    if gallery not in known:
        try:
            return client.create_gallery(gallery).created_at.isoformat()
        except Conflict:
            return client.gallery(gallery).created_at.isoformat()
    return known[gallery].created_at.isoformat()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusablePicture(f"the picture cannot be read: {error.strerror or error}") from error


def item_id_of(label: str) -> str:
    """The id of the item that pictures of a label join: the label, or a digest where it cannot be an id."""
    try:
        return _ITEM_ID.validate_python(label)
    except ValidationError:
        return "label-" + hashlib.sha256(label.encode()).hexdigest()[:32]


def _count(tally: Tally, row: Row, result: Enrolment | str | KenspeckleError) -> None:
    """Add a row's outcome to the tally.

    Raises:
        KenspeckleError: if no further row can fare better.
    """
    if isinstance(result, ConnectionFailed | KeyRefused):
        say(f"Stopped at row {row.number}; the same command goes on from there.", "yellow")
        raise result
    if isinstance(result, KenspeckleError):
        tally.failed.append((row, result))
    elif isinstance(result, Enrolment):
        tally.added += 1
        tally.warnings.update(warning.code for warning in result.warnings)
    elif result == "already":
        tally.already += 1
    else:
        tally.repeated += 1


def _print_row(row: Row, result: Enrolment | str | KenspeckleError) -> None:
    place = {"row": row.number, "picture": str(row.picture)}
    if isinstance(result, KenspeckleError):
        print_json({**place, "problem": problem_json(result)})
    elif isinstance(result, Enrolment):
        print_json({**place, **result.model_dump(mode="json")})
    else:
        print_json({**place, "skipped": result})


def _report(source: Path, failed: Iterable[tuple[Row, KenspeckleError]]) -> Path | None:
    """Write the failed rows beside the source, or in the current folder where that cannot be; None if none failed."""
    entries = list(failed)
    name = f"{source.resolve().name}.failed.csv"
    for folder in (source.resolve().parent, Path.cwd()):
        path = folder / name
        try:
            if not entries:
                path.unlink(missing_ok=True)
                return None
            _write_report(path, entries)
        except OSError:
            continue
        return path
    return None


def _write_report(path: Path, failed: list[tuple[Row, KenspeckleError]]) -> None:
    names = sorted({f"metadata.{name}" for row, _ in failed for name in row.metadata})
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "item_id", "box", *names, "problem"])
        for row, error in failed:
            box = ",".join(f"{side:g}" for side in row.box) if row.box else ""
            facts = [row.metadata.get(name.removeprefix("metadata."), "") for name in names]
            writer.writerow([row.picture.resolve(), row.label, row.item_id or "", box, *facts, error])
