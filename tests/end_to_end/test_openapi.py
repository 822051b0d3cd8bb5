"""The committed OpenAPI documents are those of the code, and no request that they allow breaks a service."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error

from services.detector.app import create_app as create_detector
from services.detector.settings import DetectorSettings
from services.extractor.app import create_app as create_extractor
from services.extractor.settings import ExtractorSettings
from services.indexer.app import create_app as create_indexer
from services.indexer.settings import IndexerSettings
from services.openapi import documents
from tests.fixtures.bundles import thing
from tests.fixtures.servers import serving
from tests.fixtures.stacks import encode

FOLDER = Path(__file__).parents[2] / "docs" / "openapi"
EXAMPLES = int(os.environ.get("KENSPECKLE_FUZZ_EXAMPLES", "8"))
# What waits for Retry-After is an answer as any other.
FINE = {429, 503, 504}


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return documents()


@pytest.mark.parametrize("name", ["detector", "extractor", "indexer", "standalone"])
def test_committed_documents_are_those_of_the_code(made: dict[str, str], name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == made[name], "run: make docs"


def test_operation_ids_are_unique_and_problems_described(made: dict[str, str]) -> None:
    document = json.loads(made["standalone"])
    operations = [one for path in document["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names) > 30
    assert all("application/problem+json" in one["responses"]["default"]["content"] for one in operations)
    assert all(one.get("summary") for one in operations)


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory, toy_models: Path) -> Iterator[dict[str, str]]:
    """The three services on sockets of their own, with one thing in the gallery."""
    common: dict[str, Any] = {"models_dir": toy_models}
    with ExitStack() as stack:
        extractor = stack.enter_context(serving(create_extractor(ExtractorSettings(**common))))
        indexer_settings = IndexerSettings(
            **common, extractor_url=extractor, data_dir=tmp_path_factory.mktemp("fuzzed") / "data"
        )
        indexer = stack.enter_context(serving(create_indexer(indexer_settings)))
        detector_settings = DetectorSettings(**common, extractor_url=extractor, indexer_url=indexer)
        detector = stack.enter_context(serving(create_detector(detector_settings)))
        files = {"image": encode(thing(1))}
        made = httpx.post(f"{detector}/gallery", files=files, data={"label": "one", "item_id": "one"})
        assert made.status_code == 201
        yield {"detector": detector, "extractor": extractor, "indexer": indexer}


def schema(name: str) -> Any:
    return schemathesis.openapi.from_dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


FUZZING = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def stands(case: Any, url: str) -> None:
    response = case.call(base_url=url)
    if response.status_code not in FINE:
        case.validate_response(response, checks=[not_a_server_error])
    if response.status_code >= 400 and not case.path.startswith("/v2"):
        assert response.headers["content-type"] == ["application/problem+json"]


@schema("detector").parametrize()
@FUZZING
def test_no_request_breaks_the_detector(case: Any, urls: dict[str, str]) -> None:
    stands(case, urls["detector"])


@schema("extractor").parametrize()
@FUZZING
def test_no_request_breaks_the_extractor(case: Any, urls: dict[str, str]) -> None:
    stands(case, urls["extractor"])


# Archives are no type that can be generated; the indexer's own tests send broken ones.
@schema("indexer").exclude(path="/galleries/{gallery}/import").parametrize()
@FUZZING
def test_no_request_breaks_the_indexer(case: Any, urls: dict[str, str]) -> None:
    stands(case, urls["indexer"])
