"""Rows of jobs."""

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from kenspeckle.types import Job
from services.common.errors import NotFound
from services.indexer.ids import uuid7
from services.indexer.store.tables import job, now

ACTIVE = ("queued", "running")


def add(connection: Connection, kind: str, gallery: str) -> Job:
    """Add a queued job."""
    made = now()
    values = {
        "id": uuid7(),
        "kind": kind,
        "gallery": gallery,
        "state": "queued",
        "done": 0,
        "message": "",
        "created_at": made,
        "updated_at": made,
    }
    connection.execute(insert(job).values(values))
    return Job.model_validate(values)


def find(connection: Connection, job_id: str) -> Job:
    """The job of an id.

    Raises:
        NotFound: if there is none.
    """
    row = connection.execute(select(job).where(job.c.id == job_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no job “{job_id}”")
    return _job(row)


def set_fields(connection: Connection, job_id: str, **values: object) -> None:
    """Change a job that is still active; one that has ended stays as it is."""
    changed = update(job).where(job.c.id == job_id, job.c.state.in_(ACTIVE))
    connection.execute(changed.values(updated_at=now(), **values))


def active(connection: Connection) -> list[Job]:
    """Jobs that are to be done, oldest first."""
    return [_job(row) for row in connection.execute(select(job).where(job.c.state.in_(ACTIVE)).order_by(job.c.id))]


def page(connection: Connection, before: str, limit: int) -> list[Job]:
    """Jobs, newest first, older than an id (all for an empty one)."""
    chosen = select(job).order_by(job.c.id.desc()).limit(limit)
    if before:
        chosen = chosen.where(job.c.id < before)
    return [_job(row) for row in connection.execute(chosen)]


def _job(row: Row[Any]) -> Job:
    return Job.model_validate(dict(row._mapping))
