"""What the detector finds in each photo and what the extractor makes of it: asked for once, used for all galleries.

The embeddings come through the public door, from a gallery that is empty. They are kept in a file, a line per photo, so
that a run that was cut off goes on where it was.
"""

import base64
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.grocery.data import Grocery, Photo
from kenspeckle.client import Client
from kenspeckle.types import Box
from services.detector.answers import Region

PARALLEL = 2
TOLD_EVERY = 100


@dataclass(frozen=True)
class Sight:
    """One photo: its regions, detected ones first, then the whole picture, then the teacher's box if there is one.

    Attributes:
        vectors: ``(regions, dim) float32``.
    """

    regions: list[Region]
    vectors: NDArray[np.float32]


class Sights:
    """Sights by photo, kept in ``file``. The file must be of one pair of models: name it by their fingerprints."""

    def __init__(self, client: Client, data: Grocery, file: Path, empty_gallery: str, max_objects: int) -> None:
        self._client = client
        self._data = data
        self._file = file
        self._gallery = empty_gallery
        self._max_objects = max_objects
        self._known: dict[str, Sight] = {}
        file.parent.mkdir(parents=True, exist_ok=True)
        whole, newline, broken_off = (file.read_text(encoding="utf-8") if file.exists() else "").rpartition("\n")
        if broken_off:
            file.write_text(whole + newline, encoding="utf-8")
        for line in whole.splitlines():
            entry = json.loads(line)
            self._known[entry["photo"]] = _read(entry)

    def of(self, photos: Sequence[Photo]) -> list[Sight]:
        """Look at those photos that were not looked at yet; returns the sights of all."""
        missing = [photo for photo in photos if self._data.name(photo) not in self._known]
        print(f"{len(photos)} photos, {len(missing)} of them still to be looked at", file=sys.stderr)
        with self._file.open("a", encoding="utf-8") as file, ThreadPoolExecutor(PARALLEL) as pool:
            for number, (photo, sight) in enumerate(zip(missing, pool.map(self._look, missing), strict=True), 1):
                name = self._data.name(photo)
                self._known[name] = sight
                file.write(json.dumps({"photo": name, **_written(sight)}) + "\n")
                file.flush()
                if number % TOLD_EVERY == 0:
                    print(f"{number} of {len(missing)}", file=sys.stderr)
        return [self._known[self._data.name(photo)] for photo in photos]

    def _look(self, photo: Photo) -> Sight:
        content = photo.path.read_bytes()
        found = self._client.detect(content, max_objects=self._max_objects)
        regions = [Region(one.box, "detector", one.score) for one in found.objects]
        regions.append(Region((0.0, 0.0, float(found.image.width), float(found.image.height)), "whole", None))
        teacher = self._data.teacher_box(photo)
        if teacher is not None:
            regions.append(Region(teacher, "given", None))
        boxes: list[Box] = [region.box for region in regions]
        answer = self._client.recognize(content, gallery=self._gallery, boxes=boxes, embeddings=True)
        return Sight(regions, np.array([one.embedding for one in answer.objects], np.float32))


def _written(sight: Sight) -> dict[str, object]:
    return {
        "regions": [[list(one.box), one.source, one.detection_score] for one in sight.regions],
        "vectors": base64.b64encode(sight.vectors.tobytes()).decode(),
    }


def _read(entry: dict[str, object]) -> Sight:
    regions = [Region((box[0], box[1], box[2], box[3]), source, score) for box, source, score in entry["regions"]]  # type: ignore[attr-defined]
    vectors = np.frombuffer(base64.b64decode(str(entry["vectors"])), np.float32)
    return Sight(regions, vectors.reshape(len(regions), -1))
