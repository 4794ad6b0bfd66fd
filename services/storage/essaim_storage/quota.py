"""How much fits: into a mailbox by its kind, envelopes and notices apart, and into a node of blobs.

The member that takes a client's request judges by the quota. Every other that a record comes to bears twice as much:
so members which took requests at the same time never differ, and one that passes quotas over fills no disk but its own.
"""

from collections.abc import Iterable

from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.record import EnvelopeRecord, Record, RegistrationRecord
from essaim.protocol.mailbox.rule import GROUP_REGISTRATIONS, rule_of
from essaim_storage.store import Store

TOLERANCE = 2


def room(store: Store, record: Record, *, tolerance: int = 1) -> int:
    """Bytes that still fit beside what is committed, for records of this one's sort."""
    rule = rule_of(record.policy.kind)
    if isinstance(record, EnvelopeRecord):
        return tolerance * rule.quota_bytes - store.mailbox_bytes(record.mailbox_id)
    return tolerance * rule.notice_bytes - store.notice_bytes(record.mailbox_id)


def is_crowded(store: Store, record: Record, added: Iterable[tuple[bytes, int]] = (), *, tolerance: int = 1) -> bool:
    """Whether as many are woken for a group as may be. `added`: slots and days that are not committed."""
    if not isinstance(record, RegistrationRecord) or record.policy.kind is not Kind.GROUP:
        return False
    known = {*store.registered(record.mailbox_id), *added}
    return (record.slot, record.day) not in known and len(known) >= tolerance * GROUP_REGISTRATIONS


def is_over(store: Store, record: Record) -> bool:
    """Whether its mailbox holds more than its quota: what came next, some members took and others did not."""
    if isinstance(record, RegistrationRecord) and len(store.registered(record.mailbox_id)) > GROUP_REGISTRATIONS:
        return True
    return room(store, record) < 0


def blob_room(store: Store, budget: int) -> int:
    """Bytes of blobs that still fit; `budget` 0: no limit but the disk's."""
    return budget - store.blob_bytes()


def is_blob(record: Record) -> bool:
    """Whether it weighs on the blobs' budget."""
    return record.policy.kind == Kind.BLOB and isinstance(record, EnvelopeRecord)
