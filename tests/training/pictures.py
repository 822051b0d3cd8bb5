"""Small drawn pictures: each label has its own colours and stripes."""

from pathlib import Path

import numpy as np
from PIL import Image


def draw_folder(folder: Path, labels: int, per_label: int, seed: int, side: int = 48) -> Path:
    """Write FOLDER/label/picture.png for ``labels`` x ``per_label`` noisy striped pictures."""
    rng = np.random.default_rng(seed)
    for label in range(labels):
        colours, width = rng.uniform(0, 255, (2, 3)), rng.integers(3, 12)
        (folder / f"thing-{label}").mkdir(parents=True)
        for number in range(per_label):
            stripes = (np.arange(side) + rng.integers(0, side)) // width % 2
            pixels = colours[stripes][None].repeat(side, axis=0) + rng.normal(0, 12, (side, side, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"thing-{label}/{number}.png")
    return folder
