"""Which devices of an account came up after it was first met."""

from collections.abc import Iterable
from typing import NamedTuple

import apsw


class Newcomer(NamedTuple):
    """`version`: of the manifest with which the device came up."""

    device_id: bytes
    slot: int
    version: int


class Newcomers:
    """Made by the store, whose transactions it takes part in."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def vetted(self, account: bytes) -> bytes | None:
        """The newest manifest head that was looked through; None: the account is new itself."""
        row = self._db.execute("SELECT head FROM vetted WHERE account = ?", (account,)).fetchone()
        return None if row is None else bytes(row[0])

    def vet(self, account: bytes, head: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO vetted VALUES (?, ?)", (account, head))

    def of(self, account: bytes) -> list[Newcomer]:
        """By slot."""
        sql = "SELECT device_id, slot, version FROM newcomer WHERE account = ? ORDER BY slot"
        return [Newcomer(*row) for row in self._db.execute(sql, (account,))]

    def add(self, account: bytes, newcomer: Newcomer) -> bool:
        """False when it is known as one already."""
        self._db.execute("INSERT OR IGNORE INTO newcomer VALUES (?, ?, ?, ?)", (account, *newcomer))
        return self._db.changes() == 1

    def keep(self, account: bytes, device_ids: Iterable[bytes]) -> None:
        """Forget those that are gone."""
        kept = set(device_ids)
        gone = [(account, each.device_id) for each in self.of(account) if each.device_id not in kept]
        self._db.executemany("DELETE FROM newcomer WHERE account = ? AND device_id = ?", gone)
