"""The log of a group: the records that are known, a hash graph that merges, and the roster that follows from it.

Which records count does not depend on the order in which they came. Each is judged by its own past first: what its
author could not do there is none, nor what rests on it. Of each writer there is room for so many (room.py). Then, of
records that had not seen each other:

    1. a newer list of an account's devices voids what a device that is not on it did beside it
    2. a removal voids all that the removed account did beside it, a demotion what it did as an admin beside it; the
       most senior author's first, and only while it is allowed without what is void
    3. the rest is done in the order of (height, record id), as far as it is still allowed when its turn comes

Height is 1 for the founding, else one more than the highest parent's.
"""

from collections.abc import Iterable, Iterator, Sequence

from essaim.protocol.group.record import (
    PARENTS_MAX,
    Act,
    Record,
    certificate_hash,
)
from essaim.protocol.group.room import LOOSE_MAX, Room, Seat, seat_of
from essaim.protocol.group.roster import Place, Roster
from essaim.protocol.manifest import Certificate

PLACED_MAX = 16_384
"""What is kept at all, with those for which there is no room; of admins a quarter more."""
WANTED_MAX = 255
WITHOUT_ROOM_MAX = 1_024
"""Records that are kept for being spoken of alone: a flood of words must not fill the log instead."""
PENDING_MAX = 1_024
"""Records whose parents have not come yet."""
ROSTERS_KEPT = 256
ADMIN_ACTS = frozenset({Act.INVITE, Act.REMOVE, Act.PROMOTE, Act.DEMOTE, Act.RENAME, Act.PICTURE, Act.ADMIN_KEY})
NOBODY = Roster()


