"""When to try again, and after how long. Shared by both clients; neither waits here."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from kenspeckle.client.call import Call
from kenspeckle.client.errors import KenspeckleError, connection_failed, error_of

RETRIED = frozenset({429, 502, 503})
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class RetryPolicy:
    """Bounds of trying again.

    Args:
        attempts: tries in all; 1 turns retrying off.
        first_wait: upper bound of the first wait, in seconds; it doubles with every try.
        longest_wait: upper bound of a wait that the service did not ask for, in seconds.
        patience: seconds of waiting in all; a Retry-After beyond it ends the tries at once.
    """

    attempts: int = 4
    first_wait: float = 0.25
    longest_wait: float = 5.0
    patience: float = 30.0


class Attempts:
    """The tries of one call: says how long to wait before the next, or raises what the caller gets to see.

    Only calls that may be repeated are tried again, the others only if the request was never sent. The wait is
    the service's Retry-After, or else exponential with full jitter.

    Source: Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, call: Call[Any], policy: RetryPolicy, chance: Callable[[], float] = random.random) -> None:
        self._call = call
        self._policy = policy
        self._chance = chance
        self._made = 0
        self._waited = 0.0

    def after_failure(self, url: object, error: httpx.TransportError) -> float:
        """Seconds to wait after a try without an answer.

        Raises:
            ConnectionFailed: if there is no further try.
        """
        again = self._call.repeatable or isinstance(error, NEVER_SENT)
        return self._next_wait(connection_failed(url, error), None, again)

    def after_answer(self, response: httpx.Response) -> float | None:
        """Seconds to wait after an answer; None if it is one to be parsed.

        Raises:
            KenspeckleError: the answer's problem, if there is no further try.
        """
        if response.is_success or response.status_code in self._call.also_accepted:
            return None
        asked = retry_after(response)
        again = self._call.repeatable and response.status_code in RETRIED
        return self._next_wait(error_of(response, asked), asked, again)

    def _next_wait(self, error: KenspeckleError, asked: float | None, again: bool) -> float:
        self._made += 1
        longest = min(self._policy.longest_wait, self._policy.first_wait * 2.0 ** (self._made - 1))
        backoff = longest * self._chance()
        wait = backoff if asked is None else asked + min(backoff, 1.0)
        if not again or self._made >= self._policy.attempts or self._waited + wait > self._policy.patience:
            raise error
        self._waited += wait
        return wait


def retry_after(response: httpx.Response) -> float | None:
    """Seconds of the Retry-After header (a number or a date); None without a readable one."""
    text: str = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
