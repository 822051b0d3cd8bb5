"""What travels with a request through all services: its id, its deadline, its caller's key."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from services.common.errors import DeadlineExceeded


@dataclass(frozen=True)
class RequestContext:
    """Facts of the request in hand.

    Attributes:
        request_id: taken from ``X-Request-ID`` or made.
        deadline: ``time.monotonic()`` at which the caller gives up, or None.
        token: the caller's bearer token, or None.
    """

    request_id: str = ""
    deadline: float | None = None
    token: str | None = None

    def seconds_left(self) -> float | None:
        """Seconds until the deadline, None without one.

        Raises:
            DeadlineExceeded: if it has passed.
        """
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("the request's deadline passed before it was answered")
        return left


_current: ContextVar[RequestContext | None] = ContextVar("kenspeckle_request", default=None)


def current() -> RequestContext:
    """The context of the request in hand (an empty one outside of requests)."""
    return _current.get() or RequestContext()


@contextmanager
def use_context(context: RequestContext) -> Iterator[None]:
    """Run a block with ``context`` as the current one."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
