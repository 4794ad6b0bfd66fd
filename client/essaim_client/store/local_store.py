"""The encrypted database of a client: one method per question, all SQL in this package.

SQLite3MultipleCiphers (ChaCha20-Poly1305 a page), WAL, synchronous FULL, secure_delete: what `transaction` has left is
on disk, and what was deleted is not.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Self

import apsw

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import Account
from essaim.protocol.errors import ProtocolError
from essaim_client.store.archived import Archived
from essaim_client.store.closed_groups import ClosedGroups
from essaim_client.store.history import History
from essaim_client.store.inboxes import Inboxes
from essaim_client.store.newcomers import Newcomers
from essaim_client.store.transfers import Transfers


class StoreRefusedError(ProtocolError):
    """The database cannot be opened: a wrong key, another program's file, or made by a newer version of Essaim."""

    reason = "STORE_REFUSED"


class StoreBusyError(ProtocolError):
    """Another process has the store open."""

    reason = "STORE_BUSY"


@dataclass(frozen=True)
class Waiting:
    """A sealed envelope that no quorum has acknowledged yet.

    `recipient`: whose device it is for. `writer`: seed of the key that must sign for it; empty: none. `day`: of its
    private inbox; 0: another kind of mailbox.
    """

    number: int
    policy: bytes
    slot: bytes
    expires_ms: int
    data: bytes
    recipient: bytes = b""
    writer: bytes = b""
    day: int = 0

    @property
    def queue(self) -> bytes:
        """What is in one queue is stored in its order for each device."""
        return self.recipient or self.policy