class GroupLog:
    """A set of records within is an int with a bit for each, by the order of their coming."""

    def __init__(self, group_id: bytes) -> None:
        self.group_id = group_id
        self._records: list[Record] = []
        self._index: dict[bytes, int] = {}
        self._past: list[int] = []
        self._places: list[Place] = []
        self._ranks: list[Place] = []
        self._covered: list[int] = []
        """Of each record what the records of admins in its past rest on."""
        self._room, self._here = Room(), 0
        self._dropped: list[int] = []
        """Of each record those beside it that show a newer list of devices, without the one that made it."""
        self._by_account: dict[bytes, int] = {}
        self._by_device: dict[bytes, dict[bytes, list[int]]] = {}
        """Of each account by the certificates that it shows."""
        self._pending: dict[bytes, Record] = {}
        self._wanted: dict[bytes, None] = {}
        self._without_room = 0
        self._rosters: dict[int, Roster] = {0: NOBODY}
        self._counted: tuple[int, list[int]] = (0, [])

    # What is known

    def __len__(self) -> int:
        return self._here.bit_count()

    def __contains__(self, record_id: bytes) -> bool:
        return record_id in self._index

    def __iter__(self) -> Iterator[Record]:
        """Those for which there is room, each behind what it rests on."""
        return (self._records[number] for number in _numbers(self._here))

    @property
    def heads(self) -> list[bytes]:
        """The newest records, those that no other follows, ascending."""
        return sorted(self._records[each].record_id for each in self._heads_of(self._here))

    def parents_for(self, account: bytes, act: Act) -> list[bytes]:
        """What the next record of this account follows: the newest records, as many as it can name.

        Of somebody who is no admin: those of admins and their own, so that they hold nothing of others in the log.
        """
        if act in ADMIN_ACTS or self.roster.is_admin(account):
            return self.named
        mask, own = 0, self._by_account.get(account, 0)
        for number in _numbers(self._here):
            mask |= self._past[number] if self._is_admins(number) else 0
        for number in _numbers(self._here & own):
            mask |= self._past[number]
        return self._foremost(mask)

    @property
    def named(self) -> list[bytes]:
        """The newest records, as many as can be named: also under a flood those on which it depends who is in."""
        return self._foremost(self._here)

    def _foremost(self, mask: int) -> list[bytes]:
        heads = self._heads_of(mask)
        if len(heads) > PARENTS_MAX:
            counting, since = set(self._counting), {each.since for each in self.roster.members.values()}

            def order(number: int) -> tuple[bool, bool, bool, Place]:
                place = self._places[number]
                return number not in counting, not self._is_admins(number), place not in since, place

            heads = sorted(heads, key=order)[:PARENTS_MAX]
        return sorted(self._records[each].record_id for each in heads)

    @property
    def missing(self) -> list[bytes]:
        """Records that others follow and that have not come."""
        wanted = {parent for record in self._pending.values() for parent in record.parents}
        return sorted(wanted - self._index.keys() - self._pending.keys())

    @property
    def roster(self) -> Roster:
        """As all that is known says."""
        return self._roster(self._here)

    def roster_at(self, heads: Iterable[bytes]) -> Roster | None:
        """As whoever had just these newest records saw it; None while one of them is not here."""
        mask = self._mask(heads)
        return None if mask is None else self._roster(mask)

    def size_at(self, heads: Iterable[bytes]) -> int:
        """How many records these rest on, themselves among it; 0 while one of them is not here."""
        return (self._mask(heads) or 0).bit_count()

    def unknown_to(self, heads: Iterable[bytes]) -> list[Record]:
        """What somebody lacks who has these newest records."""
        mask = 0
        for head in heads:
            mask |= self._past[self._index[head]] if head in self._index else 0
        return [self._records[number] for number in _numbers(self._here & ~mask)]

    def want(self, record_ids: Iterable[bytes]) -> None:
        """Somebody speaks of these: they are kept when they come, whether there is room for them or not."""
        for record_id in record_ids:
            if record_id not in self._index:
                self._wanted[record_id] = None
        while len(self._wanted) > WANTED_MAX:
            del self._wanted[next(iter(self._wanted))]

    @property
    def wanted(self) -> list[bytes]:
        """Those that have not come, the latest ones."""
        return [each for each in self._wanted if each not in self._index]

    def find(self, record_ids: Iterable[bytes]) -> list[Record]:
        """Records by their ids, with what is loose in their past: also such for which there is no room."""
        mask = 0
        for number in (self._index[each] for each in record_ids if each in self._index):
            mask |= self._past[number] & ~self._covered[number] | 1 << number
        return [self._records[number] for number in _numbers(mask)]

    def lost_since(self, heads: Sequence[bytes]) -> bool:
        """Whether somebody, or a device of somebody, who was in at these newest records or came since is no more."""
        then, mask = self.roster_at(heads), self._mask(heads)
        if then is None or mask is None:
            return True
        now = self.roster
        if now.lost_since(then):
            return True
        since = [self._records[each] for each in self._counting if not mask >> each & 1]
        came = {record.subject for record in since if record.act in (Act.FOUND, Act.INVITE)}
        return not came <= now.members.keys() or any(now.lacks_device_of(record.certificate.head) for record in since)

    def until_gone(self, account: bytes) -> list[Record]:
        """What led to the end of somebody's membership, that end included: what they may know who are no more in it."""
        ends = [
            each
            for each in self._counting
            if self._records[each].act in (Act.REMOVE, Act.LEAVE) and self._records[each].subject == account
        ]
        if not ends or account in self.roster.members:
            return []
        return [self._records[each] for each in _numbers(self._past[ends[-1]])]

    def stands(self, record_id: bytes) -> bool:
        """Whether a record was allowed to its author where they stood, and has room."""
        number = self._index.get(record_id)
        return number is not None and bool(self._here >> number & 1)

    # Growing

    def add(self, records: Iterable[Record], *, kept: bool = False) -> list[Record]:
        """Those that are new and rest on what is here, in an order; others wait for what they rest on.

        `kept`: they were in this log before, and come from the disk.
        """
        for record in records:
            if record.group == self.group_id and record.record_id not in self._index:
                self._pending.setdefault(record.record_id, record)
        added, before = list[Record](), -1
        while len(added) != before:
            before = len(added)
            added += self._place_ready(kept)
        while len(self._pending) > PENDING_MAX:
            del self._pending[next(iter(self._pending))]
        if added:
            self._here = self._chosen() if self._room.crowded else (1 << len(self._records)) - 1
        return added

    def _place_ready(self, kept: bool) -> Iterator[Record]:
        for record in list(self._pending.values()):
            if all(parent in self._index for parent in record.parents):
                del self._pending[record.record_id]
                if self._place(record, kept):
                    yield record

    def _chosen(self) -> int:
        """What has room, and what that rests on."""
        mask = 0
        for number in self._room.chosen():
            mask |= self._past[number]
        return mask

    def _place(self, record: Record, kept: bool) -> bool:
        """Whether it is a record of this group, and may have room."""
        above = [self._index[parent] for parent in record.parents]
        past, covered = 0, 0
        for each in above:
            past, covered = past | self._past[each], covered | self._covered[each]
        before = self._roster(past)
        if not before.allows(record):
            return False
        own = self._by_account.get(record.account, 0)
        seat = seat_of(record, before, (past & own).bit_count())
        loose = past & ~covered
        if not seat.admin and (loose & ~own or loose.bit_count() >= LOOSE_MAX):
            return False
        if not kept and not self._may_come(record, seat):
            return False
        number = len(self._records)
        self._ranks.append(before.rank(record.account))
        self._records.append(record)
        self._index[record.record_id] = number
        self._past.append(past | 1 << number)
        self._covered.append(past | 1 << number if seat.admin else covered)
        self._places.append((1 + max((self._places[each][0] for each in above), default=0), record.record_id))
        self._by_account[record.account] = own | 1 << number
        self._room.take(seat)
        self._compare_devices(number)
        return True

    def _may_come(self, record: Record, seat: Seat) -> bool:
        """What has no room is kept where something rests on it that may have."""
        if len(self._records) >= (PLACED_MAX + PLACED_MAX // 4 if seat.admin else PLACED_MAX):
            return False
        if self._room.admits(seat) or any(record.record_id in each.parents for each in self._pending.values()):
            return True
        spoken_of = record.record_id in self._wanted and self._without_room < WITHOUT_ROOM_MAX
        self._without_room += spoken_of
        return spoken_of

    def _is_admins(self, number: int) -> bool:
        return bool(self._covered[number] >> number & 1)

    def _compare_devices(self, number: int) -> None:
        """Once for each pair, not once for each set of records: a member may show many lists."""
        record = self._records[number]
        shown = self._by_device.setdefault(record.account, {})
        self._dropped.append(0)
        for same in shown.values():
            newer, older = self._lacks(number, same[0]), self._lacks(same[0], number)
            for other in same if newer or older else ():
                if not self._past[number] >> other & 1:
                    self._dropped[other] |= newer << number
                    self._dropped[number] |= older << other
        shown.setdefault(certificate_hash(record.certificate.encode()), []).append(number)

    # What follows from it

    def _mask(self, heads: Iterable[bytes]) -> int | None:
        mask = 0
        for head in heads:
            if head not in self._index:
                return None
            mask |= self._past[self._index[head]]
        return mask

    def _heads_of(self, mask: int) -> list[int]:
        followed = 0
        for number in _numbers(mask):
            for parent in self._records[number].parents:
                followed |= 1 << self._index[parent]
        return list(_numbers(mask & ~followed))

    def _roster(self, mask: int) -> Roster:
        if mask not in self._rosters:
            roster = self._one_more(mask) or self._resolved(mask)
            while len(self._rosters) >= ROSTERS_KEPT:
                del self._rosters[next(each for each in self._rosters if each)]
            self._rosters[mask] = roster
        return self._rosters[mask]

    def _one_more(self, mask: int) -> Roster | None:
        """What rests on all others in the set stands beside none of them: nothing is void that was not."""
        last = mask.bit_length() - 1
        before = self._rosters.get(mask & ~(1 << last)) if self._past[last] == mask else None
        if before is None:
            return None
        return before.applied(self._records[last], self._places[last])

    def _resolved(self, mask: int) -> Roster:
        order = sorted(_numbers(mask), key=self._places.__getitem__)
        return self._done(order, self._void(order))

    @property
    def _counting(self) -> list[int]:
        """The records that count, of all that are known."""
        if self._counted[0] != self._here:
            order, counting = sorted(_numbers(self._here), key=self._places.__getitem__), list[int]()
            self._done(order, self._void(order), counting)
            self._counted = self._here, counting
        return self._counted[1]

    def _done(self, order: Sequence[int], void: int, counting: list[int] | None = None) -> Roster:
        roster = NOBODY
        for number in order:
            if not void >> number & 1 and roster.allows(self._records[number]):
                roster = roster.applied(self._records[number], self._places[number])
                if counting is not None:
                    counting.append(number)
        return roster

    def _void(self, order: Sequence[int]) -> int:
        void = self._void_by_devices(order)
        cuts = [each for each in order if self._records[each].act in (Act.REMOVE, Act.DEMOTE)]
        for cut in sorted(cuts, key=lambda each: (self._ranks[each], self._places[each])):
            if self._holds(cut, order, void):
                void |= self._voided_by(cut, order)
        return void

    def _holds(self, cut: int, order: Sequence[int], void: int) -> bool:
        """Whether a removal is allowed still, without what was found to be void in its past."""
        if void >> cut & 1:
            return False
        past = self._past[cut] & ~(1 << cut)
        if not past & void:
            return True
        return self._done([each for each in order if past >> each & 1], void).allows(self._records[cut])

    def _voided_by(self, cut: int, order: Sequence[int]) -> int:
        record, void = self._records[cut], 0
        for each in order:
            other = self._records[each]
            if other.account == record.subject and self._beside(cut, each):
                void |= (record.act == Act.REMOVE or other.act in ADMIN_ACTS) << each
        return void

    def _void_by_devices(self, order: Sequence[int]) -> int:
        known = sum(1 << each for each in order)
        return sum(1 << each for each in order if self._dropped[each] & known)

    def _lacks(self, newer: int, number: int) -> bool:
        """Whether a newer list of devices is shown, which is without the device that made the other record."""
        head, shown = self._shown(newer).head, self._shown(number)
        return head.version > shown.head.version and not head.lists_device(shown.device)

    def _shown(self, number: int) -> Certificate:
        return self._records[number].certificate

    def _beside(self, one: int, other: int) -> bool:
        """Neither had seen the other."""
        return not self._past[one] >> other & 1 and not self._past[other] >> one & 1


def _numbers(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
