"""What discovery knows: a value that `apply` turns into the next one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from essaim.protocol.onion.keyring import KeyPeriods
from essaim.protocol.view import Descriptor, Entry, KeyRecord, Node, NodeState, Parameters, Role
from essaim.protocol.view.entry import status_piece
from essaim.protocol.view.header import NO_HASH


@dataclass(frozen=True)
class SignedRecord:
    """A key record, and its bytes as the node signed them (a serialised SignedKeyRecord)."""

    record: KeyRecord
    signed: bytes

    def end_ms(self, periods: KeyPeriods) -> int:
        """When its last key's period ends."""
        return periods.end_ms(self.record.kind, self.record.last_period)


@dataclass(frozen=True)
class Member:
    """A registered node. `signed` is its serialised SignedDescriptor."""

    descriptor: Descriptor
    signed: bytes
    records: tuple[SignedRecord, ...]
    state: NodeState
    registered_ms: int
    proved_ms: int
    """The last proof of uptime; registering is one."""
    swarm_id: int | None = None

    @cached_property
    def pieces(self) -> tuple[bytes, ...]:
        """Of the view's entry."""
        status = status_piece(self.descriptor.node_id, self.state, self.swarm_id, self.registered_ms)
        return (status, self.signed, *(each.signed for each in self.records))

    def entry(self, periods: KeyPeriods) -> Entry:
        """Of the view. Every signature was checked when the pieces came."""
        if periods not in self._entries:
            keys = tuple(key for each in self.records for key in each.record.period_keys())
            node = Node(self.descriptor, self.state, self.swarm_id, keys, periods)
            self._entries[periods] = Entry(self.pieces, node)
        return self._entries[periods]

    @cached_property
    def _entries(self) -> dict[KeyPeriods, Entry]:
        return {}


@dataclass(frozen=True)
class Answered:
    """A node's last transaction and what it was told; `reason` is empty when it was applied."""

    sequence: int
    digest: bytes
    reason: str = ""


@dataclass(frozen=True)
class State:
    """After some transactions and ticks. The mappings are never changed, only replaced."""

    network_id: bytes
    parameters: Parameters
    epoch: int = 1
    now_ms: int = 0
    members: Mapping[bytes, Member] = field(default_factory=dict)
    answered: Mapping[bytes, Answered] = field(default_factory=dict)
    """Also of nodes that are gone: nobody can register them again with an old transaction."""
    serial: int = 0
    previous_hash: bytes = NO_HASH
    """The hash of the newest view's header."""
    made_ms: int = 0
    changed: bool = True
    """Whether the newest view is not what the members say."""

    def with_member(self, member: Member, *, changed: bool = True) -> "State":
        """The member as it is now."""
        members = {**self.members, member.descriptor.node_id: member}
        return replace(self, members=members, changed=self.changed or changed)

    def without(self, node_id: bytes) -> "State":
        """The node is gone."""
        members = {key: member for key, member in self.members.items() if key != node_id}
        return replace(self, members=members, changed=True)

    @property
    def storage(self) -> Mapping[bytes, Member]:
        """The members that swarms are made of."""
        return {key: member for key, member in self.members.items() if member.descriptor.role == Role.STORAGE}

    @property
    def view_due_ms(self) -> int:
        """When the next view is to be made, if nothing happens before."""
        if self.serial == 0:
            return self.now_ms
        if self.changed:
            return self.made_ms + self.parameters.view_min_interval_ms
        return self.made_ms + self.parameters.fresh_seconds * 1_000

    @property
    def due_ms(self) -> int:
        """When the next tick has something to do: a view, or a member that has not proved its uptime."""
        return min([self.view_due_ms, *(self.deadline_ms(member) for member in self.members.values())])

    def deadline_ms(self, member: Member) -> int:
        """When a member that proves nothing more is AWAY, or dropped."""
        seconds = self.parameters.drop_seconds if member.state == NodeState.AWAY else self.parameters.away_seconds
        return member.proved_ms + seconds * 1_000
