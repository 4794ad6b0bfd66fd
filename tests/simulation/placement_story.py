"""A network of storage nodes on paper, as placement sees it: they come, die, leave, complete, and views are made."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from essaim.protocol.kdf import blake2b256
from essaim.protocol.view import SwarmSizes
from essaim_discovery.move import Move
from essaim_discovery.placement import Placed, Turn, step
from essaim_discovery.seat import Seat

LIMIT_MS = 100_000
STEP_MS = 1_000
TESTNET = SwarmSizes(3, 3, 5)


def node(number: int) -> bytes:
    return number.to_bytes(32, "big")


@dataclass
class Story:
    """Every change of a seat between two views is here; `view` makes the next one."""

    sizes: SwarmSizes = TESTNET
    seats: dict[bytes, Seat] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()
    serial: int = 0
    now_ms: int = 0

    def join(self, *numbers: int) -> None:
        for number in numbers:
            self.seats.setdefault(node(number), Seat(node(number), None, None, shown=False))

    def change(self, number: int, **facts: Any) -> None:
        seat = self.seats.get(node(number))
        if seat is not None:
            self.seats[node(number)] = replace(seat, **facts)

    def die(self, number: int) -> None:
        self.change(number, alive=False, willing=False)

    def lose(self, number: int) -> None:
        self.change(number, alive=False, willing=False, departing=True, gone=True)

    def leave(self, number: int) -> None:
        self.change(number, willing=False, departing=True)

    def come_back(self, number: int) -> None:
        self.change(number, alive=True, willing=True, departing=False, gone=False)

    def complete(self, number: int) -> None:
        """As a member of NEXT that has everything."""
        seat = self.seats.get(node(number))
        if seat is not None and seat.then is not None:
            self.moves = tuple(
                replace(move, complete=move.complete | {(seat.then, seat.node_id)})
                if seat.then in move.swarms
                else move
                for move in self.moves
            )

    def complete_all(self) -> None:
        for seat in list(self.seats.values()):
            if seat.alive:
                self.complete(int.from_bytes(seat.node_id, "big"))

    def view(self, shuffled: bool = False) -> Placed:
        """The next view; leavers without a place are listed no longer."""
        self.serial, self.now_ms = self.serial + 1, self.now_ms + STEP_MS
        placed = step(self.seats.values(), self.moves, self.turn)
        kept = {key: seat for key, seat in placed.seats.items() if not self._done(seat)}
        self.seats = {key: replace(seat, shown=True) for key, seat in kept.items()}
        self.moves = placed.moves
        return placed

    @property
    def turn(self) -> Turn:
        seed = blake2b256(b"story", self.serial.to_bytes(8, "big"))
        return Turn(self.serial, self.now_ms, seed, self.sizes, LIMIT_MS)

    def settle(self, most: int = 60) -> int:
        """Views, with everybody alive completing, until nothing changes; how many it took."""
        for count in range(most):
            before = self.seats, self.moves
            self.complete_all()
            self.view()
            if (self.seats, self.moves) == before and not self.moves:
                return count
        raise AssertionError(f"still moving after {most} views")

    @staticmethod
    def _done(seat: Seat) -> bool:
        return seat.now is None and seat.then is None and seat.departing and not seat.willing

    def swarms(self) -> dict[int, frozenset[bytes]]:
        """NOW."""
        return grouped((seat.now, seat.node_id) for seat in self.seats.values())

    def next_swarms(self) -> dict[int, frozenset[bytes]]:
        return grouped((seat.then, seat.node_id) for seat in self.seats.values())

    def sizes_now(self) -> list[int]:
        return sorted(map(len, self.swarms().values()))


def grouped(places: Iterable[tuple[int | None, bytes]]) -> dict[int, frozenset[bytes]]:
    found: dict[int, frozenset[bytes]] = {}
    for swarm_id, node_id in places:
        if swarm_id is not None:
            found[swarm_id] = found.get(swarm_id, frozenset()) | {node_id}
    return found
