"""What can go wrong when a client asks a service.

KenspeckleError
├── ConnectionFailed        no answer
├── UnexpectedAnswer        an answer that no Kenspeckle service gives
├── UnusablePicture         a local picture that cannot be sent
└── ProblemError            the service said no, and why
    ├── KeyRefused          401, 403
    ├── NotFound            404
    ├── Conflict            409, 412
    └── Busy                429, 503, 504, after all retries
"""

import httpx
from pydantic import ValidationError

from kenspeckle.types import Problem


class KenspeckleError(Exception):
    """Base of everything that this package raises on purpose; the text is a sentence for a person."""


class ConnectionFailed(KenspeckleError):
    """No answer from the service."""


class UnexpectedAnswer(KenspeckleError):
    """The address answers, but not like a Kenspeckle service."""


class UnusablePicture(KenspeckleError):
    """A local picture cannot be read or encoded."""


class ProblemError(KenspeckleError):
    """The service answered with a problem.

    Args:
        problem: the problem document.
        retry_after: seconds after which trying again makes sense, if the service said so.
    """

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(_sentence(problem))
        self.problem = problem
        self.retry_after = retry_after

    @property
    def slug(self) -> str:
        """Short name of the kind of problem: the last part of its type."""
        return self.problem.type.rsplit(":", 1)[-1]


class KeyRefused(ProblemError):
    """A valid key is needed, or one with a higher role."""


class NotFound(ProblemError):
    """There is no such thing."""


class Conflict(ProblemError):
    """The request contradicts what is there, or it has changed meanwhile."""


class Busy(ProblemError):
    """Too much to do, not ready, or the deadline has passed."""


_KINDS: dict[int, type[ProblemError]] = {
    401: KeyRefused,
    403: KeyRefused,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: Busy,
    503: Busy,
    504: Busy,
}


def error_of(response: httpx.Response, retry_after: float | None) -> KenspeckleError:
    """The error that an answer with an error status stands for; its body must have been read."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        kind = UnexpectedAnswer if response.status_code < 500 else ConnectionFailed
        return kind(f"{response.url} answered {response.status_code} without a reason that can be read")
    return _KINDS.get(response.status_code, ProblemError)(problem, retry_after)


def connection_failed(url: object, error: httpx.TransportError) -> ConnectionFailed:
    """The error for a request that got no answer."""
    if isinstance(error, httpx.TimeoutException):
        return ConnectionFailed(f"no answer from {url} in time: it may be busy, or the time limit too short")
    reason = str(error) or type(error).__name__
    return ConnectionFailed(
        f"no answer from {url} ({reason}): start the service with 'kenspeckle serve', or give the address"
        " of a running one (--url, KENSPECKLE_URL)"
    )


def _sentence(problem: Problem) -> str:
    text = f"{problem.title}: {problem.detail}" if problem.detail else problem.title
    if problem.field and problem.field not in text:
        text += f" (in {problem.field})"
    return f"{text} (request {problem.request_id})" if problem.status >= 500 and problem.request_id else text
