"""Closed groups on disk: records, keys, chains, proofs, and what waits to be opened."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import apsw


class KeptGroup(NamedTuple):
    """The row of a group."""

    group_id: bytes
    keys: bytes
    sending: bytes
    asked_ms: int


class KeptChain(NamedTuple):
    """Of another device: an empty `chain` cannot be read here."""

    chain_id: bytes
    account: bytes
    slot: int
    signing: bytes
    chain: bytes


class KeptProof(NamedTuple):
    """What proves an entry; `heads` one after the other, 32 bytes each."""

    chain_id: bytes
    number: int
    signature: bytes
    heads: bytes


class Heard(NamedTuple):
    """Which account gave an epoch first, and when; nobody, where that was not noted."""

    giver: bytes
    heard_ms: int


class WaitingFrame(NamedTuple):
    """A frame that cannot be opened yet."""

    number: int
    nonce: bytes
    body: bytes


class ClosedGroups:
    """Made by the store, whose transactions it takes part in."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    # Groups

    def all(self) -> list[KeptGroup]:
        return [KeptGroup(*row) for row in self._db.execute("SELECT * FROM closed_group ORDER BY rowid")]

    def knows(self, group_id: bytes) -> bool:
        return self._db.execute("SELECT 1 FROM closed_group WHERE group_id = ?", (group_id,)).fetchone() is not None

    def keep(self, group: KeptGroup) -> None:
        self._db.execute("INSERT OR REPLACE INTO closed_group VALUES (?, ?, ?, ?)", group)

    def forget(self, group_id: bytes) -> None:
        """All of it but what was said."""
        for table in ("closed_group", "group_record", "group_chain", "group_waiting", "group_epoch"):
            self._db.execute(f"DELETE FROM {table} WHERE group_id = ?", (group_id,))  # noqa: S608  # ours

    def add_records(self, group_id: bytes, records: Iterable[bytes]) -> None:
        sql = "INSERT INTO group_record (group_id, record) VALUES (?, ?)"
        self._db.executemany(sql, [(group_id, record) for record in records])

    def records(self, group_id: bytes) -> list[bytes]:
        sql = "SELECT record FROM group_record WHERE group_id = ? ORDER BY number"
        return [record for (record,) in self._db.execute(sql, (group_id,))]

    # Epochs

    def hear(self, group_id: bytes, epoch_id: bytes, heard: Heard) -> None:
        """Of an epoch that is new here."""
        self._db.execute("INSERT OR REPLACE INTO group_epoch VALUES (?, ?, ?, ?)", (group_id, epoch_id, *heard))

    def heard(self, group_id: bytes) -> dict[bytes, Heard]:
        """By the epochs' ids."""
        rows = self._db.execute("SELECT epoch_id, giver, heard_ms FROM group_epoch WHERE group_id = ?", (group_id,))
        return {epoch_id: Heard(giver, heard_ms) for epoch_id, giver, heard_ms in rows}

    def forget_epochs(self, group_id: bytes, epoch_ids: Iterable[bytes]) -> None:
        """They are kept no longer."""
        named = [(group_id, epoch_id) for epoch_id in epoch_ids]
        self._db.executemany("DELETE FROM group_epoch WHERE group_id = ? AND epoch_id = ?", named)

    # Chains

    def chain(self, group_id: bytes, chain_id: bytes, account: bytes, slot: int) -> KeptChain | None:
        """The one of that device: an id is drawn by who speaks, and another may take the same."""
        sql = "SELECT account, slot, signing, chain FROM group_chain WHERE group_id = ? AND chain_id = ?"
        row = self._db.execute(sql, (group_id, _named(chain_id, account, slot))).fetchone()
        return KeptChain(chain_id, *row) if row else None

    def keep_chain(self, group_id: bytes, chain: KeptChain, now_ms: int) -> None:
        row = (group_id, _named(chain.chain_id, chain.account, chain.slot), *chain[1:], now_ms)
        self._db.execute("INSERT OR REPLACE INTO group_chain VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def close_chains(self, before_ms: int) -> None:
        """Keys of chains that nothing can come in any more; who signed in them stays known."""
        self._db.execute("UPDATE group_chain SET chain = x'' WHERE heard_ms < ? AND chain <> x''", (before_ms,))

    # Proofs

    def prove(self, group_id: bytes, author: bytes, message_id: bytes, proof: KeptProof) -> None:
        values = (group_id, author, message_id, *proof)
        self._db.execute("INSERT OR IGNORE INTO group_proof VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def proof(self, group_id: bytes, author: bytes, message_id: bytes) -> KeptProof | None:
        sql = (
            "SELECT chain_id, number, signature, heads FROM group_proof"
            " WHERE group_id = ? AND author = ? AND message_id = ?"
        )
        row = self._db.execute(sql, (group_id, author, message_id)).fetchone()
        return KeptProof(*row) if row else None

    # Frames that wait

    def wait(self, group_id: bytes, nonce: bytes, body: bytes, until_ms: int, limit: int) -> None:
        """At most `limit` of a group; the oldest go."""
        sql = "INSERT INTO group_waiting (group_id, nonce, body, until_ms) VALUES (?, ?, ?, ?)"
        self._db.execute(sql, (group_id, nonce, body, until_ms))
        self._db.execute(
            "DELETE FROM group_waiting WHERE group_id = ?1 AND number NOT IN"
            " (SELECT number FROM group_waiting WHERE group_id = ?1 ORDER BY number DESC LIMIT ?2)",
            (group_id, limit),
        )

    def waiting(self, group_id: bytes) -> list[WaitingFrame]:
        sql = "SELECT number, nonce, body FROM group_waiting WHERE group_id = ? ORDER BY number"
        return [WaitingFrame(*row) for row in self._db.execute(sql, (group_id,))]

    def opened(self, number: int) -> None:
        self._db.execute("DELETE FROM group_waiting WHERE number = ?", (number,))

    def forget_waiting(self, now_ms: int) -> None:
        self._db.execute("DELETE FROM group_waiting WHERE until_ms < ?", (now_ms,))

    # How far was read

    def cursors(self, mailbox: bytes) -> dict[bytes, bytes]:
        rows = self._db.execute("SELECT node, cursor FROM group_cursor WHERE mailbox = ?", (mailbox,))
        return dict(rows.fetchall())  # type: ignore[arg-type]  # two columns

    def read_ms(self, mailbox: bytes) -> int:
        """When it was last read to its end; 0: never."""
        row = self._db.execute("SELECT max(read_ms) FROM group_cursor WHERE mailbox = ?", (mailbox,)).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def read(self, mailbox: bytes, cursors: Mapping[bytes, bytes], now_ms: int) -> None:
        rows = [(mailbox, node, cursor, now_ms) for node, cursor in cursors.items()]
        self._db.executemany("INSERT OR REPLACE INTO group_cursor VALUES (?, ?, ?, ?)", rows)

    def forget_cursors(self, before_ms: int) -> None:
        self._db.execute("DELETE FROM group_cursor WHERE read_ms < ?", (before_ms,))


def _named(chain_id: bytes, account: bytes, slot: int) -> bytes:
    """A chain's key in the table: whose it is beside its id."""
    return chain_id + account + slot.to_bytes(4, "big")
