"""How long a relay waits, and what it may send to."""

from dataclasses import dataclass, field

import pytest

from essaim.protocol.view import NodeState
from essaim_relay.__main__ import next_hop
from essaim_relay.deadline import CALL_MS, FIRST_REPLY_MS, Deadlines

NOW = 1_000_000


@pytest.mark.parametrize("link_class", [0, 1, 2])
def test_first_reply_is_awaited_by_class(link_class):
    deadlines: Deadlines[str] = Deadlines()
    deadlines.started("call", link_class, NOW)
    assert deadlines.expired(NOW + FIRST_REPLY_MS[link_class] - 1) == []
    assert deadlines.expired(NOW + FIRST_REPLY_MS[link_class]) == ["call"]
    assert len(deadlines) == 0


def test_stream_is_capped_from_its_first_reply():
    deadlines: Deadlines[str] = Deadlines()
    deadlines.started("call", 0, NOW)
    deadlines.replied("call", 0, NOW + 5)
    assert deadlines.expired(NOW + 5 + CALL_MS - 1) == []
    assert deadlines.expired(NOW + 5 + CALL_MS) == ["call"]


def test_ended_calls_are_forgotten():
    deadlines: Deadlines[int] = Deadlines()
    for call in range(100):
        deadlines.started(call, call % 3, NOW)
        if call % 2:
            deadlines.replied(call, call % 3, NOW)
        deadlines.ended(call, call % 3)
    assert len(deadlines) == 0
    deadlines.replied(7, 1, NOW)  # late: it stays ended
    assert deadlines.expired(NOW + 2 * CALL_MS) == []


def test_calls_expire_in_the_order_of_their_start():
    deadlines: Deadlines[int] = Deadlines()
    for call in range(10):
        deadlines.started(call, 0, NOW + call)
    assert deadlines.expired(NOW + FIRST_REPLY_MS[0] + 4) == [0, 1, 2, 3, 4]
    assert len(deadlines) == 5


@dataclass
class Listed:
    state: NodeState


@dataclass
class Held:
    nodes: dict[bytes, Listed] = field(default_factory=dict)

    @property
    def current(self):
        return self if self.nodes else None


def test_next_hop_is_a_node_of_the_view_that_is_not_expelled():
    held = Held({bytes([state]): Listed(state) for state in NodeState})
    for state in NodeState:
        node = next_hop(held, b"me", bytes([state]))  # type: ignore[arg-type]
        assert (node is None) is (state == NodeState.DECOMMISSIONED)
    assert next_hop(held, b"me", b"unknown") is None  # type: ignore[arg-type]
    assert next_hop(held, bytes([NodeState.ACTIVE]), bytes([NodeState.ACTIVE])) is None  # type: ignore[arg-type]
    assert next_hop(Held(), b"me", b"any") is None  # type: ignore[arg-type]
