"""What the other end of a link sends: messages, frames, the handshake, and frames in any order on an open link."""

import asyncio
from collections.abc import Iterator

from essaim.network.accepted import AcceptedLink
from essaim.network.call import IncomingCall
from essaim.network.outgoing import OutgoingLink
from essaim.network.raw import RawMessageError, decode, encode
from essaim.network.settings import LinkSettings
from essaim.protocol.geometry import CELL_SIZES, CellClass
from essaim.protocol.keys import SigningKey
from essaim.protocol.link.calls import Budget
from essaim.protocol.link.frame import (
    MESSAGE_CLASS,
    Cancel,
    Cell,
    Challenge,
    End,
    Frame,
    Goaway,
    Grant,
    Hello,
    Message,
    Refuse,
    cell_head,
    frames_of,
)
from essaim.protocol.link.hello import Dialler, LinkIdentity, admit, answer, signed_text
from essaim.protocol.link.refusal import HelloRefusedError, LinkBrokenError
from essaim.protocol.onion.refusal import Refusal
from fuzzed.parser import Parser

SMALL = CELL_SIZES[CellClass.SMALL]
CHALLENGE = Challenge(bytes(range(32)), 1_800_000_000_000)
NODE, OTHER = SigningKey(bytes(32)), SigningKey(b"\1" * 32)
ACCEPTOR = b"a" * 32
SERIAL = 100
LOOP = asyncio.new_event_loop()


def raw(data: bytes) -> object:
    field = decode(data)
    assert data.endswith(bytes(field)), "a field from elsewhere"
    return field


def raws() -> Iterator[bytes]:
    yield from (encode([]), encode([b"frames"]), encode([bytes(200)]), encode([bytes(300)]))


def frames(data: bytes) -> object:
    found = list(frames_of(memoryview(data)))
    assert b"".join(map(_encoded, found)) == data, "two forms of one meaning"
    return found


def _encoded(frame: Frame) -> bytes:
    return cell_head(frame.call, frame.seq, frame.cell) + frame.cell if isinstance(frame, Cell) else frame.encode()


def each_frame() -> Iterator[bytes]:
    yield CHALLENGE.encode()
    yield answer(CHALLENGE, None, ACCEPTOR, 0).encode()
    yield Message(b"from node to node").encode() + Goaway().encode()
    yield Grant(1, 4).encode() + Cancel(1).encode() + End(2).encode() + Refuse(3, Refusal.STALE, 7).encode()
    yield cell_head(1, 0, bytes(SMALL)) + bytes(SMALL)


def hello(data: bytes) -> object:
    """As anybody may fill it in, signed by a node that the view lists, by one that it does not, or by nobody."""
    told = data[:75].ljust(75, b"\0")
    own_id = {0: bytes(32), 1: NODE.public.raw, 2: OTHER.public.raw}.get(told[0], told[3:35])
    peer_id = ACCEPTOR if told[35] == 0 else told[35:67]
    said = Hello(told[1], told[2], own_id, peer_id, int.from_bytes(told[67:75], "big"), data[75:139].ljust(64, b"\0"))
    signer = {1: NODE, 2: OTHER}.get(told[0])
    if signer is not None and not data[75:]:
        text = signed_text(CHALLENGE.nonce, own_id, peer_id, said.link_class, said.view_serial)
        said = Hello(said.version, said.link_class, own_id, peer_id, said.view_serial, signer.sign(text))
    dialler = admit(said, CHALLENGE, ACCEPTOR, SERIAL, lambda node_id: node_id == NODE.public.raw)
    assert dialler.node_id in (None, NODE.public.raw), "a node that the view does not list"
    return dialler


def hellos() -> Iterator[bytes]:
    for who in (0, 1, 2):
        for link_class in (0, MESSAGE_CLASS):
            yield bytes((who, 1, link_class)) + bytes(64) + SERIAL.to_bytes(8, "big")
    yield bytes((1, 1, 0)) + bytes(64) + (3).to_bytes(8, "big")
    yield bytes((9, 1, 0)) + NODE.public.raw + ACCEPTOR + SERIAL.to_bytes(8, "big") + bytes(64)


def accepted(data: bytes) -> object:
    """Frames on a link that was dialled to a node, which answers each call by a reply too many for its grant."""
    return LOOP.run_until_complete(_accepted(data))


async def _accepted(data: bytes) -> object:
    def on_call(call: IncomingCall) -> None:
        for seq in range(6):
            call.reply(seq, bytes(SMALL))
        call.end()

    budget = Budget(max_calls=3, max_bytes=SMALL * 20)
    link = AcceptedLink(Dialler(0, None), budget, LinkSettings(), on_call, None)
    for frame in frames_of(memoryview(_grown(data))):
        link._take(frame)
        assert 0 <= budget.calls <= 3, "a budget that does not hold"
        assert budget.held >= 0, "bytes given back twice"
    return link


def dialled(data: bytes) -> object:
    """Frames on a link that this process dialled, with two calls open."""
    return LOOP.run_until_complete(_dialled(data))


async def _dialled(data: bytes) -> object:
    heard = Heard()
    identity = LinkIdentity(NODE.public.raw, NODE.sign, lambda: SERIAL)
    link = OutgoingLink(_Peer(), 0, identity, LinkSettings(), lambda _: None)
    calls = [link.open(bytes(SMALL), CellClass.SMALL, heard) for _ in range(2)]
    for frame in frames_of(memoryview(_grown(data))):
        link._take(frame)
        calls[0].consumed(1)
    return heard


class Heard:
    """What a call was told."""

    def __init__(self) -> None:
        self.cells = self.ends = 0

    def on_reply(self, seq: int, cell: bytes) -> None:
        self.cells += 1

    def on_refused(self, refusal: Refusal, time_ms: int) -> None:
        self.on_end()

    def on_end(self) -> None:
        self.ends += 1
        assert self.ends <= 2, "a call has ended twice"


class _Peer:
    node_id, address, certificates = ACCEPTOR, "127.0.0.1:1", (b"",)


def _grown(data: bytes) -> bytes:
    """Small cells are written short, by their head and prefix: what is in them is another parser's."""
    parts, at = [], 0
    while at < len(data):
        end = at + 14 if data[at] == 3 and data[at + 9 : at + 10] == b"\0" else at + _SIZES.get(data[at], len(data))
        parts.append(data[at:end])
        if data[at] == 3 and len(parts[-1]) == 14:
            parts.append(bytes(SMALL - 4))
        at = end
    return b"".join(parts)


_SIZES = {4: 7, 5: 5, 6: 14, 7: 5, 8: 1}


def orders() -> Iterator[bytes]:
    head = cell_head(1, 0, bytes(SMALL))
    cell = head + bytes((1, 1, 0, 0))
    yield cell + Grant(1, 4).encode() + Cancel(1).encode()
    yield cell + cell_head(2, 0, bytes(SMALL)) + bytes((1, 1, 0, 0)) + Goaway().encode() + Grant(2, 9).encode()
    yield cell + End(1).encode() + Refuse(2, Refusal.BUSY).encode()
    yield CHALLENGE.encode() + Message(b"m").encode()


PARSERS = (
    Parser("link.raw", raw, (RawMessageError,), raws, longest=512),
    Parser("link.frames", frames, (LinkBrokenError,), each_frame, longest=SMALL + 256),
    Parser("link.hello", hello, (HelloRefusedError,), hellos, longest=139),
    Parser("link.accepted", accepted, (LinkBrokenError,), orders, longest=160),
    Parser("link.dialled", dialled, (LinkBrokenError,), orders, longest=160),
)
