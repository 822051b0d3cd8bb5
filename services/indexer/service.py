"""The indexer as a whole: its parts put together, its start and end, and the port that the detector uses."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from kenspeckle.types import Enrolment, GalleryName, ModelInfo, NewItem, Role, SearchAnswer
from services.common.context import current
from services.common.errors import NotFound, NotReady, ServiceError, Unprocessable
from services.common.keys import require
from services.common.metrics import Metrics
from services.indexer.cohorts import Cohorts
from services.indexer.directory import Directory
from services.indexer.enrolment import Enroller, Limits, check_embeddings
from services.indexer.exporting import Exporter
from services.indexer.galleries import Galleries
from services.indexer.importing import Importer
from services.indexer.jobs import Jobs
from services.indexer.keeping import PictureKeeper
from services.indexer.keys import Keys
from services.indexer.pictures import PictureStore
from services.indexer.ports import Embedder
from services.indexer.reembedding import Reembedder
from services.indexer.settings import IndexerSettings
from services.indexer.store import galleries as gallery_rows
from services.indexer.store.database import Database
from services.indexer.store.listing import Filter
from services.indexer.vectors.generation import Generations
from services.indexer.workers import Workers

MAX_TOP_K = 1000
POLL_SECONDS = 0.02
UPKEEP_SECONDS = 5.0
REEMBED = "reembed"
NAME: TypeAdapter[str] = TypeAdapter(GalleryName)
log = structlog.get_logger()


class IndexerService:
    """Everything the indexer does. ``start`` before the first call, ``stop`` after the last one.

    Its ``search``, ``enrol``, ``role_of`` and ``checks`` are those of ``services.detector.ports.Indexer``.

    Args:
        embedder: the extractor, asked by re-embedding jobs alone.
    """

    def __init__(self, settings: IndexerSettings, embedder: Embedder, metrics: Metrics) -> None:
        data = settings.data_dir
        self._settings = settings
        self._metrics = metrics
        self._scratch = data / "tmp"
        self._searching = Workers("search", settings.search_threads, settings.max_waiting)
        self.store = Workers("store", settings.store_threads, settings.max_waiting)
        self._upkeep = Workers("upkeep", 1, 8)
        self._health = Workers("health", 1, 32)
        self._database = Database(settings.url)
        self.cohorts = Cohorts(settings.models_dir)
        self._pictures = PictureKeeper(self._database, PictureStore(data / "pictures"))
        self._generations = Generations(data / "generations")
        self._directory = Directory(self._database, self._generations, self.cohorts, settings.generation_every)
        limits = Limits(settings.max_galleries, settings.max_references, settings.max_references_per_item)
        self._enroller = Enroller(self._database, self._pictures, self._directory, self.cohorts, limits)
        self.galleries = Galleries(self._database, self._pictures, self._directory, limits)
        self.exporter = Exporter(self._database, self._pictures)
        self.importer = Importer(self._database, self._pictures, self._directory, self.cohorts, limits)
        admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
        self.keys = Keys(self._database, admin_key)
        self._reembedder = Reembedder(
            self._database, self._upkeep, self._pictures, self._directory, self.cohorts, embedder
        )
        self.jobs = Jobs(self._database, self._upkeep, {REEMBED: self._reembedder})
        self._to_load: set[str] = set()
        self._unloadable: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    # --- start and end -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the database, then load the galleries in the background."""
        self._to_load = set(await self.store.run(self._open))
        await self.jobs.start()
        self._tasks = [asyncio.create_task(self._load_all()), asyncio.create_task(self._look_after())]

    async def stop(self) -> None:
        """End what runs and write the generations, so that the next start is quick."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.jobs.stop()
        await self._upkeep.run(self._directory.save_generations, everything=True)
        for workers in (self._searching, self.store, self._upkeep, self._health):
            workers.close()
        self._database.close()

    def _open(self) -> list[str]:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        self._database.migrate()
        self.keys.load()
        self.cohorts.load()
        with self._database.read() as connection:
            names = gallery_rows.all_names(connection)
        self._generations.keep_only(set(names))
        return list(names.values())

    async def _load_all(self) -> None:
        for name in sorted(self._to_load):
            try:
                await self._upkeep.run(self._directory.get, name)
            except NotFound:
                log.info("gallery_gone", gallery=name)
            except Exception as error:
                log.exception("gallery_not_loaded", gallery=name, error=repr(error))
                self._unloadable[name] = str(error)
            self._to_load.discard(name)
        await self._upkeep.run(self._pictures.sweep)
        try:
            await self._upkeep.run(self._pictures.sweep_strays)
        except (OSError, ServiceError) as error:
            log.warning("strays_not_swept", reason=str(error))

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_SECONDS)
            try:
                await self._upkeep.run(self._directory.save_generations)
            except ServiceError as error:
                log.warning("upkeep_failed", reason=error.detail)
            indexes = self._directory.loaded()
            self._metrics.level("galleries", len(indexes))
            self._metrics.level("references", sum(index.count for index in indexes))
            self._metrics.level("index_bytes", sum(index.memory_bytes for index in indexes))
            self._metrics.level("search_queue", self._searching.busy)
            self._metrics.level("store_queue", self.store.busy)

    # --- the detector's port -------------------------------------------------------------------------------

    async def search(
        self,
        gallery: str,
        fingerprint: str,
        embeddings: NDArray[np.float32],
        top_k: int,
        min_revision: int | None,
        wanted: Filter | None = None,
    ) -> SearchAnswer:
        """See ``services.detector.ports.Indexer.search``; ``wanted``: only items that are like this."""
        await require(self.keys, "recognize")
        if not 1 <= len(embeddings) <= self._settings.max_queries:
            raise Unprocessable(f"1 to {self._settings.max_queries} embeddings are searched at once", "embeddings")
        if not 1 <= top_k <= MAX_TOP_K:
            raise Unprocessable(f"k is from 1 to {MAX_TOP_K}", "k")
        until = time.monotonic() + self._settings.revision_wait_seconds
        with self._metrics.stage("search"):
            while True:
                try:
                    return await self._searching.run(
                        self._search, gallery, fingerprint, embeddings, top_k, min_revision or 0, wanted
                    )
                except _Behind as error:
                    if time.monotonic() >= until:
                        raise
                    log.debug("search_waits", reason=error.detail)
                    current().seconds_left()
                    await asyncio.sleep(POLL_SECONDS)

    def _search(
        self,
        gallery: str,
        fingerprint: str,
        embeddings: NDArray[np.float32],
        top_k: int,
        min_revision: int,
        wanted: Filter | None,
    ) -> SearchAnswer:
        index = self._directory.get(gallery)
        if index.revision < min_revision:
            index = self._directory.follow(gallery)
        if index.revision < min_revision:
            raise _Behind(f"“{gallery}” is at revision {index.revision}; {min_revision} was asked for", None, 1)
        cohort = self.cohorts.get(fingerprint)
        if cohort is not None:
            check_embeddings(embeddings, None, cohort.shape[1], self.cohorts.hashing(fingerprint))
        items = None if wanted is None else self.galleries.matching(gallery, wanted)
        return index.search(fingerprint, embeddings, top_k, 0 if cohort is None else len(cohort), items)

    async def enrol(
        self,
        gallery: str,
        item: NewItem,
        embeddings: NDArray[np.float32],
        pictures: Sequence[bytes],
        idempotency_key: str | None,
    ) -> Enrolment:
        """See ``services.detector.ports.Indexer.enrol`` and ``Enroller.enrol``."""
        await require(self.keys, "curate")
        try:
            NAME.validate_python(gallery)
        except ValidationError as error:
            raise Unprocessable("a gallery's name is a-z, 0-9, '.', '_' and '-', at most 63", "gallery") from error
        if idempotency_key is not None and not 1 <= len(idempotency_key) <= 256:
            raise Unprocessable("an Idempotency-Key has 1 to 256 characters", "Idempotency-Key")
        with self._metrics.stage("enrol"):
            return await self.store.run(self._enroller.enrol, gallery, item, embeddings, pictures, idempotency_key)

    async def role_of(self, token: str | None) -> Role | None:
        """See ``services.common.keys.KeyAuthority``."""
        return await self.keys.role_of(token)

    async def fingerprints(self) -> Collection[str]:
        """See ``services.detector.ports.Indexer.fingerprints``."""
        return self.cohorts.fingerprints()

    async def checks(self) -> Mapping[str, str]:
        """'ok' or a reason, per thing that has to be in order."""
        try:
            database = await self._health.run(self._database.check)
        except ServiceError as error:
            database = error.detail
        index = "ok"
        if self._to_load:
            index = f"{len(self._to_load)} galleries are still to be loaded"
        elif self._unloadable:
            index = "; ".join(f"“{name}” cannot be loaded: {why}" for name, why in self._unloadable.items())
        cohorts = "ok"
        if not self.cohorts.models:
            found = "; ".join(self.cohorts.problems) or "there is none"
            cohorts = f"no extractor bundle in {self._settings.models_dir}: {found}"
        return {"database": database, "index": index, "cohorts": cohorts}

    # --- for the API ---------------------------------------------------------------------------------------

    def models(self) -> list[ModelInfo]:
        """The models whose cohorts are known here."""
        return self.cohorts.models

    async def reembed(self, gallery: str) -> str:
        """Queue a job that makes all embeddings of a gallery anew. Returns its id.

        Raises:
            NotFound: if there is no such gallery.
            Conflict: if pictures were not kept, or such a job is under way.
        """
        await self._reembedder.check(gallery)
        return (await self.jobs.add(REEMBED, gallery)).id

    @contextlib.asynccontextmanager
    async def scratch_file(self) -> AsyncIterator[Path]:
        """A place for a file that is needed for the length of a request."""
        path = self._scratch / str(time.monotonic_ns())
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


class _Behind(NotReady):
    """The asked revision is not reached yet."""
