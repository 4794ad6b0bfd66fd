"""Prekeys: what a device leaves behind so that others can begin a session while it is away (X3DH, PQXDH, section 3).

    signed    version 1 | device id 16 | prekey id 4 | created_ms 8 | X25519 32 | ML-KEM-768 1184 | signature 64
    one-time  version 1 | device id 16 | prekey id 4 | X25519 32 | signature 64

Signatures are Ed25519 by the device's signing key over label || account identity || (one-time: node id) || all before
the signature; the labels are "essaim/prekeys/v1" and "essaim/one-time/v1". Prekey id 0 means none.
"""

from dataclasses import dataclass

from essaim.protocol import outbox
from essaim.protocol.account import AccountId
from essaim.protocol.device import DEVICE_ID_SIZE
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import (
    KEM_PUBLIC_SIZE,
    PUBLIC_SIZE,
    SIGNATURE_SIZE,
    AgreementPublic,
    KemPublic,
)
from essaim.protocol.layout import Reader
from essaim.protocol.manifest import DeviceRecord, Head, Manifest

VERSION = 1
LABEL = b"essaim/prekeys/v1"
ONE_TIME_LABEL = b"essaim/one-time/v1"


class PrekeyRefusedError(ProtocolError):
    """A prekey that the device did not sign, or not for this account, node or slot."""

    reason = "PREKEY_REFUSED"


@dataclass(frozen=True)
class SignedPrekeys:
    """The public signed prekeys of a device: one X25519, one ML-KEM-768, renewed together."""

    device_id: bytes
    prekey_id: int
    created_ms: int
    agreement: AgreementPublic
    kem: KemPublic
    signature: bytes

    @classmethod
    def decode(cls, data: bytes) -> "SignedPrekeys":
        reader = Reader(data)
        reader.version(VERSION)
        device_id, prekey_id, created_ms = reader.take(DEVICE_ID_SIZE), reader.number(4), reader.number(8)
        agreement, kem = AgreementPublic(reader.take(PUBLIC_SIZE)), KemPublic(reader.take(KEM_PUBLIC_SIZE))
        signature = reader.take(SIGNATURE_SIZE)
        reader.end()
        return cls(device_id, prekey_id, created_ms, agreement, kem, signature)

    def body(self) -> bytes:
        numbers = self.prekey_id.to_bytes(4, "big") + self.created_ms.to_bytes(8, "big")
        return bytes((VERSION,)) + self.device_id + numbers + self.agreement.raw + self.kem.raw

    def encode(self) -> bytes:
        return self.body() + self.signature

    def check(self, account: AccountId, device: DeviceRecord) -> None:
        signed = LABEL + account.raw + self.body()
        if self.device_id != device.device_id or not device.signing.verifies(self.signature, signed):
            raise PrekeyRefusedError("the device did not sign these prekeys")


@dataclass(frozen=True)
class OneTimePrekey:
    """A public one-time prekey, addressed to the one node that may serve it."""

    device_id: bytes
    prekey_id: int
    agreement: AgreementPublic
    signature: bytes

    @classmethod
    def decode(cls, data: bytes) -> "OneTimePrekey":
        reader = Reader(data)
        reader.version(VERSION)
        device_id, prekey_id = reader.take(DEVICE_ID_SIZE), reader.number(4)
        agreement, signature = AgreementPublic(reader.take(PUBLIC_SIZE)), reader.take(SIGNATURE_SIZE)
        reader.end()
        return cls(device_id, prekey_id, agreement, signature)

    def body(self) -> bytes:
        return bytes((VERSION,)) + self.device_id + self.prekey_id.to_bytes(4, "big") + self.agreement.raw

    def encode(self) -> bytes:
        return self.body() + self.signature

    def check(self, account: AccountId, device: DeviceRecord, node_id: bytes) -> None:
        signed = ONE_TIME_LABEL + account.raw + node_id + self.body()
        wanted = self.device_id == device.device_id and self.prekey_id != 0
        if not wanted or not device.signing.verifies(self.signature, signed):
            raise PrekeyRefusedError("the device did not sign this one-time prekey for this node")


@dataclass(frozen=True)
class Bundle:
    """All that begins a session with one device, verified: make it with `assemble`."""

    account: AccountId
    manifest: Manifest
    device: DeviceRecord
    signed: SignedPrekeys
    one_time: OneTimePrekey | None

    @classmethod
    def assemble(
        cls,
        account: AccountId,
        slot: int,
        manifest_entry: bytes,
        prekeys_entry: bytes,
        *,
        one_time: bytes = b"",
        node_id: bytes = b"",
        pinned: Head | None = None,
    ) -> "Bundle":
        """Open and verify what was fetched: two outbox envelopes; a one-time prekey with the node that served it."""
        manifest = Manifest.decode(outbox.open_entry(account.identity, outbox.MANIFEST, manifest_entry))
        manifest.check(account.identity, pinned)
        return cls.under(account, manifest, slot, prekeys_entry, one_time=one_time, node_id=node_id)

    @classmethod
    def under(
        cls,
        account: AccountId,
        manifest: Manifest,
        slot: int,
        prekeys_entry: bytes,
        *,
        one_time: bytes = b"",
        node_id: bytes = b"",
    ) -> "Bundle":
        """The same under a manifest that the caller has checked already, with its pin."""
        identity = account.identity
        device = manifest.certificate(slot).device
        signed = SignedPrekeys.decode(outbox.open_entry(identity, outbox.prekeys_name(slot), prekeys_entry))
        signed.check(account, device)
        claimed = None
        if one_time:
            claimed = OneTimePrekey.decode(outbox.unseal(identity, outbox.one_time_name(slot), one_time))
            claimed.check(account, device, node_id)
        return cls(account, manifest, device, signed, claimed)
