"""A process that commits one batch after the other and says each number once it is acknowledged, until it is killed."""

import os
import sys
from pathlib import Path

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord
from essaim_storage.effects import PutEnvelope
from essaim_storage.sqlite_store import SqliteStore

store = SqliteStore(Path(sys.argv[1]))
policy = Policy.public_inbox(SigningKey(bytes([1]) * 32).public)
expires, number = 2_000_000_000_000, 0
while True:
    changes = []
    for _ in range(8):
        number += 1
        data = os.urandom(4096)
        of_id = envelope_id(policy.mailbox_id, b"\0", expires, data)
        changes.append(PutEnvelope(number, EnvelopeRecord(policy, of_id, b"\0", expires, data), True))
    store.writer.commit(changes)
    sys.stdout.write(f"{number} {changes[-1].record.envelope_id.hex()}\n")
    sys.stdout.flush()
