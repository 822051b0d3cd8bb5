"""A recipe: the data and the settings of one training run, as a YAML file."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.engine.settings import LoopSettings
from training.picodet.augment import Augmentation
from training.picodet.data import DataError, Picture, read_coco, read_pseudo_boxes
from training.picodet.model import ModelConfig
from training.picodet.presets import preset

_STRICT = ConfigDict(frozen=True, extra="forbid")


class PseudoBoxes(BaseModel):
    """Pictures whose boxes a model drew. Paths are relative to the data root; lists give a picture a line."""

    model_config = _STRICT

    boxes: str
    root: str
    lists: list[str]
    source: str
    credit: str
    licence: str


class CocoFile(BaseModel):
    """An annotation file and the folder of its pictures (its own if left out), relative to the data root."""

    model_config = _STRICT

    annotations: str
    images: str | None = None
    sample_num: int | None = Field(default=None, ge=1, description="Only the first so many pictures.")
    allow_empty: bool = Field(default=True, description="Take pictures without an object too, as background.")


class TrainSettings(BaseModel):
    """How to train. ``optimizer`` has the keys of the old ``Optimizer`` section; see ``build_optimisations``."""

    model_config = _STRICT

    init: str = Field(default="random", description="imagenet, random, or a file of weights relative to the recipe.")
    batch: int = Field(default=16, ge=1, description="Pictures of a process and step.")
    batches_per_epoch: int | None = Field(default=None, ge=1, description="Whole data set if left out.")
    sizes: tuple[int, ...] = Field(default=(320,), description="Sides of the input, one drawn for each batch.")
    resampling: tuple[Literal["nearest", "bilinear", "box", "bicubic", "lanczos"], ...] = Field(
        default=("nearest", "bilinear", "box", "bicubic", "lanczos"), min_length=1, description="One for each batch."
    )
    frozen_blocks: int = Field(default=0, ge=0, description="Early blocks of the backbone that are not trained.")
    backbone_rate: float = Field(default=1.0, ge=0, description="Learning rate of the backbone, as a share.")
    static_epochs: int = Field(default=100, ge=0, description="PicoHeadV2: epochs of ATSS before task alignment.")
    optimizer: dict[str, Any] = Field(default_factory=lambda: {"name": "AdamW", "lr": 1e-3})
    warmup_steps: int = Field(default=0, ge=0, description="Steps of linear warm-up of the learning rate.")
    schedule_epochs: int | None = Field(default=None, ge=1, description="Length of the schedule; that of the run.")
    reference_batch: int | None = Field(default=None, ge=1, description="Total batch that the rate is meant for.")
    workers: int = Field(default=0, ge=0, description="Processes that read and augment pictures.")
    loop: LoopSettings = Field(default_factory=lambda: LoopSettings(epochs=1))


class Recipe(BaseModel):
    """What ``python -m training picodet`` reads. ``note`` and ``limits`` go into the model card.

    ``preset`` fills everything that the recipe does not say with a published network and its schedule. ``categories``
    maps names of COCO categories to ``classes``; without it every category is the one class.
    """

    model_config = _STRICT

    name: str
    version: str = "0.1.0"
    preset: str | None = None
    input_size: int = 320
    model: ModelConfig = Field(default_factory=ModelConfig)
    classes: tuple[str, ...] = ("mainbody",)
    categories: dict[str, str] | None = None
    min_area: float = Field(
        default=0.0, ge=0, lt=1, description="Smaller objects, as a share of the picture, teach nothing."
    )
    coco: tuple[CocoFile, ...] = ()
    validation: tuple[CocoFile, ...] = ()
    pseudo_boxes: tuple[PseudoBoxes, ...] = ()
    weights: dict[str, float] = Field(default_factory=dict, description="How often a source is drawn; 1 if left out.")
    augment: Augmentation = Augmentation()
    train: TrainSettings = Field(default_factory=TrainSettings)
    note: str = ""
    limits: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: dict[str, Any]) -> dict[str, Any]:
        name = given.get("preset")
        return given if name is None else merged(preset_fields(name), given)

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.model.classes != len(self.classes):
            raise ValueError(f"model.classes is {self.model.classes}, but classes has {len(self.classes)} names")
        unknown = sorted(set((self.categories or {}).values()) - set(self.classes))
        if unknown:
            raise ValueError(f"categories: {unknown[0]!r} is none of the classes {', '.join(self.classes)}")
        if len(self.classes) > 1 and self.categories is None:
            raise ValueError("several classes need categories: {name in the COCO file: class}")
        return self


def preset_fields(name: str) -> dict[str, Any]:
    """The fields of a recipe that a preset fills.

    Raises:
        UnknownName: for an unknown preset.
    """
    found = preset(name)
    lr = {"name": "Cosine", "learning_rate": found.base_lr, "warmup_start_lr": 0.1 * found.base_lr}
    return {
        "input_size": found.input_size,
        "model": asdict(found.model),
        "train": {
            "batch": found.batch,
            "sizes": found.sizes,
            "optimizer": {"name": "Momentum", "lr": lr, "regularizer": {"name": "L2", "coeff": 4e-5}},
            "warmup_steps": 300,
            "schedule_epochs": found.schedule_epochs,
            "reference_batch": found.gpus * found.batch,
            "loop": {"epochs": found.epochs, "ema_decay": 0.9998, "ema_ramp": True, "ema_cycle": found.ema_cycle},
        },
    }


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over``, mappings merged key by key; ``optimizer`` and ``backbone`` are replaced."""
    result = dict(base)
    for key, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        result[key] = merged(base[key], value) if nested and key not in ("optimizer", "backbone") else value
    return result


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        DataError: naming the file and the field at fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, where: str) -> Recipe:
    """Read the text of a recipe.

    Raises:
        DataError: naming ``where`` and the field at fault.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{where}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{where}: not a recipe (a mapping with name, coco, train, ...)")
    return make_recipe(content, where)


def make_recipe(content: dict[str, Any], where: str) -> Recipe:
    """Check the content of a recipe.

    Raises:
        DataError: naming ``where`` and the field at fault.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{where}: {place}: {first['msg']}" if place else f"{where}: {first['msg']}") from error


