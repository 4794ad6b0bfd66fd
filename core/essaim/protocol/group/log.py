"""The log of a group: the records that are known, a hash graph that merges, and the roster that follows from it.

Which records count does not depend on the order in which they came. Each is judged by its own past first: what its
author could not do there is none, nor what rests on it. Of each writer there is room for so many (room.py). Then those
that had not seen each other are weighed (judgement.py).
"""

from collections.abc import Iterable, Iterator, Sequence

from essaim.protocol.group.graph import Graph, numbers
from essaim.protocol.group.judgement import ADMIN_ACTS, Judgement
from essaim.protocol.group.record import PARENTS_MAX, Act, Record
from essaim.protocol.group.room import LOOSE_MAX, Room, Seat, seat_of
from essaim.protocol.group.roster import Place, Roster

PLACED_MAX = 16_384
"""What is kept at all, with those for which there is no room; of admins a quarter more."""
WANTED_MAX = 255
WITHOUT_ROOM_MAX = 1_024
"""Records that are kept for being spoken of alone: a flood of words must not fill the log instead."""
PENDING_MAX = 1_024
"""Records whose parents have not come yet."""


class GroupLog:
    """Records of one group; within, a set of them is a graph's (graph.py)."""

    def __init__(self, group_id: bytes) -> None:
        self.group_id = group_id
        self._graph = Graph()
        self._judgement = Judgement(self._graph)
        self._covered: list[int] = []
        """Of each record what the records of admins in its past rest on."""
        self._room, self._here = Room(), 0
        self._by_account: dict[bytes, int] = {}
        self._pending: dict[bytes, Record] = {}
        self._wanted: dict[bytes, None] = {}
        self._without_room = 0

    # What is known

    def __len__(self) -> int:
        return self._here.bit_count()

    def __contains__(self, record_id: bytes) -> bool:
        return record_id in self._graph.index

    def __iter__(self) -> Iterator[Record]:
        """Those for which there is room, each behind what it rests on."""
        return (self._graph.records[number] for number in numbers(self._here))

    @property
    def heads(self) -> list[bytes]:
        """The newest records, those that no other follows, ascending."""
        return sorted(self._graph.records[each].record_id for each in self._graph.heads_of(self._here))

    def parents_for(self, account: bytes, act: Act) -> list[bytes]:
        """What the next record of this account follows: the newest records, as many as it can name.

        Of somebody who is no admin: those of admins and their own, so that they hold nothing of others in the log.
        """
        if act in ADMIN_ACTS or self.roster.is_admin(account):
            return self.named
        mask, own = 0, self._by_account.get(account, 0)
        for number in numbers(self._here):
            mask |= self._graph.past[number] if self._is_admins(number) else 0
        for number in numbers(self._here & own):
            mask |= self._graph.past[number]
        return self._foremost(mask)

    @property
    def named(self) -> list[bytes]:
        """The newest records, as many as can be named: also under a flood those on which it depends who is in."""
        return self._foremost(self._here)

    def _foremost(self, mask: int) -> list[bytes]:
        heads = self._graph.heads_of(mask)
        if len(heads) > PARENTS_MAX:
            counting, since = set(self._counting), {each.since for each in self.roster.members.values()}

            def order(number: int) -> tuple[bool, bool, bool, Place]:
                place = self._graph.places[number]
                return number not in counting, not self._is_admins(number), place not in since, place

            heads = sorted(heads, key=order)[:PARENTS_MAX]
        return sorted(self._graph.records[each].record_id for each in heads)

    @property
    def missing(self) -> list[bytes]:
        """Records that others follow and that have not come."""
        wanted = {parent for record in self._pending.values() for parent in record.parents}
        return sorted(wanted - self._graph.index.keys() - self._pending.keys())

    @property
    def roster(self) -> Roster:
        """As all that is known says."""
        return self._judgement.roster(self._here)

    def roster_at(self, heads: Iterable[bytes]) -> Roster | None:
        """As whoever had just these newest records saw it; None while one of them is not here."""
        mask = self._graph.past_of(heads)
        return None if mask is None else self._judgement.roster(mask)

    def size_at(self, heads: Iterable[bytes]) -> int:
        """How many records these rest on, themselves among it; 0 while one of them is not here."""
        return (self._graph.past_of(heads) or 0).bit_count()

    def unknown_to(self, heads: Iterable[bytes]) -> list[Record]:
        """What somebody lacks who has these newest records."""
        mask = 0
        for head in heads:
            mask |= self._graph.past[self._graph.index[head]] if head in self._graph.index else 0
        return [self._graph.records[number] for number in numbers(self._here & ~mask)]

    def want(self, record_ids: Iterable[bytes]) -> None:
        """Somebody speaks of these: they are kept when they come, whether there is room for them or not."""
        for record_id in record_ids:
            if record_id not in self._graph.index:
                self._wanted[record_id] = None
        while len(self._wanted) > WANTED_MAX:
            del self._wanted[next(iter(self._wanted))]

    @property
    def wanted(self) -> list[bytes]:
        """Those that have not come, the latest ones."""
        return [each for each in self._wanted if each not in self._graph.index]

    def find(self, record_ids: Iterable[bytes]) -> list[Record]:
        """Records by their ids, with what is loose in their past: also such for which there is no room."""
        mask = 0
        for number in (self._graph.index[each] for each in record_ids if each in self._graph.index):
            mask |= self._graph.past[number] & ~self._covered[number] | 1 << number
        return [self._graph.records[number] for number in numbers(mask)]

    def lost_since(self, heads: Sequence[bytes]) -> bool:
        """Whether somebody, or a device of somebody, who was in at these newest records or came since is no more."""
        then, mask = self.roster_at(heads), self._graph.past_of(heads)
        if then is None or mask is None:
            return True
        now = self.roster
        if now.lost_since(then):
            return True
        since = [self._graph.records[each] for each in self._counting if not mask >> each & 1]
        came = {record.subject for record in since if record.act in (Act.FOUND, Act.INVITE)}
        return not came <= now.members.keys() or any(now.lacks_device_of(record.certificate.head) for record in since)

    def until_gone(self, account: bytes) -> list[Record]:
        """What led to the end of somebody's membership, that end included: what they may know who are no more in it."""
        ends = [
            each
            for each in self._counting
            if self._graph.records[each].act in (Act.REMOVE, Act.LEAVE) and self._graph.records[each].subject == account
        ]
        if not ends or account in self.roster.members:
            return []
        return [self._graph.records[each] for each in numbers(self._graph.past[ends[-1]])]

    def stands(self, record_id: bytes) -> bool:
        """Whether a record was allowed to its author where they stood, and has room."""
        number = self._graph.index.get(record_id)
        return number is not None and bool(self._here >> number & 1)

    # Growing

    def add(self, records: Iterable[Record], *, kept: bool = False) -> list[Record]:
        """Those that are new and rest on what is here, in an order; others wait for what they rest on.

        `kept`: they were in this log before, and come from the disk.
        """
        for record in records:
            if record.group == self.group_id and record.record_id not in self._graph.index:
                self._pending.setdefault(record.record_id, record)
        added, before = list[Record](), -1
        while len(added) != before:
            before = len(added)
            added += self._place_ready(kept)
        while len(self._pending) > PENDING_MAX:
            del self._pending[next(iter(self._pending))]
        if added:
            self._here = self._chosen() if self._room.crowded else (1 << len(self._graph)) - 1
        return added

    def _place_ready(self, kept: bool) -> Iterator[Record]:
        for record in list(self._pending.values()):
            if all(parent in self._graph.index for parent in record.parents):
                del self._pending[record.record_id]
                if self._place(record, kept):
                    yield record

    def _chosen(self) -> int:
        """What has room, and what that rests on."""
        mask = 0
        for number in self._room.chosen():
            mask |= self._graph.past[number]
        return mask

    def _place(self, record: Record, kept: bool) -> bool:
        """Whether it is a record of this group, and may have room."""
        above = [self._graph.index[parent] for parent in record.parents]
        past, covered = 0, 0
        for each in above:
            past, covered = past | self._graph.past[each], covered | self._covered[each]
        before = self._judgement.roster(past)
        if not before.allows(record):
            return False
        own = self._by_account.get(record.account, 0)
        seat = seat_of(record, before, (past & own).bit_count())
        loose = past & ~covered
        if not seat.admin and (loose & ~own or loose.bit_count() >= LOOSE_MAX):
            return False
        if not kept and not self._may_come(record, seat):
            return False
        number = self._graph.add(record, above)
        self._covered.append(self._graph.past[number] if seat.admin else covered)
        self._by_account[record.account] = own | 1 << number
        self._room.take(seat)
        self._judgement.take(number, before.rank(record.account))
        return True

    def _may_come(self, record: Record, seat: Seat) -> bool:
        """What has no room is kept where something rests on it that may have."""
        if len(self._graph) >= (PLACED_MAX + PLACED_MAX // 4 if seat.admin else PLACED_MAX):
            return False
        if self._room.admits(seat) or any(record.record_id in each.parents for each in self._pending.values()):
            return True
        spoken_of = record.record_id in self._wanted and self._without_room < WITHOUT_ROOM_MAX
        self._without_room += spoken_of
        return spoken_of

    @property
    def _counting(self) -> list[int]:
        """The records that count, of all that are known."""
        return self._judgement.counting(self._here)

    def _is_admins(self, number: int) -> bool:
        return bool(self._covered[number] >> number & 1)
