"""The device manifest: which devices an account has, append-only, signed by the account.

    record       slot 1 | flags 1 | device id 16 | signing key 32 | agreement key 32 | BLAKE2b-256 of the KEM key 32
    head         format 1 | identity 32 | agreement 32 | version 8 | time_ms 8 | digest of the previous hashes 32
                 | count 1 | count x (slot 1 | record hash 32)
    manifest     head | signature 64 | count 1 | count x previous hash 32, newest first
                 | for each device: record | KEM key 1184
    certificate  head | signature 64 | record

    record hash = BLAKE2b-256("essaim/device/v1" || record)
    hash        = BLAKE2b-256("essaim/manifest/v1" || head)
    signature   = Ed25519(identity, "essaim/manifest/v1" || head)
    digest      = BLAKE2b-256("essaim/previous/v1" || the previous hashes)

Only the head is signed, and it is kept and passed on as the bytes that it came in. It commits to the rest, so one
device can be shown to somebody (the certificate, inside an initial message) without the other four.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from essaim.protocol.account import Account
from essaim.protocol.device import DEVICE_ID_SIZE, DORMANT, FLAGS, MANAGER, SLOTS, DeviceKeys
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import HASH_SIZE, blake2b256
from essaim.protocol.keys import KEM_PUBLIC_SIZE, PUBLIC_SIZE, SIGNATURE_SIZE, AgreementPublic, KemPublic, VerifyKey
from essaim.protocol.layout import MalformedError, Reader

FORMAT = 1
LABEL = b"essaim/manifest/v1"
PREVIOUS_KEPT = 32
LIMIT = 1 << 62
"""Whoever counts on from a version or a time, and keeps it, needs room above."""


class ManifestRefusedError(ProtocolError):
    """Wrong signature, another account's, or parts that do not belong together."""

    reason = "MANIFEST_REFUSED"


class ManifestRollbackError(ManifestRefusedError):
    """Older than what is pinned."""

    reason = "MANIFEST_ROLLBACK"


class ManifestForkError(ManifestRefusedError):
    """Not a successor of what is pinned: the account signed two histories."""

    reason = "MANIFEST_FORK"


@dataclass(frozen=True)
class DeviceRecord:
    """What a manifest says of one device; the KEM key stands here as its hash."""

    slot: int
    flags: int
    device_id: bytes
    signing: VerifyKey
    agreement: AgreementPublic
    kem_hash: bytes

    @classmethod
    def of(cls, keys: DeviceKeys) -> "DeviceRecord":
        public = keys.signing.public, keys.agreement.public
        return cls(keys.slot, keys.flags, keys.device_id, *public, cls.hash_of(keys.kem.public))

    @staticmethod
    def hash_of(kem: KemPublic) -> bytes:
        return blake2b256(b"essaim/kem/v1", kem.raw)

    @classmethod
    def read(cls, reader: Reader) -> "DeviceRecord":
        slot, flags, device_id = reader.number(1), reader.number(1), reader.take(DEVICE_ID_SIZE)
        if slot >= SLOTS:
            raise MalformedError("a device slot is 0 to 4")
        signing, agreement = VerifyKey(reader.take(PUBLIC_SIZE)), AgreementPublic(reader.take(PUBLIC_SIZE))
        return cls(slot, flags, device_id, signing, agreement, reader.take(HASH_SIZE))

    def encode(self) -> bytes:
        front = bytes((self.slot, self.flags)) + self.device_id
        return front + self.signing.raw + self.agreement.raw + self.kem_hash

    @cached_property
    def hash(self) -> bytes:
        return blake2b256(b"essaim/device/v1", self.encode())

    @property
    def manager(self) -> bool:
        return bool(self.flags & MANAGER)

    @property
    def dormant(self) -> bool:
        return bool(self.flags & DORMANT)

    def flagged(self, flags: int) -> "DeviceRecord":
        """The same device with other flags."""
        return replace(self, flags=flags)


