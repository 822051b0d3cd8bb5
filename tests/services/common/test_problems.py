"""Errors survive the way over HTTP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.common.errors import ERRORS, STATUS, NotFound, NotReady, ServiceError
from services.common.problems import error_of, response_of


@pytest.mark.parametrize("kind", ERRORS.values(), ids=list(ERRORS))
def test_every_error_comes_out_as_it_went_in(kind: type[ServiceError]) -> None:
    response = response_of(kind("what is wrong", "field.name", 3))
    got = error_of(response.status_code, bytes(response.body), response.headers["Retry-After"])
    assert type(got) is kind
    assert (got.detail, got.field, got.retry_after) == ("what is wrong", "field.name", 3)


def test_every_error_has_a_status_of_its_own() -> None:
    statuses = [STATUS[slug] for slug in ERRORS]
    assert len(set(statuses)) == len(statuses)


@given(st.integers(400, 599), st.binary(max_size=200))
def test_an_answer_that_is_no_problem_document_means_not_ready(status: int, body: bytes) -> None:
    assert type(error_of(status, body)) is NotReady


def test_the_reason_of_not_ready_is_logged() -> None:
    with capture_logs() as records:
        response_of(NotReady("the extractor has loaded no model yet"))
        response_of(NotFound("no such gallery"))
    assert [record["reason"] for record in records] == ["the extractor has loaded no model yet"]
