"""This device and everybody it talks with: seals contents into envelopes and opens envelopes, without I/O.

A refusal (`ProtocolError`) leaves everything as it was. What an accepted message changed, `take_changes` names; the
caller writes those records in one transaction with the message, and only then confirms the envelope on the swarm. An
envelope that was sealed is stored with the changes before it is sent: a retry sends the same bytes.

    records   "device"                        own keys, identity, manifest
              "prekeys"                       prekey_store.py
              "begun"                         count 4 | count x (EK 32 | signed prekey id 4): initial messages seen
              "pin/" ..., "sessions/" ...     roster.py
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from essaim.protocol import handshake, outbox, sealed
from essaim.protocol.account import Account, AccountId
from essaim.protocol.correspondent import Change, NoSessionError
from essaim.protocol.device import MANAGER, DeviceKeys, Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.handshake import HandshakeRefusedError, ManifestBehindError, ReplayedError
from essaim.protocol.keys import PUBLIC_SIZE, SigningKey, VerifyKey
from essaim.protocol.layout import MalformedError, Reader, block
from essaim.protocol.manifest import (
    Certificate,
    DeviceRecord,
    Head,
    Manifest,
    ManifestRefusedError,
    ManifestRollbackError,
    first_manifest,
)
from essaim.protocol.prekey_store import PrekeyStore, PrekeyUnknownError
from essaim.protocol.prekeys import Bundle
from essaim.protocol.ratchet import DuplicateError, NotOursError, UnreadableError
from essaim.protocol.roster import Peer, Place, Roster
from essaim.protocol.succession import listing

__all__ = [
    "Change",
    "Device",
    "HandshakeRefusedError",
    "ManifestBehindError",
    "NoSessionError",
    "Opened",
    "Peer",
    "ReplayedError",
    "SessionBrokenError",
]

VERSION = 1
TRIED_SESSIONS = 500


class Opened(NamedTuple):
    """What an envelope held. `initial`: it began a session; `certificate` then says which device that is.

    `session`: the base of the session that it came in.
    """

    sender: Peer
    content: bytes
    changes: tuple[Change, ...]
    initial: bool
    certificate: Certificate | None = None
    session: bytes = b""


class SessionBrokenError(ProtocolError):
    """`peer` sealed it in a session that we hold, or to a prekey that is gone, and it does not open.

    Lost state on either side, or somebody altered it on the way: the caller may `renew(peer)`, but not on each.
    """

    reason = "SESSION_BROKEN"

    def __init__(self, peer: Peer) -> None:
        super().__init__("a message of a known session does not open")
        self.peer = peer


class Device:
    """One device: its keys, its prekeys, its correspondents. Not for use by two tasks at once."""

    def __init__(self, account_id: AccountId, keys: DeviceKeys, manifest: Manifest, prekeys: PrekeyStore) -> None:
        self.account_id = account_id
        self.keys = keys
        self.manifest = manifest
        self._prekeys = prekeys
        self._begun: dict[bytes, int] = {}
        self._roster = Roster()
        self._changed: set[bytes] = set()

    @classmethod
    def create(cls, account: Account, slot: int, now: int, random: Random, before: Manifest | None = None) -> "Device":
        """A new device with fresh keys, listed in a new manifest: the first one, or the one that follows `before`.

        After a restore from the phrase `before` is what the outbox holds; a device in the same slot is replaced.
        """
        keys = DeviceKeys.create(slot, MANAGER, random)
        if before is None:
            manifest = first_manifest(account, keys, now)
        else:
            manifest = listing(account, before, (DeviceRecord.of(keys), keys.kem.public), now)
        return cls.listed(account.id, keys, manifest, now, random)

    @classmethod
    def listed(cls, account: AccountId, keys: DeviceKeys, manifest: Manifest, now: int, random: Random) -> "Device":
        """A new device that a manager of the account has listed in `manifest` (`ManifestRefusedError`)."""
        device = cls(account, keys, manifest, PrekeyStore.create(now, random))
        device._changed = {b"device", b"prekeys", b"begun"}
        device._take_place(manifest)
        return device

    @property
    def slot(self) -> int:
        return self.keys.slot

    def slot_signer(self, mailbox_id: bytes) -> SigningKey:
        """This device's slot key in one mailbox."""
        return self.keys.slot_signer(mailbox_id)

    # What others find in the outbox

    def manifest_entry(self, random: Random) -> bytes:
        """The envelope for the outbox entry `outbox.MANIFEST`."""
        return outbox.seal_entry(self.account_id.identity, outbox.MANIFEST, self.manifest.encode(), random)

    def prekeys_entry(self, random: Random) -> bytes:
        """The envelope for the outbox entry `outbox.prekeys_name(slot)`."""
        public = self._prekeys.signed[0].publish(self.account_id, self.keys)
        return outbox.seal_entry(self.account_id.identity, outbox.prekeys_name(self.slot), public.encode(), random)

    def new_one_time_batch(self, node_id: bytes, count: int, now: int, random: Random) -> list[bytes]:
        """`count` sealed one-time prekeys for one storage node; they replace its batch before."""
        self._changed.add(b"prekeys")
        return self._prekeys.new_batch(self.account_id, self.keys, node_id, count, now, random)

    def adopt(self, manifest: Manifest) -> None:
        """A newer manifest of the own account, which lists this device still; sessions with those that left it go.

        One that does not follow the known one, too: managers may have gone on without hearing of each other, and which
        history stands is for them to settle (`succession.joining`). Raises ManifestRollbackError, ManifestRefusedError.
        """
        manifest.check(self.account_id.identity)
        known = self._roster.contact(self.account_id)
        if manifest.version <= self.manifest.version and manifest.hash != self.manifest.hash:
            raise ManifestRollbackError("a newer manifest of this account is known")
        if known.pinned is not None and manifest.version < known.pinned.version:
            raise ManifestRollbackError("a newer manifest of this account is known")
        self._take_place(manifest)
        self._roster.pin(known, manifest.head)

    def _take_place(self, manifest: Manifest) -> None:
        record = manifest.device(self.slot)
        if record is None or record.device_id != self.keys.device_id:
            raise ManifestRefusedError("the manifest no longer lists this device")
        self.manifest, self.keys = manifest, replace(self.keys, flags=record.flags)
        self._changed.add(b"device")

    @property
    def own_record(self) -> DeviceRecord:
        """What the manifest says of this device."""
        return self.manifest.certificate(self.slot).device

    def maintain(self, now: int, random: Random) -> bool:
        """Renew and erase what time asks for, at least once a day. True: publish `prekeys_entry` again."""
        renewed = self._prekeys.renew(now, random)
        kept = {pair.prekey_id for pair in self._prekeys.signed}
        self._begun = {base: prekey for base, prekey in self._begun.items() if prekey in kept}
        self._changed |= {b"prekeys", b"begun"}
        self._roster.expire(now)
        return renewed

    # Contacts

    def pinned(self, account: AccountId) -> Head | None:
        """The newest manifest head of that account that was ever seen."""
        return self._roster.contact(account).pinned

    def peers(self) -> list[Peer]:
        """Every device that there is a session with."""
        return list(dict.fromkeys(place.peer for place in self._roster.places()))

    def observe(self, manifest: Manifest) -> tuple[Change, ...]:
        """Pin a contact's manifest; sessions with devices that it no longer lists go."""
        return self._roster.observe(manifest)

    def forget(self, account: AccountId) -> None:
        """All that is known of an account, its pin too."""
        self._roster.forget(account)

    def discard_sessions(self) -> None:
        """End all sessions, keep all pins: after an older store file was put back, before anything is sent."""
        self._roster.discard_sessions()

    # Sessions

    def needs_handshake(self, peer: Peer, now: int) -> bool:
        """Whether `start` must come before `seal`.

        No session; one to renew; 30 days without an answer; prekeys of an unanswered one that are a day old.
        """
        device = self._roster.device(peer)
        return device is None or not device.sessions or device.active.stale(now)

    def renew(self, peer: Peer) -> None:
        """Have the next message to `peer` begin a new session."""
        device = self._roster.device(peer)
        if device is not None and device.sessions:
            device.active.renew = True
            self._roster.touch(peer)

    def retire(self, peer: Peer, session: bytes = b"") -> None:
        """The other side says, in this session (b"": in the one that is active now), that it gave up those before."""
        device = self._roster.device(peer)
        if device is not None and device.sessions:
            device.retire_others(session)
            self._roster.touch(peer)

    def give_up(self, peer: Peer, session: bytes) -> None:
        """The other side gave this session up before its first message came: it is read, and never sent in."""
        device = self._roster.device(peer)
        if device is not None:
            device.give_up(session)
            self._roster.touch(peer)

    def start(self, bundle: Bundle, now: int, random: Random) -> None:
        """Begin a session by PQXDH; until it is answered, `seal` gives initial messages.

        An unanswered session whose signed prekeys are still the peer's goes on instead.
        """
        if bundle.device.device_id == self.keys.device_id:
            raise HandshakeRefusedError("a device has no session with itself")
        self._roster.observe(bundle.manifest)
        peer = Peer(bundle.account, bundle.device.slot)
        device = self._roster.device(peer)
        if device and device.sessions and device.active.goes_on_with(bundle.signed.agreement, now):
            self._roster.touch(peer)
            return
        session = handshake.begin(self.keys, self.manifest.certificate(self.slot), bundle, now, random)
        renewing = device is not None and bool(device.sessions) and device.active.renew
        self._roster.activate(peer, bundle.device, session)
        if renewing:
            self.retire(peer)

    def export_key(self, peer: Peer, now: int) -> bytes | None:
        """A key that only this device and that one have; None: say it in an envelope of its own (`seal`)."""
        device = self._roster.device(peer)
        if device is None or not device.sessions or device.active.stale(now):
            return None
        return device.active.ratchet.export_key

    def export_keys(self, peer: Peer) -> list[bytes]:
        """Every key that this device may mean by its `export_key`, the likely ones first."""
        device = self._roster.device(peer)
        sessions = device.sessions if device else []
        return [key for session in sessions for key in session.ratchet.export_keys]

    def seal(self, peer: Peer, content: bytes, now: int, random: Random) -> bytes:
        """The smallest envelope that holds `content` for that device (`NoSessionError`, `ContentTooLargeError`)."""
        device = self._roster.device(peer)
        if device is None:
            raise NoSessionError("no session with this device")
        envelope = device.active.seal(content, now, random)
        self._roster.touch(peer)
        return envelope

    def open(self, envelope: bytes, now: int, random: Random, tried: int = TRIED_SESSIONS) -> Opened:
        """What an envelope holds. On a miss of its tag the header keys of the `tried` newest sessions are tried."""
        if len(envelope) not in ENVELOPE_SIZES:
            raise MalformedError("not the size of an envelope")
        for place in self._roster.candidates(envelope, tried):
            with suppress(NotOursError):
                return self._open_in(place, envelope, now, random)
        return self._open_initial(envelope, now, random)

    def _open_in(self, place: Place, message: bytes, now: int, random: Random) -> Opened:
        try:
            content = place.session.open(message, now, random)
        except (NotOursError, DuplicateError):
            raise
        except ProtocolError as error:
            raise SessionBrokenError(place.peer) from error
        device = self._roster.device(place.peer)
        assert device is not None
        if place.session.retired:
            self._roster.used(place)
        else:
            self._roster.activate(place.peer, device.record, place.session)
        return Opened(place.peer, content, (), initial=False, session=place.session.base)

    def _open_initial(self, envelope: bytes, now: int, random: Random) -> Opened:
        opened = sealed.open_initial(envelope, self._prekeys.signed)
        if opened is None:
            raise UnreadableError("sealed for nobody here")
        introduction, message = opened
        certificate = introduction.certificate
        account = AccountId(certificate.head.identity)
        contact = self._roster.contact(account)
        contact.check_certificate(certificate)
        peer, base = Peer(account, certificate.device.slot), introduction.handshake.ephemeral.raw
        device = self._roster.device(peer)
        known = device.begun_by(base) if device else None
        if known is not None:
            return self._open_in(Place(peer, known), message, now, random)
        if base in self._begun:
            raise ReplayedError("this initial message has been opened before")
        try:
            session = handshake.answer(self.keys, self.manifest, self._prekeys, introduction, now)
        except PrekeyUnknownError as error:
            raise SessionBrokenError(peer) from error
        content = session.open(message, now, random)
        self._prekeys.use(introduction.handshake.one_time_id)
        self._begun[base] = introduction.handshake.signed_id
        self._changed |= {b"prekeys", b"begun"}
        changes = self._roster.pin(contact, certificate.head)
        if self._roster.device(peer) is not None:
            changes += (Change.SESSION_RENEWED,)
        self._roster.activate(peer, certificate.device, session)
        return Opened(peer, content, changes, initial=True, certificate=certificate, session=base)

    # The store

    def take_changes(self) -> dict[bytes, bytes | None]:
        """The records to write since the last call; None: delete it."""
        changed, self._changed = self._changed | self._roster.take_changed(), set()
        return {key: self.record(key) for key in changed}

    def record(self, key: bytes) -> bytes | None:
        """One record as it stands; None when there is none."""
        if key == b"device":
            return self._encode_own()
        if key == b"prekeys":
            return self._prekeys.encode()
        if key == b"begun":
            return self._encode_begun()
        return self._roster.record(key)

    @classmethod
    def restore(cls, records: Mapping[bytes, bytes]) -> "Device":
        """The device whose records these are, all of them (`MalformedError`)."""
        try:
            own, prekeys, begun = Reader(records[b"device"]), records[b"prekeys"], Reader(records[b"begun"])
        except KeyError as error:
            raise MalformedError("the device's records are not complete") from error
        own.version(VERSION)
        account_id = AccountId(VerifyKey(own.take(PUBLIC_SIZE)))
        keys, manifest = DeviceKeys.decode(own.block()), Manifest.decode(own.block())
        own.end()
        device = cls(account_id, keys, manifest, PrekeyStore.decode(prekeys))
        device._begun = {begun.take(PUBLIC_SIZE): begun.number(4) for _ in range(begun.number(4))}
        begun.end()
        device._roster = Roster.restore(records)
        return device

    def _encode_own(self) -> bytes:
        front = bytes((VERSION,)) + self.account_id.raw
        return front + block(self.keys.encode()) + block(self.manifest.encode())

    def _encode_begun(self) -> bytes:
        entries = (base + prekey.to_bytes(4, "big") for base, prekey in self._begun.items())
        return len(self._begun).to_bytes(4, "big") + b"".join(entries)
