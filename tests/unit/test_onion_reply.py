"""Replies, error cells and the end of a call."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from essaim.protocol.geometry import MAX_REPLIES, CellClass, Suite
from essaim.protocol.onion import (
    BadReplyError,
    CellSpec,
    HopError,
    Refusal,
    Reply,
    ReplyKind,
    ReplyOpener,
    ReplyOrderError,
    ReplyRelay,
)
from essaim.testing.onion import NOW_MS, Carried, OnionRoute

SPEC = CellSpec(Suite.X25519)


def call(hops: int = 4, seed: int = 5, spec: CellSpec = SPEC) -> tuple[Carried, ReplyOpener]:
    route = OnionRoute(hops, seed)
    cell, opener = route.wrap(b"subscribe", spec)
    return route.carry(cell), opener


@pytest.mark.parametrize("hops", [1, 2, 3, 4])
def test_stream_arrives_in_order_with_heartbeat_and_end(hops: int) -> None:
    carried, opener = call(hops)
    sealer = carried.sealer
    made = [sealer.seal(b"one", last=False), sealer.heartbeat(), sealer.seal(b"end", last=True)]
    got = [opener.open(seq, carried.back(seq, cell)[-1]) for seq, cell in made]
    assert got == [Reply(ReplyKind.MORE, b"one"), Reply(ReplyKind.HEARTBEAT, b""), Reply(ReplyKind.LAST, b"end")]
    assert opener.ended


@pytest.mark.parametrize("reply_class", CellClass)
def test_reply_has_its_class_at_every_hop_and_holds_the_stated_payload(reply_class: CellClass) -> None:
    carried, opener = call(spec=CellSpec(Suite.X25519, CellClass.SMALL, reply_class))
    payload = bytes(range(1, 252)) * (reply_class.reply_payload // 251 + 1)
    payload = payload[: carried.sealer.max_payload]
    seq, cell = carried.sealer.seal(payload, last=True)
    seen = carried.back(seq, cell)
    assert {len(each) for each in seen} == {reply_class.size}
    assert opener.open(seq, seen[-1]) == Reply(ReplyKind.LAST, payload)
    with pytest.raises(ValueError, match="fit"):
        carried.sealer.seal(payload + b"x", last=True)


def test_sealer_says_nothing_after_the_end() -> None:
    sealer = call()[0].sealer
    sealer.seal(b"", last=True)
    with pytest.raises(ValueError, match="ended"):
        sealer.heartbeat()


@pytest.mark.parametrize("wrong", [0, 2, -1, MAX_REPLIES])
def test_relay_ends_the_call_at_a_skipped_or_repeated_sequence(wrong: int) -> None:
    carried, _ = call()
    relay = carried.relays[2]
    sealer = carried.sealer
    _, first = sealer.seal(b"a", last=False)
    _, second = sealer.seal(b"b", last=False)
    relay.forward(0, first)
    with pytest.raises(ReplyOrderError):
        relay.forward(wrong, second)
    assert relay.ended
    with pytest.raises(ReplyOrderError):
        relay.forward(1, second)


def test_relay_ends_the_call_at_another_size() -> None:
    relay = call()[0].relays[0]
    with pytest.raises(ReplyOrderError):
        relay.forward(0, bytes(65536))
    assert relay.ended


@pytest.mark.parametrize("wrong", [0, 2])
def test_client_ends_the_call_at_a_skipped_or_repeated_sequence(wrong: int) -> None:
    carried, opener = call()
    sealer = carried.sealer
    cells = [carried.back(seq, cell)[-1] for seq, cell in (sealer.seal(b"x", last=False) for _ in range(3))]
    opener.open(0, cells[0])
    with pytest.raises(BadReplyError):
        opener.open(wrong, cells[wrong])
    with pytest.raises(BadReplyError):
        opener.open(1, cells[1])


def test_client_refuses_a_reply_passed_off_under_another_sequence() -> None:
    carried, opener = call()
    sealer = carried.sealer
    cells = [carried.back(seq, cell)[-1] for seq, cell in (sealer.seal(b"x", last=False) for _ in range(2))]
    with pytest.raises(BadReplyError):
        opener.open(0, cells[1])
    assert opener.ended


def test_client_refuses_an_altered_reply() -> None:
    carried, opener = call()
    seq, cell = carried.sealer.seal(b"x", last=True)
    sent = bytearray(carried.back(seq, cell)[-1])
    sent[9000] ^= 4
    with pytest.raises(BadReplyError):
        opener.open(seq, bytes(sent))


def test_client_takes_nothing_after_the_end() -> None:
    carried, opener = call()
    sealer = carried.sealer
    seq, cell = sealer.seal(b"x", last=True)
    opener.open(seq, carried.back(seq, cell)[-1])
    with pytest.raises(BadReplyError):
        opener.open(1, cell)


@pytest.mark.parametrize("after", [0, 3])
@pytest.mark.parametrize("refusal", Refusal)
@pytest.mark.parametrize("maker", [0, 1, 2])
def test_error_cell_names_the_hop_that_made_it(maker: int, refusal: Refusal, after: int) -> None:
    carried, opener = call()
    sealer = carried.sealer
    for _ in range(after):
        seq, cell = sealer.seal(b"x", last=False)
        opener.open(seq, carried.back(seq, cell)[-1])
    seq, error = carried.relays[maker].fail(refusal, NOW_MS)
    seen = carried.back(seq, error, maker)
    assert {len(each) for each in seen} == {CellClass.SMALL.size}
    assert opener.open(seq, seen[-1]) == HopError(maker, refusal, NOW_MS)
    assert opener.ended


def test_error_cell_may_follow_a_broken_sequence() -> None:
    carried, opener = call()
    with pytest.raises(ReplyOrderError):
        carried.relays[1].forward(3, bytes(16384))
    seq, error = carried.relays[1].fail(Refusal.BAD_REPLY)
    assert opener.open(seq, carried.back(seq, error, 1)[-1]) == HopError(1, Refusal.BAD_REPLY, 0)


def test_relay_covers_each_sequence_once() -> None:
    """After an error cell neither a reply nor another error cell may use the sequence: it would be a two-time pad."""
    carried, _ = call()
    relay, sealer = carried.relays[2], carried.sealer
    relay.forward(*sealer.seal(b"x", last=False))
    seq, _ = relay.fail(Refusal.TIMEOUT)
    assert seq == 1
    with pytest.raises(ReplyOrderError):
        relay.forward(*sealer.seal(b"y", last=False))
    with pytest.raises(ReplyOrderError):
        relay.fail(Refusal.TIMEOUT)


def test_call_has_at_most_65536_replies() -> None:
    carried, opener = call(hops=2)
    relay = carried.relays[0]
    relay.next_seq = opener.next_seq = MAX_REPLIES
    with pytest.raises(ReplyOrderError):
        relay.fail(Refusal.BUSY)
    with pytest.raises(ReplyOrderError):
        relay.forward(MAX_REPLIES, bytes(16384))
    with pytest.raises(BadReplyError):
        opener.open(MAX_REPLIES, bytes(16384))


def test_sealer_stops_after_65536_replies() -> None:
    sealer = call(hops=1)[0].sealer
    sealer._seq = MAX_REPLIES - 1
    assert sealer.heartbeat()[0] == MAX_REPLIES - 1
    with pytest.raises(ValueError, match="ended"):
        sealer.heartbeat()


def test_relay_that_makes_an_error_does_not_know_the_others_keys() -> None:
    """A middle hop's error, passed off as the guard's or the destination's, opens under neither key."""
    carried, opener = call()
    seq, error = ReplyRelay(carried.relays[1]._keys).fail(Refusal.BUSY)
    with pytest.raises(BadReplyError):
        opener.open(seq, error)


