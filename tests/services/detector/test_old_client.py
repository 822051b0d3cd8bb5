"""PP-ShiTu's serving client works by changing the address."""

import ast
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.fixtures.bundles import scene, thing
from tests.fixtures.stacks import as_base64


def test_the_old_body_gets_the_old_answer(stack: TestClient, add: Callable[..., Any]) -> None:
    add(thing(1), label="one's “tea”")
    body = {"key": ["image"], "value": [as_base64(scene(1, 2))], "logid": 7}
    answer = stack.post("/recognition/prediction", json=body).json()
    assert (answer["err_no"], answer["err_msg"], answer["key"]) == (0, "", ["result"])
    (result,) = ast.literal_eval(answer["value"][0])
    assert set(result) == {"bbox", "rec_docs", "rec_scores"}
    assert result["rec_docs"] == "one's “tea”"
    assert all(isinstance(side, int) for side in result["bbox"])
    assert 0 < result["rec_scores"] <= 1.0001


def test_what_is_unknown_is_left_out(stack: TestClient) -> None:
    body = {"key": ["image"], "value": [as_base64(scene(1, 2))]}
    assert stack.post("/recognition/prediction", json=body).json()["value"] == ["[]"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"key": ["image"], "value": ["***"]}, 400),
        ({"key": ["picture"], "value": ["aGVsbG8="]}, 400),
        ({"key": ["image"], "value": ["aGVsbG8="]}, 415),
        ({"key": [], "value": []}, 422),
        ({"key": "image"}, 422),
    ],
)
def test_broken_bodies_are_problems(stack: TestClient, body: dict[str, Any], status: int) -> None:
    assert stack.post("/recognition/prediction", json=body).status_code == status