def training_pictures(recipe: Recipe, root: Path) -> list[Picture]:
    """All pictures that a recipe trains on; ``root`` is the folder its paths are relative to.

    Raises:
        DataError: if an annotation file cannot be used.
    """
    pictures = _coco_pictures(recipe, recipe.coco, root)
    for part in recipe.pseudo_boxes:
        folder = root / part.root
        names = [line.split("\t")[0] for name in part.lists for line in _lines(folder / name)]
        pictures += read_pseudo_boxes(root / part.boxes, names, folder, part.source)
    if not pictures:
        raise DataError(f"{recipe.name}: no pictures: the recipe lists no coco file and no pseudo_boxes")
    return pictures


def validation_pictures(recipe: Recipe, root: Path) -> list[Picture]:
    """The pictures that the run is measured on as it goes.

    Raises:
        DataError: if an annotation file cannot be used.
    """
    return _coco_pictures(recipe, recipe.validation, root)


def data_credits(recipe: Recipe, pictures: list[Picture]) -> list[dict[str, str | int]]:
    """Name, licence and number of pictures of every source, as a model card lists them."""
    known = {part.source: (part.credit, part.licence) for part in recipe.pseudo_boxes}
    sources = {p.source: known.get(p.source, (p.credit, p.licence)) for p in pictures}
    return [
        {"name": credit, "licence": licence, "count": sum(p.source == source for p in pictures)}
        for source, (credit, licence) in sources.items()
    ]


def _coco_pictures(recipe: Recipe, files: tuple[CocoFile, ...], root: Path) -> list[Picture]:
    mapping = None
    if recipe.categories is not None:
        mapping = {name: recipe.classes.index(label) for name, label in recipe.categories.items()}
    pictures = []
    for file in files:
        images = None if file.images is None else root / file.images
        found = read_coco(root / file.annotations, mapping, recipe.min_area, images)[: file.sample_num]
        pictures += [one for one in found if file.allow_empty or len(one.objects)]
    return pictures


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
