"""The database of a host: essaim.runtime.sql_database with this service's tables."""

from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from essaim.runtime.sql_database import READERS, SqlDatabase

__all__ = ["READERS", "Database", "insert_once"]


class Database(SqlDatabase):
    """`writer` and `reader` are engines; `postgresql` says which kind it is."""

    @classmethod
    def open(cls, url: str | None, folder: Path) -> Self:
        """At its newest schema. Raises StartError in words that hold no password."""
        return cls.open_at(url, folder / "rooms.db", "essaim_opengroup")


def insert_once(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """A row, unless one with its key is there already; whether it was new."""
    kind = postgresql if connection.dialect.name == "postgresql" else sqlite
    done = connection.execute(kind.insert(table).values(values).on_conflict_do_nothing())
    return bool(done.rowcount)
