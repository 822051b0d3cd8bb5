"""What matters for the detector: short runs that differ in one thing each, with the same number of steps.

    python -m benchmarks.detector_ablation --out runs/ablation

A run takes a few minutes of one core; one that was cut off goes on, a finished one is not repeated. The runs are much
shorter than that of the shipped detector and made at 192 pixels: they compare, they do not show what can be reached.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from training.engine.loop import Trainer
from training.engine.run import Run
from training.picodet.cli import RECIPE, SHARED
from training.picodet.data import Picture, read_checked
from training.picodet.evaluation.average_precision import average_precision
from training.picodet.evaluation.detectors import detect_all, milliseconds, network_detector
from training.picodet.evaluation.matching import Score, score_sources, wilson
from training.picodet.export import export_onnx
from training.picodet.recipe import Recipe, make_recipe, merged, training_pictures, validation_pictures
from training.picodet.task import DetectionTask
from training.picodet.weights import load_run

SIZE, STEPS = 192, 300
BASE: Mapping[str, Any] = {
    "input_size": SIZE,
    "train": {
        "sizes": [SIZE],
        "batches_per_epoch": STEPS // 3,
        "warmup_steps": 15,
        "loop": {"epochs": 3, "evaluate_every": 0, "save_steps": 25, "log_steps": 25},
    },
}
NO_BOXES_OF_THE_TEACHER = {"pseudo_boxes": [], "weights": {"caltech101": 0.0}}
RANDOM = {"train": {"init": "random", "frozen_blocks": 0, "backbone_rate": 1.0}}
LCNET = {"model": {"backbone": {"name": "LCNet", "scale": 0.75}}}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "random start weights": RANDOM,
    "no cut-outs pasted": {"augment": {"paste": 0.0}},
    "no boxes of the teacher": NO_BOXES_OF_THE_TEACHER,
    "128 pixels": {"input_size": 128, "train": {"sizes": [128]}},
    "LCNet x0.75, random start weights": merged(RANDOM, LCNET),
    "ReLU in neck and head": {"model": {"activation": "relu"}},
    "256 pixels": {"input_size": 256, "train": {"sizes": [256]}},
    "LC-PAN and the second head": {"model": {"neck": "LCPAN", "head": "PicoHeadV2"}, "train": {"static_epochs": 1}},
    "no mosaics": {"augment": {"mosaic": 0.0}},
}


def main() -> None:
    """Train and measure every variant that is not measured yet; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = merged(yaml.safe_load(RECIPE.read_text(encoding="utf-8")), BASE)
    for name, change in VARIANTS.items():
        folder = options.out / name.replace(" ", "-").replace(",", "")
        if not options.table and not (folder / "figures.json").exists():
            recipe = make_recipe(merged(base, change), name)
            train(recipe, options.data, folder)
            figures = measure(recipe, options.data, folder)
            (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
            print(row(name, figures), flush=True)
    print("\n".join(table(options.out)))


def train(recipe: Recipe, data: Path, folder: Path) -> None:
    """Train one variant, or go on."""
    task = DetectionTask(recipe, training_pictures(recipe, data))
    Trainer(task, recipe.train.loop, Run(folder, recipe.model_dump(mode="json"))).train()


def measure(recipe: Recipe, data: Path, folder: Path) -> dict[str, Any]:
    """Figures on the validation photos and on the hand-checked grocery boxes, and CPU milliseconds."""
    model, size = load_run(folder, recipe.model), recipe.input_size
    pictures = validation_pictures(recipe, data)
    checked = read_checked(data / "grocery/boxes/checked.json", data / "grocery", "single")
    found = detect_all(network_detector(model, size), pictures)
    figures: dict[str, Any] = {"ap": average_precision(pictures, found).ap}
    figures |= shares("", pictures, score_sources(pictures, found))
    figures |= shares("checked_", checked, score_sources(checked, detect_all(network_detector(model, size), checked)))
    figures["ms"] = milliseconds(export_onnx(model, size), (1, size, size, 3))
    return figures


def shares(prefix: str, pictures: list[Picture], scores: Mapping[str, Score]) -> dict[str, list[float]]:
    """Best-box rate and recall@5 with their intervals."""
    total = sum(scores.values(), Score())
    return {
        f"{prefix}best": [total.best_right / total.photos, *wilson(total.best_right, total.photos)],
        f"{prefix}recall": [total.recalled / total.objects, *wilson(total.recalled, total.objects)],
    }


def table(out: Path) -> list[str]:
    """Markdown lines of all variants that are measured."""
    lines = [
        "| variant | best box | recall@5 | AP50:95 | checked grocery, best box | CPU ms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in VARIANTS:
        path = out / name.replace(" ", "-").replace(",", "") / "figures.json"
        if path.exists():
            lines.append(row(name, json.loads(path.read_text(encoding="utf-8"))))
    return lines


def row(name: str, figures: Mapping[str, Any]) -> str:
    """One line of the table."""
    measured = (figures[key] for key in ("best", "recall", "checked_best"))
    best, recall, checked = (f"{value:.3f} [{low:.2f}, {high:.2f}]" for value, low, high in measured)
    return f"| {name} | {best} | {recall} | {figures['ap']:.3f} | {checked} | {figures['ms']:.1f} |"


if __name__ == "__main__":
    main()
