"""A service's database by SQLAlchemy: SQLite in the node's folder, or PostgreSQL for several replicas. One schema.

For services that have SQLAlchemy, Alembic and psycopg among their requirements; nothing else imports it.

Two engines: one connection that writes (one batch at a time), a few that read. A commit returns after its fsync: WAL
with synchronous FULL here, `synchronous_commit` on there.
"""

from importlib import resources
from pathlib import Path
from typing import Any, Self

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from essaim.runtime.refusal import StartError

READERS = 4
BUSY_MS = 10_000
MIGRATION_LOCK = 0x45535341
"""Key of the advisory lock that replicas starting together take turns by."""
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    f"busy_timeout={BUSY_MS}",
    "cache_size=-32000",
)


class SqlDatabase:
    """`writer` and `reader` are engines; `postgresql` says which kind it is."""

    def __init__(self, url: URL, package: str) -> None:
        self.url = url
        self._package = package
        self.postgresql = url.get_backend_name() == "postgresql"
        self.writer = self._engine(1, "BEGIN IMMEDIATE", "READ COMMITTED")
        self.reader = self._engine(READERS, "BEGIN", "REPEATABLE READ")

    @classmethod
    def open_at(cls, url: str | None, file: Path, package: str) -> Self:
        """At the newest schema of `package`.migrations; `file` where no url is given. Raises StartError in words that
        hold no password."""
        try:
            chosen = make_url(url) if url else URL.create("sqlite", database=str(file))
        except ArgumentError:
            raise StartError("--database is not an address like postgresql://user@host/name.") from None
        if chosen.get_backend_name() == "postgresql":
            chosen = chosen.set(drivername="postgresql+psycopg")
        elif chosen.get_backend_name() != "sqlite":
            raise StartError("--database names neither PostgreSQL nor SQLite.")
        database = cls(chosen, package)
        try:
            database._migrate()
        except StartError:
            database.close()
            raise
        return database

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()

    def _engine(self, connections: int, begin: str, isolation: str) -> Engine:
        """An answer made of several questions is of one moment: SQLite's transactions are so, PostgreSQL's are told."""
        if self.postgresql:
            return create_engine(
                self.url, pool_size=connections, max_overflow=0, pool_pre_ping=True, isolation_level=isolation
            )
        engine = create_engine(self.url, pool_size=connections, max_overflow=0)
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine

    def _migrate(self) -> None:
        try:
            with self.writer.begin() as connection:
                if self.postgresql:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
                _upgrade(connection, self._package)
        except DBAPIError as error:
            raise StartError(f"the database cannot be opened ({type(error.orig).__name__}).") from None


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's events say BEGIN; the driver's own idea of it is in the way
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _upgrade(connection: Connection, package: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(resources.files(package) / "migrations"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    held = MigrationContext.configure(connection).get_current_revision()
    if held is not None and held not in known:
        raise StartError("the database was made by a newer program: use that one.")
    alembic.command.upgrade(config, "head")
