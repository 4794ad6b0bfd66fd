"""What discovery knows: immutable, changed by `apply` alone. Times are those of the last tick, never a clock's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType

from essaim.protocol.view import Descriptor, KeyRecord, NodeState, Parameters
from essaim.protocol.view.genesis import Genesis
from essaim_discovery.move import Move
from essaim_discovery.trial import MOST_CREDIT, NO_ROUND, Round

EXPELLED_MS = 30 * 86_400_000
"""How long the expulsion of a node that is no longer listed is remembered."""


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


NOTHING_SEEN = Seen(0, b"")


class Expelled(IntEnum):
    """Why a node is DECOMMISSIONED; who may take it back depends on it."""

    NO = 0
    UNREACHABLE = 1
    FORGETFUL = 2
    BY_AUTHORITY = 3


@dataclass(frozen=True)
class Departed:
    """A node that is no longer listed. Until `until_ms` an old transaction of it could still be fresh enough; and one
    that was expelled cannot come back as if it were new."""

    seen: Seen
    until_ms: int
    expelled: Expelled = Expelled.NO


@dataclass(frozen=True)
class Member:
    """A registered node. `proven_ms`: when it last gave a sign of life. `swarm_id` is NOW, `next_id` NEXT."""

    descriptor: Descriptor
    descriptor_piece: bytes
    keys: tuple[PublishedKeys, ...]
    state: NodeState
    swarm_id: int | None
    registered_ms: int
    proven_ms: int
    seen: Seen
    next_id: int | None = None
    shown_serial: int = 0
    """The view that first listed it; 0 before."""
    leaving_serial: int = 0
    """The view that first showed it LEAVING; 0 before. It must have been told before it is listed no longer."""
    retired: bool = False
    """An authority told it to leave: another start does not change that while it has a place."""
    gone: bool = False
    """An authority says that it does not come back."""
    credit: int = MOST_CREDIT
    """From node tests; `trial`."""
    expelled: Expelled = Expelled.NO

    @property
    def node_id(self) -> bytes:
        return self.descriptor.node_id

    @property
    def placed(self) -> bool:
        """It keeps data, or is about to."""
        return self.swarm_id is not None or self.next_id is not None


def _empty() -> Mapping[bytes, Departed]:
    return MappingProxyType({})


def _silence() -> Mapping[bytes, Seen]:
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
    serial: int = 0
    """Of the newest view that was begun."""
    moves: tuple[Move, ...] = ()
    round: Round = NO_ROUND
    """The node tests under way."""
    spoken: Mapping[bytes, Seen] = field(default_factory=_silence)
    """The last applied transaction of each authority, by its key; an empty one before the first."""

    @classmethod
    def of(cls, genesis: Genesis) -> "State":
        """Where every log begins."""
        spoken = {authority.raw: NOTHING_SEEN for authority in genesis.authorities}
        return cls(genesis.network_id, genesis.parameters, genesis.created_ms, spoken=spoken)

    def with_member(self, member: Member) -> "State":
        """The member is new or takes its former place; it has departed no longer."""
        departed = {key: value for key, value in self.departed.items() if key != member.node_id}
        return replace(self, members={**self.members, member.node_id: member}, departed=departed)

    def with_members(self, members: Iterable[Member]) -> "State":
        """Listed nodes that have changed."""
        return replace(self, members={**self.members, **{member.node_id: member for member in members}})

    def without(self, node_id: bytes, until_ms: int) -> "State":
        """The node is listed no longer; its last sequence is remembered until `until_ms`."""
        members = {key: value for key, value in self.members.items() if key != node_id}
        member = self.members[node_id]
        last_ms = until_ms if member.expelled == Expelled.NO else max(until_ms, self.now_ms + EXPELLED_MS)
        departed = {**self.departed, node_id: Departed(member.seen, last_ms, member.expelled)}
        return replace(self, members=members, departed=departed)

    def seen(self, node_id: bytes) -> Seen | None:
        """The last applied transaction of a node, listed or recently departed, or of an authority."""
        known = self.members.get(node_id) or self.departed.get(node_id)
        return known.seen if known is not None else self.spoken.get(node_id)

    def move_of(self, member: Member) -> Move | None:
        """The move that a node takes part in."""
        places = {member.swarm_id, member.next_id}
        return next((move for move in self.moves if places & set(move.swarms)), None)
