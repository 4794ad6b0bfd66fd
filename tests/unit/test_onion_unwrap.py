"""Each refusal of a hop, and each caller's error of the sender."""

from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from essaim.protocol.geometry import LAYOUTS, CellClass, Suite
from essaim.protocol.keys import AgreementPublic, KeyRefusedError
from essaim.protocol.onion import (
    BadCellError,
    CellSpec,
    Deliver,
    Drop,
    Forward,
    HopPublic,
    Keyring,
    KeyUnknownError,
    Refusal,
    ReplayError,
    Reply,
    ReplyKind,
    StaleError,
    minute_of,
    unwrap,
    wrap,
)
from essaim.protocol.onion.keyring import GRACE_MS
from essaim.protocol.onion.routing import Command, Routing
from essaim.protocol.onion.unwrap import opened_payload
from essaim.testing.onion import NOW_MS, OnionRoute

CLASSIC = CellSpec(Suite.X25519)
MINUTE = 60_000


@pytest.fixture
def route() -> OnionRoute:
    return OnionRoute(4, seed=1)


def test_each_hop_learns_the_next_and_the_last_the_payload(route: OnionRoute) -> None:
    cell, _ = route.wrap(b"bonjour", CellSpec())
    for index in range(3):
        step = unwrap(cell, route.rings[index], NOW_MS)
        assert isinstance(step, Forward)
        assert step.next_node == bytes((index + 2,)) * 32
        cell = step.cell
    step = unwrap(cell, route.rings[3], NOW_MS)
    assert isinstance(step, Deliver)
    assert step.payload == b"bonjour"


def test_drop_ends_at_the_last_hop_and_may_be_answered(route: OnionRoute) -> None:
    cell, opener = route.wrap(b"cover", CLASSIC, drop=True)
    carried = route.carry(cell)
    assert isinstance(carried.end, Drop)
    seq, reply = carried.sealer.seal(b"", last=True)
    assert opener.open(seq, carried.back(seq, reply)[-1]) == Reply(ReplyKind.LAST, b"")


def test_delivered_reply_class_is_the_senders(route: OnionRoute) -> None:
    cell, _ = route.wrap(b"", CellSpec(Suite.X25519, CellClass.SMALL, CellClass.LARGE))
    assert route.carry(cell).end.keys.reply_class is CellClass.LARGE


@pytest.mark.parametrize(("offset", "value"), [(0, 0), (0, 2), (1, 0), (1, 3), (2, 1), (2, 3), (3, 3), (3, 255)])
def test_unwrap_refuses_an_unknown_form(route: OnionRoute, offset: int, value: int) -> None:
    cell = bytearray(route.wrap(b"x", CLASSIC)[0])
    cell[offset] = value
    with pytest.raises(BadCellError):
        unwrap(bytes(cell), route.rings[0], NOW_MS)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 455, 16383, 16385, 65536])
def test_unwrap_refuses_another_size(route: OnionRoute, size: int) -> None:
    cell = route.wrap(b"x", CLASSIC)[0]
    with pytest.raises(BadCellError):
        unwrap(cell.ljust(size, b"\0")[:size], route.rings[0], NOW_MS)


def test_unwrap_refuses_a_suite_that_the_view_does_not_allow(route: OnionRoute) -> None:
    cell, _ = route.wrap(b"x", CLASSIC)
    with pytest.raises(BadCellError):
        unwrap(cell, route.rings[0], NOW_MS, {Suite.HYBRID})


def test_unwrap_refuses_the_other_suite_under_the_same_mac(route: OnionRoute) -> None:
    cell = bytearray(route.wrap(b"x", CLASSIC)[0])
    cell[1] = Suite.HYBRID
    with pytest.raises(BadCellError):
        unwrap(bytes(cell), route.rings[0], NOW_MS)


def test_unwrap_refuses_a_key_of_another_start_or_node(route: OnionRoute) -> None:
    cell, _ = route.wrap(b"x", CellSpec())
    restarted = Keyring(route.periods, Random(99).randbytes)
    restarted.advance(NOW_MS)
    for ring in (restarted, route.rings[1]):
        with pytest.raises(KeyUnknownError) as refused:
            unwrap(cell, ring, NOW_MS)
        assert refused.value.refusal is Refusal.KEY_UNKNOWN


def test_unwrap_refuses_a_point_of_small_order(route: OnionRoute) -> None:
    cell = bytearray(route.wrap(b"x", CLASSIC)[0])
    cell[8:40] = bytes(32)
    with pytest.raises(BadCellError):
        unwrap(bytes(cell), route.rings[0], NOW_MS)


def test_wrap_refuses_a_hop_with_a_point_of_small_order(route: OnionRoute) -> None:
    good = route.path[0]
    with pytest.raises(KeyRefusedError):
        wrap([HopPublic(good.node_id, AgreementPublic(bytes(32)), good.mlkem)], b"", CLASSIC, 1, Random(1).randbytes)


