"""``kenspeckle key``, ``kenspeckle job`` and ``kenspeckle model``."""

from pathlib import Path
from typing import Annotated

import typer

from kenspeckle.bundle import Bundle, BundleError, read_bundle, verify_bundle
from kenspeckle.bundle.bundle import MODEL
from kenspeckle.cli import options
from kenspeckle.cli.output import cell, fail, out, print_json, print_table, say
from kenspeckle.types import Job, Role

key_app = typer.Typer(help="Keys and roles: who may do what.", no_args_is_help=True)
job_app = typer.Typer(help="Long tasks of the service.", no_args_is_help=True)
model_app = typer.Typer(help="Model bundles.", no_args_is_help=True)

BundlePath = Annotated[Path, typer.Argument(metavar="PATH", help="A bundle: a folder or a .tar.")]


@key_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    role: Annotated[Role, typer.Option(help="recognize < curate < admin.")] = "recognize",
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Make a key. Its secret is shown this once only.

    \b
    Examples:
      kenspeckle key create "checkout camera"
      kenspeckle key create "shop staff" --role curate
    """
    with options.connect(url, key) as client:
        made = client.create_key(name, role)
    if json:
        print_json(made)
        return
    out().print(cell(made.key, "bold"), soft_wrap=True)
    say(f"Keep it now: it is not shown again. Role {made.role}, id {made.id}.")


@key_app.command("list")
def list_keys(json: options.Json = False, url: options.Url = None, key: options.Key = None) -> None:
    """List the keys, without their secrets.

    \b
    Example:
      kenspeckle key list
    """
    with options.connect(url, key) as client:
        keys = list(client.keys())
    if json:
        for entry in keys:
            print_json(entry)
        return
    print_table(
        ["id", "name", "role", "made"], [(k.id, k.name, k.role, f"{k.created_at:%Y-%m-%d %H:%M}") for k in keys]
    )


@key_app.command("delete")
def delete_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="From 'kenspeckle key list'.")],
    yes: options.Yes = False,
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Delete a key; it stops working at once.

    \b
    Example:
      kenspeckle key delete 0190b6c2 --yes
    """
    if not yes:
        typer.confirm("Whoever uses this key is shut out. Delete it?", abort=True)
    with options.connect(url, key) as client:
        client.delete_key(key_id)
    if json:
        print_json({"deleted": key_id})
    else:
        say("Deleted.")


@job_app.command("list")
def list_jobs(json: options.Json = False, url: options.Url = None, key: options.Key = None) -> None:
    """List the long tasks.

    \b
    Example:
      kenspeckle job list
    """
    with options.connect(url, key) as client:
        jobs = list(client.jobs())
    if json:
        for entry in jobs:
            print_json(entry)
    else:
        _print_jobs(jobs)


