"""The extractor changes its model while the detector remembers the old one."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kenspeckle.crop import CropRule
from kenspeckle.types import ModelInfo
from services.common.errors import NotReady, Unprocessable
from services.common.intake import Picture, decode_picture
from services.common.metrics import Metrics
from services.detector.embedding import Embedding
from services.detector.eyes import Eyes
from services.detector.ports import Embedded
from services.detector.settings import DetectorSettings
from tests.fixtures.bundles import thing
from tests.fixtures.stacks import encode


class ChangingExtractor:
    """Answers by a list of models, one after the other."""

    def __init__(self, *sides: int) -> None:
        self.sides = list(sides)
        self.asked = 0

    async def info(self) -> ModelInfo:
        self.asked += 1
        side = self.sides[0]
        return ModelInfo(
            name="m",
            version="1.0.0",
            kind="extractor",
            fingerprint=f"sha256:{side}",
            width=side,
            height=side,
            interpolation="bilinear",
            crop=CropRule(margin=0),
            licence="none",
        )

    async def embed(self, crops: NDArray[np.uint8]) -> Embedded:
        side = self.sides.pop(0) if len(self.sides) > 1 else self.sides[0]
        if crops.shape[1] != side:
            raise Unprocessable("crops of another size")
        return Embedded(f"sha256:{side}", np.ones((len(crops), 1), np.float32))

    async def checks(self) -> Mapping[str, str]:
        return {}


@pytest.fixture
def eyes(tmp_path: Path) -> Iterator[Eyes]:
    made = Eyes(DetectorSettings(models_dir=tmp_path), Metrics("detector"))
    yield made
    made.close()


def picture() -> Picture:
    return decode_picture(encode(thing(1)), 10**6)


def embed(eyes: Eyes, extractor: ChangingExtractor, times: int = 1) -> str:
    async def play() -> str:
        embedding = Embedding(eyes, extractor, Metrics("detector"))
        for _ in range(times):
            info, vectors = await embedding.embed([(picture(), [(0, 0, 60, 60), (9, 9, 50, 50)])], {})
            assert vectors.shape == (2, 1)
        return info.fingerprint

    return asyncio.run(play())


def test_the_model_is_asked_for_once(eyes: Eyes) -> None:
    extractor = ChangingExtractor(32)
    assert embed(eyes, extractor, times=3) == "sha256:32"
    assert extractor.asked == 1


def test_a_new_model_of_another_size_is_noticed(eyes: Eyes) -> None:
    assert embed(eyes, ChangingExtractor(32, 64), times=2) == "sha256:64"


def test_a_model_that_keeps_changing_is_not_ready(eyes: Eyes) -> None:
    class Restless(ChangingExtractor):
        async def embed(self, crops: NDArray[np.uint8]) -> Embedded:
            return Embedded("sha256:never the one announced", np.ones((len(crops), 1), np.float32))

    with pytest.raises(NotReady):
        embed(eyes, Restless(32))
