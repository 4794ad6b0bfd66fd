"""Who decides which nodes keep what: discovery's own placement, step by step, and the views that come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from essaim.protocol.view import SwarmSizes
from essaim.protocol.view.swarm import nearest, position_of
from essaim_discovery.move import Move
from essaim_discovery.placement import Turn, step
from essaim_discovery.seat import Seat
from essaim_storage.placement import Place, Range, ranges_of

LIMIT_MS = 90_000
"""A move that takes longer is taken back."""


@dataclass(frozen=True)
class View:
    """What a signed view says of storage."""

    serial: int
    places: dict[bytes, Place]
    starts: dict[bytes, int] = field(default_factory=dict)
    """The start of each node that was registered when it was made."""

    def ranges(self, node_id: bytes) -> tuple[Range, ...]:
        """Of a node."""
        return ranges_of(self.places, node_id)

    def spares(self, node_id: bytes, start: int) -> bool:
        """Whether it lists this start of the node, without a place."""
        place = self.places.get(node_id)
        return place is not None and (place.swarm_id, place.next_id) == (None, None) and self.starts[node_id] == start

    def now(self, mailbox_id: bytes) -> frozenset[bytes]:
        """Whom clients ask."""
        return self._members(mailbox_id, {node_id: each.swarm_id for node_id, each in self.places.items()})

    def following(self, mailbox_id: bytes) -> frozenset[bytes]:
        """To whom it moves."""
        return self._members(mailbox_id, {node_id: each.next_id for node_id, each in self.places.items()})

    @property
    def moves(self) -> bool:
        return any(each.move_serial for each in self.places.values())

    @staticmethod
    def _members(mailbox_id: bytes, swarms: dict[bytes, int | None]) -> frozenset[bytes]:
        ids = {each for each in swarms.values() if each is not None}
        if not ids:
            return frozenset()
        chosen = nearest(position_of(mailbox_id), ids)
        return frozenset(node_id for node_id, swarm_id in swarms.items() if swarm_id == chosen)


NO_VIEW = View(0, {})


class Authority:
    """`alive(node id, now_ms)`: whether it gave a sign of life of late."""

    def __init__(self, rng: Random, sizes: SwarmSizes, alive: Callable[[bytes], bool]) -> None:
        self._rng = rng
        self._sizes = sizes
        self._alive = alive
        self._seats: dict[bytes, Seat] = {}
        self._moves: tuple[Move, ...] = ()
        self._starts: dict[bytes, int] = {}
        self.view = NO_VIEW
        self.ended = self.aborted = 0

    def add(self, node_id: bytes) -> None:
        """It registered: a spare."""
        self._seats[node_id] = Seat(node_id, None, None)
        self._starts[node_id] = 0

    def register(self, node_id: bytes, start: int) -> None:
        """Another start of it."""
        self._starts[node_id] = start

    def drain(self, node_id: bytes) -> None:
        """It leaves for good, when its data has moved."""
        if node_id in self._seats:
            self._seats[node_id] = replace(self._seats[node_id], departing=True, willing=False)

    def give_up(self, node_id: bytes) -> None:
        """It does not come back."""
        if node_id in self._seats:
            self._seats[node_id] = replace(self._seats[node_id], departing=True, willing=False, gone=True)

    def complete(self, node_id: bytes, swarm_id: int, move_serial: int) -> None:
        """A TransferComplete: refused unless it is of a move under way, by a member of the swarm to be."""
        seat = self._seats.get(node_id)
        if seat is None or seat.then != swarm_id:
            return
        self._moves = tuple(
            replace(move, complete=move.complete | {(swarm_id, node_id)})
            if move.serial == move_serial and swarm_id in move.receiving
            else move
            for move in self._moves
        )

    def turn(self, now_ms: int) -> bool:
        """The next view; False if nothing has changed."""
        seats = [replace(each, alive=not each.gone and self._alive(each.node_id)) for each in self._seats.values()]
        turn = Turn(self.view.serial + 1, now_ms, self._rng.randbytes(32), self._sizes, LIMIT_MS)
        placed = step(seats, self._moves, turn)
        self._seats = {
            node_id: seat
            for node_id, seat in placed.seats.items()
            if not (seat.departing and seat.now is None and seat.then is None)
        }
        self._moves = placed.moves
        self.ended, self.aborted = self.ended + placed.ended, self.aborted + placed.aborted
        places = {node_id: self._place(seat) for node_id, seat in self._seats.items()}
        if places == self.view.places:
            return False
        self.view = View(turn.serial, places, dict(self._starts))
        return True

    def _place(self, seat: Seat) -> Place:
        move = next((each for each in self._moves if each.concerns(seat)), None)
        return Place(seat.now, seat.then, move.serial if move is not None else 0)

    def is_leaving(self, node_id: bytes) -> bool:
        """It drains, or has left."""
        return node_id not in self._seats or self._seats[node_id].departing
