"""Freshly seeded things and strangers through the whole stack in one process: what people should see holds beyond
the demo's own seed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import kenspeckle
from examples.demo.rates import Rates, rates
from examples.rendering.scenes import Photo, reference, scene
from examples.rendering.things import things
from kenspeckle.types import Enrolment, Recognition
from services.detector.settings import DetectorSettings
from services.extractor.settings import ExtractorSettings
from services.indexer.settings import IndexerSettings
from services.standalone import create_app

MODELS = Path(kenspeckle.__file__).parents[1] / "models"
KNOWN, STRANGERS = things(907, 9), things(411, 3)
SHOWN = ((0, 3, 5), (1, 4, 6), (2, 7, 8))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = {"models_dir": MODELS}
    data = tmp_path_factory.mktemp("stack")
    app = create_app(
        DetectorSettings(**settings), ExtractorSettings(**settings), IndexerSettings(**settings, data_dir=data)
    )
    with TestClient(app) as client:
        yield client


def enrol(stack: TestClient, photos: list[Photo]) -> Enrolment:
    files = [("image", (f"{number}.jpg", photo.data)) for number, photo in enumerate(photos)]
    fields = {"gallery": "fresh", "label": photos[0].shown[0].thing.label}
    answer = stack.post("/gallery", data=fields, files=files)
    assert answer.status_code == 201, answer.text
    return Enrolment.model_validate(answer.json())


def recognize(stack: TestClient, photo: Photo, revision: int) -> Recognition:
    params = {"gallery": "fresh", "min_revision": revision}
    answer = stack.post("/recognize", params=params, content=photo.data, headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == 200, answer.text
    return Recognition.model_validate(answer.json())


@pytest.fixture(scope="module")
def counted(stack: TestClient) -> Rates:
    revision = 0
    for number, thing in enumerate(KNOWN):
        revision = enrol(stack, [reference(thing, 100 * number + shot) for shot in range(1 + number % 2)]).revision
    photos = [
        scene([*(KNOWN[place] for place in places), STRANGERS[number]], 7000 + number, clutter=0)
        for number, places in enumerate(SHOWN)
    ]
    answers = [(photo.shown, recognize(stack, photo, revision).objects) for photo in photos]
    return rates(answers, {thing.label for thing in KNOWN})


def test_fresh_things_are_found_and_rightly_named(counted: Rates) -> None:
    assert counted.enrolled == 9
    assert counted.named >= 4, counted


def test_fresh_strangers_are_not_given_names(counted: Rates) -> None:
    assert counted.strangers == 3
    assert counted.unnamed >= 2, counted


def test_few_wrong_names_are_given(counted: Rates) -> None:
    assert counted.wrong <= 2, counted
