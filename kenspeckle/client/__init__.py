"""The SDK: ``Client`` and ``AsyncClient``, and what they raise."""

from kenspeckle.client.aio import AsyncClient
from kenspeckle.client.errors import (
    Busy,
    Conflict,
    ConnectionFailed,
    KenspeckleError,
    KeyRefused,
    NotFound,
    ProblemError,
    UnexpectedAnswer,
    UnusablePicture,
)
from kenspeckle.client.pictures import Picture
from kenspeckle.client.retry import RetryPolicy
from kenspeckle.client.sync import Client

__all__ = [
    "AsyncClient",
    "Busy",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "KenspeckleError",
    "KeyRefused",
    "NotFound",
    "Picture",
    "ProblemError",
    "RetryPolicy",
    "UnexpectedAnswer",
    "UnusablePicture",
]
