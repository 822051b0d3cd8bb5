"""The indexer over HTTP."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from kenspeckle.types import Enrolment, HealthDetail, NewItem, OwnRole, Role, SearchAnswer
from services.common.context import current, use_context
from services.common.errors import Unauthorized
from services.common.tensors import MEDIA_TYPE, encode_npy
from services.common.upstream import Upstream


class HttpIndexer:
    """See ``services.detector.ports.Indexer``. The upstream has no token of its own: the caller's is passed on."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def search(
        self,
        gallery: str,
        fingerprint: str,
        embeddings: NDArray[np.float32],
        top_k: int,
        min_revision: int | None,
    ) -> SearchAnswer:
        params: dict[str, str | int] = {"k": top_k, "fingerprint": fingerprint}
        if min_revision is not None:
            params["min_revision"] = min_revision
        response = await self._upstream.call(
            "POST",
            f"/galleries/{quote(gallery, safe='')}/search",
            params=params,
            content=encode_npy(embeddings),
            headers={"Content-Type": MEDIA_TYPE},
        )
        return SearchAnswer.model_validate_json(response.content)

    async def enrol(
        self,
        gallery: str,
        item: NewItem,
        embeddings: NDArray[np.float32],
        pictures: Sequence[bytes],
        idempotency_key: str | None,
    ) -> Enrolment:
        kinds = [reference.media_type for reference in item.references]
        response = await self._upstream.call(
            "POST",
            f"/galleries/{quote(gallery, safe='')}/items",
            data={"item": item.model_dump_json()},
            files=[
                ("embeddings", ("embeddings.npy", encode_npy(embeddings), MEDIA_TYPE)),
                *(("picture", ("picture", data, kind)) for data, kind in zip(pictures, kinds, strict=True)),
            ],
            headers={"Idempotency-Key": idempotency_key} if idempotency_key is not None else {},
        )
        return Enrolment.model_validate_json(response.content)

    async def fingerprints(self) -> Collection[str]:
        response = await self._upstream.call("GET", "/readyz")
        return HealthDetail.model_validate_json(response.content).fingerprints

    async def role_of(self, token: str | None) -> Role | None:
        with use_context(replace(current(), token=token)):
            try:
                response = await self._upstream.call("GET", "/keys/self")
            except Unauthorized:
                return None
        return OwnRole.model_validate_json(response.content).role

    async def checks(self) -> Mapping[str, str]:
        return {"indexer": await self._upstream.check()}
