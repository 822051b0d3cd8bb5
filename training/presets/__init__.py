"""Configurations that come along: published recipes under the names that they had in the old stack, and own ones."""

from pathlib import Path, PurePosixPath

from training.registry import UnknownName

FOLDER = Path(__file__).parent
INT8 = "train the plain preset, then export with --int8, which measures what that costs"
SMALLER = "networks are not pruned; let the large one teach a smaller one (Arch.name: DistillationModel)"
ABSENT = {
    "metric_learning/adaface_ir18": "any backbone learns faces with Head: {name: AdaMargin}; give a folder per person",
    "GeneralRecognition/Gallery2FC_PPLCNet_x2_5": "a gallery is searched by the indexer, not by a layer of the network",
    "slim/GeneralRecognition_PPLCNet_x2_5_quantization": INT8,
    "slim/ResNet50_vehicle_cls_quantization": INT8,
    "slim/ResNet50_vehicle_reid_quantization": INT8,
    "slim/ResNet50_vehicle_cls_prune": SMALLER,
    "slim/ResNet50_vehicle_reid_prune": SMALLER,
}
"""Recipes of the old stack that there is no preset for, and what to do instead."""


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
        ValueError: for a recipe of the old stack that is not there, with what to do instead.
    """
    if Path(written).is_file():
        return Path(written)
    known = preset_names()
    parts = PurePosixPath(written.removesuffix(".yaml")).parts
    endings = ["/".join(parts[first:]) for first in range(len(parts))]
    for ending in endings:
        if ending in ABSENT:
            raise ValueError(f"{ending} is not part of this stack: {ABSENT[ending]}")
    name = next((ending for ending in endings if ending in known), None)
    if name is None:
        raise UnknownName("configuration file or preset", written, known)
    return preset(name)
