"""Duties: which devices are to be woken, and for which envelopes."""

from collections.abc import ItemsView
from dataclasses import dataclass, field

from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.rule import is_device
from essaim_storage.tally import NAME_SIZE

Place = tuple[bytes, bytes]
"""Mailbox id, and the device slot, or in a group under what name a device asked."""
MOST_OWED = 16
"""Envelopes that a duty names; a wake for the newest does for those before it."""
OF_PLACE = b"essaim/push/place/v1"


@dataclass
class Duty:
    """To wake one device."""

    owed: dict[bytes, int] = field(default_factory=dict)
    """Envelope id to its number here, in order of arrival."""
    due: int = 0
    """The tick at which it is looked at; 0: it waits for a host."""
    turn: int = 0
    """How many in line it has waited for."""
    attempts: int = 0
    """That no host answered."""
    told: bool = False
    """A host was told, but has not answered yet."""
    age: int = 0
    """How often `Waker.tidy` has seen it."""


class Duties:
    """By place, and by the names that members have for each wake that is owed."""

    def __init__(self) -> None:
        self._duties: dict[Place, Duty] = {}
        self._places: dict[bytes, Place] = {}

    def __len__(self) -> int:
        return len(self._duties)

    def __getitem__(self, place: Place) -> Duty:
        return self._duties[place]

    def get(self, place: Place) -> Duty | None:
        return self._duties.get(place)

    def items(self) -> ItemsView[Place, Duty]:
        return self._duties.items()

    def place_of(self, name: bytes) -> Place | None:
        """Whose wake another member calls so."""
        return self._places.get(name)

    def begin(self, place: Place) -> Duty:
        duty = self._duties[place] = Duty()
        return duty

    def owe(self, place: Place, envelope_id: bytes, number: int) -> None:
        """Of more than can be named the oldest is forgotten."""
        duty = self._duties[place]
        duty.owed[envelope_id] = number
        self._places[name_of(place, envelope_id)] = place
        while len(duty.owed) > MOST_OWED:
            self.forget(place, duty, next(iter(duty.owed)))

    def forget(self, place: Place, duty: Duty, envelope_id: bytes) -> None:
        duty.owed.pop(envelope_id, None)
        self._places.pop(name_of(place, envelope_id), None)

    def end(self, place: Place) -> None:
        duty = self._duties.pop(place)
        for envelope_id in tuple(duty.owed):
            self.forget(place, duty, envelope_id)


def name_of(place: Place, envelope_id: bytes) -> bytes:
    """What members call a wake that is owed: of a group's envelope each place has another."""
    return envelope_id[:NAME_SIZE] if is_device(place[1]) else blake2b256(OF_PLACE, envelope_id, place[1])[:NAME_SIZE]
