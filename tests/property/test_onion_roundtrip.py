"""Any payload over any path of 1 to 4 hops in either suite and any class arrives, and so do its replies."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from essaim.protocol.geometry import LAYOUTS, MAX_LAYERS, CellClass, Suite
from essaim.protocol.onion import CellSpec, Deliver, HopError, Refusal, Reply, ReplyKind
from essaim.testing.effort import examples
from essaim.testing.onion import OnionRoute

SPECS = st.builds(
    CellSpec, st.sampled_from(Suite), st.sampled_from(CellClass), st.sampled_from([CellClass.SMALL, CellClass.MEDIUM])
)
FILL = bytes(range(256)) * 1024
REPLIES = st.lists(st.one_of(st.none(), st.binary(max_size=200)), max_size=4)


@cache
def route_of(hops: int) -> OnionRoute:
    return OnionRoute(hops, seed=hops)


@given(st.integers(1, MAX_LAYERS), SPECS, st.floats(0, 1), st.binary(max_size=300))
@settings(max_examples=examples(150), deadline=None)
def test_payload_arrives_and_every_hop_sees_the_same_size(
    hops: int, spec: CellSpec, fullness: float, head: bytes
) -> None:
    most = LAYOUTS[spec.suite].payload(spec.cell_class)
    payload = (head + FILL)[: int(most * fullness)]
    route = route_of(hops)
    cell, _ = route.wrap(payload, spec)
    carried = route.carry(cell)
    assert isinstance(carried.end, Deliver)
    assert carried.end.payload == payload
    assert carried.end.keys.reply_class == spec.reply_class
    assert [len(each) for each in carried.cells] == [spec.cell_class.size] * hops
    assert {each[:4] for each in carried.cells} == {spec.prefix}


@given(st.integers(1, MAX_LAYERS), SPECS, REPLIES, st.binary(max_size=50))
@settings(max_examples=examples(100), deadline=None)
def test_replies_arrive_in_order(hops: int, spec: CellSpec, texts: list[bytes | None], last: bytes) -> None:
    route = route_of(hops)
    cell, opener = route.wrap(b"", CellSpec(spec.suite, CellClass.SMALL, spec.reply_class))
    carried = route.carry(cell)
    sealer = carried.sealer
    for text in texts:
        seq, reply = sealer.heartbeat() if text is None else sealer.seal(text, last=False)
        kind = ReplyKind.HEARTBEAT if text is None else ReplyKind.MORE
        assert opener.open(seq, carried.back(seq, reply)[-1]) == Reply(kind, text or b"")
    seq, reply = sealer.seal(last, last=True)
    assert opener.open(seq, carried.back(seq, reply)[-1]) == Reply(ReplyKind.LAST, last)


@given(st.integers(2, MAX_LAYERS), SPECS, st.data())
@settings(max_examples=examples(60), deadline=None)
def test_error_cell_is_attributed_to_its_maker(hops: int, spec: CellSpec, data: st.DataObject) -> None:
    maker = data.draw(st.integers(0, hops - 2))
    refusal = data.draw(st.sampled_from(Refusal))
    replies = data.draw(st.integers(0, 3))
    route = route_of(hops)
    cell, opener = route.wrap(b"", CellSpec(spec.suite, CellClass.SMALL, spec.reply_class))
    carried = route.carry(cell)
    sealer = carried.sealer
    for _ in range(replies):
        seq, reply = sealer.heartbeat()
        opener.open(seq, carried.back(seq, reply)[-1])
    seq, error = carried.relays[maker].fail(refusal)
    assert seq == replies
    assert opener.open(seq, carried.back(seq, error, maker)[-1]) == HopError(maker, refusal, 0)
