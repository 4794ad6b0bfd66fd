"""Discovery's one pure function: who is listed, with what, in which state, and what is refused."""

from dataclasses import replace

import pytest

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.onion.keyring import KeyKind
from essaim.protocol.view import Descriptor, Genesis, KeyRecord, NodeState, Parameters, Role, SwarmSizes
from essaim.protocol.view.entry import MAX_PIECES
from essaim.protocol.view.transaction import sign_transaction
from essaim.testing.clock import MONDAY_MS
from essaim.testing.registrant import Registrant
from essaim.view.v1 import view_pb2
from essaim_discovery import registration
from essaim_discovery.apply import apply
from essaim_discovery.events import EventKind
from essaim_discovery.keys import MAX_RECORDS
from essaim_discovery.passing import next_due_ms
from essaim_discovery.state import Expelled, Member, State
from essaim_discovery.transaction import Resume, Tick
from essaim_discovery.unsigned_view import entries_of, pieces_of
from essaim_discovery.verdict import expelled

HOUR_MS = 3_600_000
PARAMETERS = Parameters(swarm_sizes=SwarmSizes(3, 3, 5), uptime_seconds=60, away_seconds=180, drop_seconds=7_200)
GENESIS = Genesis.create("paper", [SigningKey(bytes(31) + b"\7")], PARAMETERS, [], MONDAY_MS)
NOW_MS = MONDAY_MS + 90_000


class Scene:
    """A state and one registered node."""

    def __init__(self) -> None:
        self.state = State.of(GENESIS)
        self.tick(NOW_MS)
        self.node = Registrant(GENESIS, 1)
        self.do(self.node.register(NOW_MS))

    def do(self, *transactions: discovery_pb2.SignedTransaction) -> list[EventKind]:
        kinds: list[EventKind] = []
        for each in transactions:
            self.state, events = apply(self.state, each)
            kinds += [event.kind for event in events]
        return kinds

    def tick(self, now_ms: int) -> list[EventKind]:
        self.state, events = apply(self.state, Tick(now_ms))
        return [event.kind for event in events]

    @property
    def member(self) -> Member:
        return self.state.members[self.node.node_id]

    def refuses(self, transaction: discovery_pb2.SignedTransaction, reason: str) -> None:
        before = self.state
        with pytest.raises(ProtocolError) as caught:
            self.do(transaction)
        assert caught.value.reason == reason
        assert self.state is before


@pytest.fixture
def scene() -> Scene:
    return Scene()


# Registering


def test_register_lists_the_node_with_its_keys(scene: Scene) -> None:
    entry = entries_of(scene.state, {})[scene.node.node_id]
    assert entry.node.state == NodeState.ACTIVE and entry.node.address == scene.node.address
    periods = PARAMETERS.key_periods
    for kind, count in ((KeyKind.X25519, 12), (KeyKind.MLKEM, 2)):
        mine = [key.period for key in entry.node.keys if key.kind == kind]
        current = periods.current(kind, NOW_MS)
        assert mine == list(range(current, current + count))


@pytest.mark.parametrize("port", ["1" * 5_000, "0" * 4_000 + "80", "000080"])
def test_port_that_python_cannot_count_is_malformed(scene: Scene, port: str) -> None:
    """int() raises of itself from 4,300 digits on: that ended discovery."""
    scene.node.address = f"127.0.0.1:{port}"
    scene.refuses(scene.node.register(NOW_MS + 5_000), "MALFORMED")


def test_fields_of_later_versions_have_an_end(scene: Scene) -> None:
    """They are kept and shown as they are: every client would fetch what a node stuffs into them."""
    descriptor = scene.node.descriptor(NOW_MS + 5_000).sign(scene.node.signing).descriptor
    for size, refused in ((1_000, False), (100_000, True)):
        stuffed = descriptor + b"\xfa\x3f" + _varint(size) + bytes(size)  # field 1023, of nobody's
        signed = view_pb2.SignedDescriptor(
            descriptor=stuffed, signature=scene.node.signing.sign(b"essaim/descriptor/v1" + stuffed)
        )
        if refused:
            with pytest.raises(ProtocolError):
                Descriptor.parse(signed)
        else:
            assert Descriptor.parse(signed).node_id == scene.node.node_id


def _varint(number: int) -> bytes:
    low = number & 0x7F
    return bytes((low,)) if number < 0x80 else bytes((low | 0x80,)) + _varint(number >> 7)


