"""The same answers whatever else is going on, and no growth."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from benchmarks import soak
from benchmarks.stack import Running, standalone
from tests.fixtures.bundles import scene, thing
from tests.fixtures.servers import serving
from tests.fixtures.stacks import encode, standalone_app

MEBIBYTE = 1024 * 1024


def test_a_picture_gets_the_same_answer_alone_and_in_company(tmp_path: Path, toy_models: Path) -> None:
    with serving(standalone_app(toy_models, tmp_path)) as url, httpx.Client(base_url=url, timeout=30) as client:
        for seed in range(6):
            form = {"label": f"thing {seed}", "crop": "whole"}
            assert client.post("/gallery", files={"image": encode(thing(seed))}, data=form).status_code == 201
        scenes = [encode(scene(seed, seed + 3)) for seed in range(6)]

        def ask(picture: bytes) -> list[dict[str, Any]]:
            answer = client.post("/recognize", content=picture, params={"include": "embeddings"})
            assert answer.status_code == 200
            objects: list[dict[str, Any]] = answer.json()["objects"]
            return objects

        alone = [ask(picture) for picture in scenes]
        with ThreadPoolExecutor(6) as pool:
            in_company = list(pool.map(ask, scenes * 4))
    for number, objects in enumerate(in_company):
        expected = alone[number % len(scenes)]
        assert len(objects) == len(expected)
        for one, other in zip(objects, expected, strict=True):
            assert (one["decision"], one["label"], one["box"]) == (other["decision"], other["label"], other["box"])
            assert np.abs(np.subtract(one["embedding"], other["embedding"])).max() < 1e-5


def test_too_many_at_once_are_refused_and_nobody_is_harmed(tmp_path: Path, toy_models: Path) -> None:
    app = standalone_app(toy_models, tmp_path, {"max_running": 1, "max_waiting": 1})
    picture = encode(scene(1, 2))
    with serving(app) as url, httpx.Client(base_url=url, timeout=30) as client, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.post("/recognize", content=picture), range(60)))
        statuses = {answer.status_code for answer in answers}
        assert statuses == {200, 429}
        assert all(answer.headers["Retry-After"] == "1" for answer in answers if answer.status_code == 429)
        assert client.post("/recognize", content=picture).status_code == 200


def test_recognitions_leave_memory_threads_and_files_flat(tmp_path: Path, toy_models: Path) -> None:
    with standalone(toy_models, tmp_path / "data") as stack:
        samples = soak.soak(stack, 160, 3, lambda _: None)
    assert samples[-1].recognitions == 160
    assert soak.growth(samples) == []


@pytest.mark.slow
def test_ten_thousand_recognitions_leave_all_flat(tmp_path: Path, toy_models: Path) -> None:
    with standalone(toy_models, tmp_path / "data") as stack:
        assert soak.growth(soak.soak(stack, 10_000, 4, lambda _: None)) == []


@pytest.mark.parametrize(
    ("leak", "word"),
    [((0, 0, 0), ""), ((2 * MEBIBYTE, 0, 0), "memory"), ((0, 1, 0), "threads"), ((0, 0, 1), "descriptors")],
)
def test_growth_is_noticed(leak: tuple[int, int, int], word: str) -> None:
    memory, threads, files = leak
    samples = [
        soak.Sample(n * 100, 200 * MEBIBYTE + n * memory, 20 + n * threads, 40 + n * files) for n in range(soak.SAMPLES)
    ]
    found = soak.growth(samples)
    assert len(found) == bool(word)
    assert not word or word in found[0]


def test_a_failing_request_ends_the_soak(tmp_path: Path) -> None:
    with pytest.raises(httpx.TransportError):
        soak.soak(Running("http://127.0.0.1:9", (), 0.0), 10, 1, lambda _: None)