def sealed(key: bytes, plain: bytes, size: int = 16384) -> bytes:
    return ChaCha20Poly1305(key).encrypt(bytes(12), plain.ljust(size - 16, b"\0"), None)


@pytest.mark.parametrize(
    "plain",
    [
        b"\x03" + bytes(4),
        b"\xff" + bytes(4),
        b"\x00" + (16364).to_bytes(4, "big"),
        b"\x00\xff\xff\xff\xff",
        b"\x01" + (3).to_bytes(4, "big") + b"abcd",
        b"\x02" + (1).to_bytes(4, "big") + b"a",
        bytes(16367) + b"\x01",
    ],
    ids=["kind", "kind-255", "too-long", "far-too-long", "padding", "heartbeat-with-payload", "last-byte"],
)
def test_client_refuses_a_reply_in_another_form(plain: bytes) -> None:
    """Even under the destination's key: a destination that speaks so is at fault, and the call ends."""
    carried, opener = call()
    with pytest.raises(BadReplyError):
        opener.open(0, carried.back(0, sealed(carried.end.keys.reply, plain))[-1])
    assert opener.ended


@pytest.mark.parametrize("plain", [bytes(9), b"\x0a", b"\x04" + bytes(9) + b"x"], ids=["zero", "unknown", "padding"])
def test_client_refuses_an_error_in_another_form(plain: bytes) -> None:
    carried, opener = call()
    with pytest.raises(BadReplyError):
        opener.open(0, sealed(carried.relays[0]._keys.error, plain))


def test_destination_makes_no_error_cell() -> None:
    """Only a hop that has another behind it does: the destination's error is a reply."""
    carried, opener = call()
    seq, error = ReplyRelay(carried.end.keys).fail(Refusal.BUSY)
    with pytest.raises(BadReplyError):
        opener.open(seq, carried.back(seq, error)[-1])
