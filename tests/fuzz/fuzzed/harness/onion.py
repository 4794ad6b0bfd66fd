"""Cells and replies: bytes of anybody's, and what is inside where the sender is the one who lies."""

import json
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from essaim.protocol.geometry import AEAD_TAG_SIZE, CELL_SIZES, LAYOUTS, ROUTING_SIZE, CellClass, Suite
from essaim.protocol.onion import (
    BadCellError,
    BadReplyError,
    CellRefusedError,
    CellSpec,
    HopError,
    Reply,
    ReplyOpener,
    unwrap,
)
from essaim.protocol.onion.reply import ReplyKind, nonce_of
from essaim.protocol.onion.routing import Command, Routing
from essaim.protocol.onion.schedule import PAYLOAD_NONCE, CallKeys, stream_xor
from essaim.protocol.onion.unwrap import opened_payload
from essaim.testing.onion import NOW_MS, OnionRoute
from fuzzed.parser import Parser, chosen

VECTORS = Path(__file__).resolve().parents[3] / "vectors" / "onion.json"
ROUTE = OnionRoute(2, seed=7)
KEY = bytes(range(32))
SMALL = CELL_SIZES[CellClass.SMALL]
PATH = [CallKeys(CellClass.SMALL, bytes([number]) * 32, bytes([number + 9]) * 32) for number in (1, 2, 3)]


PAIR = ROUTE.rings[0].pair(ROUTE.path[0].key_id)
GENUINE = [ROUTE.wrap(b"good", CellSpec(suite))[0] for suite in Suite]
assert PAIR is not None


def cell(data: bytes) -> object:
    """A header, filled up to a small cell; or a genuine cell with a patch (where, as two bytes, and with what)."""
    which, rest = chosen(data, 3)
    made = rest.ljust(SMALL, b"\0") if rest[2:3] == b"\0" else rest
    if which:
        at, patch = int.from_bytes(rest[:2], "big"), rest[2:]
        made = GENUINE[which - 1][:at] + patch + GENUINE[which - 1][at + len(patch) :]
    PAIR.replay._seen.clear()  # each input is the first
    return unwrap(made, ROUTE.rings[0], NOW_MS)


def cells() -> Iterator[bytes]:
    yield from (b"\1", b"\2", b"\1\0\2\1", b"\2\x3f\xffx")
    for whole, suite in zip(GENUINE, Suite, strict=True):
        yield b"\0" + whole[: LAYOUTS[suite].header]
    for case in json.loads(VECTORS.read_text())["cases"]:
        yield b"\0" + bytes.fromhex(case["header"])


def routing(data: bytes) -> object:
    block = data[:ROUTING_SIZE].ljust(ROUTING_SIZE, b"\0")
    parsed = Routing.parse(block)
    assert parsed.encode() == block, "two forms of one meaning"
    return parsed


def routings() -> Iterator[bytes]:
    yield Routing(Command.RELAY, 30_000_000, b"n" * 32, b"keyi").encode()
    yield Routing(Command.DELIVER, 30_000_000).encode()
    yield Routing(Command.DROP, 30_000_000).encode()


def payload(data: bytes) -> object:
    """The last layer, sealed by a client that pads as it likes."""
    return opened_payload(KEY, ChaCha20Poly1305(KEY).encrypt(PAYLOAD_NONCE, data, None))


def payloads() -> Iterator[bytes]:
    yield (5).to_bytes(4, "big") + b"hello" + bytes(20)
    yield bytes(40)


def reply(data: bytes) -> object:
    """A reply of the destination, an error cell of either relay, or a cell of nobody's."""
    maker, plain = chosen(data, 4)
    opener = ReplyOpener(PATH)
    sealed = plain[: SMALL - AEAD_TAG_SIZE].ljust(SMALL - AEAD_TAG_SIZE, b"\0")
    key = (PATH[2].reply, PATH[0].error, PATH[1].error, bytes(32))[maker]
    made = ChaCha20Poly1305(key).encrypt(nonce_of(0), sealed, None)
    for relay in reversed(PATH[: (2, 0, 1, 2)[maker]]):
        made = stream_xor(relay.reply, nonce_of(0), made)
    opened = opener.open(0, made)
    assert maker != 3, "nobody's cell was opened"
    assert isinstance(opened, Reply) if maker == 0 else isinstance(opened, HopError)
    return opened


def replies() -> Iterator[bytes]:
    for kind in ReplyKind:
        yield b"\0" + bytes((kind,)) + (0 if kind == ReplyKind.HEARTBEAT else 5).to_bytes(4, "big") + b"hello"
    yield b"\1" + b"\4" + bytes(8)
    yield b"\2" + b"\4" + NOW_MS.to_bytes(8, "big")
    yield b"\3nobody"


PARSERS = (
    Parser("onion.cell", cell, (CellRefusedError,), cells, longest=LAYOUTS[Suite.HYBRID].header + 64),
    Parser("onion.routing", routing, (BadCellError,), routings, longest=ROUTING_SIZE),
    Parser("onion.payload", payload, (BadCellError,), payloads, longest=512),
    Parser("onion.reply", reply, (BadReplyError,), replies, longest=512),
)