class LocalStore:
    """Used by one event loop of one process; calls are short and synchronous."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._db = apsw.Connection(str(path))
        try:
            self._open(key)
            self._prepare_migration()
            self._migrate()
        except BaseException as error:
            self._db.close()
            if isinstance(error, apsw.NotADBError):
                raise StoreRefusedError("the store does not open with this key") from None
            if isinstance(error, apsw.BusyError):
                raise StoreBusyError("another program is using this account on this device") from None
            raise

    def _open(self, key: bytes) -> None:
        self._db.pragma("cipher", "chacha20")
        # Held from the first read to the end: two processes would each overwrite the other's sessions.
        self._db.pragma("locking_mode", "exclusive")
        try:
            self._unlock("key", f"raw:{key.hex()}")
        except apsw.NotADBError:
            self._unlock("hexkey", key.hex())
        for name, value in (("journal_mode", "wal"), ("synchronous", "full"), ("secure_delete", 1)):
            self._db.pragma(name, value)

    def _unlock(self, how: str, key: str) -> None:
        """32 random bytes are a key as they are; stores of the first versions have them stretched (25 ms a start)."""
        self._db.pragma(how, key)
        self._db.execute("SELECT count(*) FROM sqlite_master").fetchall()

    def _prepare_migration(self) -> None:
        """What version 1 kept as columns, version 2 keeps as what was said."""
        self._db.create_scalar_function("own_identity", self._own_identity, 0)
        self._db.create_scalar_function("text_content", _text_content, 3, deterministic=True)

    def _own_identity(self, *_: object) -> bytes:
        seed = self.get("account-seed")
        return Account(seed).id.raw if seed else b""

    def _migrate(self) -> None:
        steps = _migrations()
        version = int(self._db.pragma("user_version") or 0)
        if version > len(steps):
            raise StoreRefusedError("the store was made by a newer version of Essaim")
        for number, step in enumerate(steps[version:], version + 1):
            with self._db:
                self._db.execute(step)
                self._db.pragma("user_version", number)

        self.history = History(self._db)
        self.newcomers = Newcomers(self._db)
        self.transfers = Transfers(self._db)
        self.archived = Archived(self._db)
        self.inboxes = Inboxes(self._db)
        self.groups = ClosedGroups(self._db)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on disk when it is left."""
        with self._db:
            yield

    # Named values

    def get(self, key: str) -> bytes | None:
        return self._value("SELECT value FROM state WHERE key = ?", key)

    def put(self, key: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    # The device

    def device_records(self) -> dict[bytes, bytes]:
        return dict(self._db.execute("SELECT name, value FROM device").fetchall())  # type: ignore[arg-type]  # two columns

    def change_device(self, changes: Mapping[bytes, bytes | None]) -> None:
        for name, value in changes.items():
            if value is None:
                self._db.execute("DELETE FROM device WHERE name = ?", (name,))
            else:
                self._db.execute("INSERT OR REPLACE INTO device VALUES (?, ?)", (name, value))

    # Envelopes that leave

    def enqueue(
        self,
        policy: bytes,
        slot: bytes,
        expires_ms: int,
        data: bytes,
        *,
        recipient: bytes = b"",
        writer: bytes = b"",
        day: int = 0,
    ) -> int:
        """Keep a sealed envelope until it is acknowledged; its number."""
        sql = (
            "INSERT INTO outgoing (policy, slot, expires_ms, data, recipient, writer, day) VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        self._db.execute(sql, (policy, slot, expires_ms, data, recipient, writer, day))
        return self._db.last_insert_rowid()

    def waiting(self) -> list[Waiting]:
        sql = "SELECT number, policy, slot, expires_ms, data, recipient, writer, day FROM outgoing ORDER BY number"
        return [Waiting(*row) for row in self._db.execute(sql)]

    def acknowledged(self, number: int) -> None:
        self._db.execute("DELETE FROM outgoing WHERE number = ?", (number,))

    # Envelopes that arrive

    def dealt_with(self, envelope_id: bytes) -> bool:
        return self._value("SELECT 1 FROM envelope WHERE envelope_id = ?", envelope_id) is not None

    def deal_with(self, envelope_id: bytes, slot: bytes, until_ms: int, mailbox: bytes = b"") -> None:
        """`mailbox`: the id of the one that it lies in; empty: the public inbox."""
        self._db.execute(
            "INSERT OR IGNORE INTO envelope VALUES (?, ?, ?, 0, ?)", (envelope_id, slot, until_ms, mailbox)
        )

    def unconfirmed(self, limit: int) -> list[bytes]:
        """The oldest."""
        sql = "SELECT envelope_id FROM envelope WHERE NOT confirmed ORDER BY rowid LIMIT ?"
        return [envelope_id for (envelope_id,) in self._db.execute(sql, (limit,))]

    def unconfirmed_in(self, mailbox: bytes, limit: int) -> list[bytes]:
        """Likewise of one mailbox."""
        sql = "SELECT envelope_id FROM envelope WHERE NOT confirmed AND mailbox = ? ORDER BY rowid LIMIT ?"
        return [envelope_id for (envelope_id,) in self._db.execute(sql, (mailbox, limit))]

    def unconfirmed_mailboxes(self) -> list[bytes]:
        """Where something waits to be confirmed; b"": in the public inbox."""
        rows = self._db.execute("SELECT mailbox FROM envelope WHERE NOT confirmed GROUP BY mailbox ORDER BY min(rowid)")
        return [mailbox for (mailbox,) in rows]

    def confirmed(self, ids: list[bytes]) -> None:
        self._db.executemany("UPDATE envelope SET confirmed = 1 WHERE envelope_id = ?", [(each,) for each in ids])

    def forget_envelopes(self, now_ms: int) -> None:
        """Those that cannot come again."""
        self._db.execute("DELETE FROM envelope WHERE until_ms < ? AND confirmed", (now_ms,))

    def _value(self, sql: str, key: str | bytes) -> bytes | None:
        row = self._db.execute(sql, (key,)).fetchone()
        return None if row is None else row[0]


def _text_content(*values: Any) -> bytes:
    message_id, sent_ms, text = values
    content = content_pb2.Content(message_id=message_id, sent_ms=sent_ms, text=content_pb2.Text(text=text))
    return content.SerializeToString()


def _migrations() -> list[str]:
    """The numbered SQL steps, in order."""
    steps = list(resources.files(__package__).joinpath("migrations").iterdir())
    return [step.read_text() for step in sorted(steps, key=lambda step: step.name) if step.name.endswith(".sql")]
