"""Writes view.json: a genesis, two views and the diff between them, with everything that a verifier computes; and a
view that a later version might sign.

Run: python tests/vectors/make_view.py. The file is frozen as v1; a change of it is a change of the wire.
"""

import json
import sys
from pathlib import Path

from essaim.protocol.kdf import blake2b256
from essaim.protocol.onion.keyring import KeyKind
from essaim.protocol.view import Entry, KeyRecord, NetworkView, NodeState, Role, ViewHistory, ViewKeeper
from essaim.protocol.view.entry import PIECE_LABEL
from essaim.protocol.view.header import HASH_LABEL as HEADER_LABEL
from essaim.protocol.view.swarm import nearest, position_of
from essaim.testing.views import NOW_MS, PaperNetwork
from essaim.view.v1 import view_pb2

FILE = Path(__file__).with_name("view.json")


def make() -> dict[str, object]:
    """From one seed: the same every time."""
    net = PaperNetwork(4, seed=2_026)
    entries = [
        net.entry(net.pieces(n, Role.STORAGE if n > 1 else Role.RELAY, (n % 2) << 63 if n > 1 else None))
        for n in range(5)
    ]
    first = net.whole(entries)
    keeper, history = ViewKeeper(net.genesis), ViewHistory()
    history.add(keeper.accept(view_pb2.ViewAnswer(whole=first), NOW_MS))
    chained = keeper.current
    assert chained is not None
    entries[0] = net.entry(net.pieces(0))
    del entries[4]
    second = net.whole(entries, chained.header)
    newest = keeper.accept(view_pb2.ViewAnswer(whole=second), NOW_MS)
    history.add(newest)
    diff = history.answer(1, 1)
    assert diff is not None
    later = _of_later_version(net, newest)
    return {
        "about": "docs/protocol/view.md; all values hexadecimal; 3 of 4 authorities; made by make_view.py",
        "now_ms": NOW_MS,
        "genesis": net.genesis.signed.hex(),
        "network_id": net.genesis.network_id.hex(),
        "threshold": net.genesis.threshold,
        "first": {"answer": view_pb2.ViewAnswer(whole=first).SerializeToString(deterministic=True).hex(),
                  "header_hash": chained.hash.hex(), "nodes_root": chained.header.nodes_root.hex()},
        "second": {"answer": view_pb2.ViewAnswer(whole=second).SerializeToString(deterministic=True).hex(),
                   "header_hash": newest.hash.hex(), "nodes_root": newest.header.nodes_root.hex()},
        "later": {"answer": view_pb2.ViewAnswer(whole=later).SerializeToString(deterministic=True).hex(),
                  "header_hash": blake2b256(HEADER_LABEL, later.header.header).hex(),
                  "relays": [net.identity(0).public.raw.hex()]},
        "diff": diff.SerializeToString(deterministic=True).hex(),
        "entries": [_entry(entry) for entry in newest.entries.values()],
        "placement": [_placement(bytes([number]) * 32, newest) for number in range(4)],
    }  # fmt: skip


def _of_later_version(net: PaperNetwork, before: NetworkView) -> view_pb2.WholeView:
    """A relay with a key of kind 9, beside a relay in state 9 and a node of role 9."""
    entries = [net.entry(net.pieces(0)), net.entry(net.pieces(1, state=NodeState(9)))]
    entries += [net.entry(net.pieces(2, Role.STORAGE, 0)), net.entry(net.pieces(7, Role(9)))]
    start_id = entries[0].node.start_id
    record = KeyRecord(net.identity(0).public.raw, start_id, KeyKind(9), 5, (net.random(77),)).sign(net.identity(0))
    entries[0] = net.entry([*entries[0].pieces, record.SerializeToString(deterministic=True)])
    return net.whole(entries, before.header)


def _placement(mailbox_id: bytes, view: NetworkView) -> dict[str, object]:
    position = position_of(mailbox_id)
    return {"mailbox_id": mailbox_id.hex(), "position": position, "swarm_id": nearest(position, view.swarms)}


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "node_id": entry.node.node_id.hex(),
        "hash": entry.hash.hex(),
        "pieces": [blake2b256(PIECE_LABEL, piece).hex() for piece in entry.pieces],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), indent=1) + "\n")
    sys.stdout.write(f"{FILE.name} written\n")
