"""When a call is tried again, and after how long."""

import time
from email.utils import formatdate

import httpx
import pytest

from kenspeckle.client.call import Call
from kenspeckle.client.errors import Busy, ConnectionFailed, ProblemError, UnexpectedAnswer
from kenspeckle.client.retry import Attempts, RetryPolicy, retry_after

REPEATABLE: Call[None] = Call("GET", "/x", lambda _: None, repeatable=True)
ONCE: Call[None] = Call("DELETE", "/x", lambda _: None)


def answer(status: int, **headers: str) -> httpx.Response:
    body = {"type": "urn:kenspeckle:problem:overloaded", "title": "Too much to do", "status": status}
    return httpx.Response(status, json=body, headers=headers, request=httpx.Request("GET", "http://kenspeckle.test/x"))


def test_waits_what_the_service_asks_and_a_little_more() -> None:
    wait = Attempts(REPEATABLE, RetryPolicy(), chance=lambda: 0.5).after_answer(answer(429, **{"Retry-After": "3"}))
    assert wait == pytest.approx(3.125)


def test_waits_grow_exponentially_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=6, first_wait=1.0, longest_wait=5.0, patience=1000)
    attempts = Attempts(REPEATABLE, policy, chance=lambda: 1.0)
    assert [attempts.after_answer(answer(503)) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_gives_up_after_the_last_attempt() -> None:
    attempts = Attempts(REPEATABLE, RetryPolicy(attempts=2))
    attempts.after_answer(answer(429))
    with pytest.raises(Busy, match="Too much to do"):
        attempts.after_answer(answer(429))


def test_gives_up_at_once_if_asked_to_wait_longer_than_its_patience() -> None:
    with pytest.raises(Busy) as caught:
        Attempts(REPEATABLE, RetryPolicy(patience=10)).after_answer(answer(503, **{"Retry-After": "60"}))
    assert caught.value.retry_after == 60


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413, 415, 422, 500, 504])
def test_answers_that_would_come_again_are_not_asked_for_again(status: int) -> None:
    with pytest.raises(ProblemError):
        Attempts(REPEATABLE, RetryPolicy()).after_answer(answer(status))


def test_a_call_that_must_not_be_repeated_is_not() -> None:
    with pytest.raises(Busy):
        Attempts(ONCE, RetryPolicy()).after_answer(answer(503))
    with pytest.raises(ConnectionFailed):
        Attempts(ONCE, RetryPolicy()).after_failure("http://kenspeckle.test", httpx.ReadError("reset"))


def test_a_call_that_was_never_sent_is_tried_again_whatever_it_is() -> None:
    assert Attempts(ONCE, RetryPolicy()).after_failure("http://kenspeckle.test", httpx.ConnectError("refused")) >= 0


def test_no_answer_says_what_to_do() -> None:
    with pytest.raises(ConnectionFailed, match="kenspeckle serve"):
        Attempts(REPEATABLE, RetryPolicy(attempts=1)).after_failure("http://x.test", httpx.ConnectError("refused"))


def test_an_error_without_a_problem_document_is_named_as_such() -> None:
    page = httpx.Response(404, text="<html>", request=httpx.Request("GET", "http://x.test/y"))
    with pytest.raises(UnexpectedAnswer, match="404"):
        Attempts(REPEATABLE, RetryPolicy()).after_answer(page)


def test_retry_after_reads_seconds_and_dates_and_nothing_else() -> None:
    assert retry_after(answer(503, **{"Retry-After": "7"})) == 7
    date = formatdate(time.time() + 100, usegmt=True)
    assert retry_after(answer(503, **{"Retry-After": date})) == pytest.approx(100, abs=5)
    assert retry_after(answer(503, **{"Retry-After": formatdate(0, usegmt=True)})) == 0
    assert retry_after(answer(503, **{"Retry-After": "soon"})) is None
    assert retry_after(answer(503)) is None
