"""Photos through HTTP: images per second and milliseconds per stage, standalone and as three processes.

    python -m benchmarks.end_to_end --photos FOLDER --out figures.json

The reference of the same run is ONNX Runtime alone: the detector once and the extractor on as many crops, fed with
ready arrays, with the services' number of threads. Reference, standalone and the three processes take turns, a few
photos each; figures are medians over the turns. CPU milliseconds are of all server processes together and bear a busy
machine better than wall times do. Without ``--photos`` the pictures are rendered by the demo's virtual camera.
"""

import argparse
import io
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
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
PHOTOS_A_TURN = 5
OFFICIAL_MS = 668
"""Quoted: the official Python pipeline with its own, larger networks, without HTTP (``benchmarks.stages``)."""


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


class Networks:
    """The two networks alone: one detector run and one extractor run on as many crops as a photo has."""

    def __init__(self, models: Path) -> None:
        self._runs: dict[str, Callable[[], Any]] = {}
        for name, batch in (("detector", 1), ("extractor", OBJECTS + 1)):
            bundle = read_bundle(models / name)
            session, spec = open_session(bundle, threads=len(os.sched_getaffinity(0))), bundle.card.input
            pixels = np.random.default_rng(0).integers(0, 256, (batch, spec.height, spec.width, 3), np.uint8)
            self._runs[name] = partial(session.run, None, {"image": pixels})

    def turn(self) -> dict[str, float]:
        """CPU milliseconds a photo of each, and of both as ``cpu_ms``."""
        cost = {}
        for name, run in self._runs.items():
            started = time.process_time()
            for _ in range(PHOTOS_A_TURN):
                run()
            cost[name] = (time.process_time() - started) / PHOTOS_A_TURN * 1e3
        return {**cost, "cpu_ms": sum(cost.values())}


class Services:
    """One stack that recognises the photos over and over."""

    def __init__(self, stack: Running, photos: Sequence[bytes]) -> None:
        self._stack = stack
        self.start = {"ready_s": stack.ready_s, "ready_cpu_s": stack.cpu_seconds()}
        self._client = httpx.Client(base_url=stack.url, timeout=60)
        for number, photo in enumerate(photos[:4]):
            data = {"label": f"thing {number}"}
            self._client.post("/gallery", files={"image": photo}, data=data).raise_for_status()
        self._photos = itertools.cycle(photos)

    def turn(self) -> dict[str, float]:
        """CPU milliseconds and wall milliseconds of every stage a photo, photos a second, one and two at a time."""
        asked = list(itertools.islice(self._photos, PHOTOS_A_TURN))
        cpu, started = self._stack.cpu_seconds(), time.perf_counter()
        answers = [self._recognise(photo) for photo in asked]
        alone, used = time.perf_counter() - started, self._stack.cpu_seconds() - cpu
        started = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._recognise, asked))
        together = time.perf_counter() - started
        return {
            "cpu_ms": used / len(asked) * 1e3,
            "photos_per_s": len(asked) / alone,
            "photos_per_s_two_at_a_time": len(asked) / together,
            **{name: median(answer[name] for answer in answers) for name in answers[0]},
        }

    def _recognise(self, photo: bytes) -> dict[str, float]:
        started = time.perf_counter()
        params: dict[str, str | int] = {"include": "timings", "max_objects": OBJECTS}
        response = self._client.post("/recognize", content=photo, params=params)
        response.raise_for_status()
        answer = response.json()
        stages = {f"{name} ms": value for name, value in answer["timings_ms"].items()}
        return {**stages, "http ms": (time.perf_counter() - started) * 1e3, "objects": len(answer["objects"])}


def measure(models: Path, photos: Sequence[bytes], turns: int, folder: Path) -> dict[str, dict[str, float]]:
    """Medians over the turns, by who had them; the first turn warms up."""
    with ExitStack() as stack:
        services = {
            "standalone": Services(stack.enter_context(standalone(models, folder / "one")), photos),
            "three processes": Services(stack.enter_context(three_processes(models, folder / "three")), photos),
        }
        players: dict[str, Networks | Services] = {"networks alone": Networks(models), **services}
        taken = [{name: player.turn() for name, player in players.items()} for _ in range(turns + 1)][1:]
    figures = {name: {key: median(turn[name][key] for turn in taken) for key in taken[0][name]} for name in players}
    for name, player in services.items():
        figures[name] |= player.start
        # Differences within a turn: what else the machine does bears on both alike.
        figures[name]["outside_ms"] = median(t[name]["cpu_ms"] - t["networks alone"]["cpu_ms"] for t in taken)
    more = median(t["three processes"]["cpu_ms"] - t["standalone"]["cpu_ms"] for t in taken)
    figures["three processes"]["more_than_standalone_ms"] = more
    return figures


def report(figures: dict[str, dict[str, float]]) -> str:
    """The figures as a text."""
    bare, three = figures["networks alone"], figures["three processes"]
    lines = [
        "1.2 MP photos, at most six crops each; CPU ms a photo, of all server processes together",
        f"networks alone: {bare['cpu_ms']:.1f} (detector {bare['detector']:.1f}, six crops {bare['extractor']:.1f})",
    ]
    for name in ("standalone", "three processes"):
        one = figures[name]
        stages = ", ".join(f"{key[:-3]} {value:.1f}" for key, value in one.items() if key.endswith(" ms"))
        lines += [
            f"{name}: {one['cpu_ms']:.1f}, of it outside the networks {one['outside_ms']:.1f}",
            f"  {one['photos_per_s']:.2f} photos/s one at a time, {one['photos_per_s_two_at_a_time']:.2f} two at a"
            f" time; {one['objects']:.1f} objects a photo",
            f"  wall ms, medians: {stages}",
            f"  ready {one['ready_s']:.2f} s after the start, with {one['ready_cpu_s']:.2f} s of CPU",
        ]
    lines.append(f"three processes cost {three['more_than_standalone_ms']:.1f} more than standalone")
    lines.append(f"official Python pipeline with its own networks, without HTTP, quoted: {OFFICIAL_MS}")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--photos", type=Path, default=None, help="folder with photos (default: rendered ones)")
    parser.add_argument("--count", type=int, default=8, help="different photos")
    parser.add_argument("--turns", type=int, default=12, help=f"turns of {PHOTOS_A_TURN} photos each")
    parser.add_argument("--out", type=Path, default=None, help="also write the figures as JSON")
    arguments = parser.parse_args()
    photos = given(arguments.photos, arguments.count) if arguments.photos else rendered(arguments.count)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments.models, photos, arguments.turns, Path(folder))
    print(report(figures))
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
