"""The errors of the use cases. They know no HTTP; ``problems`` maps them, HTTP adapters map them back.

ServiceError
├── Malformed · Unauthorized · Forbidden · NotFound · Conflict · PreconditionFailed
├── TooLarge · NotAPicture · Unprocessable
└── Overloaded · NotReady · DeadlineExceeded      (may be tried again later)
"""


class ServiceError(Exception):
    """Something the caller must be told.

    Args:
        detail: what is wrong and what to do, for a person.
        field: the request field at fault.
        retry_after: seconds after which trying again makes sense.
    """

    slug = "internal"
    title = "Something went wrong in the service"

    def __init__(self, detail: str, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.retry_after = retry_after


class Malformed(ServiceError):
    """The request cannot be parsed."""

    slug, title = "malformed", "The request cannot be read"


class Unauthorized(ServiceError):
    """No key, or an unknown one."""

    slug, title = "unauthorized", "A valid key is needed"


class Forbidden(ServiceError):
    """The key's role does not allow this."""

    slug, title = "forbidden", "This key may not do that"


class NotFound(ServiceError):
    """There is no such thing."""

    slug, title = "not-found", "There is no such thing"


class Conflict(ServiceError):
    """The request contradicts what is there (idempotency, fingerprint, existing id)."""

    slug, title = "conflict", "The request contradicts what is there"


class PreconditionFailed(ServiceError):
    """The thing has changed since the ETag was read."""

    slug, title = "precondition-failed", "It has changed meanwhile"


class TooLarge(ServiceError):
    """Body or picture over the limit."""

    slug, title = "too-large", "Too large"


class NotAPicture(ServiceError):
    """The content is of no type that is read here."""

    slug, title = "not-a-picture", "Not a picture of a type that is read here"


class Unprocessable(ServiceError):
    """A field out of range, or a picture that is broken."""

    slug, title = "unprocessable", "A field or picture cannot be used"


class Overloaded(ServiceError):
    """The queue is full."""

    slug, title = "overloaded", "Too much to do at the moment"


class NotReady(ServiceError):
    """Not ready yet, or behind the asked revision."""

    slug, title = "not-ready", "Not ready yet"


class DeadlineExceeded(ServiceError):
    """The caller's deadline has passed."""

    slug, title = "deadline-exceeded", "The deadline has passed"


ERRORS: dict[str, type[ServiceError]] = {
    error.slug: error
    for error in (
        Malformed,
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        PreconditionFailed,
        TooLarge,
        NotAPicture,
        Unprocessable,
        Overloaded,
        NotReady,
        DeadlineExceeded,
    )
}

STATUS: dict[str, int] = {
    "malformed": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "conflict": 409,
    "precondition-failed": 412,
    "too-large": 413,
    "not-a-picture": 415,
    "unprocessable": 422,
    "overloaded": 429,
    "not-ready": 503,
    "deadline-exceeded": 504,
    "internal": 500,
}
