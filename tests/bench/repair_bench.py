"""What reconciliation costs: bytes that two members say to each other, over the bytes of what one of them misses.

Two machines over their own SQLite stores, every message through its real encoding; one has `RECORDS`, the other the
same but `MISSING`, spread at random. The bytes of a message frame, of TLS and of TCP are not counted.

`python tests/bench/repair_bench.py` prints the figure, and what it is for other differences.
"""

import json
import os
import sys
import tempfile
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from random import Random

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord
from essaim_storage import effects, events
from essaim_storage.effects import PutEnvelope
from essaim_storage.journal import CommitTimer
from essaim_storage.message import Records
from essaim_storage.node import StorageNode
from essaim_storage.placement import Range
from essaim_storage.sqlite_store import SqliteStore
from essaim_storage.wire import decode_message, encode_message

NOW_MS = 1_800_000_000_000
SIZE = 4_096
RECORDS, MISSING = 20_000, 200
MAILBOXES = 200
BATCH = 500
ONE, OTHER = b"1" * 32, b"2" * 32


class Member:
    """A machine whose disk commits at once."""

    def __init__(self, node_id: bytes, folder: Path) -> None:
        self.node_id = node_id
        self.store = SqliteStore(folder / f"{node_id[:1].decode()}.db")
        self.said: deque[bytes] = deque()

    def fill(self, records: Iterable[EnvelopeRecord]) -> None:
        batch: list[effects.Change] = []
        for number, record in enumerate(records, 1):
            batch.append(PutEnvelope(number, record, False))
            if len(batch) == BATCH:
                self.store.writer.commit(batch)
                batch = []
        self.store.writer.commit(batch)

    def start(self) -> None:
        self.node = StorageNode(self.node_id, self.store, os.urandom, verify=lambda _record, _now_ms: None)
        self.do(events.Started())
        self.do(events.ViewChanged(1, (Range.still((ONE, OTHER)),)))

    def do(self, event: events.Event) -> None:
        for effect in self.node.handle(event, NOW_MS):
            if isinstance(effect, effects.Send):
                self.said.append(encode_message(effect.message, 1))
            elif isinstance(effect, effects.Commit):
                self.store.writer.commit(effect.changes)
                self.do(events.Committed(effect.batch))
                self.do(events.Fired(CommitTimer()))


def letters(rng: Random, count: int) -> list[EnvelopeRecord]:
    policies = [Policy.public_inbox(SigningKey(rng.randbytes(32)).public) for _ in range(MAILBOXES)]
    return [letter(rng, rng.choice(policies)) for _ in range(count)]


def letter(rng: Random, policy: Policy) -> EnvelopeRecord:
    data, expires_ms = rng.randbytes(SIZE), NOW_MS + 86_400_000
    return EnvelopeRecord(policy, envelope_id(policy.mailbox_id, b"\0", expires_ms, data), b"\0", expires_ms, data)


def ratio(folder: Path, records: int, missing: int) -> float:
    """Bytes moved over bytes missing."""
    rng = Random(1)
    everything = letters(rng, records)
    missed = set(rng.sample(range(records), missing))
    full, lacking = Member(ONE, folder), Member(OTHER, folder)
    full.fill(everything)
    lacking.fill(each for index, each in enumerate(everything) if index not in missed)
    for member, peer in ((full, OTHER), (lacking, ONE)):
        member.start()
        member.do(events.LinkUp(peer))
    moved = talk(full, lacking)
    assert all(lacking.store.has(each.envelope_id) for each in everything)
    return moved / sum(len(encode_message(Records(1, (everything[index],)), 1)) for index in missed)


def talk(one: Member, other: Member) -> int:
    """Carry everything, until nothing is left to say; the bytes."""
    moved = 0
    while one.said or other.said:
        for sender, receiver in ((one, other), (other, one)):
            while sender.said:
                data = sender.said.popleft()
                moved += len(data)
                receiver.do(events.PeerMessage(sender.node_id, *decode_message(data)))
    return moved


def run(records: int = RECORDS, missing: int = MISSING) -> dict[str, float]:
    """The figures of this bench; some 15 seconds."""
    with tempfile.TemporaryDirectory() as folder:
        return {"storage.repair_bytes_ratio": ratio(Path(folder), records, missing)}


def main() -> None:
    for records, missing in ((RECORDS, MISSING), (RECORDS, 1), (RECORDS, 20), (2_000, 20)):
        sys.stdout.write(f"{json.dumps({'records': records, 'missing': missing, **run(records, missing)})}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
