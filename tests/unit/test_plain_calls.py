"""Calls that are no links have a share of a node's calls and of its memory."""

import pytest

from essaim.network.shed import SHED, Full
from essaim.runtime.plain_calls import BusyError, PlainCalls
from essaim.storage.v1.mailbox_pb2 import NewEnvelope


class Calls:
    """What gRPC tells of the calls that it is done with."""

    def __init__(self) -> None:
        self.done = []

    def add_done_callback(self, callback) -> None:
        self.done.append(callback)


def shed(full: Full) -> float:
    return SHED[full]._value.get()


def test_calls_beyond_their_bytes_are_refused_until_one_is_done() -> None:
    calls, plain = Calls(), PlainCalls(most=10, most_bytes=2_500)
    before = shed(Full.CALL_BYTES)
    request = NewEnvelope(data=bytes(1_000))
    plain.enter(calls, request)
    plain.enter(calls, request)
    with pytest.raises(BusyError):
        plain.enter(calls, request)
    assert shed(Full.CALL_BYTES) == before + 1
    plain.enter(calls, NewEnvelope())
    calls.done[0](None)
    plain.enter(calls, request)


def test_calls_beyond_their_number_are_refused_until_one_is_done() -> None:
    calls, plain = Calls(), PlainCalls(most=2)
    plain.enter(calls)
    plain.enter(calls)
    with pytest.raises(BusyError):
        plain.enter(calls)
    calls.done[1](None)
    plain.enter(calls)
