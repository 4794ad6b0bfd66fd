"""Cutting records into messages that a link carries."""

from collections.abc import Iterable, Iterator

from essaim.protocol.mailbox.record import Record
from essaim_storage.record import wire_size
from essaim_storage.tuning import Tuning


def message_loads(records: Iterable[Record], tuning: Tuning) -> Iterator[tuple[Record, ...]]:
    """Cut records into messages, none too long but one that is so by itself."""
    load: list[Record] = []
    size = 0
    for record in records:
        if load and (size + wire_size(record) > tuning.message_bytes or len(load) == tuning.message_records):
            yield tuple(load)
            load, size = [], 0
        load.append(record)
        size += wire_size(record)
    if load:
        yield tuple(load)
