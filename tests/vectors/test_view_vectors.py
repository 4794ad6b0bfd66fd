"""view.json: read by our keeper, and by a few lines that know only hashlib, `cryptography` and the stubs."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from essaim.protocol.onion.keyring import KeyKind
from essaim.protocol.view import Genesis, Role, ViewKeeper
from essaim.protocol.view.refusal import MalformedError
from essaim.protocol.view.swarm import nearest, position_of
from essaim.testing.views import PaperNetwork
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


def test_view_of_a_later_version_is_accepted_and_what_is_unknown_is_passed_over() -> None:
    """Roles, states and kinds of key may be added to v1: an old reader goes on with what it knows."""
    keeper = ViewKeeper(Genesis.parse(bytes.fromhex(VECTORS["genesis"])))
    keeper.accept(answer(VECTORS["second"]["answer"]), NOW_MS)
    view = keeper.accept(answer(VECTORS["later"]["answer"]), NOW_MS)
    assert view.hash.hex() == VECTORS["later"]["header_hash"] and len(view.nodes) == 4
    (relay,) = view.relays()
    assert [relay.node_id.hex()] == VECTORS["later"]["relays"]
    assert {key.kind for key in relay.keys} == set(KeyKind)
    unknown = [node for node in view.nodes.values() if not (node.role.known and node.state.known)]
    assert sorted((int(node.role), int(node.state)) for node in unknown) == [(1, 9), (9, 1)]
    assert all(node not in view.active(role) for node in unknown for role in Role)


@pytest.mark.parametrize("field", ["role", "state", "kind"])
def test_code_0_is_refused(field: str) -> None:
    """A field that was left out is no later version's."""
    net = PaperNetwork(seed=3)
    pieces, identity = net.pieces(0), net.identity(0)
    if field == "state":
        status = view_pb2.NodeStatus.FromString(pieces[0])
        status.state = view_pb2.NODE_STATE_UNSPECIFIED
        pieces[0] = status.SerializeToString()
    elif field == "role":
        raw = view_pb2.Descriptor.FromString(view_pb2.SignedDescriptor.FromString(pieces[1]).descriptor)
        raw.role = view_pb2.ROLE_UNSPECIFIED
        body = raw.SerializeToString()
        signature = identity.sign(b"essaim/descriptor/v1" + body)
        pieces[1] = view_pb2.SignedDescriptor(descriptor=body, signature=signature).SerializeToString()
    else:
        record = view_pb2.KeyRecord.FromString(view_pb2.SignedKeyRecord.FromString(pieces[2]).record)
        record.kind = view_pb2.KEY_KIND_UNSPECIFIED
        body = record.SerializeToString()
        signature = identity.sign(b"essaim/key-record/v1" + body)
        pieces[2] = view_pb2.SignedKeyRecord(record=body, signature=signature).SerializeToString()
    with pytest.raises(MalformedError):
        net.entry(pieces)


def test_genesis_is_verified_without_our_code() -> None:
    signed = view_pb2.SignedGenesis.FromString(bytes.fromhex(VECTORS["genesis"]))
    genesis = view_pb2.Genesis.FromString(signed.genesis)
    assert h("essaim/genesis/v1", signed.genesis).hex() == VECTORS["network_id"]
    for each in signed.signatures:
        verified(genesis.authorities[each.authority], each.signature, "essaim/genesis-signature/v1", signed.genesis)
    assert {each.authority for each in signed.signatures} == set(range(len(genesis.authorities)))


@pytest.mark.parametrize("which", ["first", "second", "later"])
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
    assert root.hex() == VECTORS[which].get("nodes_root", root.hex())


def _node_id(entry: view_pb2.NodeEntry) -> bytes:
    signed = view_pb2.SignedDescriptor.FromString(entry.pieces[1])
    node_id = view_pb2.Descriptor.FromString(signed.descriptor).node_id
    verified(node_id, signed.signature, "essaim/descriptor/v1", signed.descriptor)
    for piece in entry.pieces[2:]:
        record = view_pb2.SignedKeyRecord.FromString(piece)
        verified(node_id, record.signature, "essaim/key-record/v1", record.record)
    return node_id
