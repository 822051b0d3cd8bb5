"""Real photos through HTTP: enrol products from pictures, recognise other photos of them.

    kenspeckle serve & python -m benchmarks.grocery --out figures.json

Data (optional folder, see ``KENSPECKLE_SHARED``): the Grocery Store Dataset, whose icons and train photos are enrolled
and whose test photos are recognised, and photos of several playing cards or snacks at once. The detector's boxes are
compared with the whole picture and with the boxes of the teacher model.

Every photo is detected and embedded once through the public door and then searched and judged against each gallery by
the services' own code; for some photos of each setting ``POST /recognize`` is asked as well and must say the same. A
run that was cut off goes on where it was: what was seen is kept under ``--work``.
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.grocery import multi
from benchmarks.grocery.data import Grocery, Photo
from benchmarks.grocery.sights import PARALLEL, Sight, Sights
from benchmarks.grocery.tally import Results, best_object, outcome, rows, table
from kenspeckle.client import Client, KenspeckleError
from kenspeckle.types import ModelInfo, RecognizedObject
from services.detector.answers import Region, Rule, judge, kept
from services.detector.parameters import RecognizeAsked
from services.detector.settings import DetectorSettings

Mode = Literal["detection", "whole", "teacher"]
MODES: tuple[Mode, ...] = ("detection", "whole", "teacher")
SOURCES = {"detection": ("detector", "whole"), "whole": ("whole",), "teacher": ("given",)}
PHOTOS_PER_CLASS = 3
SEARCHED_AT_ONCE = 32
CHECKED = 4
GALLERY, EMPTY = "grocery-benchmark", "grocery-benchmark-empty"


class Judge:
    """Searches a gallery for what was seen and decides as the detector does."""

    def __init__(self, client: Client, extractor: ModelInfo, asked: RecognizeAsked, settings: DetectorSettings) -> None:
        if extractor.calibrator is None or extractor.false_accept_rate is None:
            raise ValueError(f"{extractor.name} has no calibration")
        self._client = client
        self._fingerprint = extractor.fingerprint
        self._rule = (extractor.false_accept_rate, extractor.calibrator, settings.sure)
        self._top_k = asked.top_k
        self._suppress_iou = settings.suppress_iou

    def answers(self, sights: Sequence[Sight], mode: Mode) -> list[list[RecognizedObject]]:
        """The objects that ``POST /recognize`` would report of each photo."""
        found = []
        for start in range(0, len(sights), SEARCHED_AT_ONCE):
            part = [_chosen(sight, mode) for sight in sights[start : start + SEARCHED_AT_ONCE]]
            vectors = np.concatenate([vectors for _, vectors in part])
            answer = self._client.search(vectors, self._fingerprint, gallery=GALLERY, top_k=self._top_k)
            hits = iter(answer.hits)
            rule = Rule(*self._rule, answer.cohort_size)
            for regions, _ in part:
                judged = [judge(region, next(hits), rule) for region in regions]
                found.append([judged[index] for index in kept(judged, self._suppress_iou)])
        return found


def _chosen(sight: Sight, mode: Mode) -> tuple[list[Region], NDArray[np.float32]]:
    """Regions of a mode; where the teacher has no box, the whole picture."""
    wanted = [index for index, region in enumerate(sight.regions) if region.source in SOURCES[mode]]
    wanted = wanted or [index for index, region in enumerate(sight.regions) if region.source == "whole"]
    return [sight.regions[index] for index in wanted], sight.vectors[wanted]


def enrol(client: Client, data: Grocery, photos: Sequence[Photo], mode: Mode) -> None:
    """One item per class, a reference per photo, each cut as ``mode`` says."""
    by_class: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_class[photo.label].append(photo)

    def add(label: str) -> None:
        for photo in by_class[label]:
            box = data.teacher_box(photo) if mode == "teacher" else None
            crop: Literal["auto", "whole"] | None = None if box else "auto" if mode == "detection" else "whole"
            client.enrol(photo.path, label, gallery=GALLERY, item_id=label, box=box, crop=crop)

    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(add, by_class))


def check(
    client: Client, data: Grocery, photos: Sequence[Photo], answers: Sequence[list[RecognizedObject]], mode: Mode
) -> None:
    """``POST /recognize`` says the same of some of the photos.

    Raises:
        RuntimeError: naming the photo of which it says something else.
    """
    for photo, expected in list(zip(photos, answers, strict=True))[:: max(1, len(photos) // CHECKED)]:
        box = data.teacher_box(photo) if mode == "teacher" else None
        got = client.recognize(photo.path, gallery=GALLERY, detect=mode == "detection", boxes=[box] if box else None)
        same = len(got.objects) == len(expected) and all(
            one.decision == other.decision and abs(one.probability - other.probability) < 1e-3
            for one, other in zip(got.objects, expected, strict=True)
        )
        if not same:
            raise RuntimeError(f"{photo.path}: POST /recognize says {got.objects}, here it is {expected}")


def run(client: Client, data: Grocery, sights: Sights, judge_: Judge, per_class: int | None) -> Results:
    """All settings: outcomes by setting and group.

    Galleries of the classes that nothing was trained on stand for a user's own things.
    """
    queries = data.photos("test", per_class)
    seen = dict(zip(queries, sights.of(queries), strict=True))
    references = (("icon alone", data.photos("icons")), ("icon + 3 photos", data.photos("train", PHOTOS_PER_CLASS)))
    results: dict[str, dict[str, list[NDArray[np.bool_]]]] = {}
    for scope, labels in (("unseen classes", data.unseen), ("all classes", data.labels)):
        asked = [photo for photo in queries if photo.label in labels]
        for mode in MODES:
            client.create_gallery(GALLERY)
            for title, photos in references:
                enrol(client, data, [photo for photo in photos if photo.label in labels], mode)
                answers = judge_.answers([seen[photo] for photo in asked], mode)
                check(client, data, asked, answers, mode)
                groups: dict[str, list[NDArray[np.bool_]]] = defaultdict(list)
                for photo, things in zip(asked, answers, strict=True):
                    for group in data.groups(photo.label):
                        groups[group].append(outcome(photo.label, best_object(things)))
                results[f"{scope}, {title}, {mode}"] = groups
                print(f"{scope}, {title}, {mode}: {len(asked)} photos", file=sys.stderr)
            client.delete_gallery(GALLERY)
    return results


def measure(client: Client, folder: Path, arguments: argparse.Namespace) -> None:
    """Run both parts against a service and print them."""
    data, asked = Grocery(folder / "grocery"), RecognizeAsked()
    models = {model.kind: model for model in client.models()}
    left = {gallery.name for gallery in client.galleries()} & {GALLERY, EMPTY, multi.GALLERY}
    for name in left:
        client.delete_gallery(name)
    client.create_gallery(EMPTY)
    marks = "-".join(models[kind].fingerprint.removeprefix("sha256:")[:12] for kind in ("detector", "extractor"))
    sights = Sights(client, data, arguments.work / f"{marks}.jsonl", EMPTY, asked.max_objects)
    judge_ = Judge(client, models["extractor"], asked, DetectorSettings())
    results = run(client, data, sights, judge_, arguments.per_class)
    client.delete_gallery(EMPTY)
    scenes = multi.run(client, folder / "multi")
    print(table(results))
    print(f"\n{multi.report(scenes)}")
    if arguments.out:
        figures = [{"setting": s, "photos_of": g, "n": n, "shares": shares} for s, g, n, shares in rows(results)]
        arguments.out.write_text(json.dumps({"grocery": figures, "multi": scenes.sum(axis=0).tolist()}, indent=1))


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=None, help="the service (default: KENSPECKLE_URL or http://127.0.0.1:8000)")
    parser.add_argument("--per-class", type=int, default=None, help="test photos of each class (default: all)")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/grocery"), help="folder of what was seen, to go on from"
    )
    parser.add_argument("--out", type=Path, default=None, help="also write the figures as JSON")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("KENSPECKLE_SHARED", "../shared")) / "data"
    if not (folder / "grocery").is_dir():
        sys.exit(f"{folder / 'grocery'} is not there: set KENSPECKLE_SHARED to the folder with the data sets")
    try:
        with Client(arguments.url) as client:
            measure(client, folder, arguments)
    except KenspeckleError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
