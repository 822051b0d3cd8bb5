"""Commands on data sets."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from training.data.adapters import KNOWN_SETS
from training.data.checks import ERRORS, MEANING, Finding, Inspection, check_sets
from training.data.duplicates import NEAR
from training.data.labels import LabelledSet, labelled_set, save_classes
from training.data.merge import common_root, merge, write_list
from training.data.pictures import Picture
from training.data.select import split_off
from training.data.specs import open_spec

app = typer.Typer(name="data", help="List, check, convert, split and merge data sets.", no_args_is_help=True)
console = Console(soft_wrap=True)
errors = Console(stderr=True)
SHOWN = 10

SetsArgument = Annotated[
    list[str],
    typer.Argument(help="Folder of folders, list.txt, table.csv, gallery.tar or NAME, each with ,key=value options."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
NearOption = Annotated[int, typer.Option(help="Differing bits (of 128) up to which pictures are nearly the same.")]
WorkersOption = Annotated[int, typer.Option(help="Threads that read files.")]
RootOption = Annotated[
    Path | None, typer.Option(help="What written paths are relative to; what they have in common if left out.")
]


@app.command("list")
def list_sets(
    name: Annotated[str | None, typer.Argument(help="Show one set with its files.")] = None, as_json: JsonOption = False
) -> None:
    """Known data sets: names, numbers, parts, where they are had.

    Example: python -m training data list SOP
    """
    chosen = [known for known in KNOWN_SETS if name is None or known.name.lower() == name.lower()]
    if not chosen:
        raise typer.BadParameter(f"no known set {name!r}; `data list` shows all")
    rows = [
        {
            "name": one.name, "pictures": one.pictures, "classes": one.classes, "used_in": list(one.used_in),
            "parts": list(one.layout.splits), "files": one.layout.tree, "where": one.where, "licence": one.licence,
            "note": one.note,
        }
        for one in chosen
    ]  # fmt: skip
    if as_json:
        _print_json(rows)
    elif name is not None:
        for key, value in rows[0].items():
            console.print(f"{key:9} {escape(', '.join(value) if isinstance(value, list) else str(value or '—'))}")
    else:
        table = Table("name", "pictures", "classes", "used in", "parts", box=None)
        for one in chosen:
            numbers = [f"{number:,}" if number else "—" for number in (one.pictures, one.classes)]
            table.add_row(one.name, *numbers, ", ".join(one.used_in), ", ".join(one.layout.splits))
        console.print(table)


@app.command()
def check(
    sets: SetsArgument,
    class_num: Annotated[int | None, typer.Option(help="Classes of the head: labels beyond are errors.")] = None,
    near: NearOption = NEAR,
    workers: WorkersOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Find broken files, double labels and what several sets have in common; exit 1 if there is an error.

    Example: python -m training data check train.txt test.txt --class-num 192612
    """
    opened = _open(sets)
    with _progress("reading", opened, as_json) as step, _as_bad_parameter():
        report = check_sets(opened, class_num, near, workers, step)
    if as_json:
        _print_json(
            {
                "pictures": report.pictures, "classes": report.classes, "per_class": report.per_class,
                "counts": report.counts, "findings": [_plain(finding) for finding in report.findings],
                "failed": report.failed,
            }
        )  # fmt: skip
    else:
        _show(report)
    raise typer.Exit(1 if report.failed else 0)


@app.command("merge")
def merge_sets(
    sets: SetsArgument,
    out: Annotated[Path, typer.Option(help="List (.txt) or table (.csv, for sets with boxes) to write.")],
    against: Annotated[list[str] | None, typer.Option(help="Test sets that must have nothing in common.")] = None,
    drop_leaks: Annotated[bool, typer.Option(help="Leave out pictures that a test set has.")] = False,
    root: RootOption = None,
    near: NearOption = NEAR,
    workers: WorkersOption = 2,
    as_json: JsonOption = False,
) -> None:
    """Join sets into one list, labels of each behind those before; OUT.manifest.json says what came from where.

    Exit 1 if a test set has pictures of the merged (unless they are left out).

    Example: python -m training data merge SOP,image_root=SOP shop --against test.txt --out all.txt
    """
    opened, tests = _open(sets), _open(against or [])
    with _progress("reading", {**opened, **tests}, as_json) as step, _as_bad_parameter():
        merged = merge(opened, tests, drop_leaks, near, workers, step)
        base = write_list(merged.pictures, out, root)
    leaking = [one for one in merged.findings if set(one.sets) & set(tests) and set(one.sets) & set(opened)]
    manifest = {
        "list": out.name, "image_root": str(base), **merged.manifest, "dropped": drop_leaks,
        "common": [_plain(finding) for finding in merged.findings],
    }  # fmt: skip
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    out.with_name(f"{out.name}.manifest.json").write_text(text + "\n", encoding="utf-8")
    if as_json:
        _print_json(manifest)
    else:
        for row in merged.manifest["sets"]:
            console.print(
                escape(f"{row['first_label']:>8}  {row['name']}: {row['pictures']} pictures, {row['classes']} classes")
            )
        _show_findings(merged.findings)
        console.print(
            escape(f"{out}: {len(merged.pictures)} pictures, class_num {manifest['class_num']}, below {base}")
        )
    raise typer.Exit(1 if leaking and not drop_leaks else 0)


