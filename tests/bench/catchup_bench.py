"""How long a member whose disk was replaced takes to have everything again: seconds for 100,000 letters of 4,096 bytes.

Two machines over SQLite stores of their own, with every fsync, every message through its real encoding and every
record checked as by a node; one has everything, the other nothing. Both run in this one process, in turn: on a core
of its own each would take about half. No network: a link carries more than a core checks.

`python tests/bench/catchup_bench.py [LETTERS]` prints the figure.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from repair_bench import NOW_MS, ONE, OTHER, Member, letters, talk

from essaim.protocol.mailbox.record import EnvelopeRecord, verify_record
from essaim_storage import events
from essaim_storage.node import StorageNode
from essaim_storage.placement import Range

RECORDS = 20_000
UNIT = 100_000


class Checking(Member):
    """Takes nothing on trust."""

    def start(self) -> None:
        self.node = StorageNode(self.node_id, self.store, os.urandom, verify=verify_record)
        self.do(events.Started())
        self.do(events.ViewChanged(1, (Range.still((ONE, OTHER)),)))


def seconds(folder: Path, everything: list[EnvelopeRecord]) -> float:
    """From the first word to the last record on the disk."""
    full, empty = Checking(ONE, folder), Checking(OTHER, folder)
    full.fill(everything)
    for member in (full, empty):
        member.start()
    began = time.monotonic()
    full.do(events.LinkUp(OTHER))
    empty.do(events.LinkUp(ONE))
    talk(full, empty)
    took = time.monotonic() - began
    missing = sum(not empty.store.has(each.envelope_id) for each in everything)
    assert not missing, f"{missing} of {len(everything)} letters did not arrive"
    assert not empty.node.incomplete
    return took


def run(records: int = RECORDS) -> dict[str, float]:
    """The figure of this bench; some half a minute."""
    everything = letters(Random(1), records)
    with tempfile.TemporaryDirectory() as folder:
        return {"storage.catchup_s_per_100k": seconds(Path(folder), everything) * UNIT / records}


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    sys.stdout.write(f"{json.dumps({'records': records, 'now_ms': NOW_MS, **run(records)})}\n")


if __name__ == "__main__":
    main()
