"""Configurations that ship with the package."""

from pathlib import Path

from training.registry import UnknownName

FOLDER = Path(__file__).parent


def preset_names() -> list[str]:
    """Names of all presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def preset(name: str) -> Path:
    """The file of a preset.

    Raises:
        UnknownName: with the near names.
    """
    if name not in preset_names():
        raise UnknownName("preset", name, preset_names())
    return FOLDER / f"{name}.yaml"
