"""CPU milliseconds of each step of a recognition, on one thread in one process.

    python -m benchmarks.stages --rounds 31

A 1.2 MP photo with five objects and the whole picture, as ``benchmarks.end_to_end`` has it. Three columns: the steps as
the services do them; the same with plain filters on the full picture (the reference of the same run, in turn with the
first); and the official PP-ShiTu pipeline (PaddleClas' Python predictors, Paddle Inference 2.6 with oneDNN) as it was
measured on such a machine, quoted. HTTP is not in here: the same steps as services are in ``benchmarks.end_to_end``.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.end_to_end import OBJECTS, rendered
from benchmarks.stack import ROOT
from kenspeckle.bundle import Bundle, open_session, read_bundle
from kenspeckle.crop import CropRule, Interpolation, crop_boxes, resize_picture
from kenspeckle.geometry import scale_boxes
from services.common.intake import decode_picture
from services.indexer.vectors.flat import FlatIndex

WARMING = 3
MAX_PIXELS = 50_000_000
GALLERY, TOP_K = 3000, 5
PLAIN: dict[Interpolation, Interpolation] = {"halved-bilinear": "bilinear", "halved-bicubic": "bicubic"}
QUOTED = {
    "decode": 5.1,
    "detector resize": 36.9,
    "detector": 364.6,
    "crops": 32.3,
    "extractor": 228.2,
    "search": 2.4,
}
"""Pre-processing of the official pipeline includes normalisation, its crops a copy; its networks are larger."""


class Road:
    """The steps of a recognition, one after the other; each keeps what the next one needs."""

    def __init__(self, models: Path, photo: bytes, plain: bool) -> None:
        self._photo = photo
        detector, extractor = read_bundle(models / "detector"), read_bundle(models / "extractor")
        if extractor.card.crop is None:
            raise ValueError(f"{extractor.path} is not an extractor")
        self._rule: CropRule = extractor.card.crop
        self._inputs = [self._input(bundle, plain) for bundle in (detector, extractor)]
        self._detector, self._extractor = open_session(detector), open_session(extractor)
        self._index = FlatIndex(self._extractor.get_outputs()[0].shape[1])
        vectors = np.random.default_rng(0).normal(size=(GALLERY, self._extractor.get_outputs()[0].shape[1]))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self._index.add(np.arange(GALLERY), vectors.astype(np.float32))
        self.steps: dict[str, Callable[[], None]] = {
            "decode": self._decode,
            "detector resize": self._resize,
            "detector": self._detect,
            "crops": self._crop,
            "extractor": self._embed,
            "search": self._search,
        }

    @staticmethod
    def _input(bundle: Bundle, plain: bool) -> tuple[int, int, Interpolation]:
        spec = bundle.card.input
        used = PLAIN.get(spec.interpolation, spec.interpolation) if plain else spec.interpolation
        return spec.width, spec.height, used

    def _decode(self) -> None:
        self._picture = decode_picture(self._photo, MAX_PIXELS)

    def _resize(self) -> None:
        self._pixels = resize_picture(self._picture.pyramid, *self._inputs[0])

    def _detect(self) -> None:
        boxes = self._detector.run(["boxes"], {"image": self._pixels[np.newaxis]})[0][0, :OBJECTS]
        width, height, _ = self._inputs[0]
        full = scale_boxes(boxes, self._picture.width / width, self._picture.height / height)
        self._boxes = np.vstack([full, [[0, 0, self._picture.width, self._picture.height]]])

    def _crop(self) -> None:
        self._crops = crop_boxes(self._picture.pyramid, self._boxes, self._rule, *self._inputs[1])

    def _embed(self) -> None:
        self._vectors = self._extractor.run(["embedding"], {"image": self._crops})[0]

    def _search(self) -> None:
        self._index.search(self._vectors, TOP_K)


def measure(roads: dict[str, Road], rounds: int) -> dict[str, dict[str, float]]:
    """Median CPU milliseconds of every step, the roads in turn."""
    times: dict[str, dict[str, list[float]]] = {name: {step: [] for step in road.steps} for name, road in roads.items()}
    for number in range(rounds + WARMING):
        for name, road in roads.items():
            for step, run in road.steps.items():
                started = time.thread_time()
                run()
                if number >= WARMING:
                    times[name][step].append((time.thread_time() - started) * 1e3)
    return {name: {step: median(values) for step, values in steps.items()} for name, steps in times.items()}


def report(figures: dict[str, dict[str, float]]) -> str:
    """Markdown."""
    columns = {**figures, "official pipeline, quoted": QUOTED}
    lines = [f"| step, CPU ms | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for step in QUOTED:
        lines.append(f"| {step} | {' | '.join(f'{column[step]:.1f}' for column in columns.values())} |")
    for title, left_out in (("all", ()), ("outside the networks", ("detector", "extractor"))):
        sums = [sum(value for step, value in column.items() if step not in left_out) for column in columns.values()]
        lines.append(f"| {title} | {' | '.join(f'{value:.1f}' for value in sums)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--photo", type=Path, default=None, help="a photo (default: a rendered one of 1280 x 960)")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--out", type=Path, default=None, help="also write the figures as JSON")
    arguments = parser.parse_args()
    photo = arguments.photo.read_bytes() if arguments.photo else rendered(1)[0]
    with Image.open(io.BytesIO(photo)) as image:
        print(f"a photo of {image.width} x {image.height}, {OBJECTS} boxes and the whole picture, one thread")
    roads = {
        name: Road(arguments.models, photo, plain) for name, plain in (("services", False), ("plain filters", True))
    }
    figures: dict[str, Any] = measure(roads, arguments.rounds)
    print(report(figures))
    if arguments.out:
        arguments.out.write_text(json.dumps({**figures, "official pipeline, quoted": QUOTED}, indent=1) + "\n")


if __name__ == "__main__":
    main()