@dataclass(frozen=True)
class Head:
    """The signed part, as the bytes that were signed, and its signature. This is what a peer pins."""

    encoded: bytes
    signature: bytes
    identity: VerifyKey
    agreement: AgreementPublic
    version: int
    time_ms: int
    previous_digest: bytes
    slots: tuple[tuple[int, bytes], ...]

    @classmethod
    def read(cls, reader: Reader, data: bytes) -> "Head":
        start = reader.position
        reader.version(FORMAT)
        identity, agreement = VerifyKey(reader.take(PUBLIC_SIZE)), AgreementPublic(reader.take(PUBLIC_SIZE))
        version, time_ms, digest = reader.number(8), reader.number(8), reader.take(HASH_SIZE)
        if max(version, time_ms) >= LIMIT:
            raise MalformedError("a manifest's version and time are below 2^62")
        slots = tuple((reader.number(1), reader.take(HASH_SIZE)) for _ in range(reader.number(1)))
        numbers = [slot for slot, _ in slots]
        if numbers != sorted(set(numbers)) or any(slot >= SLOTS for slot in numbers):
            raise MalformedError("device slots are 0 to 4, ascending, each once")
        encoded = data[start : reader.position]
        return cls(encoded, reader.take(SIGNATURE_SIZE), identity, agreement, version, time_ms, digest, slots)

    @classmethod
    def decode(cls, data: bytes) -> "Head":
        reader = Reader(data)
        head = cls.read(reader, data)
        reader.end()
        return head

    def encode(self) -> bytes:
        return self.encoded + self.signature

    @cached_property
    def hash(self) -> bytes:
        return blake2b256(LABEL, self.encoded)

    def lists(self, record: DeviceRecord) -> bool:
        """Whether this record stands here, flags and all."""
        return (record.slot, record.hash) in self.slots

    def lists_device(self, record: DeviceRecord) -> bool:
        """Whether this very device is one of the account's, whatever it is flagged here."""
        return self.lists(record) or any(self.lists(record.flagged(flags)) for flags in range(FLAGS + 1))

    def check(self, identity: VerifyKey) -> None:
        """That `identity` signed it."""
        if self.identity != identity or not self._is_signed:
            raise ManifestRefusedError("the account did not sign this manifest")

    @cached_property
    def _is_signed(self) -> bool:
        """By the identity that it names. What was fetched is looked at when it is, and again when it is pinned."""
        return self.identity.verifies(self.signature, LABEL + self.encoded)


@dataclass(frozen=True)
class Certificate:
    """One device of an account, with the signed head that lists it."""

    head: Head
    device: DeviceRecord

    @classmethod
    def decode(cls, data: bytes) -> "Certificate":
        reader = Reader(data)
        certificate = cls(Head.read(reader, data), DeviceRecord.read(reader))
        reader.end()
        return certificate

    def encode(self) -> bytes:
        return self.head.encode() + self.device.encode()

    def check(self) -> None:
        """That the account named in it signed it, and that it lists the device."""
        self.head.check(self.head.identity)
        if not self.head.lists(self.device):
            raise ManifestRefusedError("the manifest does not list this device")


