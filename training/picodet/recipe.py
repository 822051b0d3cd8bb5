"""A recipe: the data and the settings of one training run, as a YAML file."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from training.picodet.data import DataError, Picture, read_coco, read_pseudo_boxes
from training.picodet.train import TrainConfig

_STRICT = ConfigDict(extra="forbid")


@checked(frozen=True, config=_STRICT)
@dataclass(frozen=True)
class PseudoBoxes:
    """Pictures whose boxes a model drew. Paths are relative to the data root; lists give a picture a line."""

    boxes: str
    root: str
    lists: list[str]
    source: str
    credit: str
    licence: str


@checked(frozen=True, config=_STRICT)
class Recipe:
    """What ``python -m training picodet`` reads. ``note`` and ``limits`` go into the model card."""

    name: str
    version: str
    input_size: int
    coco: list[str]
    pseudo_boxes: list[PseudoBoxes] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    train: TrainConfig = field(default_factory=TrainConfig)
    note: str = ""
    limits: list[str] = field(default_factory=list)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        DataError: naming the file and the field at fault.
    """
    try:
        return TypeAdapter(Recipe).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {place}: {first['msg']}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def training_pictures(recipe: Recipe, root: Path) -> list[Picture]:
    """All pictures that a recipe trains on; ``root`` is the folder its paths are relative to.

    Raises:
        DataError: if an annotation file cannot be used.
    """
    pictures = [picture for name in recipe.coco for picture in read_coco(root / name)]
    for part in recipe.pseudo_boxes:
        folder = root / part.root
        names = [line.split("\t")[0] for name in part.lists for line in _lines(folder / name)]
        pictures += read_pseudo_boxes(root / part.boxes, names, folder, part.source)
    return pictures


def data_credits(recipe: Recipe, pictures: list[Picture]) -> list[dict[str, str | int]]:
    """Name, licence and number of pictures of every source, as a model card lists them."""
    known = {part.source: (part.credit, part.licence) for part in recipe.pseudo_boxes}
    sources = {p.source: known.get(p.source, (p.credit, p.licence)) for p in pictures}
    return [
        {"name": credit, "licence": licence, "count": sum(p.source == source for p in pictures)}
        for source, (credit, licence) in sources.items()
    ]


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
