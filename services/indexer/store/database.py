"""Opening the database, its transactions and its migrations."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import IntegrityError, OperationalError

from services.common.errors import Conflict, NotReady

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30
# SQLite's connection pool has one connection per thread that works at the same time; more would only wait.
POOL_SIZE = 16


class Database:
    """One SQL database.

    Args:
        url: as SQLAlchemy reads it, e.g. ``sqlite:////var/lib/kenspeckle/indexer.db``.
    """

    def __init__(self, url: str) -> None:
        self._sqlite = make_url(url).get_backend_name() == "sqlite"
        self._engine = _open_sqlite(make_url(url)) if self._sqlite else create_engine(url, pool_size=POOL_SIZE)

    def migrate(self) -> None:
        """Bring the tables to the newest version."""
        if self._engine.url.database and self._sqlite:
            _make_private(Path(self._engine.url.database))
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one snapshot of the database and changes nothing."""
        options: dict[str, Any] = {} if self._sqlite else {"isolation_level": "REPEATABLE READ"}
        with _clear_errors(), self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that changes the database: durable when the block has ended, undone if it raises."""
        options = {"writes": True}
        with _clear_errors(), self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def check(self) -> str:
        """'ok', or why the database does not answer."""
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1"))
        except NotReady as error:
            return error.detail
        return "ok"

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise NotReady(f"the database cannot do this now: {error.orig}", retry_after=2) from error
    except IntegrityError as error:
        raise Conflict("somebody else changed the same thing at the same moment; try again") from error


def _open_sqlite(url: URL) -> Engine:
    """SQLite with a write-ahead log, every commit on the disk before it is answered, and real transactions.

    The driver's own transaction handling is switched off: it begins none for reads, so that two selects could
    see different states. A writer takes the write lock at once instead of failing when it upgrades later.
    """
    engine = create_engine(url, pool_size=POOL_SIZE, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _make_private(path: Path) -> None:
    """Make the file, readable by its owner alone, before anything is in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
