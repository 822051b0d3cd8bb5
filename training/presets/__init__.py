"""Configurations that come along: published recipes under the names that they had in the old stack, and own ones."""

from pathlib import Path, PurePosixPath

from training.registry import UnknownName

FOLDER = Path(__file__).parent


def preset_names() -> list[str]:
    """Names of all presets, such as ``Vehicle/ResNet50_ReID``."""
    return sorted(path.relative_to(FOLDER).as_posix().removesuffix(".yaml") for path in FOLDER.rglob("*.yaml"))


def preset(name: str) -> Path:
    """The file of a preset.

    Raises:
        UnknownName: with the near names.
    """
    if name not in preset_names():
        raise UnknownName("preset", name, preset_names())
    return FOLDER / f"{name}.yaml"


def find_config(written: str) -> Path:
    """The file of a configuration: a path, the name of a preset, or a path of the old stack that ends in such a name
    (``./ppcls/configs/Vehicle/ResNet50_ReID.yaml``).

    Raises:
        UnknownName: if it is none of these, with the near presets.
    """
    if Path(written).is_file():
        return Path(written)
    known = preset_names()
    parts = PurePosixPath(written.removesuffix(".yaml")).parts
    endings = ("/".join(parts[first:]) for first in range(len(parts)))
    name = next((ending for ending in endings if ending in known), None)
    if name is None:
        raise UnknownName("configuration file or preset", written, known)
    return preset(name)
