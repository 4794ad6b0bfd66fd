"""How much of a group's log each writer may take: nobody can use up the room of another.

A record has a *seat*: its key says how early it is chosen (those of more senior admins first, then what its account
did earlier), its sets whom it is charged to. Chosen are, in the order of keys, all that find room in each of their
sets. The sets lie within each other (a laminar family), and neither key nor sets depend on anything but the record's
own past: so what is chosen of two collections together is chosen of each of them (the greedy choice of a matroid), and
everybody comes to the same choice, in whatever order records came.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from essaim.protocol.group.record import Record
from essaim.protocol.group.roster import LAST, Place, Roster

ADMIN_DEVICE_MAX = 1_024
"""Records that one device of an account makes while that is an admin."""
ADMIN_MAX = 2_048
"""Those of all devices of the account."""
MEMBER_DEVICE_MAX = 24
"""Records that one device makes after one invitation while its account is no admin."""
MEMBER_MAX = 96
LOG_MAX = 4_096
LOOSE_MAX = 16
"""Own records that one who is no admin may have made since an admin's last record."""

FIRST: Place = (0, b"")

Name = tuple[bytes, ...]


class Seat(NamedTuple):
    """`key`: rank of the author, number of records of the account before, record id; `sets`: the narrowest first."""

    key: tuple[Place, int, bytes]
    sets: tuple[tuple[Name, int], ...]
    admin: bool


def seat_of(record: Record, before: Roster, count: int) -> Seat:
    """Of a record that is allowed after `before`, with `count` records of its account in its past."""
    account, device = record.account, record.certificate.device.signing.raw
    whole = ((), LOG_MAX)
    member = before.members.get(account)
    if member is None:  # the founding
        return Seat((FIRST, 0, record.record_id), (whole,), True)
    rank = before.rank(account)
    key = rank, count, record.record_id
    if rank != LAST:
        return Seat(key, (((account, device), ADMIN_DEVICE_MAX), ((account,), ADMIN_MAX), whole), True)
    stay = b"member", account, member.invitation[1]
    return Seat(key, (((*stay, device), MEMBER_DEVICE_MAX), (stay, MEMBER_MAX), whole), False)


class Room:
    """The seats of a log's records, by their numbers."""

    def __init__(self) -> None:
        self._seats: list[Seat] = []
        self._taken: Counter[Name] = Counter()
        self._narrow: dict[Name, list[tuple[Place, int, bytes]]] = {}
        self.crowded = False
        """Whether not all find room."""

    def admits(self, seat: Seat) -> bool:
        """False: it is not chosen, whatever else comes."""
        name, limit = seat.sets[0]
        keys = self._narrow.get(name, [])
        return len(keys) < limit or seat.key < keys[limit - 1]

    def take(self, seat: Seat) -> None:
        self._seats.append(seat)
        insort(self._narrow.setdefault(seat.sets[0][0], []), seat.key)
        for name, limit in seat.sets:
            self._taken[name] += 1
            self.crowded = self.crowded or self._taken[name] > limit

    def chosen(self) -> Iterator[int]:
        """The numbers of those that find room."""
        taken: Counter[Name] = Counter()
        for number in sorted(range(len(self._seats)), key=lambda each: self._seats[each].key):
            sets = self._seats[number].sets
            if all(taken[name] < limit for name, limit in sets):
                taken.update(name for name, _ in sets)
                yield number
