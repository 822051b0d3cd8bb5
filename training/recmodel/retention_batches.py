"""Batches of the tuning with retention: views of labelled pictures, then of pictures to be kept as they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from training.data.augment import disturbed, random_view
from training.data.cutouts import Masks, cut_out_view
from training.data.pictures import Picture
from training.recmodel.recipe import Recipe


@dataclass(frozen=True)
class Batch:
    """Rows: labelled pictures, then retained ones, then, if the recipe asks for copies, those again in other views.

    Attributes:
        views: ``(N, size, size, 3)`` uint8 RGB.
        labels: ``(L,)`` int64 class numbers of the first rows.
        retained: number of the rows after them that are held to the start's features.
        target: the teacher's embeddings ``(N, D)``, or None.
    """

    views: Tensor
    labels: Tensor
    retained: int
    target: Tensor | None

    def to(self, device: torch.device) -> "Batch":
        """The same batch on ``device``."""
        target = None if self.target is None else self.target.to(device)
        return Batch(self.views.to(device), self.labels.to(device), self.retained, target)


@dataclass(frozen=True)
class Material:
    """What batches are drawn from.

    Attributes:
        groups: pictures by label, in the order of the class numbers.
        retained: pictures whose trunk features are held to the start's.
        masks: where the things are, of pictures that may be cut out.
        taught: embeddings ``(D,)`` of a teacher; empty without one.
    """

    groups: Mapping[str, Sequence[Picture]]
    retained: Sequence[Picture]
    masks: Masks
    taught: Mapping[Picture, NDArray[np.float32]]

    def batch(self, recipe: Recipe, step: int) -> Batch:
        """The batch of a step (from 0), which follows from the recipe's seed and the step alone."""
        rng = np.random.default_rng((recipe.seed, step))
        chosen, numbers = _draw(self.groups, recipe, rng)
        kept = _some(self.retained, recipe.retained_per_batch, rng)
        shown = [*chosen, *kept, *(kept if recipe.copies else [])]
        views = torch.from_numpy(np.stack([self._view(picture, recipe, rng) for picture in shown]))
        target = np.stack([self.taught[picture] for picture in shown]) if self.taught else None
        return Batch(views, numbers, len(kept), None if target is None else torch.from_numpy(target))

    def _view(self, picture: Picture, recipe: Recipe, rng: np.random.Generator) -> NDArray[np.uint8]:
        augmentation, mask = recipe.augmentation, self.masks.get(picture)
        if mask is not None and rng.random() < augmentation.cut_out_share:
            (ground,) = _some(self.retained or [picture], 1, rng)
            view = cut_out_view(picture, mask, ground.open(), recipe.size, rng)
            return disturbed(view, rng, augmentation)
        return random_view(picture.open(), picture.box, recipe.size, rng, augmentation)


class Batches(Dataset[Batch]):
    """The batches of a run by their step."""

    def __init__(self, material: Material, recipe: Recipe) -> None:
        self._material, self._recipe = material, recipe

    def __getitem__(self, step: int) -> Batch:
        return self._material.batch(self._recipe, step)


def _draw(
    groups: Mapping[str, Sequence[Picture]], recipe: Recipe, rng: np.random.Generator
) -> tuple[list[Picture], Tensor]:
    """Pictures of random labels, each equally often, and their class numbers."""
    names = list(groups)
    numbers = rng.choice(len(names), recipe.classes_per_batch, replace=False)
    chosen = []
    for number in numbers:
        group = groups[names[number]]
        picks = rng.choice(len(group), recipe.pictures_per_class, replace=len(group) < recipe.pictures_per_class)
        chosen += [group[pick] for pick in picks]
    return chosen, torch.from_numpy(np.repeat(numbers, recipe.pictures_per_class))


def _some(pictures: Sequence[Picture], count: int, rng: np.random.Generator) -> list[Picture]:
    return [pictures[i] for i in rng.choice(len(pictures), count)] if pictures else []
