"""The private parts of a device's prekeys: renewed, used once, erased in time.

    store     version 1 | next id 4 | count 1 | count x signed | count 4 | count x one-time
    signed    id 4 | created_ms 8 | replaced_ms 8 | X25519 32 | ML-KEM seed 64
    one-time  id 4 | replaced_ms 8 | node id 32 | X25519 32

Signed prekeys are renewed every 7 days and kept for 15 days after they were replaced (an envelope's 14 and one more):
22 days in all when the device is there to renew them, and never erased while they are what others find. One-time
prekeys are erased when used; those of a batch that was replaced, after 45 days: for 30 an initiator goes on with a
session that nobody answered, and its last message may lie in the swarm for 14.
"""

from dataclasses import dataclass, replace

from essaim.protocol import outbox
from essaim.protocol.account import AccountId
from essaim.protocol.device import DeviceKeys, Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import KEM_SEED_SIZE, SEED_SIZE, AgreementKey, KemKey
from essaim.protocol.layout import Reader
from essaim.protocol.prekeys import LABEL, ONE_TIME_LABEL, OneTimePrekey, SignedPrekeys

VERSION = 1
NODE_ID_SIZE = 32
BATCH_SIZE = 20
DAY_MS = 24 * 60 * 60 * 1000
RENEWED_AFTER_MS = 7 * DAY_MS
KEPT_AFTER_REPLACEMENT_MS = 15 * DAY_MS
ONE_TIME_KEPT_MS = 45 * DAY_MS


class PrekeyUnknownError(ProtocolError):
    """An initial message to a prekey that is used up or erased."""

    reason = "PREKEY_UNKNOWN"


@dataclass(frozen=True)
class SignedPair:
    """The private parts of a pair of signed prekeys; `replaced_ms` is 0 while they are the newest."""

    prekey_id: int
    created_ms: int
    replaced_ms: int
    agreement: AgreementKey
    kem: KemKey

    def publish(self, account: AccountId, device: DeviceKeys) -> SignedPrekeys:
        """The public parts, signed."""
        unsigned = SignedPrekeys(
            device.device_id, self.prekey_id, self.created_ms, self.agreement.public, self.kem.public, b""
        )
        return replace(unsigned, signature=device.signing.sign(LABEL + account.raw + unsigned.body()))

    def encode(self) -> bytes:
        times = self.created_ms.to_bytes(8, "big") + self.replaced_ms.to_bytes(8, "big")
        return self.prekey_id.to_bytes(4, "big") + times + self.agreement.raw + self.kem.seed

    @classmethod
    def read(cls, reader: Reader) -> "SignedPair":
        prekey_id, created_ms, replaced_ms = reader.number(4), reader.number(8), reader.number(8)
        agreement, kem = AgreementKey(reader.take(SEED_SIZE)), KemKey(reader.take(KEM_SEED_SIZE))
        return cls(prekey_id, created_ms, replaced_ms, agreement, kem)


@dataclass(frozen=True)
class OneTimeKey:
    """The private part of a one-time prekey, and the node it was addressed to."""

    replaced_ms: int
    node_id: bytes
    agreement: AgreementKey


class PrekeyStore:
    """A device's own prekeys. `signed` is newest first and never empty."""

    def __init__(self, next_id: int, signed: list[SignedPair], one_time: dict[int, OneTimeKey]) -> None:
        self.next_id = next_id
        self.signed = signed
        self.one_time = one_time

    @classmethod
    def create(cls, now: int, random: Random) -> "PrekeyStore":
        store = cls(1, [], {})
        store._add_signed(now, random)
        return store

    def _take_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def _add_signed(self, now: int, random: Random) -> None:
        agreement, kem = AgreementKey(random(SEED_SIZE)), KemKey(random(KEM_SEED_SIZE))
        self.signed.insert(0, SignedPair(self._take_id(), now, 0, agreement, kem))

    def renew(self, now: int, random: Random) -> bool:
        """Renew the signed prekeys if due, erase what is past its time. True: there are new ones to publish."""
        due = now - self.signed[0].created_ms >= RENEWED_AFTER_MS
        if due:
            self.signed[0] = replace(self.signed[0], replaced_ms=now)
            self._add_signed(now, random)
        self.signed = [pair for pair in self.signed if not _expired(pair.replaced_ms, now, KEPT_AFTER_REPLACEMENT_MS)]
        self.one_time = {
            number: key for number, key in self.one_time.items() if not _expired(key.replaced_ms, now, ONE_TIME_KEPT_MS)
        }
        return due

    def new_batch(
        self, account: AccountId, device: DeviceKeys, node_id: bytes, count: int, now: int, random: Random
    ) -> list[bytes]:
        """`count` one-time prekeys for a node, each signed and sealed by itself; they replace its batch before."""
        for number, key in self.one_time.items():
            if key.node_id == node_id and not key.replaced_ms:
                self.one_time[number] = replace(key, replaced_ms=now)
        return [self._new_one_time(account, device, node_id, random) for _ in range(count)]

    def _new_one_time(self, account: AccountId, device: DeviceKeys, node_id: bytes, random: Random) -> bytes:
        number, key = self._take_id(), AgreementKey(random(SEED_SIZE))
        self.one_time[number] = OneTimeKey(0, node_id, key)
        unsigned = OneTimePrekey(device.device_id, number, key.public, b"")
        signature = device.signing.sign(ONE_TIME_LABEL + account.raw + node_id + unsigned.body())
        signed = replace(unsigned, signature=signature)
        return outbox.seal(account.identity, outbox.one_time_name(device.slot), signed.encode(), random)

    def signed_pair(self, prekey_id: int) -> SignedPair:
        for pair in self.signed:
            if pair.prekey_id == prekey_id:
                return pair
        raise PrekeyUnknownError("these signed prekeys are erased")

    def one_time_key(self, prekey_id: int) -> AgreementKey | None:
        """None for id 0, which names none."""
        if prekey_id == 0:
            return None
        if prekey_id not in self.one_time:
            raise PrekeyUnknownError("this one-time prekey is used up or erased")
        return self.one_time[prekey_id].agreement

    def use(self, prekey_id: int) -> None:
        """Erase a one-time prekey: it has begun its session."""
        self.one_time.pop(prekey_id, None)

    def encode(self) -> bytes:
        """For this device's own encrypted store."""
        signed = bytes((len(self.signed),)) + b"".join(pair.encode() for pair in self.signed)
        one_time = b"".join(
            number.to_bytes(4, "big") + key.replaced_ms.to_bytes(8, "big") + key.node_id + key.agreement.raw
            for number, key in self.one_time.items()
        )
        front = bytes((VERSION,)) + self.next_id.to_bytes(4, "big")
        return front + signed + len(self.one_time).to_bytes(4, "big") + one_time

    @classmethod
    def decode(cls, data: bytes) -> "PrekeyStore":
        reader = Reader(data)
        reader.version(VERSION)
        next_id = reader.number(4)
        signed = [SignedPair.read(reader) for _ in range(reader.number(1))]
        one_time = {}
        for _ in range(reader.number(4)):
            number, replaced_ms, node_id = reader.number(4), reader.number(8), reader.take(NODE_ID_SIZE)
            one_time[number] = OneTimeKey(replaced_ms, node_id, AgreementKey(reader.take(SEED_SIZE)))
        reader.end()
        return cls(next_id, signed, one_time)


def _expired(replaced_ms: int, now: int, kept_ms: int) -> bool:
    return replaced_ms != 0 and now - replaced_ms >= kept_ms
