"""Who may call what: every route has a rule here, a new one without a rule fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from services.detector.app import create_app as create_detector
from services.detector.settings import DetectorSettings
from services.extractor.app import create_app as create_extractor
from services.extractor.settings import ExtractorSettings
from services.indexer.app import create_app as create_indexer
from services.indexer.settings import IndexerSettings
from tests.fixtures.stacks import standalone_app

ADMIN = "the-admin-key"
OPEN = "open"
RULES = {
    "GET /": OPEN,
    "GET /console/{name:path}": OPEN,
    "GET /livez": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": OPEN,
    "GET /v2": "admin",
    "GET /v2/health/live": OPEN,
    "GET /v2/health/ready": OPEN,
    "GET /v2/models/{name}": "admin",
    "GET /v2/models/{name}/ready": OPEN,
    "POST /v2/models/{name}/infer": "admin",
    "POST /embed": "admin",
    "POST /recognize": "recognize",
    "POST /detect": "recognize",
    "POST /gallery": "curate",
    "POST /recognition/prediction": "recognize",
    "GET /models": "recognize",
    "GET /galleries": "recognize",
    "POST /galleries": "curate",
    "GET /galleries/{gallery}": "recognize",
    "PATCH /galleries/{gallery}": "curate",
    "DELETE /galleries/{gallery}": "admin",
    "POST /galleries/{gallery}/search": "recognize",
    "GET /galleries/{gallery}/export": "curate",
    "POST /galleries/{gallery}/import": "admin",
    "POST /galleries/{gallery}/reembed": "admin",
    "GET /galleries/{gallery}/items": "recognize",
    "POST /galleries/{gallery}/items": "curate",
    "GET /galleries/{gallery}/items/{item_id}": "recognize",
    "PATCH /galleries/{gallery}/items/{item_id}": "curate",
    "DELETE /galleries/{gallery}/items/{item_id}": "curate",
    "DELETE /galleries/{gallery}/items/{item_id}/references/{reference_id}": "curate",
    "GET /galleries/{gallery}/references/{reference_id}/picture": "recognize",
    "GET /jobs": "recognize",
    "GET /jobs/{job_id}": "recognize",
    "POST /jobs/{job_id}/cancel": "curate",
    "GET /keys": "admin",
    "POST /keys": "admin",
    "GET /keys/self": "recognize",
    "DELETE /keys/{key_id}": "admin",
}
RANK = {"recognize": 0, "curate": 1, "admin": 2}


def routes(holder: Any) -> set[str]:
    """Methods and paths of an application or router, included routers too (newer FastAPI keeps them nested)."""
    found = set()
    for route in holder.routes:
        if isinstance(route, APIRoute):
            found |= {f"{method} {route.path}" for method in route.methods}
        elif hasattr(route, "original_router"):
            found |= routes(route.original_router)
    return found


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, toy_models: Path) -> Iterator[tuple[TestClient, dict[str, str]]]:
    """A stack with keys, and a key of each role."""
    app = standalone_app(toy_models, tmp_path_factory.mktemp("keyed"), admin_key=ADMIN)
    with TestClient(app) as client:
        admin = {"Authorization": f"Bearer {ADMIN}"}
        keys = {
            role: client.post("/keys", json={"name": role, "role": role}, headers=admin).json()["key"] for role in RANK
        }
        yield client, keys


def ask(client: TestClient, rule: str, key: str | None) -> int:
    method, path = rule.split(" ")
    for part in ("gallery", "item_id", "reference_id", "job_id", "key_id", "name", "name:path"):
        path = path.replace(f"{{{part}}}", "nothing")
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    content: dict[str, Any] = {"json": {}} if method in ("POST", "PATCH") else {}
    return client.request(method, path, headers=headers, **content).status_code


def test_every_route_has_a_rule(tmp_path: Path, toy_models: Path) -> None:
    apps = [
        standalone_app(toy_models, tmp_path / "all"),
        create_detector(DetectorSettings()),
        create_extractor(ExtractorSettings()),
        create_indexer(IndexerSettings(data_dir=tmp_path / "one")),
    ]
    found = set().union(*(routes(app) for app in apps))
    assert found == set(RULES)


@pytest.mark.parametrize("rule", [rule for rule, role in RULES.items() if role == OPEN])
def test_open_routes_need_no_key(keyed: tuple[TestClient, dict[str, str]], rule: str) -> None:
    assert ask(keyed[0], rule, None) not in (401, 403)


@pytest.mark.parametrize("rule", [rule for rule, role in RULES.items() if role != OPEN])
def test_a_route_asks_for_its_role(keyed: tuple[TestClient, dict[str, str]], rule: str) -> None:
    client, keys = keyed
    assert ask(client, rule, None) == 401
    assert ask(client, rule, "ksp_wrong") == 401
    for role, key in keys.items():
        status = ask(client, rule, key)
        if RANK[role] < RANK[RULES[rule]]:
            assert status == 403, f"{rule} with {role}"
        else:
            assert status not in (401, 403), f"{rule} with {role}"


def test_a_revoked_key_opens_nothing(keyed: tuple[TestClient, dict[str, str]]) -> None:
    client, _ = keyed
    admin = {"Authorization": f"Bearer {ADMIN}"}
    made = client.post("/keys", json={"name": "gone", "role": "admin"}, headers=admin).json()
    assert ask(client, "GET /galleries", made["key"]) == 200
    client.delete(f"/keys/{made['id']}", headers=admin)
    assert ask(client, "GET /galleries", made["key"]) == 401
    assert ask(client, "POST /recognize", made["key"]) == 401
