"""Where others are to be written to, and what of the own private inbox was read to its end."""

from typing import NamedTuple

import apsw

HOUR_MS = 3_600_000


class Given(NamedTuple):
    """What an account gave: an encoded capability, and the newest time at which it said anything, by its own clock."""

    capability: bytes
    heard_ms: int


class Inboxes:
    """Made by the store, whose transactions it takes part in."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    # Other accounts'

    def given(self, account: bytes) -> Given | None:
        sql = "SELECT capability, heard_ms FROM private_inbox WHERE account = ?"
        row = self._db.execute(sql, (account,)).fetchone()
        return None if row is None else Given(*row)

    def keep(self, account: bytes, capability: bytes, heard_ms: int) -> None:
        """In place of the one before."""
        self._db.execute("INSERT OR REPLACE INTO private_inbox VALUES (?, ?, ?)", (account, capability, heard_ms))

    def heard(self, account: bytes, heard_ms: int) -> None:
        """The account said something; to the hour. Nothing if it gave no capability."""
        sql = "UPDATE private_inbox SET heard_ms = ? WHERE account = ? AND heard_ms < ?"
        self._db.execute(sql, (heard_ms, account, heard_ms - HOUR_MS))

    def astray(self, account: bytes, slot: int) -> int:
        """When a device last said that it reads another inbox than the one that is known here; 0: it does not."""
        row = self._db.execute("SELECT said_ms FROM astray WHERE account = ? AND slot = ?", (account, slot)).fetchone()
        return 0 if row is None else int(row[0])

    def went_astray(self, account: bytes, slot: int, said_ms: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO astray VALUES (?, ?, ?)", (account, slot, said_ms))

    def is_back(self, account: bytes, slot: int) -> None:
        """It reads the one that is known here."""
        self._db.execute("DELETE FROM astray WHERE account = ? AND slot = ?", (account, slot))

    # Own days

    def read_ms(self, mailbox: bytes) -> int:
        """When a mailbox was last read to its end; 0: never."""
        row = self._db.execute("SELECT read_ms FROM day_read WHERE mailbox = ?", (mailbox,)).fetchone()
        return 0 if row is None else int(row[0])

    def read(self, mailbox: bytes, read_ms: int, forget_before_ms: int) -> None:
        """It was; what was read long ago is forgotten, for nothing is in it any more."""
        self._db.execute("INSERT OR REPLACE INTO day_read VALUES (?, ?)", (mailbox, read_ms))
        self._db.execute("DELETE FROM day_read WHERE read_ms < ?", (forget_before_ms,))
