"""Which storage nodes keep what: a pure step from the places in one view to those in the next. The rules are
docs/protocol/discovery.md, "Which storage node is in which swarm"; this is their order.

A step ends and takes back moves, gives up what is lost for good, and begins moves among the swarms that were still.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from essaim.protocol.kdf import blake2b256
from essaim.protocol.view import SwarmSizes
from essaim_discovery.move import Move, can_recover, can_serve, quorum
from essaim_discovery.ring import age, neighbours, new_id
from essaim_discovery.seat import Seat

ORDER_LABEL = b"essaim/spare/v1"


@dataclass(frozen=True)
class Turn:
    """What a step depends on beside the places. `seed` is the hash of the view before: nobody could choose a node id
    with it in mind."""

    serial: int
    now_ms: int
    seed: bytes
    sizes: SwarmSizes
    limit_ms: int
    """How long a move may take."""


@dataclass(frozen=True)
class Placed:
    """The places after a step, by node id, and the moves that go on."""

    seats: Mapping[bytes, Seat]
    moves: tuple[Move, ...]
    ended: int
    aborted: int
    lost: int
    """Swarms that were given up, wholly or but for their survivors."""


def step(seats: Iterable[Seat], moves: Sequence[Move], turn: Turn) -> Placed:
    """The places in the view of `turn.serial`."""
    board = _Board(seats, moves, turn)
    ended, aborted = board.conclude()
    lost = board.give_up_lost()
    if board.ring:
        board.merge()
        board.replace_and_fill()
        board.split()
    else:
        board.found()
    return Placed(board.seats, tuple(board.moves), ended, aborted, lost)


class _Board:
    """The places while a step is made. `busy` are swarms that this step may not touch (any more)."""

    def __init__(self, seats: Iterable[Seat], moves: Sequence[Move], turn: Turn) -> None:
        self.seats = {seat.node_id: seat for seat in sorted(seats, key=lambda seat: seat.node_id)}
        self.moves = list(moves)
        self.busy = {swarm_id for move in moves for swarm_id in move.swarms}
        self._turn = turn

    @property
    def ring(self) -> list[int]:
        """The ids of NEXT, ascending."""
        return sorted({seat.then for seat in self.seats.values() if seat.then is not None})

    def _members(self, swarm_id: int) -> list[Seat]:
        return [seat for seat in self.seats.values() if seat.then == swarm_id]

    def _spares(self) -> list[Seat]:
        """In an order that nobody can aim at."""
        spares = [seat for seat in self.seats.values() if seat.spare]
        return sorted(spares, key=lambda seat: blake2b256(ORDER_LABEL, self._turn.seed, seat.node_id))

    def _serving(self, swarm_id: int) -> int:
        return sum(not seat.departing for seat in self._members(swarm_id))

    def _by_need(self) -> list[int]:
        """Still swarms, the one with the fewest members that stay first, of equal ones the lower id."""
        return sorted(set(self.ring) - self.busy, key=lambda each: (self._serving(each), each))

    # Places

    def _next(self, seats: Iterable[Seat], swarm_id: int | None) -> None:
        for seat in seats:
            self.seats[seat.node_id] = replace(seat, then=swarm_id)

    def _at_once(self, seats: Iterable[Seat], swarm_id: int | None) -> None:
        for seat in seats:
            self.seats[seat.node_id] = replace(seat, now=swarm_id, then=swarm_id)

    def _begin(self, swarms: Iterable[int], receiving: Iterable[int]) -> None:
        move = Move(self._turn.serial, self._turn.now_ms, tuple(sorted(swarms)), tuple(sorted(receiving)))
        self.moves.append(move)
        self.busy.update(move.swarms)

    # Moves that end, or cannot

    def conclude(self) -> tuple[int, int]:
        """How many moves ended, and how many were taken back. Their swarms rest until the next view."""
        seats, ended, aborted = list(self.seats.values()), [], []
        for move in self.moves:
            if move.is_complete(seats):
                ended.append(move)
            elif move.is_hopeless(seats, self._turn.now_ms, self._turn.limit_ms):
                aborted.append(move)
        for seat in seats:
            if any(move.concerns(seat) for move in ended):
                self._at_once([seat], seat.then)
            elif any(move.concerns(seat) for move in aborted):
                self._at_once([seat], seat.now)
        self.moves = [move for move in self.moves if move not in ended and move not in aborted]
        return len(ended), len(aborted)

    # What is lost for good

    def give_up_lost(self) -> int:
        """How many swarms lost so many members for good that nothing can vouch for the rest: they lose their places at
        once. What survivors have is all there is; a swarm without any leaves the ring, if it is not the only one."""
        lost = [each for each in self.ring if each not in self.busy and not can_recover(self._members(each))]
        return sum(self._give_up(swarm_id, self._members(swarm_id)) for swarm_id in lost)

    def _give_up(self, swarm_id: int, members: list[Seat]) -> bool:
        beside = neighbours(swarm_id, self.ring)
        survivors = [seat for seat in members if not seat.gone]
        if survivors:
            self._at_once([seat for seat in members if seat.gone], None)
            self.busy.add(swarm_id)
        elif beside and not beside & self.busy:
            self._at_once(members, None)
            self.busy.update({swarm_id, *beside})
        elif not beside and len(self._spares()) >= self._turn.sizes.minimum:
            self._at_once(members, None)
            self._at_once(self._spares()[: self._turn.sizes.target], swarm_id)
            self.busy.add(swarm_id)
        else:
            return False
        return True

    # Moves that begin

    def found(self) -> None:
        """The first swarms, which have nothing to move: one as soon as there are `minimum` nodes."""
        spares, sizes = self._spares(), self._turn.sizes
        while len(spares) >= (sizes.target if self.ring else sizes.minimum):
            self._at_once(spares[: sizes.target], new_id(self.ring))
            del spares[: sizes.target]

    def merge(self) -> None:
        """Dissolve a swarm while the nodes do not suffice for all: the smallest, of equal ones the one made last."""
        nodes = sum(not seat.departing and (seat.willing or seat.now is not None) for seat in self.seats.values())
        while len(self.ring) > 1 and nodes < len(self.ring) * self._turn.sizes.minimum:
            free = [each for each in self.ring if self._can_dissolve(each)]
            if not free:
                return
            victim = min(free, key=lambda each: (self._serving(each), tuple(-part for part in age(each))))
            beside = neighbours(victim, self.ring)
            self._next(self._members(victim), None)
            self._begin({victim, *beside}, beside)

    def _can_dissolve(self, swarm_id: int) -> bool:
        beside = neighbours(swarm_id, self.ring)
        still = not (self.busy & {swarm_id, *beside})
        return still and can_recover(self._members(swarm_id)) and all(can_serve(self._members(each)) for each in beside)

    def replace_and_fill(self) -> None:
        """Spares take the places of those who depart, and of those who lack to `target`; the neediest swarm first."""
        for swarm_id in self._by_need():
            members = self._members(swarm_id)
            most = max(1, len(members) - quorum(len(members)))
            lacking = max(0, self._turn.sizes.target - self._serving(swarm_id))
            joining = self._spares()[: min(most, lacking)]
            leaving = self._leaving(members, most, len(joining))
            following = [seat for seat in members if seat not in leaving] + joining
            if (joining or leaving) and can_recover(members) and can_serve(following):
                self._next(joining, swarm_id)
                self._next(leaving, None)
                self._begin({swarm_id}, {swarm_id})

    def _leaving(self, members: list[Seat], most: int, joining: int) -> list[Seat]:
        """Up to `most` of those who depart, the gone first; those who are there only while `minimum` are left."""
        departing = sorted((seat for seat in members if seat.departing), key=lambda seat: (not seat.gone, seat.node_id))
        leaving: list[Seat] = []
        for seat in departing[:most]:
            left = len(members) + joining - len(leaving) - 1
            if left >= (1 if seat.gone else self._turn.sizes.minimum):
                leaving.append(seat)
        return leaving

    def split(self) -> None:
        """`target` spares form a swarm in the widest gap, while no other swarm lacks members."""
        sizes = self._turn.sizes
        while len(self._spares()) >= sizes.target and all(self._serving(each) >= sizes.minimum for each in self.ring):
            swarm_id = new_id(self.ring)
            beside = neighbours(swarm_id, self.ring)
            if beside & self.busy or not all(can_recover(self._members(each)) for each in beside):
                return
            self._next(self._spares()[: sizes.target], swarm_id)
            self._begin({swarm_id, *beside}, {swarm_id})
