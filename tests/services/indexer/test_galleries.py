"""Galleries, keys and health over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.indexer.app import create_app
from tests.services.indexer.helpers import new_item, png, post_item, post_search, problem, settings_for, vectors


def test_a_gallery_is_made_listed_changed_and_deleted(client: TestClient) -> None:
    made = client.post("/galleries", json={"name": "fridge", "description": "what is in it"})
    assert made.status_code == 201
    assert made.json() | {"created_at": ""} == {
        "name": "fridge",
        "revision": 0,
        "fingerprint": None,
        "items": 0,
        "references": 0,
        "labels": 0,
        "keep_pictures": True,
        "description": "what is in it",
        "created_at": "",
    }
    assert problem(client.post("/galleries", json={"name": "fridge"})) == (409, "conflict", "name")
    assert problem(client.post("/galleries", json={"name": "No"})) == (422, "unprocessable", "name")
    changed = client.patch("/galleries/fridge", json={"description": "x"}).json()
    assert (changed["description"], changed["revision"], changed["keep_pictures"]) == ("x", 1, True)
    assert problem(client.patch("/galleries/fridge", json={"description": None}))[0] == 422
    assert client.delete("/galleries/fridge").json() == {"revision": 2}
    assert problem(client.get("/galleries/fridge"))[:2] == (404, "not-found")
    assert problem(client.delete("/galleries/fridge"))[0] == 404


def test_galleries_come_in_pages_by_name(client: TestClient) -> None:
    for name in ("c", "a", "b"):
        client.post("/galleries", json={"name": name})
    first = client.get("/galleries", params={"limit": 2}).json()
    assert [one["name"] for one in first["items"]] == ["a", "b"]
    second = client.get("/galleries", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["name"] for one in second["items"]] == ["c"]
    assert second["next_cursor"] is None


def test_a_deleted_gallery_leaves_nothing_behind(client: TestClient, fingerprint: str, tmp_path: Path) -> None:
    post_item(
        client, new_item(fingerprint, label="Tea", metadata={"a": 1}), vectors(1), [png(1)], **{"Idempotency-Key": "k"}
    )
    assert client.delete("/galleries/things").status_code == 200
    assert not [path for path in (tmp_path / "data" / "pictures").glob("*/*") if path.is_file()]
    assert problem(post_search(client, fingerprint, vectors(1)))[0] == 404
    again = post_item(client, new_item(fingerprint, label="Nut"), vectors(2), [png(2)], **{"Idempotency-Key": "k"})
    assert again.json()["revision"] == 1
    candidates = post_search(client, fingerprint, vectors(1)).json()["hits"][0]["candidates"]
    assert [one["label"] for one in candidates] == ["Nut"]


def test_a_gallery_that_keeps_no_pictures_stores_none(client: TestClient, fingerprint: str, tmp_path: Path) -> None:
    client.post("/galleries", json={"name": "things", "keep_pictures": False})
    made = post_item(client, new_item(fingerprint, label="Tea"), vectors(1), [png(1)]).json()
    assert made["references"][0]["picture_sha256"] is None
    assert not list((tmp_path / "data").glob("pictures/*/*"))
    assert problem(client.get(f"/galleries/things/references/{made['references'][0]['id']}/picture"))[0] == 404
    assert problem(client.post("/galleries/things/reembed"))[:2] == (409, "conflict")
    again = post_item(client, new_item(fingerprint, label="Tea"), vectors(1), [png(1)]).json()
    assert again["warnings"][0]["code"] == "duplicate"


def test_limits_of_what_may_be_stored_hold(tmp_path: Path, models: Path, fingerprint: str) -> None:
    settings = settings_for(tmp_path, models, max_galleries=1, max_references=3, max_references_per_item=2)
    with TestClient(create_app(settings)) as client:
        assert post_item(
            client, new_item(fingerprint, 2, label="A", item_id="a"), vectors(1, 2), [png(1), png(2)]
        ).is_success
        over = post_item(client, new_item(fingerprint, item_id="a"), vectors(3), [png(3)])
        assert problem(over)[:2] == (409, "conflict")
        over = post_item(client, new_item(fingerprint, 2, label="B"), vectors(4, 2), [png(4), png(5)])
        assert problem(over)[:2] == (409, "conflict")
        over = post_item(client, new_item(fingerprint, label="B"), vectors(5), [png(5)], gallery="second")
        assert problem(over)[:2] == (409, "conflict")
        assert problem(client.post("/galleries", json={"name": "second"}))[0] == 409
        assert client.get("/galleries/things").json()["references"] == 2


def test_the_indexer_says_whether_it_is_ready_and_which_models_it_knows(
    client: TestClient, fingerprint: str, other_fingerprint: str
) -> None:
    ready = client.get("/readyz").json()
    assert (ready["ready"], ready["checks"]) == (True, {"database": "ok", "index": "ok", "cohorts": "ok"})
    assert set(ready["fingerprints"]) == {fingerprint, other_fingerprint}
    models = {one["fingerprint"]: one["cohort_size"] for one in client.get("/models").json()}
    assert models[fingerprint] == 199
    assert b"kenspeckle_indexer_request_seconds" in client.get("/metrics").content


def test_without_a_usable_bundle_it_is_not_ready_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "models" / "broken").mkdir(parents=True)
    (tmp_path / "models" / "broken" / "card.json").write_text("{}")
    with TestClient(create_app(settings_for(tmp_path / "data", tmp_path / "models"))) as client:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert "broken" in response.json()["checks"]["cohorts"]


def test_a_gallery_whose_cohort_is_unknown_is_not_searched(tmp_path: Path, models: Path, fingerprint: str) -> None:
    with TestClient(create_app(settings_for(tmp_path / "data", models))) as client:
        post_item(client, new_item(fingerprint, label="Tea"), vectors(1), [png(1)])
    with TestClient(create_app(settings_for(tmp_path / "data", tmp_path / "empty"))) as client:
        response = post_search(client, fingerprint, vectors(1))
        assert problem(response)[:2] == (503, "not-ready")
        assert fingerprint in response.json()["detail"]
        assert client.get("/galleries/things/items").json()["items"][0]["label"] == "Tea"


# --- keys ---------------------------------------------------------------------------------------------------


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_keys_open_what_their_role_allows_until_they_are_deleted(client: TestClient) -> None:
    assert client.get("/keys/self").json() == {"role": "admin"}
    refused = client.post("/keys", json={"name": "reader", "role": "recognize"})
    assert problem(refused) == (409, "conflict", "role")
    admin = client.post("/keys", json={"name": "me", "role": "admin"}).json()
    assert admin["key"].startswith("ksp_")
    assert problem(client.get("/galleries"))[:2] == (401, "unauthorized")
    assert problem(client.get("/galleries", headers=_bearer("ksp_wrong")))[0] == 401
    headers = _bearer(admin["key"])
    reader = client.post("/keys", json={"name": "reader", "role": "recognize"}, headers=headers).json()
    assert client.get("/galleries", headers=_bearer(reader["key"])).status_code == 200
    assert client.get("/keys/self", headers=_bearer(reader["key"])).json() == {"role": "recognize"}
    forbidden = client.post("/galleries", json={"name": "x"}, headers=_bearer(reader["key"]))
    assert problem(forbidden)[:2] == (403, "forbidden")
    listed = client.get("/keys", headers=headers).json()["items"]
    assert [(one["name"], one["role"]) for one in listed] == [("me", "admin"), ("reader", "recognize")]
    assert not any("key" in one or "hash" in one for one in listed)
    assert client.delete(f"/keys/{reader['id']}", headers=headers).status_code == 204
    assert problem(client.get("/galleries", headers=_bearer(reader["key"])))[0] == 401
    assert problem(client.delete(f"/keys/{reader['id']}", headers=headers))[0] == 404
    assert problem(client.delete(f"/keys/{admin['id']}", headers=headers))[0] == 409


def test_keys_outlive_a_restart_and_are_stored_as_hashes_alone(tmp_path: Path, models: Path) -> None:
    with TestClient(create_app(settings_for(tmp_path, models))) as client:
        key = client.post("/keys", json={"name": "me", "role": "admin"}).json()["key"]
    assert all(key.encode() not in path.read_bytes() for path in tmp_path.glob("indexer.db*"))
    with TestClient(create_app(settings_for(tmp_path, models))) as client:
        assert client.get("/galleries").status_code == 401
        assert client.get("/galleries", headers=_bearer(key)).status_code == 200


def test_the_admin_key_of_the_settings_is_always_valid(tmp_path: Path, models: Path) -> None:
    with TestClient(create_app(settings_for(tmp_path, models, admin_key="s3cret"))) as client:
        assert client.get("/galleries").status_code == 401
        assert client.get("/galleries", headers=_bearer("s3cret")).status_code == 200
        made = client.post("/keys", json={"name": "r", "role": "recognize"}, headers=_bearer("s3cret"))
        assert made.status_code == 201


ROLES: list[tuple[str, str, str]] = [
    ("GET", "/galleries", "recognize"),
    ("POST", "/galleries", "curate"),
    ("GET", "/galleries/{gallery}", "recognize"),
    ("PATCH", "/galleries/{gallery}", "curate"),
    ("DELETE", "/galleries/{gallery}", "admin"),
    ("POST", "/galleries/{gallery}/search", "recognize"),
    ("GET", "/galleries/{gallery}/export", "curate"),
    ("POST", "/galleries/{gallery}/import", "admin"),
    ("POST", "/galleries/{gallery}/reembed", "admin"),
    ("GET", "/galleries/{gallery}/items", "recognize"),
    ("POST", "/galleries/{gallery}/items", "curate"),
    ("GET", "/galleries/{gallery}/items/{item_id}", "recognize"),
    ("PATCH", "/galleries/{gallery}/items/{item_id}", "curate"),
    ("DELETE", "/galleries/{gallery}/items/{item_id}", "curate"),
    ("DELETE", "/galleries/{gallery}/items/{item_id}/references/{reference_id}", "curate"),
    ("GET", "/galleries/{gallery}/references/{reference_id}/picture", "recognize"),
    ("GET", "/jobs", "recognize"),
    ("GET", "/jobs/{job_id}", "recognize"),
    ("POST", "/jobs/{job_id}/cancel", "curate"),
    ("GET", "/keys", "admin"),
    ("POST", "/keys", "admin"),
    ("GET", "/keys/self", "recognize"),
    ("DELETE", "/keys/{key_id}", "admin"),
    ("GET", "/models", "recognize"),
]
OPEN = {"/livez", "/readyz", "/metrics"}


def test_every_route_has_its_role(tmp_path: Path, models: Path) -> None:
    app = create_app(settings_for(tmp_path, models, admin_key="s3cret"))
    paths: dict[str, Any] = app.openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods if path not in OPEN}
    assert routes == {(method, path) for method, path, _ in ROLES}
    with TestClient(app) as client:
        keys = {
            role: client.post("/keys", json={"name": role, "role": role}, headers=_bearer("s3cret")).json()["key"]
            for role in ("recognize", "curate", "admin")
        }
        for method, path, role in ROLES:
            url = path.format(gallery="g", item_id="i", reference_id="r", job_id="j", key_id="k")
            assert client.request(method, url).status_code == 401, (method, path)
            for held, key in keys.items():
                allowed = list(keys).index(held) >= list(keys).index(role)
                status = client.request(method, url, headers=_bearer(key)).status_code
                assert (status != 403) == allowed, (method, path, held, status)
                assert status < 500


@pytest.mark.parametrize("name", ["things", "a.b-c_d"])
def test_a_gallery_is_made_by_the_first_item(client: TestClient, fingerprint: str, name: str) -> None:
    post_item(client, new_item(fingerprint, label="Tea"), vectors(1), [png(1)], gallery=name)
    gallery = client.get(f"/galleries/{name}").json()
    assert (gallery["items"], gallery["references"], gallery["labels"], gallery["revision"]) == (1, 1, 1, 1)
    assert gallery["fingerprint"] == fingerprint
