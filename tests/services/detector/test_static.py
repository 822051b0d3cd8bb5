"""How the console's files are served."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.common import problems
from services.detector.static import FOLDER, console_router


@pytest.fixture
def pages() -> TestClient:
    app = FastAPI()
    problems.install(app)
    app.include_router(console_router())
    return TestClient(app)


def test_the_page_is_served_with_a_strict_policy(pages: TestClient) -> None:
    response = pages.get("/")
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_every_file_is_served_with_its_type(pages: TestClient) -> None:
    for path in FOLDER.rglob("*"):
        if path.is_file():
            response = pages.get(f"/console/{path.relative_to(FOLDER).as_posix()}")
            assert response.content == path.read_bytes()
            assert response.headers["content-type"] != "application/octet-stream"


def test_an_unchanged_file_is_not_sent_again(pages: TestClient) -> None:
    etag = pages.get("/").headers["etag"]
    again = pages.get("/", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert pages.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["nothing.js", "../static.py", "..%2fstatic.py", "/etc/passwd", "js", ""])
def test_nothing_else_is_served(pages: TestClient, path: str) -> None:
    assert pages.get(f"/console/{path}").status_code == 404


def test_the_console_needs_no_other_host() -> None:
    for path in Path(FOLDER).rglob("*.*"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert "http://" not in text, path
        assert "https://" not in text, path