def test_another_start_replaces_the_former_one_but_keeps_the_place(scene: Scene) -> None:
    scene.do(scene.node.leave())
    old = scene.member
    scene.tick(NOW_MS + 5_000)
    scene.node.address = "127.0.0.1:1"
    assert scene.do(scene.node.register(NOW_MS + 5_000)) == [EventKind.RESTARTED]
    new = scene.member
    assert (new.state, new.registered_ms, new.swarm_id) == (NodeState.ACTIVE, old.registered_ms, old.swarm_id)
    assert new.descriptor.start_id != old.descriptor.start_id and new.descriptor.address == "127.0.0.1:1"
    assert all(each.record.start_id == new.descriptor.start_id for each in new.keys)


@pytest.mark.parametrize("away_ms", [-registration.ISSUE_WINDOW_MS - 1, registration.ISSUE_WINDOW_MS + 1])
def test_register_of_another_time_is_refused(scene: Scene, away_ms: int) -> None:
    scene.refuses(scene.node.register(NOW_MS + away_ms), "CLOCK")


def test_register_without_a_kind_of_keys_is_refused(scene: Scene) -> None:
    node = Registrant(GENESIS, 2)
    for keys in ([], node.due(NOW_MS, [KeyKind.X25519]), node.due(NOW_MS, [KeyKind.MLKEM])):
        register = discovery_pb2.Register(descriptor=node.descriptor(NOW_MS).sign(node.signing), keys=keys)
        scene.refuses(node.transaction(discovery_pb2.Transaction(register=register)), "KEYS_MISSING")


def test_register_with_keys_of_yesterday_alone_is_refused(scene: Scene) -> None:
    node = Registrant(GENESIS, 2)
    periods = PARAMETERS.key_periods
    old = [node.record(kind, periods.current(kind, NOW_MS) - 1, 1) for kind in KeyKind]
    register = discovery_pb2.Register(descriptor=node.descriptor(NOW_MS).sign(node.signing), keys=old)
    scene.refuses(node.transaction(discovery_pb2.Transaction(register=register)), "KEYS_MISSING")


def test_role_and_keys_of_a_later_version_are_not_listed(scene: Scene) -> None:
    """Readers pass over them; discovery takes only what it understands."""
    node = Registrant(GENESIS, 2)
    node.role = Role(9)
    scene.refuses(node.register(NOW_MS), "MALFORMED")
    node.role = Role.RELAY
    record = KeyRecord(node.node_id, node.descriptor(NOW_MS).start_id, KeyKind(9), 0, (bytes(32),)).sign(node.signing)
    descriptor = node.descriptor(NOW_MS).sign(node.signing)
    register = discovery_pb2.Register(descriptor=descriptor, keys=[*node.due(NOW_MS, KeyKind), record])
    scene.refuses(node.transaction(discovery_pb2.Transaction(register=register)), "MALFORMED")


def test_node_keeps_its_role(scene: Scene) -> None:
    scene.node.role = Role.STORAGE
    scene.refuses(scene.node.register(NOW_MS + 1), "ROLE_CHANGED")


def test_descriptor_with_a_sequence_that_does_not_grow_is_refused(scene: Scene) -> None:
    scene.refuses(scene.node.register(NOW_MS), "OLD_DESCRIPTOR")


def test_descriptor_of_another_node_is_refused(scene: Scene) -> None:
    liar = Registrant(GENESIS, 2)
    stolen = discovery_pb2.Register(descriptor=scene.node.descriptor(NOW_MS).sign(scene.node.signing))
    scene.refuses(liar.transaction(discovery_pb2.Transaction(register=stolen)), "MALFORMED")


def test_network_has_room_for_so_many(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "MAX_NODES", 1)
    scene.refuses(Registrant(GENESIS, 2).register(NOW_MS), "NETWORK_FULL")
    scene.do(scene.node.register(NOW_MS + 1))  # who is listed may start again


def test_expelled_node_does_not_come_back_by_itself(scene: Scene) -> None:
    scene.state = scene.state.with_member(expelled(scene.member, Expelled.FORGETFUL))
    scene.do(scene.node.prove())
    for gone in (False, True):
        scene.refuses(scene.node.leave(gone=gone), "DECOMMISSIONED")
    scene.do(scene.node.register(NOW_MS + 1))
    assert scene.member.state == NodeState.DECOMMISSIONED


