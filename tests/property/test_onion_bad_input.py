"""Whatever bytes arrive, each part of the onion answers with its own refusal and nothing else."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CELL_SIZES, LAYOUTS, VERSION, CellClass, Suite
from essaim.protocol.onion import BadCellError, BadReplyError, CellRefusedError, CellSpec, unwrap
from essaim.protocol.onion.routing import Routing
from essaim.testing.effort import examples
from essaim.testing.onion import NOW_MS, OnionRoute

ROUTE = OnionRoute(2, seed=7)
KEY_IDS = [hop.key_id for hop in ROUTE.path]
GOOD = {suite: ROUTE.wrap(b"good", CellSpec(suite))[0] for suite in Suite}


@given(st.binary(max_size=200))
def test_unwrap_refuses_any_short_bytes(data: bytes) -> None:
    try:
        unwrap(data, ROUTE.rings[0], NOW_MS)
    except CellRefusedError as refused:
        assert refused.reason == "BAD_CELL"
    else:
        raise AssertionError("taken")


@given(
    st.sampled_from(Suite), st.sampled_from(CellClass), st.sampled_from([*KEY_IDS, b"none"]), st.binary(max_size=6000)
)
@settings(max_examples=examples(200), deadline=None)
def test_unwrap_refuses_any_bytes_of_a_cell_s_shape(
    suite: Suite, cell_class: CellClass, key_id: bytes, data: bytes
) -> None:
    prefix = bytes((VERSION, suite, cell_class, 0)) + key_id
    cell = (prefix + data).ljust(CELL_SIZES[cell_class], data[:1] or b"\0")
    try:
        unwrap(cell, ROUTE.rings[0], NOW_MS)
    except CellRefusedError as refused:
        assert refused.reason == ("BAD_CELL" if key_id == KEY_IDS[0] else "KEY_UNKNOWN")
    else:
        raise AssertionError("taken")


@given(st.sampled_from(Suite), st.integers(0), st.binary(min_size=1, max_size=64))
@settings(max_examples=examples(200), deadline=None)
def test_unwrap_refuses_a_good_cell_with_a_patch(suite: Suite, at: int, patch: bytes) -> None:
    good = GOOD[suite]
    at %= LAYOUTS[suite].header
    cell = good[:at] + patch + good[at + len(patch) :]
    assume(cell != good)
    try:
        unwrap(cell, ROUTE.rings[0], NOW_MS)
    except CellRefusedError:
        return
    raise AssertionError("taken")


@given(st.binary(min_size=64, max_size=64))
@settings(max_examples=examples(500))
def test_routing_block_is_refused_or_comes_back_the_same(block: bytes) -> None:
    sparse = bytes((block[0] % 4,)) + bytes(1) + block[2:34] + bytes(2) + block[36:44] + bytes(20)
    for each in (block, sparse):
        try:
            assert Routing.parse(each).encode() == each
        except BadCellError as refused:
            assert isinstance(refused, ProtocolError)


@given(st.integers(-2, 70_000), st.binary(max_size=100), st.sampled_from([0, 16384, 65536]))
@settings(max_examples=examples(200), deadline=None)
def test_open_refuses_any_bytes(seq: int, data: bytes, size: int) -> None:
    _, opener = ROUTE.wrap(b"", CellSpec(Suite.X25519))
    try:
        opener.open(seq, data.ljust(size, b"\0"))
    except BadReplyError:
        assert opener.ended
        return
    raise AssertionError("taken")
