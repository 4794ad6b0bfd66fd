"""Onion keys that nodes publish ahead: which records may be shown, and when they have had their time."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from essaim.protocol.keys import AgreementPublic, KemPublic
from essaim.protocol.onion.keyring import KeyKind, KeyPeriods
from essaim.protocol.view import Descriptor, KeyRecord
from essaim.protocol.view.wire import require
from essaim.view.v1 import view_pb2
from essaim_discovery.refusal import (
    KeysMissingError,
    KeysRepeatedError,
    KeysTooFarError,
    TooManyRecordsError,
    WrongStartError,
)
from essaim_discovery.state import PublishedKeys

MAX_RECORDS = 8
"""Of one node at a time. Its schedule needs three of each kind."""
CLOCK_PERIODS = 1
"""How many periods a node's clock may be ahead of discovery's."""
_PUBLIC: dict[KeyKind, type[AgreementPublic] | type[KemPublic]] = {
    KeyKind.X25519: AgreementPublic,
    KeyKind.MLKEM: KemPublic,
}


def read(
    signed: Iterable[view_pb2.SignedKeyRecord], descriptor: Descriptor, periods: KeyPeriods, now_ms: int
) -> list[PublishedKeys]:
    """The records of a node's start that have not ended, verified. MALFORMED, BAD_SIGNATURE, WRONG_START, KEYS_*.

    KeyRefusedError for a key that nobody could wrap to.
    """
    found = []
    for each in signed:
        record = KeyRecord.parse(each)
        require(record.node_id == descriptor.node_id, "a node publishes its own keys")
        require(record.kind.known, "an onion key of an unknown kind")
        if record.start_id != descriptor.start_id:
            raise WrongStartError("keys of another start")
        ahead = periods.ahead(record.kind) + CLOCK_PERIODS
        if record.last_period > periods.current(record.kind, now_ms) + ahead:
            raise KeysTooFarError("keys are published further ahead than the schedule reaches")
        for key in record.period_keys():
            _PUBLIC[key.kind](key.public).check()
        piece = view_pb2.SignedKeyRecord(record=each.record, signature=each.signature)
        found.append(PublishedKeys(record, piece.SerializeToString(deterministic=True)))
    return alive(found, periods, now_ms)


def alive(keys: Iterable[PublishedKeys], periods: KeyPeriods, now_ms: int) -> list[PublishedKeys]:
    """Without the records whose last period has ended."""
    return [each for each in keys if end_ms(each, periods) > now_ms]


def end_ms(keys: PublishedKeys, periods: KeyPeriods) -> int:
    """When the last period of a record ends."""
    return periods.end_ms(keys.record.kind, keys.record.last_period)


def merged(former: Sequence[PublishedKeys], new: Sequence[PublishedKeys]) -> tuple[PublishedKeys, ...]:
    """In order of kind and period. KEYS_REPEATED, TOO_MANY_RECORDS."""
    records = sorted((*former, *new), key=lambda each: (each.record.kind, each.record.first_period))
    if len(records) > MAX_RECORDS:
        raise TooManyRecordsError("an entry shows up to 8 key records")
    for before, after in pairwise(records):
        overlap = after.record.first_period <= before.record.last_period
        if before.record.kind == after.record.kind and overlap:
            raise KeysRepeatedError("one onion key for each period")
    return tuple(records)


def check_complete(keys: Iterable[PublishedKeys]) -> None:
    """KEYS_MISSING unless there are keys of each kind."""
    if {each.record.kind for each in keys} != set(KeyKind):
        raise KeysMissingError("a node registers with onion keys of each kind")
