"""Everybody that a device talks with, and which session an envelope belongs to.

Remembers which records changed, so that the caller's store can follow:

    "pin/" || account 32               the newest manifest head seen, correspondent.py
    "sessions/" || account 32 || slot 1    the sessions with one device, correspondent.py
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from essaim.protocol.account import AccountId
from essaim.protocol.correspondent import Change, Correspondent, DeviceSessions
from essaim.protocol.keys import PUBLIC_SIZE, VerifyKey
from essaim.protocol.layout import MalformedError, Reader
from essaim.protocol.manifest import DeviceRecord, Head, Manifest
from essaim.protocol.ratchet.header import TAG_SIZE
from essaim.protocol.session import Session
from essaim.protocol.tags import TagTable

PIN = b"pin/"
SESSIONS = b"sessions/"


class Peer(NamedTuple):
    """One device of somebody."""

    account: AccountId
    slot: int


class Place(NamedTuple):
    """A session, and whose it is."""

    peer: Peer
    session: Session


def _pin_key(account: AccountId) -> bytes:
    return PIN + account.raw


def _sessions_key(peer: Peer) -> bytes:
    return SESSIONS + peer.account.raw + bytes((peer.slot,))


class Roster:
    """All correspondents of a device."""

    def __init__(self) -> None:
        self._contacts: dict[AccountId, Correspondent] = {}
        self._tags: TagTable[Place] = TagTable()
        self._changed: set[bytes] = set()

    @classmethod
    def restore(cls, records: Mapping[bytes, bytes]) -> "Roster":
        roster = cls()
        for key, value in records.items():
            if key.startswith(PIN):
                account = AccountId(VerifyKey(key[len(PIN) :]))
                roster._contacts[account] = Correspondent(account, Head.decode(value))
        for key, value in records.items():
            if key.startswith(SESSIONS):
                roster._restore_sessions(Reader(key[len(SESSIONS) :]), value)
        return roster

    def _restore_sessions(self, key: Reader, value: bytes) -> None:
        peer = Peer(AccountId(VerifyKey(key.take(PUBLIC_SIZE))), key.number(1))
        device = DeviceSessions.decode(value)
        if peer.account not in self._contacts:
            raise MalformedError("sessions with an account that is not pinned")
        self._contacts[peer.account].devices[peer.slot] = device
        for session in device.sessions:
            self._follow(Place(peer, session))

    def take_changed(self) -> set[bytes]:
        """The keys of the records that changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def record(self, key: bytes) -> bytes | None:
        """One record as it stands; None when there is none."""
        reader = Reader(key[len(PIN) :] if key.startswith(PIN) else key[len(SESSIONS) :])
        contact = self._contacts.get(AccountId(VerifyKey(reader.take(PUBLIC_SIZE))))
        if key.startswith(PIN):
            return contact.pinned.encode() if contact and contact.pinned else None
        device = contact.devices.get(reader.number(1)) if contact else None
        return device.encode() if device else None

    # Who is known

    def contact(self, account: AccountId) -> Correspondent:
        """What is known of an account; a blank one is remembered only when it is pinned."""
        return self._contacts.get(account) or Correspondent(account)

    def device(self, peer: Peer) -> DeviceSessions | None:
        contact = self._contacts.get(peer.account)
        return contact.devices.get(peer.slot) if contact else None

    def places(self) -> list[Place]:
        """Every session, those of one device together and its active one first."""
        return [
            Place(Peer(account, slot), session)
            for account, contact in self._contacts.items()
            for slot, device in contact.devices.items()
            for session in device.sessions
        ]

    def candidates(self, envelope: bytes, tried: int) -> Iterator[Place]:
        """The sessions that the envelope may belong to: the one that its tag names, then the newest `tried`."""
        place = self._tags.find(envelope[:TAG_SIZE])
        if place is not None:
            yield place
        yield from sorted(self.places(), key=lambda place: place.session.used_ms, reverse=True)[:tried]

    # What changes

    def observe(self, manifest: Manifest) -> tuple[Change, ...]:
        """Check a fetched manifest against what is pinned, and pin it."""
        contact = self.contact(AccountId(manifest.identity))
        contact.check_manifest(manifest)
        return self.pin(contact, manifest.head)

    def pin(self, contact: Correspondent, head: Head) -> tuple[Change, ...]:
        """Pin a checked head; the sessions of devices that are gone go too."""
        slots = set(contact.devices)
        changes, dropped = contact.pin(head)
        self._contacts[contact.account] = contact
        gone = [Peer(contact.account, slot) for slot in slots - set(contact.devices)]
        self._changed |= {_pin_key(contact.account), *map(_sessions_key, gone)}
        self._forget_tags(gone, dropped)
        return changes

    def activate(self, peer: Peer, record: DeviceRecord, session: Session) -> None:
        """Make a session, new or old, the active one with its device."""
        dropped = self._contacts[peer.account].device(record).activate(session)
        self._forget_tags([peer], dropped)
        self._follow(Place(peer, session))
        self.touch(peer)

    def used(self, place: Place) -> None:
        """A session received something and stays where it is."""
        self._follow(place)
        self.touch(place.peer)

    def touch(self, peer: Peer) -> None:
        """A session with this device changed."""
        self._changed.add(_sessions_key(peer))

    def forget(self, account: AccountId) -> None:
        """All that is known of an account."""
        for place in self.places():
            if place.peer.account == account:
                self._tags.forget(place)
                self.touch(place.peer)
        if self._contacts.pop(account, None) is not None:
            self._changed.add(_pin_key(account))

    def discard_sessions(self) -> None:
        """Every session, but no pin."""
        for place in self.places():
            self.touch(place.peer)
        for contact in self._contacts.values():
            contact.devices.clear()
        self._tags = TagTable()

    def expire(self, now: int) -> None:
        """Erase the skipped keys that are past their time."""
        for place in self.places():
            if place.session.ratchet.expire(now):
                self.touch(place.peer)

    def _follow(self, place: Place) -> None:
        self._tags.follow(place, place.session.ratchet.receiving_keys())

    def _forget_tags(self, peers: Iterable[Peer], sessions: list[Session]) -> None:
        for peer in peers:
            for session in sessions:
                self._tags.forget(Place(peer, session))
