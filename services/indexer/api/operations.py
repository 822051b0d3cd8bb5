"""Routes of jobs, keys and models."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from kenspeckle.types import CreatedKey, Job, KeyInfo, ModelInfo, NewKey, OwnRole, Page, Role
from services.common.keys import RequireRole
from services.indexer.api.parameters import ADMIN, CURATE, RECOGNIZE, Cursor, Limit
from services.indexer.service import IndexerService

Id = Annotated[str, Path(max_length=36)]


def operations_router(service: IndexerService) -> APIRouter:
    """Routes under ``/jobs`` and ``/keys``."""
    router = APIRouter()
    jobs, keys, run = service.jobs, service.keys, service.store.run

    @router.get("/jobs", tags=["jobs"], dependencies=RECOGNIZE, summary="Jobs, newest first")
    async def list_jobs(limit: Limit = 100, cursor: Cursor = None) -> Page[Job]:
        return await jobs.list(limit, cursor)

    @router.get("/jobs/{job_id}", tags=["jobs"], dependencies=RECOGNIZE, summary="A job")
    async def get_job(job_id: Id) -> Job:
        return await jobs.find(job_id)

    @router.post("/jobs/{job_id}/cancel", tags=["jobs"], dependencies=CURATE, summary="Cancel a job")
    async def cancel_job(job_id: Id) -> Job:
        return await jobs.cancel(job_id)

    @router.get("/keys", tags=["keys"], dependencies=ADMIN, summary="Keys without their secrets")
    async def list_keys(limit: Limit = 1000, cursor: Cursor = None) -> Page[KeyInfo]:
        return await run(keys.list, limit, cursor)

    @router.post("/keys", tags=["keys"], dependencies=ADMIN, status_code=201, summary="Make a key")
    async def create_key(new: NewKey) -> CreatedKey:
        return await run(keys.create, new.name, new.role)

    @router.get("/keys/self", tags=["keys"], summary="The role of the key that is sent")
    async def own_role(role: Annotated[Role, Depends(RequireRole("recognize"))]) -> OwnRole:
        return OwnRole(role=role)

    @router.delete(
        "/keys/{key_id}", tags=["keys"], dependencies=ADMIN, status_code=204, summary="Delete a key, effective at once"
    )
    async def delete_key(key_id: Id) -> Response:
        await run(keys.delete, key_id)
        return Response(status_code=204)

    return router


def models_router(service: IndexerService) -> APIRouter:
    """``/models`` of the indexer alone (in one process with the others, theirs says more)."""
    router = APIRouter(tags=["models"])

    @router.get("/models", dependencies=RECOGNIZE, summary="Models whose cohorts are known here")
    async def known_models() -> list[ModelInfo]:
        return service.models()

    return router
