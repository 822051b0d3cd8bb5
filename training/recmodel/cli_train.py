"""The command ``train``."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
import yaml
from rich import progress as bars
from rich.console import Console

from training.config.overrides import apply_overrides
from training.config.reading import read_yaml
from training.config.schema import Config, check_config
from training.engine.loop import Report
from training.engine.parallel import is_first
from training.engine.task import MODEL, Position
from training.options import ConfigOption, OverrideOption, ThreadsOption
from training.recmodel.build import build_task
from training.recmodel.session import train_config

app = typer.Typer()
console = Console()
errors = Console(stderr=True)


@contextmanager
def sentences() -> Iterator[None]:
    """Errors that a person can mend end the command with one sentence; warnings are printed as notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = lambda message, *_, **__: note(str(message))
        try:
            yield
        except (ValueError, OSError, ModuleNotFoundError) as error:
            raise typer.BadParameter(str(error)) from error


def note(text: str) -> None:
    """Print a line that a person may want to know."""
    if is_first():
        errors.print(f"note: {text}", style="dim", highlight=False, markup=False, soft_wrap=True)


@app.command()
def train(
    config: ConfigOption = None,
    override: OverrideOption = None,
    out: Annotated[Path | None, typer.Option(help="Run folder, instead of Global.output_dir.")] = None,
    print_config: Annotated[bool, typer.Option("--print-config", help="Show what would be used, and end.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Build everything, take one batch through it, end.")
    ] = False,
    threads: ThreadsOption = 1,
) -> None:
    """Train a network as a configuration says. On a folder of pictures, without one: tune.

    Example: python -m training train -c recipe.yaml -o Global.epochs=3
    """
    torch.set_num_threads(threads)
    with sentences():
        if config is None:
            raise ValueError("give a configuration with -c; to train on a folder of pictures: tune --data FOLDER")
        checked = read_config(config, override or [], out)
        if print_config:
            typer.echo(yaml.safe_dump(checked.model_dump(mode="json"), sort_keys=False, allow_unicode=True), nl=False)
        elif dry_run:
            typer.echo(tried(checked))
        else:
            with reported(checked.Global.epochs) as report:
                progress = train_config(checked, report)
            if is_first():
                run = checked.Global.output_dir
                console.print(f"{progress.epoch} epochs, {progress.step} steps; run: {run}", soft_wrap=True)


def read_config(config: Path, overrides: list[str], out: Path | None = None) -> Config:
    """The configuration of ``-c`` with overrides; notes on it are printed.

    Raises:
        ConfigError: if it cannot be used.
    """
    content = read_yaml(config)
    if out is not None:
        content.setdefault("Global", {})["output_dir"] = str(out)
    content, notes = apply_overrides(content, overrides)
    checked, more = check_config(content, str(config))
    for text in notes + more:
        note(text)
    return checked


def tried(config: Config) -> str:
    """Build the task and take one batch through network and losses; says how much there is."""
    task, dataset = build_task(config)
    batch = next(task.batches(0, 0))
    losses = task.losses(task.modules[MODEL].train(), batch, Position(0, 0, 0, 0.0))
    shown = ", ".join(f"{name} {float(value.detach()):.4f}" for name, value in losses.items())
    parameters = sum(p.numel() for p in task.modules[MODEL].parameters())
    return (
        f"{len(dataset)} pictures of {len(set(dataset.labels.tolist()))} classes, {task.batches_per_epoch} batches an"
        f" epoch, {parameters / 1e6:.2f} M parameters; first batch {tuple(batch.images.shape)}: {shown}"
    )


@contextmanager
def reported(epochs: int) -> Iterator[Report]:
    """A progress bar on a terminal; everywhere a line for each record of the log."""
    shown = bars.TextColumn("epoch {task.completed}/{task.total}")
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), shown, bars.TimeRemainingColumn())
    with bars.Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=epochs)

        def report(kind: str, record: dict[str, Any]) -> None:
            figures = "  ".join(f"{name} {_short(value)}" for name, value in record.items() if name != "epoch")
            text = f"{kind} epoch {record['epoch']}/{epochs}  {figures}"
            progress.console.print(text, highlight=False, markup=False, soft_wrap=True)
            progress.update(task, completed=record["epoch"] - (kind == "train"))

        yield report


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
