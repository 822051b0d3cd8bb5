"""What the detector needs from the other services. Adapters: ``adapters/`` (HTTP) and ``services.standalone``."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kenspeckle.types import Enrolment, ModelInfo, NewItem, Role, SearchAnswer


@dataclass(frozen=True)
class Embedded:
    """Embeddings and the function that made them: ``vectors`` is ``(N, dim) float32``, unit length."""

    fingerprint: str
    vectors: NDArray[np.float32]


class Extractor(Protocol):
    """Makes embeddings. Errors are ``services.common.errors``; the current request context is passed on."""

    async def info(self) -> ModelInfo:
        """The default model: input size, crop rule, calibrator, fingerprint."""
        ...

    async def embed(self, crops: NDArray[np.uint8]) -> Embedded:
        """Embed ``(N, height, width, 3) uint8`` RGB crops of the model's input size as one batch."""
        ...

    async def checks(self) -> Mapping[str, str]:
        """'ok' or a reason, per thing that has to be in order."""
        ...


class Indexer(Protocol):
    """Searches and changes galleries, with the rights of the current request's token."""

    async def search(
        self,
        gallery: str,
        fingerprint: str,
        embeddings: NDArray[np.float32],
        top_k: int,
        min_revision: int | None,
    ) -> SearchAnswer:
        """Search ``(Q, dim) float32`` unit vectors; one hit per row.

        Raises:
            NotFound: no such gallery. Conflict: the gallery's embeddings have another fingerprint.
            NotReady: ``min_revision`` was not reached in time.
        """
        ...

    async def enrol(
        self,
        gallery: str,
        item: NewItem,
        embeddings: NDArray[np.float32],
        pictures: Sequence[bytes],
        idempotency_key: str | None,
    ) -> Enrolment:
        """Add one item or references to it; ``embeddings`` and ``pictures`` are in the order of its references."""
        ...

    async def fingerprints(self) -> Collection[str]:
        """Fingerprints of the embeddings that can be searched.

        Raises:
            NotReady: the indexer is not there or not ready.
        """
        ...

    async def role_of(self, token: str | None) -> Role | None:
        """See ``services.common.keys.KeyAuthority``."""
        ...

    async def checks(self) -> Mapping[str, str]:
        """'ok' or a reason, per thing that has to be in order."""
        ...
