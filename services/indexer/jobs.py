"""Long tasks in the background, one at a time; what they are at is in the database."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import structlog

from kenspeckle.types import Job, Page
from services.common.errors import Conflict, Overloaded, ServiceError
from services.indexer.store import jobs as store
from services.indexer.store import listing
from services.indexer.store.database import Database
from services.indexer.workers import Workers

MAX_ACTIVE = 16
log = structlog.get_logger()


class Cancelled(Exception):
    """The job was cancelled while it ran."""


class Progress(Protocol):
    """What a task reports to."""

    async def report(self, done: int, total: int | None) -> None:
        """Note how far the task is.

        Raises:
            Cancelled: if it shall not go on.
        """
        ...


Task = Callable[[str, Progress], Awaitable[str]]


class Jobs:
    """Queues jobs and runs them in order. A job that a restart broke off is begun again: tasks must allow that.

    Args:
        workers: for the database.
        tasks: by kind; a task gets the gallery's name and answers with a sentence about its result.
    """

    def __init__(self, database: Database, workers: Workers, tasks: Mapping[str, Task]) -> None:
        self._database = database
        self._workers = workers
        self._tasks = tasks
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to run what is queued."""
        self._wake.set()
        self._runner = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Break off what runs; it goes on after the next start."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner

    async def add(self, kind: str, gallery: str) -> Job:
        """Queue a job.

        Raises:
            Conflict: if the same one is queued or runs.
            Overloaded: if there are too many.
        """
        job = await self._workers.run(self._add, kind, gallery)
        self._wake.set()
        return job

    async def find(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: if there is none of this id.
        """
        return await self._workers.run(self._find, job_id)

    async def list(self, limit: int, cursor: str | None) -> Page[Job]:
        """Jobs, newest first."""
        return await self._workers.run(self._list, limit, cursor)

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; one that has ended stays as it is.

        Raises:
            NotFound: if there is none of this id.
        """
        return await self._workers.run(self._end, job_id, "cancelled", "")

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (job := await self._next()) is not None:
                await self._run_one(job)

    async def _next(self) -> Job | None:
        try:
            active = await self._workers.run(self._active)
        except ServiceError as error:
            log.warning("jobs_not_read", reason=error.detail)
            await asyncio.sleep(1)
            self._wake.set()
            return None
        return active[0] if active else None

    async def _run_one(self, job: Job) -> None:
        state, message = "done", ""
        try:
            await self._workers.run(self._set, job.id, state="running")
            message = await self._tasks[job.kind](job.gallery or "", _Reporter(self, job.id))
        except Cancelled:
            return
        except ServiceError as error:
            state, message = "failed", error.detail
        except Exception as error:
            log.exception("job_failed", job=job.id, error=repr(error))
            state, message = "failed", "this is a fault of the service; the log has it under the job's id"
        with contextlib.suppress(ServiceError):
            await self._workers.run(self._end, job.id, state, message)
        log.info("job_ended", job=job.id, kind=job.kind, gallery=job.gallery, state=state, message=message)

    async def report(self, job_id: str, done: int, total: int | None) -> None:
        """See ``Progress``."""
        job = await self._workers.run(self._report, job_id, done, total)
        if job.state == "cancelled":
            raise Cancelled

    def _add(self, kind: str, gallery: str) -> Job:
        with self._database.write() as connection:
            active = store.active(connection)
            if any(job.kind == kind and job.gallery == gallery for job in active):
                raise Conflict(f"a job {kind} of the gallery “{gallery}” is under way")
            if len(active) >= MAX_ACTIVE:
                raise Overloaded(f"{MAX_ACTIVE} jobs are waiting already", retry_after=60)
            return store.add(connection, kind, gallery)

    def _find(self, job_id: str) -> Job:
        with self._database.read() as connection:
            return store.find(connection, job_id)

    def _list(self, limit: int, cursor: str | None) -> Page[Job]:
        with self._database.read() as connection:
            rows = store.page(connection, listing.place_of(cursor), limit + 1)
        following = listing.cursor_of(rows[limit - 1].id) if len(rows) > limit else None
        return Page(items=rows[:limit], next_cursor=following)

    def _active(self) -> Sequence[Job]:
        with self._database.read() as connection:
            return store.active(connection)

    def _set(self, job_id: str, **values: object) -> None:
        with self._database.write() as connection:
            store.set_fields(connection, job_id, **values)

    def _end(self, job_id: str, state: str, message: str) -> Job:
        with self._database.write() as connection:
            store.find(connection, job_id)
            store.set_fields(connection, job_id, state=state, message=message)
            return store.find(connection, job_id)

    def _report(self, job_id: str, done: int, total: int | None) -> Job:
        with self._database.write() as connection:
            store.set_fields(connection, job_id, done=done, total=total)
            return store.find(connection, job_id)


class _Reporter:
    def __init__(self, jobs: Jobs, job_id: str) -> None:
        self._jobs = jobs
        self._job_id = job_id

    async def report(self, done: int, total: int | None) -> None:
        await self._jobs.report(self._job_id, done, total)
