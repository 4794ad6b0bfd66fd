"""What storage's disk does, without the node around it: plain SQLite's group commit, and that of the node's own store.

`bare` commits rows of an envelope's size in plain SQLite on the same disk, as many in a transaction as the store had:
what is left between that and the store is ours. `fill` and `measured` are of databases with many records
(`storage_rows_bench.py`): filled through the store's own schema, with random ids; and how fast more are committed.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import apsw

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord
from essaim.protocol.view.swarm import position_of
from essaim.runtime.database import configure
from essaim_storage.effects import PutEnvelope
from essaim_storage.row import data_of, head_of
from essaim_storage.sqlite_ids import stored_position
from essaim_storage.sqlite_store import SqliteStore

SIZE = 4_096
BARE_COMMITS = 40
STORES = 4_000
BATCH = 64
MAILBOX_ENVELOPES = 250
NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000


def bare(folder: Path, batch: int) -> dict[str, float]:
    """Group commits of `batch` rows of 4 KiB, and rows, a second: plain SQLite, the same settings, the same disk."""
    path = folder / "bare.db"
    path.unlink(missing_ok=True)
    connection = apsw.Connection(str(path))
    configure(connection)
    connection.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, data BLOB NOT NULL)")
    took = []
    for _ in range(BARE_COMMITS):
        rows = [(os.urandom(SIZE),) for _ in range(batch)]
        began = time.monotonic()
        with connection:
            connection.executemany("INSERT INTO row (data) VALUES (?)", rows)
        took.append(time.monotonic() - began)
    connection.close()
    return {"storage.bare_commit_per_s": 1 / median(took), "storage.bare_rows_per_s": batch / median(took)}


def records(count: int, seed: bytes) -> Iterator[EnvelopeRecord]:
    """Envelopes of public inboxes, MAILBOX_ENVELOPES each; bytes and so ids are random."""
    for at in range(count):
        if at % MAILBOX_ENVELOPES == 0:
            key = SigningKey(hashlib.blake2b(seed + (at // MAILBOX_ENVELOPES).to_bytes(8), digest_size=32).digest())
            policy = Policy.public_inbox(key.public)
        data, expires = os.urandom(SIZE), NOW_MS + DAY_MS + at
        of_id = envelope_id(policy.mailbox_id, b"\0", expires, data)
        yield EnvelopeRecord(policy, of_id, b"\0", expires, data, received_ms=NOW_MS)


def fill(path: Path, count: int) -> None:
    """By the schema's own tables, without fsync; the index of ids is built at the end, as random as the ids are."""
    SqliteStore(path).close()
    connection = apsw.Connection(str(path))
    for name, value in (("journal_mode", "off"), ("synchronous", "off"), ("cache_size", -(1 << 18))):
        connection.pragma(name, value)
    connection.execute("DROP INDEX record_by_id")
    with connection:
        for number, record in enumerate(records(count, b"fill"), 1):
            _insert(connection, number, record)
        connection.execute("UPDATE node SET last_number = ?, settled = 1", (count,))
    connection.execute("CREATE UNIQUE INDEX record_by_id ON record (record_id)")
    connection.pragma("journal_mode", "wal")
    connection.close()
    _settle(path)


def _settle(path: Path) -> None:
    """What the system still has to write is written: else a figure is of that, not of the store's commits."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _insert(connection: apsw.Connection, number: int, record: EnvelopeRecord) -> None:
    data = data_of(record)
    head, mailbox = (
        head_of(number, record.envelope_id, record, data, coordinated=False),
        -(-number // MAILBOX_ENVELOPES),
    )
    if number % MAILBOX_ENVELOPES == 1:
        whole = (mailbox, record.mailbox_id, head.policy, SIZE * MAILBOX_ENVELOPES, MAILBOX_ENVELOPES)
        connection.execute(
            "INSERT INTO mailbox (id, mailbox_id, policy, bytes, envelopes, records, kind, position)"
            " VALUES (?, ?, ?, ?, ?5, ?5, 1, ?6)",
            (*whole, stored_position(position_of(record.mailbox_id))),
        )
    columns = (head.kind, head.slot, head.expires_ms, head.version, head.size, 0, head.proof, head.sum, head.data_sum)
    row = (number, head.record_id, mailbox, *columns, head.until_ms, data)
    connection.execute(f"INSERT INTO record VALUES ({', '.join('?' * 14)})", row)


def store_rate(path: Path) -> dict[str, float]:
    """Envelopes a second in commits of BATCH, as the writer's thread does them; and this process's memory."""
    store = SqliteStore(path)
    number = store.last_number()
    took = []
    fresh = records(STORES, os.urandom(8))
    for _ in range(STORES // BATCH):
        changes = [PutEnvelope(number + at, next(fresh), True) for at in range(1, BATCH + 1)]
        number += BATCH
        began = time.monotonic()
        store.writer.commit(changes)
        took.append(time.monotonic() - began)
    store.close()
    return {"per_s": BATCH / median(took), "rss_mb": _rss_mb()}


def _rss_mb() -> float:
    """The most that this process ever had. (getrusage would tell of the process that began it, too.)"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the system does not say")


def measured(path: Path) -> dict[str, float]:
    """`store_rate` in a process of its own, whose memory is that of a node's disk alone."""
    done = subprocess.run([sys.executable, __file__, "rate", str(path)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(store_rate(Path(sys.argv[2]))))
