"""Who can open an export: the devices of one account, or whoever has a passphrase.

front      "ESSAIMEXPORT1" | lock u8 | body
  lock 1   5 stanzas, one for each device of the account, the rest for nobody: EK 32 | ML-KEM-768 ciphertext 1088
           | ChaCha20-Poly1305(key, nonce 0, secret 32, associated data = label)
           key = HKDF-SHA256(DH(EK, device agreement key) || ML-KEM secret, salt = label,
                 info = BLAKE2b-256(label || EK || device agreement key || device ML-KEM key || ciphertext))
           label = "essaim/export/device/v1"; the secret is random
  lock 2   salt 16 | operations u32 | memory KiB u32
           secret = Argon2id(passphrase in NFKD as UTF-8, salt, operations, memory), 32 bytes
"""

import unicodedata
from dataclasses import dataclass
from typing import Protocol

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from essaim.protocol.device import SLOTS, DeviceKeys, Random
from essaim.protocol.export.refusal import ExportRefusedError
from essaim.protocol.kdf import blake2b256, hkdf
from essaim.protocol.keys import (
    KEM_CIPHERTEXT_SIZE,
    KEM_SEED_SIZE,
    PUBLIC_SIZE,
    SEED_SIZE,
    AgreementKey,
    AgreementPublic,
    KemKey,
    KemPublic,
    KeyRefusedError,
)
from essaim.protocol.layout import Reader
from essaim.protocol.manifest import Manifest
from essaim.protocol.ratchet.aead import MAC_SIZE, ONCE, seal, unseal

MAGIC = b"ESSAIMEXPORT1"
BACKUP_MAGIC = b"ESSAIMBACKUP"
DEVICE_LABEL = b"essaim/export/device/v1"
BY_ACCOUNT, BY_PASSPHRASE = 1, 2
SECRET_SIZE = 32
SALT_SIZE = argon2id.SALTBYTES
STANZA_SIZE = PUBLIC_SIZE + KEM_CIPHERTEXT_SIZE + SECRET_SIZE + MAC_SIZE
BODY_SIZES = {BY_ACCOUNT: SLOTS * STANZA_SIZE, BY_PASSPHRASE: SALT_SIZE + 8}
OPERATIONS_MAX, MEMORY_KIB_MAX = 10, 1 << 20
"""What a file may ask of who opens it."""


@dataclass(frozen=True)
class Recipient:
    """The public keys of a device that an export is sealed for."""

    agreement: AgreementPublic
    kem: KemPublic


class ExportLock(Protocol):
    """What closes a file."""

    def close(self, random: Random) -> tuple[bytes, bytes]:
        """(lock and body, secret 32)."""


class ExportKey(Protocol):
    """What opens a file."""

    def open(self, kind: int, body: bytes) -> bytes:
        """The secret, 32 bytes. Raises ExportRefusedError."""


