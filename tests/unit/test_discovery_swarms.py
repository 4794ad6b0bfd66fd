"""Storage nodes in discovery's state: places in views, moves and their ends, leaving, being told to leave."""

import pytest

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.view import Genesis, Node, NodeState, Parameters, Role, SwarmSizes
from essaim.protocol.view.transaction import sign_transaction
from essaim.testing.clock import MONDAY_MS
from essaim.testing.registrant import Registrant
from essaim_discovery.apply import apply
from essaim_discovery.events import EventKind
from essaim_discovery.state import State
from essaim_discovery.transaction import BeginView, Tick
from essaim_discovery.unsigned_view import entries_of

PARAMETERS = Parameters(swarm_sizes=SwarmSizes(3, 3, 5), uptime_seconds=60, away_seconds=180, drop_seconds=7_200)
AUTHORITY = SigningKey(bytes(31) + b"\7")
GENESIS = Genesis.create("paper", [AUTHORITY], PARAMETERS, [], MONDAY_MS)
NOW_MS = MONDAY_MS + 90_000
A, B = 0, 1 << 63


class Network:
    """A state, its storage nodes, and an authority."""

    def __init__(self, count: int) -> None:
        self.state, _ = apply(State.of(GENESIS), Tick(NOW_MS))
        self.nodes = [Registrant(GENESIS, 10 + number, Role.STORAGE) for number in range(count)]
        self.sequence = 0
        for node in self.nodes:
            self.do(node.register(NOW_MS))

    def do(self, *transactions) -> list[EventKind]:
        kinds: list[EventKind] = []
        for each in transactions:
            self.state, events = apply(self.state, each)
            kinds += [event.kind for event in events]
        return kinds

    def view(self, count: int = 1) -> list[EventKind]:
        """That many views, one after the other; what the last one did."""
        for _ in range(count):
            serial = self.state.serial + 1
            done = self.do(BeginView(serial, bytes([serial % 256]) * 32))
        return done

    def settle(self) -> None:
        """Everybody has all the data at once."""
        for _ in range(12):
            for node in self.nodes:
                seen = self.seen(node)
                if seen is not None and seen.move_serial and seen.next_swarm_id is not None:
                    self.do(node.complete(seen.next_swarm_id, seen.move_serial))
            self.view()

    def tick(self, seconds: int, but: tuple[Registrant, ...] = ()) -> None:
        """Time passes; everybody but these proves its uptime."""
        for _ in range(seconds // 60):
            self.do(Tick(self.state.now_ms + 60_000))
            for node in self.nodes:
                if node not in but and node.node_id in self.state.members:
                    self.do(node.prove())

    def seen(self, node: Registrant) -> Node | None:
        """As the view shows it."""
        entry = entries_of(self.state, {}).get(node.node_id)
        return entry.node if entry is not None else None

    def swarm(self, swarm_id: int) -> list[Registrant]:
        """Its members NOW."""
        return [node for node in self.nodes if (seen := self.seen(node)) and seen.swarm_id == swarm_id]

    def sizes(self) -> list[int]:
        ids = [seen.swarm_id for node in self.nodes if (seen := self.seen(node)) and seen.swarm_id is not None]
        return sorted(ids.count(each) for each in set(ids))

    def authority(self, key: SigningKey = AUTHORITY, **act) -> discovery_pb2.SignedTransaction:
        self.sequence += 1
        body = discovery_pb2.Transaction(
            network_id=GENESIS.network_id, node_id=key.public.raw, sequence=self.sequence, **act
        )
        return sign_transaction(body, key)

    def retire(self, node: Registrant, *, gone: bool = False) -> None:
        self.do(self.authority(retire=discovery_pb2.Retire(node_id=node.node_id, gone=gone)))

    def refuses(self, transaction, reason: str) -> None:
        before = self.state
        with pytest.raises(ProtocolError) as caught:
            self.do(transaction)
        assert caught.value.reason == reason and self.state is before


# Views and moves


def test_first_swarm_is_there_in_the_view_after_the_one_that_lists_its_nodes() -> None:
    net = Network(3)
    assert net.view() == [] and net.sizes() == []
    assert net.view() == [EventKind.SWARM_FORMED] and net.sizes() == [3]
    seen = net.seen(net.nodes[0])
    assert seen is not None and (seen.swarm_id, seen.next_swarm_id, seen.move_serial) == (A, A, 0)


def test_serial_that_was_begun_is_not_begun_again() -> None:
    net = Network(3)
    net.view(2)
    before = net.state
    for serial in (1, 2):
        assert net.do(BeginView(serial, bytes(32))) == [] and net.state is before


def test_joining_swarm_shows_to_all_who_take_part_and_a_quorum_ends_the_move() -> None:
    net = Network(3)
    net.view(2)
    late = [Registrant(GENESIS, number, Role.STORAGE) for number in range(30, 33)]
    net.nodes += late
    net.do(*(node.register(NOW_MS) for node in late))
    assert EventKind.MOVE_BEGUN in net.view(2)
    for node in net.nodes:
        seen = net.seen(node)
        assert seen is not None and seen.move_serial == net.state.serial == 4
        assert (seen.swarm_id, seen.next_swarm_id) == ((None, B) if node in late else (A, A))
    assert net.do(late[0].complete(B, 4)) == [EventKind.COMPLETED]
    assert EventKind.MOVE_ENDED not in net.view()
    net.do(late[1].complete(B, 4))
    assert EventKind.MOVE_ENDED in net.view()
    assert net.sizes() == [3, 3]
    assert all(seen.move_serial == 0 for node in net.nodes if (seen := net.seen(node)))


def test_complete_of_another_move_or_swarm_is_refused() -> None:
    net = Network(3)
    net.view(2)
    net.refuses(net.nodes[0].complete(A, 2), "NOT_MOVING")
    net.nodes += [Registrant(GENESIS, number, Role.STORAGE) for number in range(30, 33)]
    net.do(*(node.register(NOW_MS) for node in net.nodes[3:]))
    net.view(2)
    net.refuses(net.nodes[3].complete(A, 4), "NOT_MOVING")
    net.refuses(net.nodes[3].complete(B, 3), "NOT_MOVING")
    assert net.do(net.nodes[0].complete(A, 4)) == [EventKind.COMPLETED], "not needed, and no harm"
    net.refuses(Registrant(GENESIS, 99, Role.STORAGE).complete(B, 4), "NOT_LISTED")


def test_registering_anew_while_moving_changes_no_place() -> None:
    net = Network(6)
    net.view(3)
    before = [net.seen(node) for node in net.nodes]
    net.do(*(node.register(NOW_MS + 5_000) for node in net.nodes))
    for node, old in zip(net.nodes, before, strict=True):
        seen = net.seen(node)
        assert seen is not None and old is not None
        assert (seen.swarm_id, seen.move, seen.start_id != old.start_id) == (old.swarm_id, old.move, True)


# Leaving


def test_stopped_member_is_away_and_keeps_its_place_and_a_stopped_spare_is_listed_no_longer() -> None:
    net = Network(4)
    net.view(2)
    spare = next(node for node in net.nodes if net.seen(node).swarm_id is None)
    member = net.swarm(A)[0]
    net.do(spare.leave(gone=True), member.leave(gone=True))
    assert net.seen(spare) is None
    assert (net.seen(member).state, net.seen(member).swarm_id) == (NodeState.AWAY, A)
    net.do(member.register(NOW_MS + 5_000))
    assert net.seen(member).state == NodeState.ACTIVE


def test_leaving_member_serves_until_its_data_has_moved() -> None:
    net = Network(7)
    net.settle()
    leaver = net.swarm(A)[1]
    net.do(leaver.leave())
    net.view()
    seen = net.seen(leaver)
    assert (seen.state, seen.swarm_id, seen.next_swarm_id) == (NodeState.LEAVING, A, None) and seen.move_serial
    net.do(leaver.prove())
    net.settle()
    assert net.seen(leaver) is None and net.sizes() == [3, 3]


def test_node_that_an_authority_retires_leaves_whatever_it_does() -> None:
    net = Network(7)
    net.settle()
    leaver = net.swarm(B)[0]
    net.retire(leaver)
    net.do(leaver.register(NOW_MS + 5_000))
    assert net.seen(leaver).state == NodeState.LEAVING
    net.settle()
    assert net.seen(leaver) is None and net.sizes() == [3, 3]


def test_spare_that_is_retired_is_told_before_it_is_listed_no_longer() -> None:
    net = Network(4)
    net.view(2)
    spare = next(node for node in net.nodes if net.seen(node).swarm_id is None)
    net.retire(spare)
    net.view()
    assert net.seen(spare).state == NodeState.LEAVING
    net.do(spare.register(NOW_MS + 5_000))
    net.view()
    assert net.seen(spare).state == NodeState.ACTIVE, "another start of a spare is a new beginning"
    net.retire(spare)
    net.view(2)
    assert net.seen(spare) is None


def test_own_wish_to_leave_ends_with_another_start() -> None:
    net = Network(3)
    net.view(2)
    net.do(net.nodes[0].leave())
    net.view()
    net.do(net.nodes[0].register(NOW_MS + 5_000))
    assert net.seen(net.nodes[0]).state == NodeState.ACTIVE


def test_node_that_an_authority_gives_up_is_replaced_from_the_survivors() -> None:
    net = Network(7)
    net.settle()
    lost = net.swarm(A)[2]
    net.nodes.remove(lost)
    net.retire(lost, gone=True)
    net.settle()
    assert lost.node_id not in net.state.members and net.sizes() == [3, 3]


def test_member_that_is_silent_for_too_long_is_replaced_but_not_before() -> None:
    net = Network(7)
    net.settle()
    silent = net.swarm(A)[0]
    net.tick(PARAMETERS.drop_seconds - 120, but=(silent,))
    net.settle()
    assert net.seen(silent).swarm_id == A
    net.tick(240, but=(silent,))
    net.nodes.remove(silent)
    net.settle()
    assert silent.node_id not in net.state.members and net.sizes() == [3, 3]


def test_last_member_of_a_small_network_stays_listed_however_long_it_is_silent() -> None:
    net = Network(3)
    net.view(2)
    net.tick(3 * PARAMETERS.drop_seconds, but=tuple(net.nodes))
    net.view(3)
    assert net.sizes() == [3]


def test_expelled_member_is_replaced() -> None:
    net = Network(7)
    net.settle()
    bad = net.swarm(A)[0]
    net.do(net.authority(decommission=discovery_pb2.Decommission(node_id=bad.node_id)))
    net.settle()
    assert (net.seen(bad).state, net.seen(bad).swarm_id) == (NodeState.DECOMMISSIONED, None)
    assert net.sizes() == [3, 3]
    net.do(net.authority(recommission=discovery_pb2.Recommission(node_id=bad.node_id)))
    assert net.seen(bad).state == NodeState.ACTIVE


# Who may say what


def test_authority_is_no_node_and_no_node_is_an_authority() -> None:
    net = Network(3)
    net.sequence = 100  # above whatever the nodes have said
    acts = [
        {"retire": discovery_pb2.Retire(node_id=net.nodes[0].node_id)},
        {"decommission": discovery_pb2.Decommission(node_id=net.nodes[0].node_id)},
        {"recommission": discovery_pb2.Recommission(node_id=net.nodes[0].node_id)},
    ]
    for act in acts:
        net.refuses(net.authority(key=net.nodes[1].signing, **act), "NOT_AUTHORITY")
    net.refuses(net.authority(leave=discovery_pb2.Leave()), "NOT_AUTHORITY")
    unknown = discovery_pb2.Retire(node_id=bytes(32))
    net.refuses(net.authority(retire=unknown), "NOT_LISTED")


def test_word_of_an_authority_is_not_repeated_to_another_end() -> None:
    net = Network(3)
    order = net.authority(retire=discovery_pb2.Retire(node_id=net.nodes[0].node_id))
    net.do(order)
    assert net.do(order) == []
    net.do(net.nodes[0].register(NOW_MS + 5_000))
    net.do(net.authority(recommission=discovery_pb2.Recommission(node_id=net.nodes[0].node_id)))
    net.refuses(order, "SEQUENCE_USED")
