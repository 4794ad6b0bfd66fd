"""What a set of records comes to: which of them count, and the roster that follows.

Of records that had not seen each other:

    1. a newer list of an account's devices voids what a device that is not on it did beside it
    2. a removal voids all that the removed account did beside it, a demotion what it did as an admin beside it; the
       most senior author's first, and only while it is allowed without what is void
    3. the rest is done in the order of (height, record id), as far as it is still allowed when its turn comes

So it does not depend on the order in which they came.
"""

from collections.abc import Sequence

from essaim.protocol.group.graph import Graph
from essaim.protocol.group.record import Act, certificate_hash
from essaim.protocol.group.roster import Place, Roster
from essaim.protocol.manifest import Certificate

ROSTERS_KEPT = 256
ADMIN_ACTS = frozenset({Act.INVITE, Act.REMOVE, Act.PROMOTE, Act.DEMOTE, Act.RENAME, Act.PICTURE, Act.ADMIN_KEY})
NOBODY = Roster()


class Judgement:
    """Of sets of the records of a graph. `take` every record of it, in its order."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._ranks: list[Place] = []
        self._dropped: list[int] = []
        """Of each record those beside it that show a newer list of devices, without the one that made it."""
        self._by_device: dict[bytes, dict[bytes, list[int]]] = {}
        """Of each account by the certificates that it shows."""
        self._rosters: dict[int, Roster] = {0: NOBODY}
        self._counted: tuple[int, list[int]] = (0, [])

    def take(self, number: int, rank: Place) -> None:
        """A record, and what rank its author had before it.

        Devices are compared once for each pair, not once for each set of records: a member may show many lists.
        """
        self._ranks.append(rank)
        record = self._graph.records[number]
        shown = self._by_device.setdefault(record.account, {})
        self._dropped.append(0)
        for same in shown.values():
            newer, older = self._lacks(number, same[0]), self._lacks(same[0], number)
            for other in same if newer or older else ():
                if not self._graph.past[number] >> other & 1:
                    self._dropped[other] |= newer << number
                    self._dropped[number] |= older << other
        shown.setdefault(certificate_hash(record.certificate.encode()), []).append(number)

    def roster(self, mask: int) -> Roster:
        """Who is in, as this set says."""
        if mask not in self._rosters:
            roster = self._one_more(mask) or self._resolved(mask)
            while len(self._rosters) >= ROSTERS_KEPT:
                del self._rosters[next(each for each in self._rosters if each)]
            self._rosters[mask] = roster
        return self._rosters[mask]

    def counting(self, mask: int) -> list[int]:
        """Those of the set that count, in order."""
        if self._counted[0] != mask:
            order, counting = self._graph.in_order(mask), list[int]()
            self._done(order, self._void(order), counting)
            self._counted = mask, counting
        return self._counted[1]

    def _one_more(self, mask: int) -> Roster | None:
        """What rests on all others in the set stands beside none of them: nothing is void that was not."""
        last = mask.bit_length() - 1
        before = self._rosters.get(mask & ~(1 << last)) if self._graph.past[last] == mask else None
        if before is None:
            return None
        return before.applied(self._graph.records[last], self._graph.places[last])

    def _resolved(self, mask: int) -> Roster:
        order = self._graph.in_order(mask)
        return self._done(order, self._void(order))

    def _done(self, order: Sequence[int], void: int, counting: list[int] | None = None) -> Roster:
        roster = NOBODY
        for number in order:
            record = self._graph.records[number]
            if not void >> number & 1 and roster.allows(record):
                roster = roster.applied(record, self._graph.places[number])
                if counting is not None:
                    counting.append(number)
        return roster

    def _void(self, order: Sequence[int]) -> int:
        void, records = self._void_by_devices(order), self._graph.records
        cuts = [each for each in order if records[each].act in (Act.REMOVE, Act.DEMOTE)]
        for cut in sorted(cuts, key=lambda each: (self._ranks[each], self._graph.places[each])):
            if self._holds(cut, order, void):
                void |= self._voided_by(cut, order)
        return void

    def _holds(self, cut: int, order: Sequence[int], void: int) -> bool:
        """Whether a removal is allowed still, without what was found to be void in its past."""
        if void >> cut & 1:
            return False
        past = self._graph.past[cut] & ~(1 << cut)
        if not past & void:
            return True
        return self._done([each for each in order if past >> each & 1], void).allows(self._graph.records[cut])

    def _voided_by(self, cut: int, order: Sequence[int]) -> int:
        record, void = self._graph.records[cut], 0
        for each in order:
            other = self._graph.records[each]
            if other.account == record.subject and self._graph.beside(cut, each):
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
        return self._graph.records[number].certificate
