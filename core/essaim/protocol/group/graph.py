"""The records of a group as a graph: each follows others, its parents, and rests on all that those rest on."""

from collections.abc import Iterable, Iterator, Sequence

from essaim.protocol.group.record import Record
from essaim.protocol.group.roster import Place


class Graph:
    """Records by number, in the order of their coming. A set of them is an int with a bit for each."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.index: dict[bytes, int] = {}
        self.past: list[int] = []
        """Of each record the set of those that it rests on, itself among it."""
        self.places: list[Place] = []
        """Of each its height and its id."""

    def __len__(self) -> int:
        return len(self.records)

    def add(self, record: Record, above: Sequence[int]) -> int:
        """The number of a record whose parents are these; height is 1 for the founding, else one more than theirs."""
        number, past = len(self.records), 0
        for parent in above:
            past |= self.past[parent]
        self.records.append(record)
        self.index[record.record_id] = number
        self.past.append(past | 1 << number)
        self.places.append((1 + max((self.places[each][0] for each in above), default=0), record.record_id))
        return number

    def past_of(self, heads: Iterable[bytes]) -> int | None:
        """What these rest on; None while one of them is not here."""
        mask = 0
        for head in heads:
            if head not in self.index:
                return None
            mask |= self.past[self.index[head]]
        return mask

    def heads_of(self, mask: int) -> list[int]:
        """Those of a set that no other of it follows."""
        followed = 0
        for number in numbers(mask):
            for parent in self.records[number].parents:
                followed |= 1 << self.index[parent]
        return list(numbers(mask & ~followed))

    def in_order(self, mask: int) -> list[int]:
        """By height and id: each behind what it rests on."""
        return sorted(numbers(mask), key=self.places.__getitem__)

    def beside(self, one: int, other: int) -> bool:
        """Neither had seen the other."""
        return not self.past[one] >> other & 1 and not self.past[other] >> one & 1


def numbers(mask: int) -> Iterator[int]:
    """Those in a set, ascending."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
