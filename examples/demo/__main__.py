"""``python -m examples.demo``: run the demo, then keep serving until Ctrl-C (``--once``: stop, judged by its rates)."""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import as_completed
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from examples.demo.page import Entry, page
from examples.demo.pictures import DemoPictures, Renderer
from examples.demo.rates import LEAST_NAMED, LEAST_RIGHT, LEAST_UNNAMED, MOST_WRONG, Rates, rates, truth_of
from examples.demo.server import HOST, ServerFailed, free_port, serving, wait_until_ready
from examples.rendering.photo import jpeg
from examples.rendering.scenes import Photo
from kenspeckle.annotate import annotate
from kenspeckle.client import Client, NotFound
from kenspeckle.types import Recognition

GALLERY = "demo"
PORT = 8000
MOST_OBJECTS = 6
LOG_COLUMNS = 180
STYLES = {"known": "green", "ambiguous": "yellow", "unknown": "magenta"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status is 0 if all went well (with ``--once``: and the rates are met)."""
    parser = argparse.ArgumentParser(prog="examples.demo", description="Show Kenspeckle on rendered product photos.")
    parser.add_argument("--once", action="store_true", help="end afterwards, non-zero if the rates are missed")
    parser.add_argument("--folder", type=Path, default=Path("demo-data"), help="where everything is written")
    parser.add_argument("--port", type=int, default=PORT, help="port, or the first to try")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else LOG_COLUMNS)
    try:
        return _demo(console, options.folder, options.port, options.once)
    except ServerFailed as error:
        console.print(f"[bold red]The demo failed:[/] {error}")
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 0


def _demo(console: Console, folder: Path, wanted_port: int, once: bool) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(wanted_port), folder / "server.log"
    url = f"http://{HOST}:{port}"
    if port != wanted_port:
        console.print(f"Port {wanted_port} is taken; using {port}.")
    with serving(port, folder / "store", log) as process, Client(url) as client:
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as bar:
            pictures = _render(bar)
            task = bar.add_task("starting the services", total=1)
            wait_until_ready(client, process, log)
            bar.advance(task)
            _enrol(client, pictures, folder / "references", bar)
            answers = _recognize(client, pictures.photos, folder, bar)
        counted = rates(
            [(photo.shown, answer.objects) for photo, answer in zip(pictures.photos, answers, strict=True)],
            {thing.label for thing, _ in pictures.gallery},
        )
        _show(console, pictures.photos, answers)
        _conclude(console, counted, folder, pictures.photos, answers)
        if once:
            return 0 if counted.met else 1
        console.print(f"The console is at [bold]{url}/[/] (choose the gallery “{GALLERY}” there). Ctrl-C stops.")
        process.wait()
        raise ServerFailed(f"the server ended with status {process.returncode}; see {log}")


def _render(bar: Progress) -> DemoPictures:
    renderer = Renderer(min(os.cpu_count() or 1, 4))
    waiting = renderer.start()
    task = bar.add_task("rendering pictures", total=len(waiting))
    for _ in as_completed(waiting):
        bar.advance(task)
    return renderer.finish()


def _enrol(client: Client, pictures: DemoPictures, folder: Path, bar: Progress) -> None:
    with suppress(NotFound):
        client.delete_gallery(GALLERY)
    folder.mkdir(exist_ok=True)
    task = bar.add_task("enrolling things", total=len(pictures.gallery))
    for number, (thing, shots) in enumerate(pictures.gallery):
        for shot, data in enumerate(shots):
            (folder / f"{number:02}-{shot}.jpg").write_bytes(data)
        client.enrol(list(shots), label=thing.label, gallery=GALLERY)
        bar.advance(task)


def _recognize(client: Client, photos: Sequence[Photo], folder: Path, bar: Progress) -> list[Recognition]:
    task = bar.add_task("recognising photos", total=len(photos))
    answers = []
    for number, photo in enumerate(photos, 1):
        (folder / f"photo-{number}.jpg").write_bytes(photo.data)
        answer = client.recognize(photo.data, gallery=GALLERY, max_objects=MOST_OBJECTS)
        (folder / f"photo-{number}-recognised.jpg").write_bytes(jpeg(annotate(photo.image, answer), 90))
        answers.append(answer)
        bar.advance(task)
    return answers


def _show(console: Console, photos: Sequence[Photo], answers: Sequence[Recognition]) -> None:
    table = Table(title="What was recognised", title_justify="left", title_style="bold", show_lines=False)
    table.add_column("photo", justify="right")
    table.add_column("what it is", min_width=22, ratio=3)
    table.add_column("decision", min_width=9)
    table.add_column("label", min_width=22, ratio=3)
    table.add_column("prob.", justify="right", min_width=5)
    table.add_column("reason", no_wrap=True, overflow="ellipsis", ratio=5)
    for number, (photo, answer) in enumerate(zip(photos, answers, strict=True), 1):
        for found in answer.objects:
            truth = truth_of(found, photo.shown)
            style = STYLES[found.decision]
            table.add_row(
                str(number),
                truth.thing.label if truth else "[dim]something else[/]",
                f"[{style}]{found.decision}[/]",
                found.label or "",
                f"{found.probability:.0%}",
                f"[dim]{found.reason}[/]",
            )
        table.add_section()
    console.print(table)


def _conclude(
    console: Console, counted: Rates, folder: Path, photos: Sequence[Photo], answers: Sequence[Recognition]
) -> None:
    summary = (
        f"{counted.named} of {counted.enrolled} enrolled things found and rightly named, {counted.offered} more "
        f"offered as the likelier of two; "
        f"{counted.unnamed} of {counted.strangers} strangers left unnamed "
        f"({counted.unknown} called unknown, the others offered two labels); {counted.others} other objects called "
        f"unknown; {counted.wrong} wrong names."
    )
    entries = [
        Entry(f"photo-{number}-recognised.jpg", photo.image.width, photo.image.height, answer.objects)
        for number, (photo, answer) in enumerate(zip(photos, answers, strict=True), 1)
    ]
    target = folder / "index.html"
    target.write_text(page(entries, summary), encoding="utf-8")
    console.print(summary)
    console.print(f"Annotated pictures: [bold]{target}[/]")
    if not counted.met:
        least = (
            f"at least {LEAST_NAMED:.0%} named, {LEAST_RIGHT:.0%} named or offered, {LEAST_UNNAMED:.0%} of strangers "
            f"unnamed, at most {MOST_WRONG} wrong names"
        )
        console.print(f"[bold red]The demo expects {least}.[/]")


if __name__ == "__main__":
    sys.exit(main())
