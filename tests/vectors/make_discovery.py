"""Writes discovery.json from docs/protocol/view.md alone: the stubs and `cryptography`, nothing else of essaim.

Run: python tests/vectors/make_discovery.py. The file is frozen as v1; a change of it is a change of the wire.
"""

import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from essaim.discovery.v1 import discovery_pb2
from essaim.view.v1 import view_pb2

FILE = Path(__file__).with_name("discovery.json")
NOW_MS = 1_800_000_000_000
PARAMETERS = view_pb2.Parameters(
    x25519_period_seconds=3_600, kem_period_seconds=86_400, view_min_interval_ms=10_000,
    swarm_min=1, swarm_target=1, swarm_max=1, suites=[2, 1],
    uptime_seconds=300, away_seconds=900, drop_seconds=172_800, fresh_seconds=3_600, valid_seconds=10_800,
)  # fmt: skip


def h(label, *parts):
    return hashlib.blake2b(label.encode() + b"".join(parts), digest_size=32).digest()


def key(number):
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(number):
    return key(number).public_key().public_bytes_raw()


def genesis():
    inner = view_pb2.Genesis(
        network_name="vectors", authorities=[public(9)], parameters=PARAMETERS, created_ms=NOW_MS
    ).SerializeToString()
    outer = view_pb2.SignedGenesis(genesis=inner)
    outer.signatures.add(authority=0, signature=key(9).sign(b"essaim/genesis-signature/v1" + inner))
    return outer.SerializeToString(), h("essaim/genesis/v1", inner)


def key_record(number, kind, first, keys):
    record = view_pb2.KeyRecord(
        node_id=public(number), start_id=bytes([number]) * 16, kind=kind, first_period=first, keys=keys
    ).SerializeToString()
    return view_pb2.SignedKeyRecord(record=record, signature=key(number).sign(b"essaim/key-record/v1" + record))


def descriptor(number, role, network_id):
    inner = view_pb2.Descriptor(
        network_id=network_id, node_id=public(number), role=role, address=f"192.0.2.{number}:4000", suites=[2, 1],
        certificates=[bytes([number]) * 300], start_id=bytes([number]) * 16, sequence=1, issued_ms=NOW_MS,
    ).SerializeToString()  # fmt: skip
    return view_pb2.SignedDescriptor(descriptor=inner, signature=key(number).sign(b"essaim/descriptor/v1" + inner))


def transaction(number, sequence, network_id, **body):
    inner = discovery_pb2.Transaction(
        network_id=network_id, node_id=public(number), sequence=sequence, **body
    ).SerializeToString()
    signature = key(number).sign(b"essaim/transaction/v1" + inner)
    return discovery_pb2.SignedTransaction(transaction=inner, signature=signature).SerializeToString()


def entry(number, state, swarm, signed_descriptor, records, **move):
    status = view_pb2.NodeStatus(node_id=public(number), state=state, registered_ms=NOW_MS, **move)
    if swarm is not None:
        status.swarm_id, status.has_swarm = swarm, True
    pieces = [each.SerializeToString() for each in (status, signed_descriptor, *records)]
    return h("essaim/view-entry/v1", *(h("essaim/view-piece/v1", piece) for piece in pieces))


def testers(seed, kind, circle, node):
    """docs/protocol/node-tests.md: who comes after a node on the circle of its kind; (node id, whether it tests)."""
    order = sorted(circle, key=lambda each: h("essaim/testers/v1", seed, bytes([kind]), each[0]))
    at = [each[0] for each in order].index(node)
    return [each for each, tests in order[at + 1 :] + order[:at] if tests][:5]


def draw():
    """Nine nodes, of which one is expelled; the first five are two swarms."""
    seed, ids = bytes([77]) * 32, [public(number) for number in range(1, 10)]
    swarms = [0, 0, 0, 1 << 63, 1 << 63, None, None, None, None]
    everybody = [(node, node != ids[6]) for node in ids]
    found = [[1, node.hex(), [each.hex() for each in testers(seed, 1, everybody, node)]] for node in ids]
    for node, swarm in zip(ids, swarms, strict=True):
        if swarm is not None:
            members = [each for each, its in zip(everybody, swarms, strict=True) if its == swarm]
            found.append([2, node.hex(), [each.hex() for each in testers(seed, 2, members, node)]])
    candidates = [[node.hex(), tests, its] for (node, tests), its in zip(everybody, swarms, strict=True)]
    return {"seed": seed.hex(), "candidates": candidates, "testers": found}


def make():
    signed_genesis, network_id = genesis()
    hour, day = NOW_MS // 3_600_000, NOW_MS // 86_400_000
    records = {
        number: [
            key_record(number, 1, hour, [bytes([number, at]) * 16 for at in range(4)]),
            key_record(number, 2, day, [bytes([number]) * 1184]),
        ]
        for number in (1, 2, 3)
    }
    later = key_record(1, 1, hour + 4, [bytes([1, at]) * 16 for at in range(4, 9)])
    described = {number: descriptor(number, min(number, 2), network_id) for number in (1, 2, 3)}
    registers = {
        number: discovery_pb2.Register(descriptor=described[number], keys=records[number]) for number in (1, 2, 3)
    }
    transactions = [
        transaction(1, 1, network_id, register=registers[1]),
        transaction(2, 7, network_id, register=registers[2]),
        transaction(1, 2, network_id, publish_keys=discovery_pb2.PublishKeys(keys=[later])),
        transaction(1, 3, network_id, prove_uptime=discovery_pb2.ProveUptime(start_id=bytes([1]) * 16)),
        {"begin_view": 1, "previous_hash": bytes(32).hex()},
        {"begin_view": 2, "previous_hash": bytes([2]).hex() * 32},  # 2 was shown by view 1: it is the first swarm now
        transaction(2, 8, network_id, leave=discovery_pb2.Leave()),
        transaction(3, 1, network_id, register=registers[3]),
        {"begin_view": 3, "previous_hash": bytes([3]).hex() * 32},
        {"begin_view": 4, "previous_hash": bytes([4]).hex() * 32},  # 3 was shown by view 3: it is to take 2's place
    ]
    moving = {"moving": True, "move_serial": 4}
    entries = {
        public(1): entry(1, 1, None, described[1], [records[1][0], later, records[1][1]]),
        public(2): entry(2, 3, 0, described[2], records[2], **moving),
        public(3): entry(3, 1, None, described[3], records[3], **moving, next_swarm_id=0, has_next_swarm=True),
    }
    root = h("essaim/view-root/v1", *(entries[node] for node in sorted(entries)))
    return {
        "about": "docs/protocol/view.md; all values hexadecimal; made by make_discovery.py",
        "now_ms": NOW_MS,
        "genesis": signed_genesis.hex(),
        "network_id": network_id.hex(),
        "transactions": [each.hex() if isinstance(each, bytes) else each for each in transactions],
        "entry_hashes": {node.hex(): value.hex() for node, value in entries.items()},
        "nodes_root": root.hex(),
        "draw": draw(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), indent=1) + "\n")
    sys.stdout.write(f"{FILE.name} written\n")
