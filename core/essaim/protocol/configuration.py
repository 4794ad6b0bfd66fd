"""What the devices of an account agree on without asking each other: a state in which any two versions merge.

Four kinds of parts (Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types", 2011):

    register   the last writer wins: the highest (time_ms, device id, value); a writer's time is above what it has seen
    highest    the highest number wins
    member     of a set in which an addition beats a removal that had not seen it (OR-set): each addition has a dot
    deletion   of entries: grows, the newest 2,000; up to `deletions_floor_ms` they are no longer listed

Merging is commutative, associative and idempotent, so a part of a state may be handed on as well as the whole.
On the wire: essaim.messaging.v1.Configuration, in ascending order of keys, so that equal states are equal bytes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf.message import DecodeError

from essaim.messaging.v1 import configuration_pb2
from essaim.protocol.kdf import blake2b256
from essaim.protocol.layout import MalformedError

DEVICE_ID_SIZE = 16
MARK_SIZE = 8
DELETIONS_MAX = 2_000
KEY_MAX = 64
VALUE_MAX = 4_096
LATEST = (1 << 63) - 1


class Written(NamedTuple):
    """A register's value, ordered as the last writer wins."""

    time_ms: int
    device_id: bytes
    value: bytes


class Dot(NamedTuple):
    """One addition to the set."""

    device_id: bytes
    number: int


@dataclass
class Member:
    """An element is in while an addition is not removed."""

    added: set[Dot]
    removed: set[Dot]

    @property
    def present(self) -> bool:
        return bool(self.added - self.removed)


def deletion_mark(conversation: bytes, author: bytes, message_id: bytes) -> bytes:
    """8 bytes that name a deleted entry: BLAKE2b-256("essaim/deleted/v1" || conversation || author || id)[:8]."""
    return blake2b256(b"essaim/deleted/v1", conversation, author, message_id)[:MARK_SIZE]


def unsent_mark(conversation: bytes, author: bytes, message_id: bytes) -> bytes:
    """Beside it, of an entry that its author took back everywhere: likewise under "essaim/unsent/v1"."""
    return blake2b256(b"essaim/unsent/v1", conversation, author, message_id)[:MARK_SIZE]


