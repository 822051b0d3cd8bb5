"""Four drawn pictures with one bright square each, and a recipe for a tiny network."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from training.picodet.data import Picture, one_class
from training.picodet.recipe import Recipe, make_recipe, merged

TINY = {
    "name": "toy",
    "model": {"backbone": {"name": "LCNet", "scale": 0.25}, "channels": 24, "tower_depth": 1},
    "train": {
        "batch": 4,
        "batches_per_epoch": 3,
        "sizes": [64, 96],
        "warmup_steps": 2,
        "optimizer": {"name": "AdamW", "lr": {"name": "Cosine", "learning_rate": 2e-3}, "weight_decay": 0.02},
        "loop": {"epochs": 2, "save_steps": 2, "log_steps": 1, "ema_decay": 0.9, "ema_ramp": True},
    },
}


def recipe(**changes) -> Recipe:
    return make_recipe(merged(TINY, changes), "toy.yaml")


def draw_pictures(folder: Path) -> list[Picture]:
    made = []
    for index, (x, y) in enumerate([(10, 10), (50, 12), (14, 48), (44, 40)]):
        image = Image.new("RGB", (100, 100), (60, 70, 80))
        box = (x, y, x + 40, y + 40)
        ImageDraw.Draw(image).rectangle(box, (230, 200, 40 * index))
        image.save(folder / f"{index}.png")
        made.append(Picture(folder / f"{index}.png", "made", np.array([box], np.float32), one_class(1)))
    return made
