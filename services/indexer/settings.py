"""Settings of the indexer."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import MEBIBYTE, CommonSettings


class IndexerSettings(CommonSettings):
    """Read from ``KENSPECKLE_INDEXER_…``, the common ones from ``KENSPECKLE_…``."""

    model_config = SettingsConfigDict(env_prefix="KENSPECKLE_INDEXER_")

    data_dir: Path = Field(default=Path("data"), description="Folder of the database, the pictures and the indexes.")
    database_url: str | None = Field(
        default=None, description="SQL database, as SQLAlchemy writes it; default: an SQLite file in data_dir."
    )
    extractor_url: str = Field(
        default="http://127.0.0.1:8001", description="Address of the extractor, needed for re-embedding alone."
    )
    search_threads: int = Field(default=2, ge=1, le=64, description="Searches that run at the same time.")
    store_threads: int = Field(default=4, ge=1, le=12, description="Database operations that run at the same time.")
    max_waiting: int = Field(default=64, ge=0, description="Requests that may wait for a thread; more are refused.")
    revision_wait_seconds: float = Field(
        default=2.0, ge=0, description="Longest wait of a search for its min_revision."
    )
    generation_every: int = Field(
        default=1000, ge=1, description="Changes of a gallery after which its index is written to the disk."
    )
    max_galleries: int = Field(default=1000, ge=1, description="Most galleries.")
    max_references: int = Field(default=1_000_000, ge=1, description="Most references of a gallery.")
    max_references_per_item: int = Field(default=1000, ge=1, description="Most references of an item.")
    max_queries: int = Field(default=256, ge=1, description="Most embeddings of one search.")
    max_import_bytes: int = Field(
        default=16384 * MEBIBYTE, ge=1024, description="Largest archive that is read in by an import."
    )

    @property
    def url(self) -> str:
        """Address of the database."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'indexer.db'}"
