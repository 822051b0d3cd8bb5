"""The folder of a run: resolved configuration, environment, log (JSONL and TensorBoard), curves."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils.tensorboard import SummaryWriter

from training.engine.curves import draw_curves

CONFIG, ENVIRONMENT, LOG, BOARD, CURVES = "config.yaml", "environment.json", "log.jsonl", "tensorboard", "curves.png"


class Run:
    """A run folder. Records are dicts with ``kind`` ("train" or "eval"), ``step`` and figures.

    ``continued`` tells that a run of the same configuration was there before.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], replace: bool = False) -> None:
        """Open the folder for a run of ``config``, making it if needed.

        Args:
            replace: take the folder over from a run of another configuration.

        Raises:
            ValueError: if it holds a run of another configuration; the message names the keys that differ.
        """
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.continued = _claim(folder / CONFIG, config, replace)
        (folder / ENVIRONMENT).write_text(json.dumps(environment(), indent=1) + "\n", encoding="utf-8")
        self._board: SummaryWriter | None = None

    def log(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Append a record to the log and its numbers to TensorBoard."""
        record = {"kind": kind, "step": step, **values}
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if self._board is None:
            self._board = SummaryWriter(str(self.folder / BOARD), purge_step=step)
        for name, value in values.items():
            if isinstance(value, int | float):
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def rewind(self, step: int) -> None:
        """Drop the records after ``step``: a run that goes on from there writes them again."""
        kept = [record for record in self.records() if record["step"] <= step]
        text = "".join(json.dumps(record) + "\n" for record in kept)
        temporary = self.folder / f"{LOG}.part"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.folder / LOG)

    def records(self) -> list[dict[str, Any]]:
        """Everything in the log; a last line that was cut off is left out."""
        return read_log(self.folder / LOG)

    def close(self) -> None:
        """Write the curves and end the TensorBoard file."""
        if self._board is not None:
            self._board.close()
            self._board = None
        records = self.records()
        if records:
            draw_curves(records, self.folder / CURVES)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Records of a JSONL log; empty if there is none."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def environment() -> dict[str, Any]:
    """What a run was made with: command, code revision, versions, machine."""
    packages = ("numpy", "opencv-python-headless", "pillow", "safetensors", "torch")
    return {
        "command": sys.argv,
        "revision": code_revision(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def code_revision() -> str:
    """Commit of the checkout, empty outside of one."""
    command = ["git", "-C", str(Path(__file__).parents[2]), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def differing_keys(left: Any, right: Any, place: str = "") -> list[str]:
    """Dotted names of the leaves in which two nested values differ."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        names = [*left, *(key for key in right if key not in left)]
        parts = [differing_keys(left.get(n), right.get(n), f"{place}.{n}" if place else str(n)) for n in names]
        return [name for part in parts for name in part]
    return [] if left == right else [place]


def _claim(path: Path, config: Mapping[str, Any], replace: bool) -> bool:
    """Write the configuration; returns whether it was there already."""
    plain = json.loads(json.dumps(config))
    there = path.exists()
    different = differing_keys(yaml.safe_load(path.read_text(encoding="utf-8")), plain) if there else []
    if different and not replace:
        raise ValueError(
            f"{path.parent} holds a run of another configuration (it differs in {', '.join(different)}): go on "
            "with the same configuration, choose another output folder, or remove this one"
        )
    path.write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return there and not different