@app.command()
def convert(
    source: Annotated[str, typer.Argument(help="The set, as for check.")],
    out: Annotated[Path, typer.Option(help="List (.txt) or table (.csv) to write.")],
    relabel: Annotated[bool, typer.Option(help="Number the labels from 0; the map is written beside the list.")] = True,
    root: RootOption = None,
) -> None:
    """Write any set as a list or table.

    Example: python -m training data convert gallery.tar --out gallery.csv
    """
    (opened,) = _open([source]).values()
    with _as_bad_parameter():
        if relabel:
            numbered = labelled_set(opened.pictures, relabel=True)
            written = [
                Picture(one.path, str(number), one.box, one.group)
                for one, number in zip(numbered.pictures, numbered.labels.tolist(), strict=True)
            ]
            out.parent.mkdir(parents=True, exist_ok=True)
            save_classes(numbered.classes, out.with_name(f"{out.name}.classes.json"))
        else:
            written = list(opened.pictures)
        base = write_list(written, out, root)
    console.print(escape(f"{out}: {len(written)} pictures, {len(opened.classes)} classes, below {base}"))


@app.command()
def split(
    source: Annotated[str, typer.Argument(help="The set, as for check.")],
    out: Annotated[Path, typer.Option(help="Folder for train and test list (tables, if there are boxes).")],
    share: Annotated[float, typer.Option(help="Share for testing.")] = 0.2,
    by_class: Annotated[bool, typer.Option(help="Whole classes: to test on things never seen.")] = False,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
) -> None:
    """Split a set into training and test lists with the same paths and labels; a file is never in both.

    Example: python -m training data split shop --out lists --share 0.2
    """
    (opened,) = _open([source]).values()
    suffix = "csv" if any(one.box for one in opened.pictures) else "txt"
    with _as_bad_parameter():
        parts = split_off(opened.pictures, share, by_class, seed)
        root = common_root(opened.pictures)
        for name, part in zip(("train", "test"), parts, strict=True):
            write_list(part, out / f"{name}.{suffix}", root)
            classes = len({one.label for one in part})
            console.print(escape(f"{out / name}.{suffix}: {len(part)} pictures, {classes} classes, below {root}"))


@app.command()
def speed(
    source: Annotated[str, typer.Argument(help="The set, as for check.")],
    workers: Annotated[int, typer.Option(help="Processes that decode and transform; 0: this one.")] = 2,
    batch_size: Annotated[int, typer.Option(help="Pictures of a batch.")] = 64,
    batches: Annotated[int, typer.Option(help="Batches to time.")] = 20,
    cache: Annotated[Path | None, typer.Option(help="Folder for decoded pictures; filled first.")] = None,
    cache_short_side: Annotated[int | None, typer.Option(help="Make cached pictures this small.")] = None,
) -> None:
    """Pictures per second of the V2 training chain at 224 x 224, to compare with those of the network.

    Example: python -m training data speed shop --workers 4
    """
    # Imported here, as PyTorch takes seconds that the other commands need not wait for.
    from training.data.dataset import PictureCache, PictureDataset
    from training.data.speed import input_speed

    (opened,) = _open([source]).values()
    kept = PictureCache(cache, cache_short_side) if cache else None
    with _as_bad_parameter():
        if kept is not None:
            filling = PictureDataset(opened, [], cache=kept)
            with _progress("caching", {source: opened}, quiet=False) as step:
                for index in range(len(filling)):
                    filling.pixels(index)
                    step()
        rate, spent = input_speed(opened, workers, batch_size, batches, kept)
    each = "" if workers else f", {spent:.2f} ms of processor time each"
    console.print(f"{rate:.0f} pictures/s with {workers} workers, batches of {batch_size}{each}")


def _open(specs: Sequence[str]) -> dict[str, LabelledSet]:
    with _as_bad_parameter():
        opened = {spec: open_spec(spec) for spec in specs}
    if len(opened) < len(specs):
        raise typer.BadParameter("a set is given twice")
    return opened


@contextmanager
def _as_bad_parameter() -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error


@contextmanager
def _progress(what: str, sets: dict[str, LabelledSet], quiet: bool) -> Iterator[Callable[[], None]]:
    total = len({one.path for each in sets.values() for one in each.pictures})
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=quiet) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def _plain(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "paths": [str(path) for path in finding.paths]}


def _print_json(content: Any) -> None:
    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def _show(report: Inspection) -> None:
    for name, pictures in report.pictures.items():
        fewest, median, most = report.per_class[name]
        console.print(
            escape(
                f"{name}: {pictures} pictures, {report.classes[name]} classes of {fewest}…{most} (median {median:g})"
            )
        )
    _show_findings(report.findings)
    console.print("[red]failed[/]" if report.failed else "[green]in order[/]")


def _show_findings(findings: Sequence[Finding]) -> None:
    for kind, meaning in MEANING.items():
        chosen = [finding for finding in findings if finding.kind == kind]
        if chosen:
            console.print(f"[{'red' if kind in ERRORS else 'yellow'}]{len(chosen)} x {meaning}[/]")
            for finding in chosen[:SHOWN]:
                console.print(escape(f"    {', '.join(finding.sets)}: {finding.what}"))
            if len(chosen) > SHOWN:
                console.print(f"    … {len(chosen) - SHOWN} more (--json shows all)")
