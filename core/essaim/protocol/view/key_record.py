"""Onion keys that a node publishes ahead, signed by its identity key over "essaim/key-record/v1" || record."""

from collections.abc import Iterable
from dataclasses import dataclass

from essaim.protocol.keys import KEM_PUBLIC_SIZE, PUBLIC_SIZE, SigningKey
from essaim.protocol.onion.keyring import KeyKind, PeriodKey
from essaim.protocol.view.descriptor import START_ID_SIZE
from essaim.protocol.view.node_signature import check_signed_by
from essaim.protocol.view.wire import parse, require
from essaim.view.v1 import view_pb2

KEY_RECORD_LABEL = b"essaim/key-record/v1"
MAX_KEYS = 32
MAX_RECORD = 40_960
_KEY_SIZES = {KeyKind.X25519: PUBLIC_SIZE, KeyKind.MLKEM: KEM_PUBLIC_SIZE}


@dataclass(frozen=True)
class KeyRecord:
    """Onion keys of one start for consecutive periods."""

    node_id: bytes
    start_id: bytes
    kind: KeyKind
    first_period: int
    keys: tuple[bytes, ...]

    @property
    def last_period(self) -> int:
        return self.first_period + len(self.keys) - 1

    def period_keys(self) -> list[PeriodKey]:
        return [PeriodKey(self.kind, self.first_period + at, public) for at, public in enumerate(self.keys)]

    def sign(self, key: SigningKey) -> view_pb2.SignedKeyRecord:
        """The transported form."""
        record = view_pb2.KeyRecord(
            node_id=self.node_id,
            start_id=self.start_id,
            kind=view_pb2.KeyKind.ValueType(self.kind),
            first_period=self.first_period,
            keys=self.keys,
        ).SerializeToString(deterministic=True)
        return view_pb2.SignedKeyRecord(record=record, signature=key.sign(KEY_RECORD_LABEL + record))

    @classmethod
    def parse(cls, signed: view_pb2.SignedKeyRecord) -> "KeyRecord":
        """Verified against the node that it names; MalformedError, BadSignatureError."""
        require(len(signed.record) <= MAX_RECORD, "a key record has up to 40960 bytes")
        message = parse(view_pb2.KeyRecord, signed.record)
        check_signed_by(message.node_id, signed.signature, KEY_RECORD_LABEL + signed.record)
        require(message.kind > 0, "an onion key is of some kind")
        kind = KeyKind(message.kind)
        require(len(message.start_id) == START_ID_SIZE, "a start id has 16 bytes")
        require(0 < len(message.keys) <= MAX_KEYS, "a key record has 1 to 32 keys")
        sized = not kind.known or all(len(key) == _KEY_SIZES[kind] for key in message.keys)
        require(sized, "an onion key of a wrong length")
        return cls(message.node_id, message.start_id, kind, message.first_period, tuple(message.keys))


def records_of(node_id: bytes, start_id: bytes, published: Iterable[PeriodKey]) -> list[KeyRecord]:
    """The records that publish these keys: one for each run of consecutive periods of a kind."""
    records: list[KeyRecord] = []
    for key in published:
        last = records[-1] if records else None
        if last is not None and last.kind == key.kind and key.period == last.last_period + 1:
            records[-1] = KeyRecord(node_id, start_id, last.kind, last.first_period, (*last.keys, key.public))
        else:
            records.append(KeyRecord(node_id, start_id, key.kind, key.period, (key.public,)))
    return records
