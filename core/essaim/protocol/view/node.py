"""A node of the view: what it says of itself, and what the authorities say of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from essaim.protocol.geometry import Suite
from essaim.protocol.keys import KeyRefusedError
from essaim.protocol.onion.hop import HopPublic
from essaim.protocol.onion.keyring import KeyKind, KeyPeriods, NoUsableKeyError, PeriodKey, hop_at
from essaim.protocol.view.descriptor import Descriptor
from essaim.protocol.view.roles import NodeState, Role


@dataclass(frozen=True)
class Move:
    """A node's part in a change of swarms: where it will be when that has ended, and the serial that began it."""

    swarm_id: int | None
    serial: int


@dataclass(frozen=True)
class Node:
    """One entry of a view, parsed and verified. `swarm_id` is NOW; `move` is None where nothing moves."""

    descriptor: Descriptor
    state: NodeState
    swarm_id: int | None
    keys: tuple[PeriodKey, ...]
    periods: KeyPeriods
    move: Move | None = None
    registered_ms: int = 0
    _hops: dict[tuple[int, int], HopPublic | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def node_id(self) -> bytes:
        return self.descriptor.node_id

    @property
    def next_swarm_id(self) -> int | None:
        """NEXT: the swarm that its data moves to; `swarm_id` where nothing moves."""
        return self.swarm_id if self.move is None else self.move.swarm_id

    @property
    def move_serial(self) -> int:
        """Serial of the view that began the move that it takes part in; 0 for none."""
        return 0 if self.move is None else self.move.serial

    @property
    def role(self) -> Role:
        return self.descriptor.role

    @property
    def address(self) -> str:
        return self.descriptor.address

    @property
    def certificates(self) -> Sequence[bytes]:
        return self.descriptor.certificates

    @property
    def operator_id(self) -> bytes:
        return self.descriptor.operator_id

    @property
    def region(self) -> str:
        return self.descriptor.region

    @property
    def start_id(self) -> bytes:
        return self.descriptor.start_id

    @property
    def suites(self) -> tuple[Suite, ...]:
        return self.descriptor.suites

    def hop(self, now_ms: int) -> HopPublic | None:
        """The onion keys to wrap to at this (corrected) time; the same object while the periods last.

        None where the node has published none for it, or such as nobody can wrap to: then it cannot be used.
        """
        current = (self.periods.current(KeyKind.X25519, now_ms), self.periods.current(KeyKind.MLKEM, now_ms))
        if current not in self._hops:
            self._hops.clear()
            self._hops[current] = self._usable_hop(now_ms)
        return self._hops[current]

    def _usable_hop(self, now_ms: int) -> HopPublic | None:
        try:
            hop = hop_at(self.node_id, self.keys, self.periods, now_ms)
            hop.check()
        except (NoUsableKeyError, KeyRefusedError):
            return None
        return hop