class Configuration:
    """A state. `device_id` (16 bytes) is who writes here; what is written is kept apart, too, for `take_changes`."""

    def __init__(self, device_id: bytes) -> None:
        self._device_id = device_id
        self._registers: dict[bytes, Written] = {}
        self._highest: dict[bytes, int] = {}
        self._members: dict[bytes, Member] = {}
        self._deletions: dict[bytes, int] = {}
        self.deletions_floor_ms = 0
        self._changed: Configuration | None = None

    # Reading

    def value(self, key: bytes) -> bytes | None:
        """What was last written to a register; None: nothing, or b"", which takes it back."""
        written = self._registers.get(key)
        return written.value or None if written else None

    def values(self, prefix: bytes) -> dict[bytes, bytes]:
        """What the registers hold whose keys begin with `prefix`, in ascending order, but for those taken back."""
        found = ((key, written.value) for key, written in sorted(self._registers.items()) if written.value)
        return {key: value for key, value in found if key.startswith(prefix)}

    def highest(self, key: bytes) -> int:
        return self._highest.get(key, 0)

    def members(self, prefix: bytes) -> list[bytes]:
        """The elements that begin with `prefix` and are in."""
        return sorted(key for key, member in self._members.items() if key.startswith(prefix) and member.present)

    def contains(self, element: bytes) -> bool:
        member = self._members.get(element)
        return member is not None and member.present

    def deleted(self, mark: bytes) -> bool:
        return mark in self._deletions

    def is_only_of(self, prefix: bytes) -> bool:
        """Whether this state has nothing but highest numbers whose keys begin with `prefix`."""
        others = self._registers or self._members or self._deletions
        return not others and all(key.startswith(prefix) for key in self._highest)

    # Writing

    def write(self, key: bytes, value: bytes, now: int) -> None:
        """Above every write of this register that was seen, whatever the clock says; but never out of bounds."""
        before = self._registers.get(key)
        time_ms = min(max(now, before.time_ms + 1), LATEST) if before else now
        self._apply(registers=[(key, Written(time_ms, self._device_id, value))])

    def raise_to(self, key: bytes, value: int) -> None:
        self._apply(highest=[(key, min(value, LATEST))])

    def add(self, element: bytes, number: int) -> None:
        """`number`: one that this device has used for no other addition, such as the time."""
        self._apply(members=[(element, Member({Dot(self._device_id, number)}, set()))])

    def remove(self, element: bytes) -> None:
        """The additions that were seen."""
        member = self._members.get(element)
        if member is not None and member.present:
            self._apply(members=[(element, Member(set(), set(member.added)))])

    def delete(self, mark: bytes, now: int) -> None:
        """Remember that an entry was deleted."""
        self._apply(deletions=[(mark, now)])

    def take_changes(self) -> "Configuration | None":
        """What was written here since the last call, as a state of its own; None: nothing."""
        changed, self._changed = self._changed, None
        return changed

    # Merging

    def merge(self, other: "Configuration") -> bool:
        """Everything that `other` knows; whether any of it was new. (It is not among the own changes.)"""
        before = self.encode()
        self._join(other)
        return self.encode() != before

    def _apply(
        self,
        registers: Iterable[tuple[bytes, Written]] = (),
        highest: Iterable[tuple[bytes, int]] = (),
        members: Iterable[tuple[bytes, Member]] = (),
        deletions: Iterable[tuple[bytes, int]] = (),
    ) -> None:
        change = Configuration(self._device_id)
        change._registers.update(registers)
        change._highest.update(highest)
        change._members.update(members)
        change._deletions.update(deletions)
        self._changed = self._changed or Configuration(self._device_id)
        self._changed._join(change)
        self._join(change)

    def _join(self, other: "Configuration") -> None:
        for key, written in other._registers.items():
            self._registers[key] = max(written, self._registers.get(key, written))
        for key, value in other._highest.items():
            self._highest[key] = max(value, self._highest.get(key, 0))
        for key, member in other._members.items():
            own = self._members.setdefault(key, Member(set(), set()))
            own.added |= member.added
            own.removed |= member.removed
        for mark, time_ms in other._deletions.items():
            self._deletions[mark] = max(time_ms, self._deletions.get(mark, 0))
        self.deletions_floor_ms = max(self.deletions_floor_ms, other.deletions_floor_ms)
        self._trim()

    def _trim(self) -> None:
        """Keep the newest deletions; equal ones go together, so that the order of merging makes no difference."""
        if len(self._deletions) > DELETIONS_MAX:
            times = sorted(self._deletions.values(), reverse=True)
            self.deletions_floor_ms = max(self.deletions_floor_ms, times[DELETIONS_MAX])
        floor = self.deletions_floor_ms
        self._deletions = {mark: time_ms for mark, time_ms in self._deletions.items() if time_ms > floor}

    # The wire

    def encode(self) -> bytes:
        """The same bytes for the same state."""
        message = configuration_pb2.Configuration(deletions_floor_ms=self.deletions_floor_ms)
        for key, written in sorted(self._registers.items()):
            message.registers.add(key=key, value=written.value, time_ms=written.time_ms, device_id=written.device_id)
        for key, value in sorted(self._highest.items()):
            message.highest.add(key=key, value=value)
        for key, member in sorted(self._members.items()):
            added, removed = map(_dots, (member.added, member.removed))
            message.members.add(element=key, added=added, removed=removed)
        for mark, time_ms in sorted(self._deletions.items()):
            message.deletions.add(mark=mark, time_ms=time_ms)
        return message.SerializeToString(deterministic=True)

    @classmethod
    def decode(cls, data: bytes, device_id: bytes) -> "Configuration":
        """Raises MalformedError."""
        try:
            message = configuration_pb2.Configuration.FromString(data)
        except DecodeError as error:
            raise MalformedError("not a configuration") from error
        _check(message)
        state = cls(device_id)
        for each in message.registers:
            state._registers[each.key] = Written(each.time_ms, each.device_id, each.value)
        state._highest.update((each.key, each.value) for each in message.highest)
        for member in message.members:
            state._members[member.element] = Member(set(_read(member.added)), set(_read(member.removed)))
        state._deletions.update((each.mark, each.time_ms) for each in message.deletions)
        state.deletions_floor_ms = message.deletions_floor_ms
        state._trim()
        return state


def _dots(dots: Iterable[Dot]) -> list[configuration_pb2.Dot]:
    return [configuration_pb2.Dot(device_id=dot.device_id, number=dot.number) for dot in sorted(dots)]


def _read(dots: Iterable[configuration_pb2.Dot]) -> Iterator[Dot]:
    return (Dot(dot.device_id, dot.number) for dot in dots)


def _check(message: configuration_pb2.Configuration) -> None:
    """Sizes and numbers within bounds: a state that was merged can always be written and read again."""
    keys = [*(each.key for each in message.registers), *(each.key for each in message.highest)]
    keys += [each.element for each in message.members]
    devices = [each.device_id for each in message.registers]
    devices += [dot.device_id for each in message.members for dot in (*each.added, *each.removed)]
    numbers = [*(each.time_ms for each in message.registers), *(each.time_ms for each in message.deletions)]
    numbers += [each.value for each in message.highest] + [message.deletions_floor_ms]
    good = (
        all(len(key) <= KEY_MAX for key in keys)
        and all(len(each) == DEVICE_ID_SIZE for each in devices)
        and all(len(each.value) <= VALUE_MAX for each in message.registers)
        and all(len(each.mark) == MARK_SIZE for each in message.deletions)
        and all(number <= LATEST for number in numbers)
    )
    if not good:
        raise MalformedError("a part of the configuration is out of bounds")
