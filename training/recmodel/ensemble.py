"""What an ensemble of frozen networks says of pictures: the target of distillation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.crops import CROP, SERVING_INTERPOLATION, SERVING_SIZE, batches_of_crops
from training.data.pictures import Picture
from training.recmodel.backbones.efficientnet_lite import EfficientNetLite, imagenet_weights
from training.recmodel.closed_form import closed_form_neck
from training.recmodel.shipped import DIM, trunk_features

TRUNKS = (0, 2)
"""EfficientNet-Lite0 and -Lite2: different networks err differently, so both together know more than either."""


def trunk_features_of(number: int, pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """Unit features ``(N, 1280)`` of the frozen EfficientNet-Lite ``number`` on the serving crops."""
    trunk = EfficientNetLite(number)
    trunk.load_state_dict(imagenet_weights(number))
    return trunk_features(trunk.eval(), batches_of_crops(pictures, CROP, SERVING_SIZE, SERVING_INTERPOLATION))


def ensemble(features: Sequence[NDArray[np.float32]], labels: Sequence[str], shrinkage: float) -> NDArray[np.float32]:
    """Unit embeddings ``(N, 512 x trunks)``: a closed-form neck for each trunk, fitted on the first rows, side by side.

    Args:
        features: ``(N, 1280)`` of each trunk.
        labels: of the first rows, those that the necks are fitted on.
    """
    numbers = np.unique(labels, return_inverse=True)[1]
    parts = []
    for one in features:
        weight, bias = closed_form_neck(one[: len(labels)], numbers, DIM, shrinkage)
        embedded = one @ weight.T + bias
        parts.append(embedded / np.linalg.norm(embedded, axis=1, keepdims=True))
    return np.asarray(np.concatenate(parts, axis=1) / np.sqrt(len(parts)), np.float32)


def teach(
    labelled: Sequence[Picture], others: Sequence[Picture], shrinkage: float, cache: Path
) -> dict[Picture, NDArray[np.float32]]:
    """The ensemble's embedding of every picture, kept in the file ``cache`` (.npy).

    Raises:
        ValueError: if the file is there and holds another number of embeddings.
    """
    pictures = [*labelled, *others]
    if not cache.exists():
        features = [trunk_features_of(number, pictures) for number in TRUNKS]
        np.save(cache, ensemble(features, [p.label for p in labelled], shrinkage).astype(np.float16))
    rows = np.load(cache, allow_pickle=False).astype(np.float32)
    if len(rows) != len(pictures):
        raise ValueError(f"{cache} holds {len(rows)} embeddings for {len(pictures)} pictures: remove it")
    return dict(zip(pictures, rows, strict=True))
