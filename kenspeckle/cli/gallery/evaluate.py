"""``kenspeckle gallery evaluate``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from kenspeckle.cli import options
from kenspeckle.cli.gallery.evaluation import Outcome, Summary, outcome_of, summarise, worst
from kenspeckle.cli.gallery.importing import ImageRoot
from kenspeckle.cli.gallery.page import Case, figures, page
from kenspeckle.cli.gallery.sources import Row, read_source
from kenspeckle.cli.output import print_json, print_table, problem_json, progress, say
from kenspeckle.cli.parallel import in_order
from kenspeckle.client import Client, ConnectionFailed, KenspeckleError, KeyRefused
from kenspeckle.report import thumbnail

SHOWN_RATES = (0.001, 0.01, 0.05, 0.1, 0.2)
MOST_CASES = 60
Failures = list[tuple[Row, KenspeckleError]]


def evaluate(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="CSV, folder of folders, or old list.")],
    gallery: options.InGallery = "default",
    image_root: ImageRoot = None,
    whole: Annotated[bool, typer.Option("--whole", help="Take the whole picture as the object.")] = False,
    false_accept_rate: options.Rate = None,
    report: Annotated[
        Path | None, typer.Option("--html", dir_okay=False, help="Write a page of worst cases to this file.")
    ] = None,
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Recognise labelled pictures and say how well that went.

    Each picture shows one thing; the surest object found in it counts. With a box in the CSV that box is asked
    about. The label 'unknown', or a folder '_unknown', holds things that are not in the gallery.

    \b
    Examples:
      kenspeckle gallery evaluate test-photos/ --gallery shop --html evaluation.html
      kenspeckle gallery evaluate test.csv --gallery shop --json
    """
    rows = read_source(source, image_root)
    with options.connect(url, key) as client:
        outcomes, failures = _recognise(client, rows, gallery, whole, false_accept_rate)
        summary = summarise(outcomes)
        if report:
            _write_page(client, report, f"Gallery {gallery} on {source.name}", gallery, outcomes, summary)
    if json:
        print_json({"gallery": gallery, **asdict(summary), "failed": [_failure(*entry) for entry in failures]})
    else:
        _print(summary)
    if report:
        say(f"The worst cases are in {report}.")
    if failures:
        row, error = failures[0]
        say(
            f"{len(failures)} pictures could not be used; the first: row {row.number}, {row.picture}: {error}.",
            "bold red",
        )
        raise typer.Exit(1)


def _recognise(
    client: Client, rows: list[Row], gallery: str, whole: bool, rate: float | None
) -> tuple[list[Outcome], Failures]:
    def work(row: Row) -> Outcome:
        if row.problem:
            raise KenspeckleError(row.problem)
        boxes = [row.box] if row.box else None
        answer = client.recognize(
            row.picture, gallery=gallery, detect=not whole, boxes=boxes, top_k=1, false_accept_rate=rate
        )
        return outcome_of(row.picture, row.label, answer)

    outcomes: list[Outcome] = []
    failures: Failures = []
    with progress() as bar:
        task = bar.add_task("recognising", total=len(rows))
        for row, result in in_order(work, rows):
            bar.advance(task)
            if isinstance(result, ConnectionFailed | KeyRefused):
                raise result
            if isinstance(result, KenspeckleError):
                failures.append((row, result))
            else:
                outcomes.append(result)
    return outcomes, failures


def _failure(row: Row, error: KenspeckleError) -> dict[str, Any]:
    return {"row": row.number, "picture": str(row.picture), "problem": problem_json(error)}


def _print(summary: Summary) -> None:
    shares = [(name, "–" if share is None else f"{share:.1%}") for name, share in figures(summary)]
    print_table(
        ["", "#share"], shares, f"{summary.known} pictures of enrolled things, {summary.unknown} of unknown ones"
    )
    if summary.confusions:
        print_table(["it is", "it looked most like", "#pictures"], summary.confusions[:20], "Confusions")
    print_table(["#asked rate", "#rightly accepted", "#unknown accepted"], _curve_rows(summary), "Open-set curve")


def _curve_rows(summary: Summary) -> list[list[str]]:
    rows = []
    for rate in SHOWN_RATES:
        reached = [point for point in summary.curve if point.rate <= rate]
        right = reached[-1].right if reached else 0.0
        false = reached[-1].false if reached else (0.0 if summary.unknown else None)
        rows.append([f"{rate:.1%}", f"{right:.1%}", "–" if false is None else f"{false:.1%}"])
    return rows


def _write_page(
    client: Client, path: Path, title: str, gallery: str, outcomes: list[Outcome], summary: Summary
) -> None:
    cases = [
        Case(outcome, thumbnail(outcome.picture, outcome.box), _reference(client, gallery, outcome.reference_id))
        for outcome in worst(outcomes, MOST_CASES)
    ]
    path.write_text(page(title, summary, cases), encoding="utf-8")


def _reference(client: Client, gallery: str, reference_id: str | None) -> bytes | None:
    """The picture of a reference; None where the gallery keeps none."""
    if reference_id is None:
        return None
    try:
        return thumbnail(client.reference_picture(reference_id, gallery=gallery, size=256, crop=True))
    except KenspeckleError:
        return None
