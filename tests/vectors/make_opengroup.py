"""Writes opengroup.json, wire v1: `python tests/vectors/make_opengroup.py`. Everything follows from the seeds in it."""

import json
from pathlib import Path

from essaim.opengroup.v1 import statement_pb2
from essaim.protocol.account import Account
from essaim.protocol.keys import SigningKey
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.authorization import Method, Request
from essaim.protocol.opengroup.direct import seal, seal_copy
from essaim.protocol.opengroup.host import attest
from essaim.protocol.opengroup.member import Handed, member_factor, member_key
from essaim.protocol.opengroup.settings import file_hash, token_hash
from essaim.protocol.opengroup.statement import Statement

FILE = Path(__file__).parent / "opengroup.json"
HOST_SEED, ALICE_SEED, BOB_SEED = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)
ROOM, NODE, NONCE, TIME_MS = bytes([4] * 16), bytes([5] * 32), bytes([6] * 16), 1_800_000_000_000
TURN = 3


def vectors() -> dict[str, object]:
    """Every derived value of docs/protocol/opengroup.md."""
    host = SigningKey(HOST_SEED)
    host_id = host.public.raw
    alice, bob = Account(ALICE_SEED), Account(BOB_SEED)
    key, other = member_key(alice, host_id), member_key(bob, host_id)
    handed = Handed.make(alice, host_id, TURN)
    before = chain.first(host_id, ROOM)
    message = statement_pb2.Statement(
        host_id=host_id, room_id=ROOM, time_ms=TIME_MS, seen_chain=before, post=statement_pb2.Post(text="grüße")
    )
    statement = Statement.make(message, key)
    found = {
        "host_seed": HOST_SEED,
        "host_id": host_id,
        "node_id": NODE,
        "attestation": attest(host, NODE),
        "alice_seed": ALICE_SEED,
        "bob_seed": BOB_SEED,
        "alice_factor": member_factor(alice.rooms_secret, host_id),
        "alice_member": key.public.raw,
        "bob_member": other.public.raw,
        "alice_handed": handed.encode(),
        "alice_handed_member": handed.key.public.raw,
        "alice_proof": handed.proof(alice.id.identity, host_id),
        "room_id": ROOM,
        "nonce": NONCE,
        "body": b"a batch",
        "authorization_signature": Request(host_id, Method.ACT, b"a batch").authorize(key, TIME_MS, NONCE).signature,
        "statement": statement.raw,
        "statement_signature": statement.signature,
        "post_id": statement.digest,
        "chain_0": before,
        "chain_1": chain.step(before, 1, TIME_MS, statement.digest),
        "file": b"a file",
        "file_hash": file_hash(b"a file"),
        "token": NONCE,
        "token_hash": token_hash(NONCE),
        "direct_text": b"just to you",
        "direct_seed": bytes(range(64)),
        "direct_data": seal(b"just to you", key, other.public, host_id, bytes(range(64))),
        "sent_seed": bytes(range(64, 128)),
        "sent_copy": seal_copy(b"just to you", key, other.public, host_id, bytes(range(64, 128))),
    }
    return {"wire": 1, "time_ms": TIME_MS, "turn": TURN, **{name: value.hex() for name, value in found.items()}}


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=2) + "\n")
