"""The host: its seed, the database that is its own, and the nodes that serve it."""

import os
from pathlib import Path

from sqlalchemy import Connection, delete, select

from essaim.protocol.keys import SEED_SIZE, KeyRefusedError
from essaim.protocol.push.host import HostKey
from essaim.runtime.refusal import StartError
from essaim.runtime.sql_database import SqlDatabase
from essaim.runtime.volume import write_durably
from essaim_push.queue import insert_of
from essaim_push.schema import HOST, REPLICA

KEY_FILE = "push-key"
SECRET_MODE = 0o600
ALIVE_MS = 3 * 60_000
"""A replica that has not said so for this long is not told of."""


def load_key(given: Path | None, folder: Path) -> HostKey:
    """From the file that was given, else the folder's own, made at the first start. Raises StartError."""
    path = given or folder / KEY_FILE
    if given is None and not path.exists():
        write_durably(path, os.urandom(SEED_SIZE).hex().encode() + b"\n", SECRET_MODE)
    try:
        return HostKey(bytes.fromhex(path.read_text().strip()))
    except (OSError, ValueError, KeyRefusedError):
        raise StartError("the host's key (--host-key) cannot be read: 64 hexadecimal digits.") from None


def claim_database(database: SqlDatabase, host_id: bytes) -> None:
    """The database is this host's. Raises StartError: it is another's, whose endpoints nobody here could open."""
    with database.writer.begin() as connection:
        claim = insert_of(connection)(HOST).values(name="host_id", value=host_id).on_conflict_do_nothing()
        connection.execute(claim)
        held = connection.execute(select(HOST.c.value).where(HOST.c.name == "host_id")).scalar_one()
    if held != host_id:
        raise StartError("the database belongs to a push host with another key.")


def say_alive(connection: Connection, now_ms: int, node_id: bytes) -> None:
    """This node serves the host; those who no longer do are forgotten."""
    insert = insert_of(connection)(REPLICA).values(node_id=node_id, seen_ms=now_ms)
    alive = insert.on_conflict_do_update(index_elements=[REPLICA.c.node_id], set_={"seen_ms": now_ms})
    connection.execute(alive)
    connection.execute(delete(REPLICA).where(REPLICA.c.seen_ms < now_ms - ALIVE_MS))


def say_gone(connection: Connection, node_id: bytes) -> None:
    """This node drains: devices are told of the others alone."""
    connection.execute(delete(REPLICA).where(REPLICA.c.node_id == node_id))
