"""``kenspeckle recognize``."""

from pathlib import Path
from typing import Annotated

import typer
from PIL import Image, ImageOps

from kenspeckle.annotate import annotate
from kenspeckle.cli import options
from kenspeckle.cli.files import expand
from kenspeckle.cli.output import cell, decision_cell, out, print_json, print_table, problem_json, progress, say
from kenspeckle.cli.parallel import in_order
from kenspeckle.client import KenspeckleError
from kenspeckle.types import Recognition, RecognizedObject

Annotate = Annotated[
    Path | None, typer.Option("--annotate", file_okay=False, help="Write pictures with boxes and names to this folder.")
]


def recognize(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER...", help="Pictures, or folders of pictures.")],
    gallery: options.InGallery = "default",
    whole: Annotated[bool, typer.Option("--whole", help="Take the whole picture as the object.")] = False,
    max_objects: Annotated[int | None, typer.Option(min=1, help="Most objects per picture.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Candidates per object.")] = None,
    false_accept_rate: options.Rate = None,
    annotate_to: Annotate = None,
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Recognise the things in pictures.

    \b
    Examples:
      kenspeckle recognize shelf.jpg
      kenspeckle recognize photos/ --gallery shop --annotate out/
      kenspeckle recognize *.jpg --json > answers.jsonl
    """
    pictures = list(expand(sources))

    def work(entry: tuple[Path, Path]) -> Recognition:
        path, name = entry
        answer = client.recognize(
            path,
            gallery=gallery,
            detect=not whole,
            max_objects=max_objects,
            top_k=top_k,
            false_accept_rate=false_accept_rate,
        )
        if annotate_to:
            write_annotated(path, answer, annotate_to / name.with_suffix(".jpg"))
        return answer

    failed = 0
    with options.connect(url, key) as client, progress() as bar:
        task = bar.add_task("recognising", total=len(pictures))
        for (path, _), answer in in_order(work, pictures):
            bar.advance(task)
            failed += isinstance(answer, KenspeckleError)
            if json:
                _print_line(path, answer)
            else:
                _print_answer(path, answer)
    if annotate_to and failed < len(pictures):
        say(f"Annotated pictures are in {annotate_to}.")
    if failed:
        raise typer.Exit(1)


def write_annotated(path: Path, answer: Recognition, target: Path) -> None:
    """Write the annotated copy of a picture.

    Raises:
        KenspeckleError: if the picture cannot be opened here, or the copy not be written.
    """
    try:
        with Image.open(path) as image:
            drawn = annotate(ImageOps.exif_transpose(image).convert("RGB"), answer)
        target.parent.mkdir(parents=True, exist_ok=True)
        drawn.save(target, "JPEG", quality=92)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise KenspeckleError(f"{path} was recognised, but {target} cannot be written: {error}") from error


def _print_line(path: Path, answer: Recognition | KenspeckleError) -> None:
    if isinstance(answer, KenspeckleError):
        print_json({"file": str(path), "problem": problem_json(answer)})
    else:
        print_json({"file": str(path), **answer.model_dump(mode="json", exclude_none=False)})


def _print_answer(path: Path, answer: Recognition | KenspeckleError) -> None:
    out().print(cell(path, "bold"))
    if isinstance(answer, KenspeckleError):
        say(f"  {answer}", "bold red")
        return
    if not answer.objects:
        out().print("  nothing found", style="dim")
        return
    print_table(
        ["", "thing", "#probability", "box", "why"],
        [(decision_cell(found.decision), _thing(found), f"{found.probability:.0%}", _box(found), found.reason)
         for found in answer.objects],
    )  # fmt: skip
    out().print()


def _thing(found: RecognizedObject) -> str:
    if found.label is not None:
        return found.label
    guess = next((candidate.label for candidate in found.candidates if candidate.label), None)
    return f"(perhaps {guess})" if guess else ""


def _box(found: RecognizedObject) -> str:
    return "whole picture" if found.source == "whole" else " ".join(str(round(side)) for side in found.box)
