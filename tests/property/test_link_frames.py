"""Frames: what is written is read, and any other bytes give one clear refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from essaim.network.raw import RawMessageError, decode, encode
from essaim.protocol.geometry import CELL_SIZES, MESSAGE_LIMIT
from essaim.protocol.link.frame import (
    Cancel,
    Cell,
    Challenge,
    End,
    Goaway,
    Grant,
    Hello,
    Message,
    Refuse,
    cell_head,
    frames_of,
)
from essaim.protocol.link.outbox import BATCH_BYTES, Outbox
from essaim.protocol.link.refusal import LinkBrokenError
from essaim.protocol.onion import Refusal

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
BYTES32 = st.binary(min_size=32, max_size=32)
SMALL_FRAMES = st.one_of(
    st.builds(Challenge, BYTES32, U64),
    st.builds(
        Hello, st.integers(0, 255), st.integers(0, 255), BYTES32, BYTES32, U64, st.binary(min_size=64, max_size=64)
    ),
    st.builds(Grant, U32, st.integers(1, 2**16 - 1)),
    st.builds(Cancel, U32),
    st.builds(Refuse, U32, st.sampled_from(Refusal), U64),
    st.builds(End, U32),
    st.builds(Goaway),
    st.builds(Message, st.binary(max_size=300)),
)


def parsed(data):
    return list(frames_of(memoryview(data)))


@given(st.lists(SMALL_FRAMES, max_size=20))
def test_frames_come_back_as_they_were_written(frames):
    assert parsed(b"".join(frame.encode() for frame in frames)) == frames


@given(st.sampled_from(CELL_SIZES), U32, U32)
def test_cell_comes_back_as_it_was_written(size, call, seq):
    cell = bytes(size)
    assert parsed(cell_head(call, seq, cell) + cell + End(call).encode()) == [Cell(call, seq, cell), End(call)]


@given(st.lists(SMALL_FRAMES, min_size=1, max_size=5), st.data())
def test_cut_message_is_refused(frames, data):
    whole = b"".join(frame.encode() for frame in frames)
    cut = data.draw(st.integers(len(whole) - len(frames[-1].encode()) + 1, len(whole)))
    if cut == len(whole):
        assert parsed(whole) == frames
    else:
        with pytest.raises(LinkBrokenError):
            parsed(whole[:cut])


@given(st.binary(max_size=400))
def test_any_bytes_are_frames_or_refused(data):
    try:
        frames = parsed(data)
    except LinkBrokenError:
        return
    assert b"".join(frame.encode() for frame in frames) == data  # one meaning has one form


@given(st.binary(max_size=400))
def test_raw_message_comes_back(data):
    assert bytes(decode(encode([data[:7], data[7:]]))) == data


@given(st.binary(max_size=400))
def test_any_bytes_are_a_raw_message_or_refused(data):
    try:
        field = decode(data)
    except RawMessageError:
        return
    assert data.endswith(bytes(field))


@given(st.lists(st.one_of(st.sampled_from(CELL_SIZES), st.just(0), st.integers(1, BATCH_BYTES).map(lambda n: -n))))
def test_batches_are_whole_bounded_and_in_order(sizes):
    """0 stands for a small frame, a negative number for a message of that size."""
    outbox, sent = Outbox(), []
    for number, size in enumerate(sizes, 1):
        if size > 0:
            outbox.cell(number, 0, bytes(size))
        elif size < 0:
            outbox.message(bytes(-size))
        else:
            outbox.frame(End(number).encode())
    while outbox:
        pieces, bodies = outbox.take()
        message = encode(pieces)
        assert pieces and len(message) <= MESSAGE_LIMIT
        frames = list(frames_of(decode(message)))
        sizes_here = [len(frame.cell) for frame in frames if isinstance(frame, Cell)]
        assert sum(sizes_here) <= 16 * CELL_SIZES[0] and bodies <= BATCH_BYTES
        sent += frames
    assert outbox.queued == 0
    assert [
        len(each.cell) if isinstance(each, Cell) else -len(each.data) if isinstance(each, Message) else 0
        for each in sent
    ] == sizes
