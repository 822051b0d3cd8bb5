"""What every service does with every request, whatever its routes."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
import structlog.testing
from fastapi import Body, Depends, FastAPI, Request
from fastapi.testclient import TestClient
from starlette.requests import ClientDisconnect

from kenspeckle.types import Role
from services.common.app import new_app
from services.common.context import current
from services.common.disconnect import while_connected
from services.common.errors import Overloaded
from services.common.keys import RequireRole
from services.common.metrics import Metrics

KEYS: dict[str, Role] = {"r-key": "recognize", "c-key": "curate", "a-key": "admin"}
ROLES: tuple[Role, ...] = ("recognize", "curate", "admin")


class Authority:
    async def role_of(self, token: str | None) -> Role | None:
        return KEYS.get(token or "")


class State:
    """What the tests turn."""

    checks: Mapping[str, str] = {"thing": "ok"}


def make_app(state: State) -> FastAPI:
    async def checks() -> Mapping[str, str]:
        return state.checks

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = new_app("probe", "An app for tests.", Metrics("probe"), checks, Authority(), lifespan, limit)

    @app.get("/context")
    async def context() -> dict[str, Any]:
        return {"id": current().request_id, "left": current().seconds_left(), "token": current().token}

    @app.get("/fault")
    async def fault() -> None:
        raise RuntimeError("with a secret inside")

    @app.get("/overloaded")
    async def overloaded() -> None:
        raise Overloaded("come back", retry_after=7)

    @app.post("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    @app.post("/number")
    async def number(value: Annotated[int, Body(embed=True, le=10)]) -> int:
        return value

    for role in ROLES:
        app.add_api_route(f"/only/{role}", opened, name=f"only_{role}", dependencies=[Depends(RequireRole(role))])
    return app


async def opened() -> str:
    return "open"


def limit(path: str) -> int | None:
    return None if path == "/number" else 100


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def client(state: State) -> Iterator[TestClient]:
    with TestClient(make_app(state)) as client:
        yield client


def slug(response: Any) -> str:
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code
    assert response.json()["request_id"] == response.headers["X-Request-ID"]
    return str(response.json()["type"]).rsplit(":", 1)[-1]


def test_a_given_request_id_is_used_and_returned(client: TestClient) -> None:
    response = client.get("/context", headers={"X-Request-ID": "order-17"})
    assert response.json()["id"] == response.headers["X-Request-ID"] == "order-17"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "line\tbreak", "é".encode("latin-1")])
def test_a_request_id_that_could_spoil_logs_is_replaced(client: TestClient, given: str | bytes) -> None:
    response = client.get("/context", headers={"X-Request-ID": given})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])


def test_the_deadline_counts_from_the_arrival(client: TestClient) -> None:
    assert client.get("/context").json()["left"] is None
    left = client.get("/context", headers={"Kenspeckle-Deadline-Ms": "5000"}).json()["left"]
    assert 3 < left <= 5


@pytest.mark.parametrize("given", ["0", "-5", "soon", "1.5", "3600001"])
def test_a_deadline_that_is_no_number_is_malformed(client: TestClient, given: str) -> None:
    response = client.get("/context", headers={"Kenspeckle-Deadline-Ms": given})
    assert (response.status_code, slug(response)) == (400, "malformed")


@pytest.mark.parametrize(
    ("header", "token"), [("Bearer abc", "abc"), ("bearer abc", "abc"), ("Basic abc", None), ("Bearer", None)]
)
def test_only_bearer_tokens_are_keys(client: TestClient, header: str, token: str | None) -> None:
    assert client.get("/context", headers={"Authorization": header}).json()["token"] == token


@pytest.mark.parametrize("needed", ROLES)
@pytest.mark.parametrize("key", [None, "nonsense", *KEYS])
def test_a_role_opens_its_routes_and_those_of_lower_roles(client: TestClient, needed: Role, key: str | None) -> None:
    response = client.get(f"/only/{needed}", headers={"Authorization": f"Bearer {key}"} if key else {})
    if key not in KEYS:
        assert (response.status_code, slug(response)) == (401, "unauthorized")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    elif ROLES.index(KEYS[key]) < ROLES.index(needed):
        assert (response.status_code, slug(response)) == (403, "forbidden")
    else:
        assert response.status_code == 200


def test_a_fault_is_answered_with_its_id_counted_and_keeps_its_secrets(client: TestClient) -> None:
    with structlog.testing.capture_logs() as logs:
        response = client.get("/fault")
    assert (response.status_code, slug(response)) == (500, "internal")
    assert any(entry["event"] == "unexpected_error" and entry["exc_info"] for entry in logs)
    assert "secret" not in response.text
    assert 'method="GET",route="/fault",status="500"' in client.get("/metrics").text


def test_a_refusal_says_when_to_come_back(client: TestClient) -> None:
    response = client.get("/overloaded")
    assert (response.status_code, slug(response), response.headers["Retry-After"]) == (429, "overloaded", "7")


def test_a_body_over_the_limit_is_refused_by_its_announced_size_and_by_its_real_one(client: TestClient) -> None:
    def pieces(count: int) -> Iterator[bytes]:
        yield from (b"x" * 10 for _ in range(count))

    assert client.post("/body", content=b"x" * 100).json() == 100
    assert client.post("/body", content=pieces(10)).json() == 100
    for content in (b"x" * 101, pieces(11)):
        response = client.post("/body", content=content)
        assert (response.status_code, slug(response)) == (413, "too-large")


def test_a_route_may_have_another_limit(client: TestClient) -> None:
    response = client.post("/number", json={"value": 5, "more": "x" * 200})
    assert response.json() == 5


@pytest.mark.parametrize(
    ("content", "status", "field"), [(b"{", 400, None), (b'{"value": 11}', 422, "value"), (b"{}", 422, "value")]
)
def test_a_wrong_field_is_named(client: TestClient, content: bytes, status: int, field: str | None) -> None:
    response = client.post("/number", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    slug(response)
    if field:
        assert response.json()["field"] == field


def test_addresses_and_methods_that_are_not_there_get_problems_too(client: TestClient) -> None:
    assert slug(client.get("/nowhere")) == "not-found"
    response = client.delete("/number")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    slug(response)


def test_readiness_names_what_is_wrong(client: TestClient, state: State) -> None:
    assert client.get("/readyz").json() == {"ready": True, "checks": {"thing": "ok"}, "fingerprints": []}
    state.checks = {"thing": "ok", "disk": "full: delete something"}
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert response.json()["ready"] is False
    assert response.json()["checks"] == {"thing": "ok", "disk": "full: delete something"}
    assert client.get("/livez").status_code == 200


def test_the_api_document_has_problems_and_readable_operation_ids(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["paths"]["/number"]["post"]["operationId"] == "number"
    assert "application/problem+json" in document["paths"]["/number"]["post"]["responses"]["default"]["content"]


def request_that(*messages: dict[str, Any]) -> Request:
    """A request whose connection has these messages and then is silent."""
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return Request({"type": "http"}, receive)


def test_work_is_cancelled_when_its_client_hangs_up() -> None:
    ends: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ends.append("ended")

    async def main() -> None:
        with pytest.raises(ClientDisconnect):
            await while_connected(request_that({"type": "http.disconnect"}), work())

    asyncio.run(main())
    assert ends == ["ended"]


def test_work_of_a_patient_client_gives_its_result_or_its_error() -> None:
    async def good() -> int:
        await asyncio.sleep(0)
        return 5

    async def bad() -> int:
        raise Overloaded("full")

    async def main() -> None:
        assert await while_connected(request_that(), good()) == 5
        with pytest.raises(Overloaded):
            await while_connected(request_that(), bad())
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_a_client_that_leaves_while_it_sends_is_no_fault(state: State) -> None:
    app = make_app(state)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError("nobody is there to be answered")

    scope = {"type": "http", "method": "POST", "path": "/body", "headers": [], "query_string": b"", "app": app}
    asyncio.run(app(scope, receive, send))
    assert b'status="499"' in app.state.metrics.render()
