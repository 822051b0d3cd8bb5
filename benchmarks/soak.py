"""Many recognitions one after the other: memory, threads and file descriptors must stay flat.

    python -m benchmarks.soak --recognitions 10000

Prints a line of figures now and then, and exits with 1 if something grew.
"""

import argparse
import io
import itertools
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from PIL import Image

from benchmarks.stack import ROOT, Running, standalone

SAMPLES = 20
PICTURES = 12
MOST_GROWTH = 0.05
MOST_FILES = 4
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """What the processes held after so many recognitions."""

    recognitions: int
    memory_bytes: int
    threads: int
    files: int


def pictures() -> list[bytes]:
    """Bright areas on dark ground, of several sizes and types."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(PICTURES):
        width, height = 480 + 80 * (number % 5), 360 + 60 * (number % 3)
        image = Image.new("RGB", (width, height), (20, 20, 30))
        for x in (width // 8, width // 2 + width // 8):
            fields = Image.fromarray(rng.integers(90, 256, (6, 6, 3), dtype=np.uint8))
            image.paste(fields.resize((width // 4, height // 2), Image.Resampling.NEAREST), (x, height // 4))
        stream = io.BytesIO()
        image.save(stream, "PNG" if number % 3 == 0 else "JPEG")
        made.append(stream.getvalue())
    return made


def soak(stack: Running, recognitions: int, parallel: int, tell: Callable[[Sample], None]) -> list[Sample]:
    """Recognise, and look at the processes ``SAMPLES`` times.

    Raises:
        RuntimeError: if a request fails.
    """
    shown = pictures()
    samples = []
    with httpx.Client(base_url=stack.url, timeout=60) as client, ThreadPoolExecutor(parallel) as pool:
        for number, picture in enumerate(shown[:4]):
            fields = {"label": f"thing {number}", "crop": "whole"}
            _checked(client.post("/gallery", files={"image": picture}, data=fields), 201)

        def recognise(picture: bytes) -> None:
            _checked(client.post("/recognize", content=picture), 200)

        endless = itertools.cycle(shown)
        done = 0
        for number in range(1, SAMPLES + 1):
            share = recognitions * number // SAMPLES - done
            list(pool.map(recognise, itertools.islice(endless, share)))
            done += share
            samples.append(Sample(done, stack.memory_bytes(), stack.threads(), stack.files()))
            tell(samples[-1])
    return samples


def growth(samples: list[Sample]) -> list[str]:
    """What grew from the second quarter of the run to the last one; empty if it is flat.

    The first quarter is left out: pools, caches and arenas fill then.
    """
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    found = []
    memory = [median(one.memory_bytes for one in part) for part in (early, late)]
    if memory[1] > memory[0] * (1 + MOST_GROWTH):
        found.append(f"memory grew from {memory[0] / MEBIBYTE:.1f} to {memory[1] / MEBIBYTE:.1f} MiB")
    threads = [max(one.threads for one in part) for part in (early, late)]
    if threads[1] > threads[0]:
        found.append(f"threads grew from {threads[0]} to {threads[1]}")
    files = [max(one.files for one in part) for part in (early, late)]
    if files[1] > files[0] + MOST_FILES:
        found.append(f"file descriptors grew from {files[0]} to {files[1]}")
    return found


def _checked(response: httpx.Response, status: int) -> None:
    if response.status_code != status:
        raise RuntimeError(f"{response.status_code}: {response.text}")


def _print(sample: Sample) -> None:
    memory = sample.memory_bytes / MEBIBYTE
    print(f"{sample.recognitions:>8} {memory:8.1f} MiB {sample.threads:4} threads {sample.files:4} files", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recognitions", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=4, help="requests under way at the same time")
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, standalone(arguments.models, Path(folder) / "data") as stack:
        samples = soak(stack, arguments.recognitions, arguments.parallel, _print)
    found = growth(samples)
    print("; ".join(found) or "flat")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
