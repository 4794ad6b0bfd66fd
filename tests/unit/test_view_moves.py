"""Two assignments in one view: where a mailbox is NOW, and where it moves to."""

import pytest

from essaim.protocol.view import Entry, MalformedError, Move, NetworkView, NodeState, NoSwarmError, Role, ViewKeeper
from essaim.protocol.view.swarm import nearest, position_of
from essaim.testing.views import NOW_MS, PaperNetwork
from essaim.view.v1 import view_pb2

A, B = 0, 1 << 63
SERIAL = 17


def view_of(*places: tuple[int | None, Move | None]) -> tuple[PaperNetwork, NetworkView]:
    """Storage node number i is NOW in the i-th place, and takes part in its move."""
    net = PaperNetwork()
    entries = [net.entry(net.pieces(at, Role.STORAGE, now, move)) for at, (now, move) in enumerate(places)]
    answer = view_pb2.ViewAnswer(whole=net.whole(entries))
    return net, ViewKeeper(net.genesis).accept(answer, NOW_MS)


def ids(net: PaperNetwork, *numbers: int) -> frozenset[bytes]:
    return frozenset(net.identity(number).public.raw for number in numbers)


def mailbox_at(swarm_id: int, swarms: list[int]) -> bytes:
    """A mailbox id whose nearest of `swarms` is `swarm_id`."""
    ids = (number.to_bytes(32, "big") for number in range(1_000))
    return next(each for each in ids if nearest(position_of(each), swarms) == swarm_id)


def test_still_view_has_one_assignment() -> None:
    net, view = view_of((A, None), (A, None), (B, None), (None, None))
    assert view.swarms == view.next_swarms
    for number in range(20):
        mailbox_id = bytes([number]) * 32
        assert view.swarm_of(mailbox_id) == view.next_swarm_of(mailbox_id)
        assert view.move_of(mailbox_id) == 0
    node = view.nodes[net.identity(0).public.raw]
    assert (node.swarm_id, node.next_swarm_id, node.move_serial) == (A, A, 0)
    assert view.next_swarm_of_node(net.identity(3).public.raw) is None


def test_replaced_member_is_in_now_and_the_joiner_in_next() -> None:
    staying = (A, Move(A, SERIAL))
    net, view = view_of(staying, staying, (A, Move(None, SERIAL)), (None, Move(A, SERIAL)), (B, None))
    mailbox_id = mailbox_at(A, [A, B])
    assert view.swarm_of(mailbox_id).node_ids == ids(net, 0, 1, 2)
    assert view.next_swarm_of(mailbox_id).node_ids == ids(net, 0, 1, 3)
    assert view.move_of(mailbox_id) == SERIAL
    assert view.move_of(mailbox_at(B, [A, B])) == 0
    joiner, leaver = net.identity(3).public.raw, net.identity(2).public.raw
    assert view.swarm_of_node(joiner) is None and view.next_swarm_of_node(joiner) is view.next_swarms[A]
    assert view.swarm_of_node(leaver) is view.swarms[A] and view.next_swarm_of_node(leaver) is None
    assert view.nodes[joiner].move_serial == view.nodes[leaver].move_serial == SERIAL


def test_split_moves_the_range_nearest_to_the_new_id() -> None:
    staying, joining = (A, Move(A, SERIAL)), (None, Move(B, SERIAL))
    net, view = view_of(staying, staying, joining, joining)
    moved, kept = mailbox_at(B, [A, B]), mailbox_at(A, [A, B])
    assert list(view.swarms) == [A] and list(view.next_swarms) == [A, B]
    assert view.swarm_of(moved).node_ids == view.swarm_of(kept).node_ids == ids(net, 0, 1)
    assert view.next_swarm_of(moved).node_ids == ids(net, 2, 3)
    assert (view.move_of(moved), view.move_of(kept)) == (SERIAL, 0)


def test_merge_moves_the_range_to_who_is_left() -> None:
    staying, leaving = (A, Move(A, SERIAL)), (B, Move(None, SERIAL))
    net, view = view_of(staying, staying, leaving, leaving)
    moved = mailbox_at(B, [A, B])
    assert view.swarm_of(moved).node_ids == ids(net, 2, 3)
    assert view.next_swarm_of(moved).node_ids == ids(net, 0, 1)
    assert view.move_of(moved) == SERIAL


def test_swarm_that_forms_serves_nobody_yet() -> None:
    _, view = view_of((None, Move(A, SERIAL)))
    with pytest.raises(NoSwarmError):
        view.swarm_of(bytes(32))
    assert view.next_swarm_of(bytes(32)).swarm_id == A


@pytest.mark.parametrize(
    ("now", "move"), [(A, Move(A, 0)), (None, Move(None, SERIAL))], ids=["no serial", "neither now nor next"]
)
def test_move_that_says_nothing_is_malformed(now: int | None, move: Move) -> None:
    net = PaperNetwork()
    with pytest.raises(MalformedError):
        Entry.parse(net.pieces(1, Role.STORAGE, now, move), net.genesis.network_id, net.genesis.parameters.key_periods)


def test_fields_of_a_move_mean_nothing_in_a_still_status() -> None:
    net = PaperNetwork()
    pieces = net.pieces(1, Role.STORAGE, A, state=NodeState.LEAVING)
    status = view_pb2.NodeStatus.FromString(pieces[0])
    status.next_swarm_id, status.has_next_swarm, status.move_serial = B, True, SERIAL
    node = net.entry([status.SerializeToString(), *pieces[1:]]).node
    assert (node.swarm_id, node.next_swarm_id, node.move) == (A, A, None)
