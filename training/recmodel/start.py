"""What the tuning of the shipped extractor starts from: frozen trunk, closed-form neck, class means."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from training.data.crops import CROP, SERVING_INTERPOLATION, SERVING_SIZE, batches_of_crops
from training.data.cutouts import Masks, cut_out_view, cut_outs
from training.data.pictures import Picture
from training.recmodel.recipe import Recipe
from training.recmodel.shipped import ShippedExtractor, set_closed_form_neck, trunk_features

START, CLASSES, MASKS = "start.safetensors", "classes.safetensors", "cutouts.npy"


@dataclass(frozen=True)
class Start:
    """Weights of the trunk and of the closed-form neck by name; class means ``(classes, dim)`` of unit length."""

    weights: dict[str, Tensor]
    classes: Tensor


def begin(labelled: Sequence[Picture], recipe: Recipe, run: Path) -> Start:
    """Make, once per run folder, what training starts from; the neck is fitted on serving-size crops.

    Args:
        labelled: pictures whose sorted labels are the classes.
        run: folder that holds the start from then on.
    """
    if not (run / CLASSES).exists():
        torch.manual_seed(recipe.seed)
        model = ShippedExtractor(recipe.dim, pretrained=True)
        features, numbers = fit_neck(model, labelled, recipe.shrinkage, masks_of(labelled, recipe, run))
        with torch.no_grad():
            embeddings = F.normalize(model.neck(torch.from_numpy(features)))
        sums = torch.zeros(int(numbers.max()) + 1, recipe.dim)
        sums.index_add_(0, torch.from_numpy(numbers), embeddings)
        save_file(model.state_dict(), run / START)
        save_file({"weight": F.normalize(sums)}, run / CLASSES)
    return Start(load_file(run / START), load_file(run / CLASSES)["weight"])


def masks_of(
    labelled: Sequence[Picture],
    recipe: Recipe,
    run: Path,
    progress: Callable[[Iterable[Picture]], Iterable[Picture]] = iter,
) -> Masks:
    """Where the things are in their pictures, made once per run; nothing if the recipe asks for no cut-outs.

    Args:
        progress: goes through the pictures and tells somebody.
    """
    if not recipe.augmentation.cut_out_share:
        return {}
    return dict(zip(labelled, cut_outs(labelled, run / MASKS, progress), strict=True))


def fit_neck(
    model: ShippedExtractor, labelled: Sequence[Picture], shrinkage: float, masks: Masks | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Fit the closed-form neck of ``model`` on the serving crops of ``labelled``.

    Args:
        masks: of pictures that are also shown cut out on white.

    Returns:
        Unit trunk features ``(N, 1280)`` and class numbers ``(N,)``, in the order of the sorted labels.
    """
    numbers = np.unique([p.label for p in labelled], return_inverse=True)[1]
    features = trunk_features(model.backbone, batches_of_crops(labelled, CROP, SERVING_SIZE, SERVING_INTERPOLATION))
    if masks:
        rng = np.random.default_rng(0)
        cut = (np.array(cut_out_view(p, masks[p], None, SERVING_SIZE, rng))[None] for p in labelled)
        features, numbers = (
            np.concatenate([features, trunk_features(model.backbone, cut)]),
            np.concatenate([numbers, numbers]),
        )
    set_closed_form_neck(model, features, numbers, shrinkage)
    return features, numbers