@dataclass(frozen=True)
class Manifest:
    """The whole: head, the hashes of up to 32 versions before it (newest first), every device with its KEM key."""

    head: Head
    previous: tuple[bytes, ...]
    devices: tuple[DeviceRecord, ...]
    kem_keys: tuple[KemPublic, ...]

    @classmethod
    def decode(cls, data: bytes) -> "Manifest":
        """Laid out as said and whole in itself; `check` says whose it is."""
        reader = Reader(data)
        head = Head.read(reader, data)
        previous = tuple(reader.take(HASH_SIZE) for _ in range(reader.number(1)))
        pairs = [(DeviceRecord.read(reader), KemPublic(reader.take(KEM_PUBLIC_SIZE))) for _ in head.slots]
        reader.end()
        manifest = cls(head, previous, tuple(record for record, _ in pairs), tuple(kem for _, kem in pairs))
        manifest._check_parts()
        return manifest

    def encode(self) -> bytes:
        previous = bytes((len(self.previous),)) + b"".join(self.previous)
        devices = b"".join(record.encode() + kem.raw for record, kem in zip(self.devices, self.kem_keys, strict=True))
        return self.head.encode() + previous + devices

    def _check_parts(self) -> None:
        records = tuple((record.slot, record.hash) for record in self.devices)
        kems = tuple(map(DeviceRecord.hash_of, self.kem_keys))
        if records != self.head.slots or kems != tuple(record.kem_hash for record in self.devices):
            raise ManifestRefusedError("the devices are not those of the signed head")
        whole = len(self.previous) == min(self.version, PREVIOUS_KEPT)
        if not whole or _digest(self.previous) != self.head.previous_digest:
            raise ManifestRefusedError("the previous hashes are not those of the signed head")

    def check(self, identity: VerifyKey, pinned: Head | None = None) -> None:
        """That `identity` signed it and that it is what is pinned or a successor of it."""
        self.head.check(identity)
        if pinned is None or self.follows(pinned):
            return
        if self.version < pinned.version:
            raise ManifestRollbackError("a newer manifest of this account is known")
        raise ManifestForkError("this manifest does not follow the known one")

    def follows(self, known: Head) -> bool:
        """Whether it is that one or a successor, as far as its hashes tell: beyond 32 versions they do not."""
        steps = self.version - known.version
        if steps == 0:
            return self.hash == known.hash
        return steps > PREVIOUS_KEPT or (steps > 0 and self.previous[steps - 1] == known.hash)

    @property
    def identity(self) -> VerifyKey:
        return self.head.identity

    @property
    def version(self) -> int:
        """0 for an account's first, then one more each."""
        return self.head.version

    @property
    def hash(self) -> bytes:
        return self.head.hash

    def device(self, slot: int) -> DeviceRecord | None:
        return next((record for record in self.devices if record.slot == slot), None)

    @property
    def awake(self) -> tuple[DeviceRecord, ...]:
        """The devices that one seals for: all but the dormant ones."""
        return tuple(record for record in self.devices if not record.dormant)

    @property
    def entries(self) -> list["Entry"]:
        """Each device with its KEM key: what the next manifest is made from."""
        return list(zip(self.devices, self.kem_keys, strict=True))

    def certificate(self, slot: int) -> Certificate:
        record = self.device(slot)
        if record is None:
            raise ManifestRefusedError("no device in this slot")
        return Certificate(self.head, record)


def _digest(previous: Sequence[bytes]) -> bytes:
    return blake2b256(b"essaim/previous/v1", *previous)


Entry = tuple[DeviceRecord, KemPublic]


def _signed(
    account: Account, previous: tuple[bytes, ...], entries: Sequence[Entry], version: int, now: int
) -> Manifest:
    ordered = sorted(entries, key=lambda entry: entry[0].slot)
    slots = b"".join(bytes((record.slot,)) + record.hash for record, _ in ordered)
    front = bytes((FORMAT,)) + account.id.raw + account.agreement.public.raw
    middle = version.to_bytes(8, "big") + now.to_bytes(8, "big") + _digest(previous)
    encoded = front + middle + bytes((len(ordered),)) + slots
    head = Head.decode(encoded + account.identity.sign(LABEL + encoded))
    return Manifest(head, previous, tuple(record for record, _ in ordered), tuple(kem for _, kem in ordered))


def first_manifest(account: Account, device: DeviceKeys, now: int) -> Manifest:
    """Version 0, with exactly one device, which is a manager."""
    return _signed(account, (), [(DeviceRecord.of(device), device.kem.public)], 0, now)


def next_manifest(account: Account, before: Manifest, entries: Sequence[Entry], now: int) -> Manifest:
    """The version after `before`, with these devices: (record, KEM key) of each. Its time is later in any case."""
    if len({record.slot for record, _ in entries}) != len(entries):
        raise ManifestRefusedError("two devices in one slot")
    previous = (before.hash, *before.previous)[:PREVIOUS_KEPT]
    return _signed(account, previous, entries, before.version + 1, max(now, before.head.time_ms + 1))


def joint_manifest(
    account: Account, known: Sequence[Manifest], entries: Sequence[Entry], now: int, least: int = 0
) -> Manifest:
    """After histories that do not follow each other: so far above all of them, and `least`, that it follows each."""
    version = max(least, *(each.version for each in known)) + PREVIOUS_KEPT + 1
    later = max(now, *(each.head.time_ms + 1 for each in known))
    return _signed(account, (bytes(HASH_SIZE),) * PREVIOUS_KEPT, entries, version, later)