def test_unwrap_refuses_a_replay(route: OnionRoute) -> None:
    cell, _ = route.wrap(b"x", CellSpec())
    unwrap(cell, route.rings[0], NOW_MS)
    with pytest.raises(ReplayError):
        unwrap(cell, route.rings[0], NOW_MS + MINUTE)


def test_altered_copy_leaves_no_trace_in_the_replay_window(route: OnionRoute) -> None:
    cell, _ = route.wrap(b"x", CellSpec())
    pair = route.rings[0].pair(cell[4:8])
    assert pair is not None
    with pytest.raises(BadCellError):
        unwrap(cell[:-1] + bytes((cell[-1] ^ 1,)), route.rings[0], NOW_MS)
    assert len(pair.replay) == 0
    unwrap(cell, route.rings[0], NOW_MS)
    assert len(pair.replay) == 1


@pytest.mark.parametrize(
    ("late_ms", "fresh"), [(-2 * MINUTE, False), (-MINUTE, True), (5 * MINUTE, True), (6 * MINUTE, False)]
)
def test_unwrap_takes_five_minutes_back_and_one_ahead(route: OnionRoute, late_ms: int, fresh: bool) -> None:
    cell, _ = route.wrap(b"x", CLASSIC)
    if fresh:
        assert isinstance(unwrap(cell, route.rings[0], NOW_MS + late_ms), Forward)
        return
    with pytest.raises(StaleError) as refused:
        unwrap(cell, route.rings[0], NOW_MS + late_ms)
    assert refused.value.refusal is Refusal.STALE


def test_unwrap_refuses_a_pair_past_its_grace_even_before_it_is_erased(route: OnionRoute) -> None:
    end = (NOW_MS // 3_600_000 + 1) * 3_600_000
    cell, _ = wrap(route.path, b"x", CLASSIC, minute_of(end + GRACE_MS), route.randomness)
    with pytest.raises(KeyUnknownError):
        unwrap(cell, route.rings[0], end + GRACE_MS)
    assert isinstance(unwrap(cell, route.rings[0], end + GRACE_MS - 1), Forward)


def test_wrap_takes_one_to_four_hops(route: OnionRoute) -> None:
    for path in ([], route.path * 2):
        with pytest.raises(ValueError, match="hops"):
            wrap(path, b"", CLASSIC, 1, Random(1).randbytes)


@pytest.mark.parametrize("suite", Suite)
def test_wrap_refuses_a_payload_that_does_not_fit(suite: Suite, route: OnionRoute) -> None:
    most = LAYOUTS[suite].payload(CellClass.SMALL)
    payload = bytes(range(256)) * 64
    end = route.carry(route.wrap(payload[:most], CellSpec(suite))[0]).end
    assert isinstance(end, Deliver)
    assert end.payload == payload[:most]
    with pytest.raises(ValueError, match="fit"):
        route.wrap(payload[: most + 1], CellSpec(suite))


@pytest.mark.parametrize(
    "plain",
    [b"\0\0\x3e\x65", b"\xff\xff\xff\xff", b"\0\0\0\1ab", bytes(15911) + b"\1"],
    ids=["long", "far", "pad", "last"],
)
def test_destination_refuses_a_payload_in_another_form(plain: bytes) -> None:
    """A payload is at most 15908 = 0x3e24 bytes in a classic cell, and its padding is zero."""
    key = b"k" * 32
    body = ChaCha20Poly1305(key).encrypt(bytes(12), plain.ljust(15912, b"\0"), None)
    with pytest.raises(BadCellError):
        opened_payload(key, body)
    with pytest.raises(BadCellError):
        opened_payload(b"K" * 32, body)


def test_node_id_is_32_bytes_not_all_zero(route: OnionRoute) -> None:
    hop = route.path[0]
    for bad in (b"", bytes(32), b"x" * 33):
        with pytest.raises(ValueError, match="32 bytes"):
            HopPublic(bad, hop.x25519, hop.mlkem)


RELAY = Routing(Command.RELAY, 7, b"n" * 32, b"key!").encode()
DELIVER = Routing(Command.DELIVER, 7).encode()


def test_routing_block_has_one_form() -> None:
    assert Routing.parse(RELAY) == (Command.RELAY, 7, b"n" * 32, b"key!")
    assert Routing.parse(DELIVER) == (Command.DELIVER, 7, bytes(32), bytes(4))


@pytest.mark.parametrize("block", [RELAY, DELIVER], ids=["relay", "deliver"])
@pytest.mark.parametrize(("offset", "value"), [(0, 0), (0, 4), (1, 1), (34, 1), (35, 1), (44, 1), (63, 128)])
def test_routing_refuses_what_is_not_canonical(block: bytes, offset: int, value: int) -> None:
    with pytest.raises(BadCellError):
        Routing.parse(block[:offset] + bytes((value,)) + block[offset + 1 :])


def test_routing_refuses_a_next_hop_where_none_belongs() -> None:
    for bad in (
        Routing(Command.RELAY, 7),
        Routing(Command.DELIVER, 7, b"n" * 32),
        Routing(Command.DROP, 7, bytes(32), b"key!"),
    ):
        with pytest.raises(BadCellError):
            Routing.parse(bad.encode())
