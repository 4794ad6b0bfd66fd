"""The database of a host: essaim.runtime.sql_database with this service's tables."""

from pathlib import Path
from typing import Self

from essaim.runtime.sql_database import READERS, SqlDatabase

__all__ = ["READERS", "Database"]


class Database(SqlDatabase):
    """`writer` and `reader` are engines; `postgresql` says which kind it is."""

    @classmethod
    def open(cls, url: str | None, folder: Path) -> Self:
        """At its newest schema. Raises StartError in words that hold no password."""
        return cls.open_at(url, folder / "rooms.db", "essaim_opengroup")
