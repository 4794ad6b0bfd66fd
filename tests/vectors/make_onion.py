"""Writes tests/vectors/onion.json: `python tests/vectors/make_onion.py > tests/vectors/onion.json`.

The classic cells follow from the file alone (ephemerals and tail are in it). ML-KEM's encapsulation takes no randomness
from outside, so the hybrid cell is kept whole: it can be unwrapped from the file, not built again.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

from essaim.protocol.geometry import LAYOUTS, CellClass, Suite
from essaim.protocol.keys import AgreementKey, KemKey
from essaim.protocol.onion import (
    CellSpec,
    Deliver,
    Forward,
    HopPublic,
    KeyPeriods,
    Keyring,
    Refusal,
    ReplyRelay,
    ReplySealer,
    unwrap,
    wrap,
)

MINUTE = 30_000_000
NOW_MS = MINUTE * 60_000 + 12_345
CASES = (
    ("classic, four hops", CellSpec(Suite.X25519), 4),
    ("classic, two hops, medium cell, small replies", CellSpec(Suite.X25519, CellClass.MEDIUM), 2),
    ("classic, one hop", CellSpec(Suite.X25519), 1),
    ("hybrid, four hops", CellSpec(Suite.HYBRID), 4),
)


def seeded(label: str) -> Callable[[int], bytes]:
    """SHAKE-256 of the label, handed out from its start."""
    offset = 0

    def take(size: int) -> bytes:
        nonlocal offset
        offset += size
        return hashlib.shake_256(label.encode()).digest(offset)[offset - size :]

    return take


def digest(cell: bytes) -> str:
    return hashlib.sha256(cell).hexdigest()


def case_of(name: str, spec: CellSpec, count: int) -> dict[str, Any]:
    """One cell, its way along the path, three replies and an error cell of each relay."""
    rings, nodes, path = [], [], []
    for index in range(count):
        ring = Keyring(KeyPeriods(), seeded(f"{name}, node {index}"))
        ring.advance(NOW_MS)
        pair = next(iter(ring._pairs.values()))
        hop = HopPublic(bytes((0xA0 + index,)) * 32, pair.x25519.public, pair.mlkem.public)
        rings.append(ring)
        path.append(hop)
        nodes.append(node_of(hop, pair.x25519, pair.mlkem))
    drawn: list[str] = []
    source = seeded(f"{name}, sender")

    def randomness(size: int) -> bytes:
        drawn.append(source(size).hex())
        return bytes.fromhex(drawn[-1])

    payload = f"{name}: what the destination reads".encode()
    cell, _ = wrap(path, payload, spec, MINUTE, randomness)
    case: dict[str, Any] = {
        "name": name,
        "suite": int(spec.suite),
        "cell_class": int(spec.cell_class),
        "reply_class": int(spec.reply_class),
        "minute": MINUTE,
        "nodes": nodes,
        "ephemerals": drawn[:count],
        "tail": drawn[count] if len(drawn) > count else "",
        "payload": payload.hex(),
        "header": cell[: LAYOUTS[spec.suite].header].hex(),
    }
    if spec.suite == Suite.HYBRID:
        case["cell"] = base64.b64encode(cell).decode()
    return case | way_of(cell, rings)


def node_of(hop: HopPublic, x25519: AgreementKey, mlkem: KemKey) -> dict[str, str]:
    """The keys of a node; ML-KEM's private key is the 64-byte seed d || z."""
    return {
        "node_id": hop.node_id.hex(),
        "x25519_private": x25519.raw.hex(),
        "x25519_public": hop.x25519.raw.hex(),
        "mlkem_seed": mlkem.seed.hex(),
        "key_id": hop.key_id.hex(),
    }


def way_of(cell: bytes, rings: list[Keyring]) -> dict[str, Any]:
    """SHA-256 of the cell as it enters each hop, and of replies and error cells as the client receives them."""
    entering, keys = [], []
    for ring in rings:
        entering.append(digest(cell))
        step = unwrap(cell, ring, NOW_MS)
        assert not isinstance(step, Forward) or len(step.cell) == len(cell)
        keys.append(step.keys)
        if isinstance(step, Forward):
            cell = step.cell
    assert isinstance(step, Deliver)
    sealer, relays = ReplySealer(keys[-1]), [ReplyRelay(each) for each in keys[:-1]]
    replies = []
    for kind, text in ((0, b"one"), (2, b""), (1, b"last")):
        seq, sealed = sealer.heartbeat() if kind == 2 else sealer.seal(text, last=kind == 1)
        received = sealed
        for relay in reversed(relays):
            received = relay.forward(seq, received)
        replies.append(
            {"seq": seq, "kind": kind, "payload": text.hex(), "sealed": digest(sealed), "received": digest(received)}
        )
    errors = []
    for maker in range(len(relays)):
        seq, received = ReplyRelay(keys[maker]).fail(Refusal.STALE, NOW_MS)
        for before in reversed(keys[:maker]):
            received = ReplyRelay(before).forward(seq, received)
        errors.append({"hop": maker, "seq": seq, "code": 4, "time_ms": NOW_MS, "received": digest(received)})
    return {"entering_sha256": entering, "replies": replies, "errors": errors}


if __name__ == "__main__":
    note = "Onion cells of docs/protocol/onion.md; made by make_onion.py. Digests are SHA-256 of whole cells."
    json.dump({"note": note, "cases": [case_of(*each) for each in CASES]}, sys.stdout, indent=1)
    print()