@dataclass(frozen=True)
class AccountLock:
    """For the devices of one account, 1 to 5 of them. Nobody else can tell whose they are, or how many."""

    devices: tuple[Recipient, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> "AccountLock":
        """The devices that one seals for: all but dormant ones."""
        return cls(tuple(Recipient(record.agreement, kem) for record, kem in manifest.entries if not record.dormant))

    def close(self, random: Random) -> tuple[bytes, bytes]:
        """Draws 32 bytes for the secret, then for each stanza (ML-KEM draws its own)."""
        if not 1 <= len(self.devices) <= SLOTS:
            raise ExportRefusedError("the account has no device that an export can be sealed for")
        secret = random(SECRET_SIZE)
        nobody = [_nobody(random) for _ in range(SLOTS - len(self.devices))]
        stanzas = [_stanza(each, secret, random) for each in self.devices]
        stanzas += [_stanza(each, random(SECRET_SIZE), random) for each in nobody]
        return bytes((BY_ACCOUNT,)) + b"".join(stanzas), secret


def _nobody(random: Random) -> Recipient:
    return Recipient(AgreementKey(random(SEED_SIZE)).public, KemKey(random(KEM_SEED_SIZE)).public)


def _stanza(device: Recipient, secret: bytes, random: Random) -> bytes:
    ephemeral = AgreementKey(random(SEED_SIZE))
    shared, ciphertext = device.kem.encapsulate()
    key = _stanza_key(ephemeral.exchange(device.agreement) + shared, ephemeral.public, device, ciphertext)
    return ephemeral.public.raw + ciphertext + seal(key, ONCE, secret, DEVICE_LABEL)


def _stanza_key(agreed: bytes, ephemeral: AgreementPublic, device: Recipient, ciphertext: bytes) -> bytes:
    info = blake2b256(DEVICE_LABEL, ephemeral.raw, device.agreement.raw, device.kem.raw, ciphertext)
    return hkdf(agreed, salt=DEVICE_LABEL, info=info, length=32)


@dataclass(frozen=True)
class DeviceKey:
    """The private keys of a device."""

    agreement: AgreementKey
    kem: KemKey

    @classmethod
    def of(cls, keys: DeviceKeys) -> "DeviceKey":
        return cls(keys.agreement, keys.kem)

    def open(self, kind: int, body: bytes) -> bytes:
        """Whichever stanza is for this device."""
        if kind != BY_ACCOUNT:
            raise ExportRefusedError("the export is closed with a passphrase")
        reader = Reader(body)
        for _ in range(SLOTS):
            secret = self._try(reader.take(PUBLIC_SIZE), reader.take(KEM_CIPHERTEXT_SIZE), reader.take(48))
            if secret is not None:
                return secret
        raise ExportRefusedError("the export is not for this device, or was altered")

    def _try(self, raw: bytes, ciphertext: bytes, box: bytes) -> bytes | None:
        ephemeral = AgreementPublic(raw)
        try:
            agreed = self.agreement.exchange(ephemeral) + self.kem.decapsulate(ciphertext)
        except KeyRefusedError:
            return None
        key = _stanza_key(agreed, ephemeral, Recipient(self.agreement.public, self.kem.public), ciphertext)
        return unseal(key, ONCE, box, DEVICE_LABEL)


@dataclass(frozen=True)
class PassphraseLock:
    """Closes with this cost, by default some 256 MiB and half a second; opens with the cost that the file names."""

    passphrase: str
    operations: int = argon2id.OPSLIMIT_MODERATE
    memory_kib: int = argon2id.MEMLIMIT_MODERATE >> 10

    def __repr__(self) -> str:
        return "PassphraseLock(...)"

    def close(self, random: Random) -> tuple[bytes, bytes]:
        """Draws 16 bytes."""
        salt = random(SALT_SIZE)
        numbers = self.operations.to_bytes(4, "big") + self.memory_kib.to_bytes(4, "big")
        return bytes((BY_PASSPHRASE,)) + salt + numbers, self._stretched(salt, self.operations, self.memory_kib)

    def open(self, kind: int, body: bytes) -> bytes:
        """The secret, if the passphrase is right; a wrong one is noticed at the first chunk."""
        if kind != BY_PASSPHRASE:
            raise ExportRefusedError("the export is closed for the devices of an account, not with a passphrase")
        reader = Reader(body)
        salt, operations, memory_kib = reader.take(SALT_SIZE), reader.number(4), reader.number(4)
        if operations > OPERATIONS_MAX or memory_kib > MEMORY_KIB_MAX:
            raise ExportRefusedError("the export asks for more work than any needs")
        return self._stretched(salt, operations, memory_kib)

    def _stretched(self, salt: bytes, operations: int, memory_kib: int) -> bytes:
        passphrase = unicodedata.normalize("NFKD", self.passphrase).encode(errors="surrogateescape")
        try:
            return argon2id.kdf(SECRET_SIZE, passphrase, salt, opslimit=operations, memlimit=memory_kib << 10)
        except (ValueError, TypeError, CryptoError) as error:
            raise ExportRefusedError("the export's front is damaged") from error