@job_app.command("show")
def show_job(
    job_id: Annotated[str, typer.Argument(metavar="ID")],
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Show state and progress of a long task.

    \b
    Example:
      kenspeckle job show 0190b6c2
    """
    with options.connect(url, key) as client:
        job = client.job(job_id)
    if json:
        print_json(job)
    else:
        _print_jobs([job])


@job_app.command("cancel")
def cancel_job(
    job_id: Annotated[str, typer.Argument(metavar="ID")],
    json: options.Json = False,
    url: options.Url = None,
    key: options.Key = None,
) -> None:
    """Ask a long task to stop.

    \b
    Example:
      kenspeckle job cancel 0190b6c2
    """
    with options.connect(url, key) as client:
        job = client.cancel_job(job_id)
    if json:
        print_json(job)
    else:
        _print_jobs([job])


def _print_jobs(jobs: list[Job]) -> None:
    rows = [
        (j.id, j.kind, j.gallery, j.state, f"{j.done} of {j.total}" if j.total else j.done, j.message) for j in jobs
    ]
    print_table(["id", "kind", "gallery", "state", "#done", "message"], rows)


@model_app.command("list")
def list_models(json: options.Json = False, url: options.Url = None, key: options.Key = None) -> None:
    """List the models that the service runs.

    \b
    Example:
      kenspeckle model list
    """
    with options.connect(url, key) as client:
        models = client.models()
    if json:
        for entry in models:
            print_json(entry)
        return
    rows = [(m.kind, f"{m.name} {m.version}", f"{m.width} x {m.height}", m.licence, m.fingerprint) for m in models]
    print_table(["kind", "model", "input", "licence", "fingerprint"], rows)


@model_app.command("show")
def show_model(path: BundlePath, json: options.Json = False) -> None:
    """Show what a bundle says of itself: what it expects, how it was made and measured.

    \b
    Example:
      kenspeckle model show models/extractor
    """
    card = _read(path).card
    if json:
        print_json(card)
        return
    spec = card.input
    output = card.output.model_dump(exclude={"kind"}, exclude_none=True)
    facts: list[tuple[str, object]] = [
        ("model", f"{card.name} {card.version} ({card.kind})"),
        ("licence", card.licence),
        ("fingerprint", card.fingerprint),
        ("input", f"{spec.width} x {spec.height} RGB, {spec.resize}, {spec.interpolation}"),
        ("output", ", ".join(f"{name} {value}" for name, value in output.items())),
        ("training", card.training.summary),
    ]
    facts += [("data", ", ".join(f"{key}: {value}" for key, value in source.items())) for source in card.training.data]
    if card.crop:
        facts.append(("crop", f"margin {card.crop.margin:g}, {card.crop.fit}"))
    if card.calibration:
        facts.append(("cohort", f"{card.calibration.cohort_size}: {card.calibration.cohort_origin}"))
        facts.append(("asked rate", f"{card.calibration.false_accept_rate:.2%} of unrelated things"))
    facts += [("parity", f"{card.parity.metric} {card.parity.value:g}"), *(("limit", limit) for limit in card.limits)]
    print_table(["", ""], [(cell(name, "bold"), value) for name, value in facts])
    variants = [(name, model) for name, model in card.models.items() if name != MODEL]
    if variants:
        print_table(
            ["variant", "precision", "fingerprint"], [(name, one.precision, one.fingerprint) for name, one in variants]
        )
    for name, measured in [(name, one.measured) for name, one in variants if one.measured]:
        rows = [(m.metric, m.data, f"{m.value:.4g}", _interval(m.interval), m.command) for m in measured]
        print_table([f"measured of {name}", "on", "#value", "interval", "by"], rows)
    if card.evaluation:
        rows = [(m.metric, m.data, f"{m.value:.4g}", _interval(m.interval), m.command) for m in card.evaluation]
        print_table(["measured", "on", "#value", "interval", "by"], rows)


def _interval(interval: tuple[float, float] | None) -> str:
    return f"{interval[0]:.4g} … {interval[1]:.4g}" if interval else ""


@model_app.command("verify")
def verify_model(path: BundlePath, json: options.Json = False) -> None:
    """Check hashes, card and graph of a bundle, and run its probe. Ends with 1 and the reason if it must not be used.

    \b
    Example:
      kenspeckle model verify models/extractor
    """
    bundle = _read(path)
    try:
        for variant in bundle.card.models:
            verify_bundle(bundle, variant=variant)
    except ImportError:
        fail("Running a model needs ONNX Runtime: pip install 'kenspeckle[serve]'.")
    except BundleError as error:
        fail(f"{error}.")
    if json:
        print_json({"path": str(path), "verified": True, "fingerprint": bundle.card.fingerprint})
    else:
        say(f"{path} is whole and does what its card says ({bundle.card.name} {bundle.card.version}).", "green")


def _read(path: Path) -> Bundle:
    try:
        return read_bundle(path)
    except BundleError as error:
        fail(f"{error}.")
