"""A page of envelopes under a limit of bytes and of entries."""

from dataclasses import dataclass, field
from enum import Enum, auto

from essaim_storage.effects import Delivery


class Room(Enum):
    """How an envelope goes into a page."""

    WHOLE = auto()
    NAMED = auto()
    """Larger than any page of this reader: its id and size only."""
    NONE = auto()
    """Not any more: it begins the next page."""


@dataclass
class Page:
    """Being filled. `number`: the arrival number up to which it covers everything."""

    number: int
    max_bytes: int
    max_entries: int
    envelopes: list[Delivery] = field(default_factory=list)
    more: bool = False
    known: int = 0
    """Envelopes that the reader said it has."""
    damaged: bool = False
    """Something that belongs here could not be read."""

    def room_for(self, size: int) -> Room:
        """For an envelope of so many bytes; NONE closes the page."""
        used = sum(len(each.data) for each in self.envelopes)
        if len(self.envelopes) < self.max_entries:
            if size > self.max_bytes:
                return Room.NAMED
            if used + size <= self.max_bytes:
                return Room.WHOLE
        self.more = True
        return Room.NONE

    def add(self, envelope: Delivery) -> None:
        self.envelopes.append(envelope)