# Signatures and sequences


def test_transaction_with_any_flipped_bit_is_refused(scene: Scene) -> None:
    good = scene.node.prove()
    for at in range(0, len(good.transaction) * 8, 13):
        data = bytearray(good.transaction)
        data[at // 8] ^= 1 << at % 8
        with pytest.raises(ProtocolError) as caught:
            scene.do(discovery_pb2.SignedTransaction(transaction=bytes(data), signature=good.signature))
        assert caught.value.reason in {"MALFORMED", "BAD_SIGNATURE"}


@pytest.mark.parametrize("raw", [b"", b"\xff\xff", bytes(64), b"\x12\x20" + bytes(32)])
def test_transaction_that_is_none_is_refused(scene: Scene, raw: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        scene.do(discovery_pb2.SignedTransaction(transaction=raw, signature=bytes(64)))
    assert caught.value.reason in {"MALFORMED", "BAD_SIGNATURE"}


def test_transaction_without_a_body_is_refused(scene: Scene) -> None:
    scene.refuses(scene.node.transaction(discovery_pb2.Transaction()), "MALFORMED")


def test_transaction_of_another_network_is_refused(scene: Scene) -> None:
    body = discovery_pb2.Transaction(network_id=bytes(32), node_id=scene.node.node_id, sequence=9)
    body.leave.SetInParent()
    scene.refuses(sign_transaction(body, scene.node.signing), "WRONG_NETWORK")


def test_repeated_transaction_is_answered_as_before_and_changes_nothing(scene: Scene) -> None:
    leave = scene.node.leave()
    scene.do(leave)
    before = scene.state
    assert scene.do(leave) == [] and scene.state is before


def test_transaction_below_or_beside_the_last_one_is_refused(scene: Scene) -> None:
    old, last = scene.node.prove(), scene.node.leave()
    scene.do(last)
    scene.refuses(old, "SEQUENCE_USED")
    scene.node.sequence -= 1
    scene.refuses(scene.node.prove(), "SEQUENCE_USED")


def test_refused_transaction_may_be_sent_again_when_it_fits(scene: Scene) -> None:
    early = Registrant(GENESIS, 2)
    later = NOW_MS + registration.ISSUE_WINDOW_MS + 60_000
    register = early.register(later)
    scene.refuses(register, "CLOCK")
    scene.tick(NOW_MS + 60_000)
    assert scene.do(register) == [EventKind.REGISTERED]


def test_old_start_of_a_departed_node_does_not_come_back(scene: Scene) -> None:
    register = scene.node.register(NOW_MS + 1)
    scene.do(register, scene.node.leave(gone=True))
    assert scene.node.node_id not in scene.state.members
    scene.refuses(register, "SEQUENCE_USED")
    scene.tick(NOW_MS + registration.REMEMBERED_MS)
    assert scene.state.departed == {}
    scene.refuses(register, "CLOCK")


# Keys


def test_published_keys_join_those_that_are_there(scene: Scene) -> None:
    before = pieces_of(scene.state)[scene.node.node_id]
    now_ms = NOW_MS + 8 * HOUR_MS
    scene.do(scene.node.prove())
    scene.state = replace(scene.state, now_ms=now_ms)
    assert scene.do(scene.node.publish(*scene.node.due(now_ms))) == [EventKind.KEYS_PUBLISHED]
    after = pieces_of(scene.state)[scene.node.node_id]
    assert set(before) < set(after) and len(after) == len(before) + 1
    entries_of(scene.state, {})  # and the view's readers agree


def test_keys_of_another_start_are_refused(scene: Scene) -> None:
    first = PARAMETERS.key_periods.current(KeyKind.X25519, NOW_MS) + 12
    scene.node.start_id = bytes(16)
    scene.refuses(scene.node.publish(scene.node.record(KeyKind.X25519, first, 1)), "WRONG_START")


def test_second_key_for_a_period_is_refused(scene: Scene) -> None:
    first = PARAMETERS.key_periods.current(KeyKind.X25519, NOW_MS) + 11
    scene.refuses(scene.node.publish(scene.node.record(KeyKind.X25519, first, 2)), "KEYS_REPEATED")


@pytest.mark.parametrize(("kind", "key"), [(KeyKind.X25519, bytes(32)), (KeyKind.MLKEM, b"\xff" * 1184)])
def test_keys_that_nobody_can_wrap_to_are_refused(scene: Scene, kind: KeyKind, key: bytes) -> None:
    first = PARAMETERS.key_periods.current(kind, NOW_MS) + PARAMETERS.key_periods.ahead(kind) + 1
    record = KeyRecord(scene.node.node_id, scene.node.start_id, kind, first, (key,)).sign(scene.node.signing)
    scene.refuses(scene.node.publish(record), "KEY_REFUSED")


def test_keys_for_a_far_future_are_refused(scene: Scene) -> None:
    for kind in KeyKind:
        first = PARAMETERS.key_periods.current(kind, NOW_MS) + PARAMETERS.key_periods.ahead(kind) + 2
        scene.refuses(scene.node.publish(scene.node.record(kind, first, 1)), "KEYS_TOO_FAR")


def test_node_has_no_more_key_records_than_an_entry_may_show() -> None:
    assert MAX_RECORDS + 2 <= MAX_PIECES
    scene = Scene()
    node = Registrant(GENESIS, 2)
    first = PARAMETERS.key_periods.current(KeyKind.X25519, NOW_MS)
    singles = [node.record(KeyKind.X25519, first + at, 1) for at in range(MAX_RECORDS)]
    register = discovery_pb2.Register(
        descriptor=node.descriptor(NOW_MS).sign(node.signing), keys=[*singles, *node.due(NOW_MS, [KeyKind.MLKEM])]
    )
    scene.refuses(node.transaction(discovery_pb2.Transaction(register=register)), "TOO_MANY_RECORDS")


def test_keys_of_ended_periods_leave_the_view(scene: Scene) -> None:
    assert len(scene.member.keys) == 2
    ends_ms = MONDAY_MS + 12 * HOUR_MS
    scene.state = scene.state.with_member(replace(scene.member, proven_ms=ends_ms))
    scene.tick(ends_ms - 1)
    assert len(scene.member.keys) == 2
    assert next_due_ms(scene.state) == ends_ms
    assert scene.tick(ends_ms) == [EventKind.KEYS_EXPIRED]
    assert [each.record.kind for each in scene.member.keys] == [KeyKind.MLKEM]


# Uptime


def test_node_without_proofs_goes_away_and_is_dropped(scene: Scene) -> None:
    assert scene.tick(NOW_MS + 179_999) == []
    assert next_due_ms(scene.state) == NOW_MS + 180_000
    assert scene.tick(NOW_MS + 180_000) == [EventKind.WENT_AWAY]
    assert scene.member.state == NodeState.AWAY
    assert next_due_ms(scene.state) == NOW_MS + 7_200_000
    assert scene.tick(NOW_MS + 7_200_000) == [EventKind.DROPPED]
    assert scene.state.members == {}
    scene.refuses(scene.node.prove(), "NOT_LISTED")


def test_proof_brings_an_away_node_back(scene: Scene) -> None:
    scene.tick(NOW_MS + 200_000)
    assert scene.do(scene.node.prove()) == [EventKind.RETURNED]
    assert scene.member.state == NodeState.ACTIVE
    assert next_due_ms(scene.state) == NOW_MS + 380_000


def test_proof_does_not_show_in_the_view(scene: Scene) -> None:
    before = pieces_of(scene.state)
    scene.tick(NOW_MS + 60_000)
    assert scene.do(scene.node.prove()) == [EventKind.PROVEN]
    assert pieces_of(scene.state) == before


def test_proof_of_another_start_is_refused(scene: Scene) -> None:
    scene.node.start_id = bytes(16)
    scene.refuses(scene.node.prove(), "WRONG_START")


def test_proof_does_not_bring_a_leaving_node_back(scene: Scene) -> None:
    scene.do(scene.node.leave())
    scene.do(scene.node.prove())
    assert scene.member.state == NodeState.LEAVING


def test_time_in_which_discovery_was_away_counts_against_nobody(scene: Scene) -> None:
    scene.state, events = apply(scene.state, Resume(NOW_MS + 10_000_000))
    assert events == () or {event.kind for event in events} <= {EventKind.KEYS_EXPIRED}
    assert scene.member.state == NodeState.ACTIVE
    assert scene.tick(NOW_MS + 10_180_000)[-1] == EventKind.WENT_AWAY


def test_time_does_not_go_back(scene: Scene) -> None:
    scene.tick(NOW_MS - 50_000)
    assert scene.state.now_ms == NOW_MS
