"""The committed OpenAPI documents are those of the code, and no request that they allow breaks a service."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error

from services.openapi import documents
from tests.fixtures.bundles import thing
from tests.fixtures.servers import serving
from tests.fixtures.stacks import encode, standalone_app

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
def url(tmp_path_factory: pytest.TempPathFactory, toy_models: Path) -> Iterator[str]:
    with serving(standalone_app(toy_models, tmp_path_factory.mktemp("fuzzed"))) as address:
        files = {"image": encode(thing(1))}
        assert httpx.post(f"{address}/gallery", files=files, data={"label": "one", "item_id": "one"}).status_code == 201
        yield address


DOCUMENT = json.loads((FOLDER / "standalone.json").read_text(encoding="utf-8"))
# Archives are no type that can be generated; the indexer's own tests send broken ones.
schema = schemathesis.openapi.from_dict(DOCUMENT).exclude(path="/galleries/{gallery}/import")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_a_service(case: Any, url: str) -> None:
    response = case.call(base_url=url)
    if response.status_code not in FINE:
        case.validate_response(response, checks=[not_a_server_error])
    if response.status_code >= 400 and not case.path.startswith("/v2"):
        assert response.headers["content-type"] == ["application/problem+json"]
