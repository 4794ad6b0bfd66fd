"""Genesis, headers, entries, diffs and answers: signed, where the one who signs may be the one who lies."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from essaim.protocol.keys import SigningKey
from essaim.protocol.view import (
    Entry,
    Genesis,
    Header,
    Move,
    NetworkView,
    NodeState,
    Role,
    ViewKeeper,
    ViewRefusedError,
)
from essaim.protocol.view.descriptor import DESCRIPTOR_LABEL
from essaim.protocol.view.diff import apply_diff, make_diff
from essaim.protocol.view.entry import root_of
from essaim.protocol.view.genesis import SIGNATURE_LABEL
from essaim.protocol.view.header import NO_HASH
from essaim.protocol.view.key_record import KEY_RECORD_LABEL
from essaim.protocol.view.wire import parse
from essaim.testing.views import NOW_MS, PaperNetwork
from essaim.view.v1 import view_pb2
from fuzzed.parser import Parser, chosen

VECTORS = Path(__file__).resolve().parents[3] / "vectors" / "view.json"
NETWORK = PaperNetwork(seed=3)
PIECES = [
    NETWORK.pieces(1),
    NETWORK.pieces(2, Role.STORAGE, swarm_id=7, move=Move(9, 2)),
    NETWORK.pieces(3, Role.STORAGE, swarm_id=7, state=NodeState.AWAY),
]
ENTRIES = [NETWORK.entry(pieces) for pieces in PIECES]
KEYS: Mapping[bytes, SigningKey] = {NETWORK.identity(n).public.raw: NETWORK.identity(n) for n in (1, 2, 3, 4)}
KEEPER = ViewKeeper(NETWORK.genesis)
VIEW = KEEPER.accept(view_pb2.ViewAnswer(whole=NETWORK.whole(ENTRIES)), NOW_MS)
AUTHORITIES = [SigningKey(bytes([number]) * 32) for number in (1, 2, 3)]


def genesis(data: bytes) -> object:
    """Signed by those of its authorities whose keys are known; or whole, as a file has it."""
    signed, rest = chosen(data, 2)
    if not signed:
        return Genesis.parse(rest)
    inner = parse(view_pb2.Genesis, rest)
    by_key = {key.public.raw: key for key in AUTHORITIES}
    outer = view_pb2.SignedGenesis(genesis=rest)
    for index, authority in enumerate(inner.authorities[:8]):
        if authority in by_key:
            signature = by_key[authority].sign(SIGNATURE_LABEL + rest)
            outer.signatures.add(authority=index, signature=signature)
    return Genesis.parse(outer.SerializeToString())


def geneses() -> Iterator[bytes]:
    made = Genesis.create("fuzz", AUTHORITIES[:2], NETWORK.genesis.parameters, [b"certificate"], NOW_MS)
    yield b"\0" + made.signed
    yield b"\1" + view_pb2.SignedGenesis.FromString(made.signed).genesis
    yield b"\0" + bytes.fromhex(json.loads(VECTORS.read_text())["genesis"])


def header(data: bytes) -> object:
    found = Header.parse(data)
    assert (found.raw, len(found.hash)) == (data, 32)
    found.check_follows(VIEW.header)
    return found


def headers() -> Iterator[bytes]:
    yield VIEW.header.raw
    yield NETWORK.header(ENTRIES, VIEW.header, draws_tests=True).raw


def entry(data: bytes) -> object:
    """The pieces of one node, its own parts signed by it."""
    message = parse(view_pb2.NodeEntry, data)
    found = Entry.parse(_signed(message.pieces), NETWORK.genesis.network_id, NETWORK.genesis.parameters.key_periods)
    found.node.hop(NOW_MS)
    assert len(found.hash) == 32
    return found


def _signed(pieces: Sequence[bytes]) -> list[bytes]:
    """With the signatures that the node named would make; a piece that is none stays as it is."""
    made = list(pieces[:40])
    for at, piece in enumerate(made):
        if at == 1:
            outer = view_pb2.SignedDescriptor.FromString(b"")
            told = _message(view_pb2.SignedDescriptor, piece)
            if told is not None and (inner := _message(view_pb2.Descriptor, told.descriptor)) is not None:
                outer.descriptor, key = told.descriptor, KEYS.get(inner.node_id)
                outer.signature = key.sign(DESCRIPTOR_LABEL + told.descriptor) if key else told.signature
                made[at] = outer.SerializeToString()
        elif at > 1:
            told = _message(view_pb2.SignedKeyRecord, piece)
            if told is not None and (inner := _message(view_pb2.KeyRecord, told.record)) is not None:
                key = KEYS.get(inner.node_id)
                signature = key.sign(KEY_RECORD_LABEL + told.record) if key else told.signature
                made[at] = view_pb2.SignedKeyRecord(record=told.record, signature=signature).SerializeToString()
    return made


def _message(kind, data: bytes):
    try:
        return parse(kind, data)
    except ViewRefusedError:
        return None


def entries() -> Iterator[bytes]:
    for pieces in PIECES:
        yield view_pb2.NodeEntry(pieces=pieces).SerializeToString()
        yield view_pb2.NodeEntry(pieces=pieces[:3]).SerializeToString()


def diff(data: bytes) -> object:
    """Under a header that commits to whatever it leads to, as enough authorities could sign it."""
    message = parse(view_pb2.ViewDiff, data)
    for change in message.changed[:6]:
        added = [at for at, piece in enumerate(change.pieces) if piece.WhichOneof("piece") == "added"]
        signed = _signed([piece.added if at in added else b"" for at, piece in enumerate(change.pieces)])
        for at in added[:40]:
            change.pieces[at].added = signed[at]
    found = apply_diff(VIEW, message, VIEW.header)
    root = root_of(found.values())
    made = view_pb2.Header.FromString(VIEW.header.raw)
    made.nodes_root = root
    view = NetworkView.build(message.latest, Header.parse(made.SerializeToString()), found)
    _read(view)
    return view


def _read(view: NetworkView) -> None:
    """What every reader asks of a view."""
    if view.swarms and view.next_swarms:
        view.move_of(bytes(32))
    for node_id in view.nodes:
        view.swarm_of_node(node_id)
        view.next_swarm_of_node(node_id)
    view.relays(), view.storage()


def diffs() -> Iterator[bytes]:
    fourth = NETWORK.entry(NETWORK.pieces(4))
    changed = NETWORK.entry(NETWORK.pieces(2, Role.STORAGE, swarm_id=9))
    for listed in ([*ENTRIES, fourth], ENTRIES[:2], [ENTRIES[0], changed, ENTRIES[2]]):
        keeper = ViewKeeper(NETWORK.genesis)
        after = keeper.accept(view_pb2.ViewAnswer(whole=NETWORK.whole(listed, VIEW.header)), NOW_MS)
        yield make_diff(VIEW, [], after).SerializeToString()


def answer(data: bytes) -> object:
    """A node's answer as it comes."""
    KEEPER.current = VIEW
    view = KEEPER.accept(parse(view_pb2.ViewAnswer, data), NOW_MS)
    assert view.serial >= VIEW.serial, "a view that is older"
    return view


def answers() -> Iterator[bytes]:
    yield view_pb2.ViewAnswer(unchanged=view_pb2.Unchanged()).SerializeToString()
    yield view_pb2.ViewAnswer(whole=NETWORK.whole(ENTRIES[:1], VIEW.header)).SerializeToString()
    for data in diffs():
        yield view_pb2.ViewAnswer(diff=view_pb2.ViewDiff.FromString(data)).SerializeToString()


assert VIEW.header.previous_hash == NO_HASH

PARSERS = (
    Parser("view.genesis", genesis, (ViewRefusedError,), geneses, longest=2_048),
    Parser("view.header", header, (ViewRefusedError,), headers, longest=512),
    Parser("view.entry", entry, (ViewRefusedError,), entries),
    Parser("view.diff", diff, (ViewRefusedError,), diffs, longest=6_144),
    Parser("view.answer", answer, (ViewRefusedError,), answers, longest=6_144),
)
