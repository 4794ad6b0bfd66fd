"""view.json: read by our keeper, and by a few lines that know only hashlib, `cryptography` and the stubs."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from essaim.protocol.view import Genesis, ViewKeeper
from essaim.protocol.view.swarm import nearest, position_of
from essaim.view.v1 import view_pb2

VECTORS = json.loads(Path(__file__).with_name("view.json").read_text())
NOW_MS = VECTORS["now_ms"]


def answer(data: str) -> view_pb2.ViewAnswer:
    return view_pb2.ViewAnswer.FromString(bytes.fromhex(data))


def h(label: str, *parts: bytes) -> bytes:
    return hashlib.blake2b(label.encode() + b"".join(parts), digest_size=32).digest()


def verified(key: bytes, signature: bytes, label: str, message: bytes) -> bytes:
    Ed25519PublicKey.from_public_bytes(key).verify(signature, label.encode() + message)
    return message


def test_keeper_comes_to_the_second_view_by_itself_and_by_the_diff() -> None:
    genesis = Genesis.parse(bytes.fromhex(VECTORS["genesis"]))
    assert genesis.network_id.hex() == VECTORS["network_id"] and genesis.threshold == VECTORS["threshold"]
    keeper = ViewKeeper(genesis)
    assert keeper.accept(answer(VECTORS["first"]["answer"]), NOW_MS).hash.hex() == VECTORS["first"]["header_hash"]
    view = keeper.accept(answer(VECTORS["diff"]), NOW_MS)
    assert view.hash.hex() == VECTORS["second"]["header_hash"]
    assert [entry.hash.hex() for entry in view.entries.values()] == [each["hash"] for each in VECTORS["entries"]]
    for each in VECTORS["placement"]:
        position = position_of(bytes.fromhex(each["mailbox_id"]))
        assert (position, nearest(position, view.swarms)) == (each["position"], each["swarm_id"])


def test_genesis_is_verified_without_our_code() -> None:
    signed = view_pb2.SignedGenesis.FromString(bytes.fromhex(VECTORS["genesis"]))
    genesis = view_pb2.Genesis.FromString(signed.genesis)
    assert h("essaim/genesis/v1", signed.genesis).hex() == VECTORS["network_id"]
    for each in signed.signatures:
        verified(genesis.authorities[each.authority], each.signature, "essaim/genesis-signature/v1", signed.genesis)
    assert {each.authority for each in signed.signatures} == set(range(len(genesis.authorities)))


@pytest.mark.parametrize("which", ["first", "second"])
def test_view_is_verified_without_our_code(which: str) -> None:
    genesis = view_pb2.Genesis.FromString(view_pb2.SignedGenesis.FromString(bytes.fromhex(VECTORS["genesis"])).genesis)
    whole = answer(VECTORS[which]["answer"]).whole
    raw = whole.header.header
    assert h("essaim/view-header/v1", raw).hex() == VECTORS[which]["header_hash"]
    for each in whole.header.signatures:
        verified(genesis.authorities[each.authority], each.signature, "essaim/view-signature/v1", raw)
    assert len({each.authority for each in whole.header.signatures}) >= 2 * len(genesis.authorities) // 3 + 1
    hashes = {}
    for node in whole.nodes:
        hashes[_node_id(node)] = h("essaim/view-entry/v1", *(h("essaim/view-piece/v1", piece) for piece in node.pieces))
    root = h("essaim/view-root/v1", *(hashes[each] for each in sorted(hashes)))
    assert root == view_pb2.Header.FromString(raw).nodes_root
    assert root.hex() == VECTORS[which]["nodes_root"]


def _node_id(entry: view_pb2.NodeEntry) -> bytes:
    signed = view_pb2.SignedDescriptor.FromString(entry.pieces[1])
    node_id = view_pb2.Descriptor.FromString(signed.descriptor).node_id
    verified(node_id, signed.signature, "essaim/descriptor/v1", signed.descriptor)
    for piece in entry.pieces[2:]:
        record = view_pb2.SignedKeyRecord.FromString(piece)
        verified(node_id, record.signature, "essaim/key-record/v1", record.record)
    return node_id
