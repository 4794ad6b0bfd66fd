"""What discovery knows: immutable, changed by `apply` alone. Times are those of the last tick, never a clock's."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from essaim.protocol.view import Descriptor, KeyRecord, NodeState, Parameters
from essaim.protocol.view.genesis import Genesis


@dataclass(frozen=True)
class PublishedKeys:
    """A key record, and the bytes that the view carries."""

    record: KeyRecord
    piece: bytes


@dataclass(frozen=True)
class Seen:
    """A node's last transaction that was applied: its number, and BLAKE2b-256 of its bytes."""

    sequence: int
    digest: bytes


@dataclass(frozen=True)
class Departed:
    """A node that is no longer listed. Until `until_ms` an old transaction of it could still be fresh enough."""

    seen: Seen
    until_ms: int


@dataclass(frozen=True)
class Member:
    """A registered node. `proven_ms`: when it last gave a sign of life."""

    descriptor: Descriptor
    descriptor_piece: bytes
    keys: tuple[PublishedKeys, ...]
    state: NodeState
    swarm_id: int | None
    registered_ms: int
    proven_ms: int
    seen: Seen

    @property
    def node_id(self) -> bytes:
        return self.descriptor.node_id


def _empty() -> Mapping[bytes, Departed]:
    return MappingProxyType({})


def _nobody() -> Mapping[bytes, Member]:
    return MappingProxyType({})


@dataclass(frozen=True)
class State:
    """The whole state. Nothing depends on the order of the two mappings: who walks through them sorts."""

    network_id: bytes
    parameters: Parameters
    now_ms: int = 0
    members: Mapping[bytes, Member] = field(default_factory=_nobody)
    departed: Mapping[bytes, Departed] = field(default_factory=_empty)

    @classmethod
    def of(cls, genesis: Genesis) -> "State":
        """Where every log begins."""
        return cls(genesis.network_id, genesis.parameters, genesis.created_ms)

    def with_member(self, member: Member) -> "State":
        """The member is new or takes its former place; it has departed no longer."""
        departed = {key: value for key, value in self.departed.items() if key != member.node_id}
        return replace(self, members={**self.members, member.node_id: member}, departed=departed)

    def without(self, node_id: bytes, until_ms: int) -> "State":
        """The node is listed no longer; its last sequence is remembered until `until_ms`."""
        members = {key: value for key, value in self.members.items() if key != node_id}
        departed = {**self.departed, node_id: Departed(self.members[node_id].seen, until_ms)}
        return replace(self, members=members, departed=departed)

    def seen(self, node_id: bytes) -> Seen | None:
        """The last applied transaction of a node, listed or recently departed."""
        known = self.members.get(node_id) or self.departed.get(node_id)
        return known.seen if known is not None else None
