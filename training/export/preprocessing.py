"""What a chain of transforms does to pixels, found by giving it plain pictures."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.transforms import Ops, build_transforms

PROBE_SIDE = 512
PLAIN = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 140, 200))
CROPS = {"CropImage", "CenterCrop"}


@dataclass(frozen=True)
class Preprocessing:
    """Size of a network's input, and its values: ``(pixel - mean) / std`` per channel, pixels of 0 to 255, RGB.

    ``crops`` tells that the chain resizes the shorter side and cuts out the middle, where serving squashes the box.
    """

    width: int
    height: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    crops: bool


def preprocessing_of(ops: Ops) -> Preprocessing:
    """Find out what an evaluation chain does.

    Args:
        ops: transforms as a configuration has them.

    Raises:
        ValueError: if it is random, or does more to values than scale and shift each channel.
    """
    seen = [_colour(ops, colour, seed) for seed, colour in enumerate(PLAIN)]
    height, width = seen[0].shape[1:]
    values = np.array([image.reshape(3, -1).mean(axis=1) for image in seen], np.float64)
    offset, steps = values[0], (values[1:4] - values[0]) / 255
    expected = offset + np.array(PLAIN[4]) @ steps
    plain = all(np.allclose(image, mean[:, None, None], atol=1e-4) for image, mean in zip(seen, values, strict=True))
    own = np.diag(steps)
    if not plain or (own <= 0).any() or not np.allclose(steps, np.diag(own), atol=1e-7):
        raise ValueError(
            "the transforms of evaluation are random, or do more than scale and shift the channels red, green and blue:"
            " such a network has no bundle; give DataLoader.Eval plain transforms"
        )
    if not np.allclose(values[4], expected, atol=1e-3):
        raise ValueError("the transforms of evaluation do not scale values linearly")
    mean, std = -offset / own, 1 / own
    crops = any(name in CROPS for op in ops for name in op)
    return Preprocessing(width, height, tuple(mean.tolist()), tuple(std.tolist()), crops)


def _colour(ops: Ops, colour: tuple[int, int, int], seed: int) -> NDArray[np.float32]:
    """What the chain makes of a picture of one colour, ``(3, height, width)``."""
    buffer = io.BytesIO()
    Image.new("RGB", (PROBE_SIDE, PROBE_SIDE), colour).save(buffer, "PNG")
    chain = build_transforms(ops)
    return np.asarray(chain.chw(chain.decode(buffer.getvalue()), np.random.default_rng(seed)), np.float32)
