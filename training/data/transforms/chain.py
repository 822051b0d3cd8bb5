"""Transforms one after the other."""

from collections.abc import Sequence

import numpy as np

from training.data.transforms.base import Ops, Pixels, Transform, build_steps
from training.data.transforms.decode import Backend, DecodeImage


class Chain:
    """What makes a file's bytes to a network's input: ``decode``, then, on its pixels, the chain itself."""

    def __init__(self, decode: DecodeImage, steps: Sequence[Transform]) -> None:
        if any(isinstance(step, DecodeImage) for step in steps):
            raise ValueError("DecodeImage is only possible as the first transform")
        self.decode = decode
        self.steps = tuple(steps)

    @property
    def channels_first(self) -> bool:
        """Whether the result is CHW already."""
        return any(getattr(step, "channels_first", False) for step in self.steps)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        for step in self.steps:
            image = step(image, rng)
        return image

    def chw(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """The result as contiguous float32 ``(C, H, W)``."""
        made = self(image, rng)
        return np.ascontiguousarray(made if self.channels_first else made.transpose(2, 0, 1), np.float32)


def build_transforms(ops: Ops, backend: Backend = "cv2") -> Chain:
    """Build the transforms of a configuration: ``[{Name: {parameter: value}}, …]``, None for no parameters.

    ``backend`` decodes where the first of them is not DecodeImage.

    Raises:
        ValueError: if an entry is not one name with its parameters, or a parameter's value is not possible.
        UnknownName: for an unknown name or parameter, with the near ones.
    """
    steps = build_steps(ops)
    if steps and isinstance(steps[0], DecodeImage):
        return Chain(steps[0], steps[1:])
    return Chain(DecodeImage(backend=backend), steps)
