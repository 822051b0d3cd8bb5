"""Checkpoints: a folder with weights (safetensors) and the state that is needed to go on exactly.

A checkpoint is written beside its place, synced and renamed, so that a run that is cut off leaves the last whole one.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WEIGHTS, AVERAGED, STATE, SUMMARY = "weights.safetensors", "averaged.safetensors", "state.pt", "checkpoint.json"
LATEST, BEST = "latest", "best_model"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds.

    Attributes:
        weights: parameters and buffers of all modules, named ``module.parameter``.
        averaged: moving average of those of the network, or None.
        state: plain values and tensors of optimisers, generators, position.
    """

    weights: dict[str, Tensor]
    averaged: dict[str, Tensor] | None
    state: dict[str, Any]


def module_weights(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Parameters and buffers of named modules as ``module.parameter``."""
    return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def load_modules(modules: Mapping[str, nn.Module], weights: Mapping[str, Tensor]) -> None:
    """Inverse of ``module_weights``.

    Raises:
        RuntimeError: if a tensor is missing, left over or of another shape.
    """
    for name, module in modules.items():
        prefix = f"{name}."
        module.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})


def save_checkpoint(
    folder: Path,
    weights: Mapping[str, Tensor],
    state: Mapping[str, Any],
    averaged: Mapping[str, Tensor] | None = None,
    summary: Mapping[str, Any] | None = None,
) -> None:
    """Write the checkpoint ``folder``, replacing it if it is there.

    Args:
        state: nested dicts, lists and tuples of plain values and tensors.
        summary: a few plain values for people (epoch, metrics), written as JSON.
    """
    with replaced_folder(folder) as part:
        _save_tensors(weights, part / WEIGHTS)
        if averaged is not None:
            _save_tensors(averaged, part / AVERAGED)
        torch.save(dict(state), part / STATE)
        (part / SUMMARY).write_text(json.dumps(dict(summary or {}), indent=1) + "\n", encoding="utf-8")


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is executed.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged.
    """
    folder = whole_folder(folder)
    try:
        state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        averaged = load_file(folder / AVERAGED) if (folder / AVERAGED).exists() else None
        return Checkpoint(load_file(folder / WEIGHTS), averaged, state)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(f"{folder}: damaged checkpoint: {error}") from error


def load_weights(folder: Path, module: str = "model") -> dict[str, Tensor]:
    """Weights of one module of a checkpoint for use: the averaged ones of the network where a run averages.

    Raises:
        FileNotFoundError: if there is no checkpoint.
        ValueError: if it is damaged.
    """
    folder = whole_folder(folder)
    try:
        if module == "model" and (folder / AVERAGED).exists():
            return load_file(folder / AVERAGED)
        weights = load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise ValueError(f"{folder}: damaged checkpoint: {error}") from error
    prefix = f"{module}."
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def steps_done(folder: Path) -> int:
    """Optimiser steps before a checkpoint of the loop.

    Raises:
        FileNotFoundError: if there is none.
    """
    return int(json.loads((whole_folder(folder) / SUMMARY).read_text(encoding="utf-8"))["step"])


def has_checkpoint(folder: Path) -> bool:
    """Whether ``load_checkpoint`` finds something there."""
    return any((candidate / WEIGHTS).exists() for candidate in (folder, _beside(folder, "previous")))


def whole_folder(folder: Path) -> Path:
    """The checkpoint folder, or the one it was about to replace when the run was cut off between two renames.

    Raises:
        FileNotFoundError: if neither is there.
    """
    for candidate in (folder, _beside(folder, "previous")):
        if (candidate / WEIGHTS).exists():
            return candidate
    raise FileNotFoundError(f"{folder}: no checkpoint there (a folder with {WEIGHTS})")


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to write into, which takes the place of ``folder`` at the end of the block."""
    part, previous = _beside(folder, "part"), _beside(folder, "previous")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    for path in part.iterdir():
        _sync(path)
    _sync(part)
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    part.rename(folder)
    _sync(folder.parent)
    shutil.rmtree(previous, ignore_errors=True)


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f".{folder.name}.{suffix}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Save with every tensor contiguous and on its own memory, as safetensors wants them."""
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, path)
