"""Photos through HTTP: images per second and milliseconds per stage, standalone and as three processes.

    python -m benchmarks.end_to_end --photos FOLDER --out figures.json

The reference of the same run is ONNX Runtime alone: the detector once and the extractor on as many crops, fed with
ready arrays, on one thread. CPU milliseconds are of all server processes together and bear a busy machine better than
wall times do. Without ``--photos`` the pictures are rendered by the demo's virtual camera.
"""

import argparse
import io
import itertools
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
from PIL import Image

from benchmarks.stack import ROOT, Running, standalone, three_processes
from kenspeckle.bundle import open_session, read_bundle

SIZE = 1280, 960
OBJECTS = 5  # and the whole picture: six crops
WARMING = 3


def rendered(count: int) -> list[bytes]:
    """Scenes with several things each."""
    from examples.rendering.scenes import scene
    from examples.rendering.things import things

    shown = things(1, 12)
    return [as_jpeg(scene(shown[number % 4 : number % 4 + OBJECTS], seed=number).image) for number in range(count)]


def given(folder: Path, count: int) -> list[bytes]:
    """Photos of a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    with_pictures = [Image.open(path).convert("RGB") for path in paths[:count]]
    return [as_jpeg(image) for image in with_pictures]


def as_jpeg(image: Image.Image) -> bytes:
    """A 1.2 MP JPEG of quality 90."""
    stream = io.BytesIO()
    image.resize(SIZE, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def networks(models: Path, rounds: int) -> dict[str, float]:
    """CPU milliseconds of the two networks alone: one detector run and one extractor batch of six."""
    cost = {}
    for name, batch in (("detector", 1), ("extractor", OBJECTS + 1)):
        bundle = read_bundle(models / name)
        session = open_session(bundle)
        spec = bundle.card.input
        pixels = np.random.default_rng(0).integers(0, 256, (batch, spec.height, spec.width, 3), np.uint8)
        times = []
        for _ in range(rounds + WARMING):
            started = time.process_time()
            session.run(None, {"image": pixels})
            times.append((time.process_time() - started) * 1e3)
        cost[name] = median(times[WARMING:])
    return cost


def measure(stack: Running, photos: Sequence[bytes], rounds: int) -> dict[str, Any]:
    """Figures of one stack: one photo at a time, then two."""
    params: dict[str, str | int] = {"include": "timings", "max_objects": OBJECTS}
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        for number, photo in enumerate(photos[:4]):
            client.post("/gallery", files={"image": photo}, data={"label": f"thing {number}"}).raise_for_status()

        def recognise(photo: bytes) -> dict[str, Any]:
            started = time.perf_counter()
            response = client.post("/recognize", content=photo, params=params)
            response.raise_for_status()
            answer = response.json()
            seen = {**answer["timings_ms"], "http": (time.perf_counter() - started) * 1e3}
            return {"timings": seen, "objects": len(answer["objects"])}

        for photo in photos[:WARMING]:
            recognise(photo)
        asked = list(itertools.islice(itertools.cycle(photos), rounds))
        cpu, started = stack.cpu_seconds(), time.perf_counter()
        answers = [recognise(photo) for photo in asked]
        alone, used = time.perf_counter() - started, stack.cpu_seconds() - cpu
        started = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(recognise, asked))
        together = time.perf_counter() - started
    stages = {name: median(one["timings"][name] for one in answers) for name in answers[0]["timings"]}
    return {
        "cpu_ms": used / rounds * 1e3,
        "images_per_second": rounds / alone,
        "images_per_second_two_at_a_time": rounds / together,
        "stages_ms": stages,
        "objects": sum(one["objects"] for one in answers) / rounds,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--photos", type=Path, default=None, help="folder with photos (default: rendered ones)")
    parser.add_argument("--count", type=int, default=8, help="different photos")
    parser.add_argument("--rounds", type=int, default=40, help="recognitions per figure")
    parser.add_argument("--out", type=Path, default=None, help="also write the figures as JSON")
    arguments = parser.parse_args()
    photos = given(arguments.photos, arguments.count) if arguments.photos else rendered(arguments.count)
    results: dict[str, Any] = {"networks_cpu_ms": networks(arguments.models, arguments.rounds)}
    for name, start in (("standalone", standalone), ("three processes", three_processes)):
        with tempfile.TemporaryDirectory() as folder, start(arguments.models, Path(folder) / "data") as stack:
            results[name] = measure(stack, photos, arguments.rounds)
    print(report(results))
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


def report(results: dict[str, Any]) -> str:
    """The figures as a text."""
    bare = results["networks_cpu_ms"]
    both = sum(bare.values())
    lines = [
        "1.2 MP photos, at most six crops each; CPU ms are of all server processes",
        f"ONNX Runtime alone: detector {bare['detector']:.1f}, extractor on six crops {bare['extractor']:.1f} ms CPU",
    ]
    for name in ("standalone", "three processes"):
        one = results[name]
        stages = ", ".join(f"{stage} {value:.1f}" for stage, value in one["stages_ms"].items())
        lines += [
            f"{name}: {one['cpu_ms']:.1f} ms CPU a photo, {one['cpu_ms'] / both:.2f} of the networks alone",
            f"  {one['images_per_second']:.2f} photos/s one at a time,"
            f" {one['images_per_second_two_at_a_time']:.2f} two at a time; {one['objects']:.1f} objects a photo",
            f"  wall ms, medians: {stages}",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
