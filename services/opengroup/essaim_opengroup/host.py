"""The host: its key, its first owner's invitation, and the nodes that serve it."""

import os
from pathlib import Path

from sqlalchemy import delete, select, update

from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import SEED_SIZE, KeyRefusedError, SigningKey
from essaim.protocol.opengroup.permission import Role
from essaim.protocol.opengroup.settings import TOKEN_SIZE, token_hash
from essaim.runtime.refusal import StartError
from essaim.runtime.volume import write_durably
from essaim_opengroup.database import Database
from essaim_opengroup.schema import HOST, INVITATION, REPLICA
from essaim_opengroup.work import Work

KEY_FILE = "host-key"
TOKEN_FILE = "owner-invitation"  # noqa: S105  # its name
SECRET_MODE = 0o600
ALIVE_MS = 3 * 60_000
"""A replica that has not said so for this long is not told of."""


def load_key(given: Path | None, folder: Path) -> SigningKey:
    """From the file that was given, else the folder's own, made at the first start. Raises StartError."""
    path = given or folder / KEY_FILE
    if given is None and not path.exists():
        write_durably(path, os.urandom(SEED_SIZE).hex().encode() + b"\n", SECRET_MODE)
    try:
        return SigningKey(bytes.fromhex(path.read_text().strip()))
    except (OSError, ValueError, KeyRefusedError):
        raise StartError("the host's key (--host-key) cannot be read: 64 hexadecimal digits.") from None


def owner_token(key: SigningKey) -> bytes:
    """Who redeems it first owns the host. The same on every replica: whoever has the key may have it."""
    return hkdf(key.seed, salt=b"essaim/opengroup/owner/v1", info=b"", length=TOKEN_SIZE)


def claim_database(database: Database, key: SigningKey, folder: Path, now_ms: int) -> None:
    """The database is this host's; the first owner's invitation is in it, and in a file beside the key."""
    token = owner_token(key)
    with database.writer.begin() as connection:
        work = Work(connection, key.public.raw, now_ms)
        work.insert(HOST, {"name": "host_id", "value": key.public.raw})
        held = connection.execute(select(HOST.c.value).where(HOST.c.name == "host_id")).scalar_one()
        if held != key.public.raw:
            raise StartError("the database belongs to a host with another key.")
        row = {"hash": token_hash(token), "uses_left": 1, "role": int(Role.ADMIN)}
        work.insert(INVITATION, row)
    write_durably(folder / TOKEN_FILE, token.hex().encode() + b"\n", SECRET_MODE)


def say_alive(work: Work, node_id: bytes) -> None:
    """This node serves the host; those who no longer do are forgotten."""
    if not work.insert(REPLICA, {"node_id": node_id, "seen_ms": work.now_ms}):
        work.execute(update(REPLICA).where(REPLICA.c.node_id == node_id).values(seen_ms=work.now_ms))
    work.execute(delete(REPLICA).where(REPLICA.c.seen_ms < work.now_ms - ALIVE_MS))


def say_gone(work: Work, node_id: bytes) -> None:
    """This node drains."""
    work.execute(delete(REPLICA).where(REPLICA.c.node_id == node_id))
