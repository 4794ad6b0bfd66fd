"""The private keys of one device, in a slot of its account.

version 1 | slot 1 | flags 1 | device id 16 | signing seed 32 | agreement 32 | KEM seed 64
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import KEM_SEED_SIZE, SEED_SIZE, AgreementKey, KemKey, SigningKey
from essaim.protocol.layout import MalformedError, Reader

Random = Callable[[int], bytes]

VERSION = 1
SLOTS = 5
DEVICE_ID_SIZE = 16
MANAGER = 0x01
DORMANT = 0x02
"""Away for long: nobody seals for it, and it is listed still."""
FLAGS = MANAGER | DORMANT


@dataclass(frozen=True)
class DeviceKeys:
    """A device: its slot (0 to 4), its random id, and keys that never leave it."""

    slot: int
    flags: int
    device_id: bytes
    signing: SigningKey
    agreement: AgreementKey
    kem: KemKey

    def __post_init__(self) -> None:
        if not 0 <= self.slot < SLOTS or len(self.device_id) != DEVICE_ID_SIZE:
            raise MalformedError("a device has a slot from 0 to 4 and an id of 16 bytes")

    @classmethod
    def create(cls, slot: int, flags: int, random: Random) -> "DeviceKeys":
        return cls(
            slot,
            flags,
            random(DEVICE_ID_SIZE),
            SigningKey(random(SEED_SIZE)),
            AgreementKey(random(SEED_SIZE)),
            KemKey(random(KEM_SEED_SIZE)),
        )

    def slot_signer(self, mailbox_id: bytes) -> SigningKey:
        """The key that signs for this slot in one mailbox: another in each, so that no two can be joined."""
        return SigningKey(hkdf(self._slot_secret, salt=b"essaim/slot/v1", info=mailbox_id, length=SEED_SIZE))

    @cached_property
    def _slot_secret(self) -> bytes:
        return hkdf(self.signing.seed, salt=b"essaim/device/v1", info=b"slot", length=SEED_SIZE)

    def encode(self) -> bytes:
        """For this device's own encrypted store."""
        front = bytes((VERSION, self.slot, self.flags)) + self.device_id
        return front + self.signing.seed + self.agreement.raw + self.kem.seed

    @classmethod
    def decode(cls, data: bytes) -> "DeviceKeys":
        reader = Reader(data)
        reader.version(VERSION)
        slot, flags, device_id = reader.number(1), reader.number(1), reader.take(DEVICE_ID_SIZE)
        signing, agreement = SigningKey(reader.take(SEED_SIZE)), AgreementKey(reader.take(SEED_SIZE))
        kem = KemKey(reader.take(KEM_SEED_SIZE))
        reader.end()
        return cls(slot, flags, device_id, signing, agreement, kem)
