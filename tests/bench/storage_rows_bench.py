"""A node with five million records beside one with ten thousand: what it stores, and its memory. Needs 40 GB.

`storage.rows_5m_ratio` is of a node as it runs, alone in its swarm: a process, cells over TLS links, fsync on, WIDE
stores in flight. `storage.rows_5m_disk_ratio` is of its disk alone, commits of BATCH envelopes with nothing around
them: what a node would come to whose processor cost nothing. Both are medians of PAIRS, few rows and many in turn, so
that each pair has the same machine.

`make bench-large ARGS="--only storage.rows"` is this alone. A row takes 4,730 bytes and some 50 us of processor time to
fill in: five million are 24 GB, and five to ten minutes on a machine that has nothing else to do. TMPDIR says where.
`python tests/bench/storage_rows_bench.py [ROWS]` prints the figures, with fewer rows for a look.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path
from statistics import median

from storage_bench import WIDE, Client, exits, swarm, wide
from storage_disk_bench import fill, measured

from essaim_storage.files import DATABASE_FILE

ROWS = 5_000_000
FEW = 10_000
BYTES_NEEDED = 40 << 30
PAIRS = 5
"""Each adds 4,000 and 800 records: few stay few."""


def large(rows: int = ROWS) -> dict[str, float]:
    """The figures; none, and a sentence, where the disk has no room."""
    folder = Path(tempfile.mkdtemp(prefix="essaim-bench-"))
    try:
        free = shutil.disk_usage(folder).free
        if rows == ROWS and free < BYTES_NEEDED:
            sys.stderr.write(f"storage.rows_5m_ratio needs 40 GB free, there are {free >> 30}: left out\n")
            return {}
        few, many = folder / "few", folder / "many"
        for each, count in ((few, FEW), (many, rows)):
            each.mkdir()
            fill(each / DATABASE_FILE, count)
        disks = [(measured(few / DATABASE_FILE), measured(many / DATABASE_FILE)) for _ in range(PAIRS)]
        nodes = [(asyncio.run(_node(few)), asyncio.run(_node(many))) for _ in range(PAIRS)]
    finally:
        shutil.rmtree(folder)
    return {
        "storage.rows_5m_ratio": median(b / a for a, b in nodes),
        "storage.rows_5m_store_per_s": median(b for _, b in nodes),
        "storage.rows_10k_store_per_s": median(a for a, _ in nodes),
        "storage.rows_5m_disk_ratio": median(b["per_s"] / a["per_s"] for a, b in disks),
        "storage.rows_5m_disk_per_s": median(b["per_s"] for _, b in disks),
        "storage.rows_10k_disk_per_s": median(a["per_s"] for a, _ in disks),
        "storage.rss_mb_5m": max(b["rss_mb"] for _, b in disks),
    }


async def _node(folder: Path) -> float:
    """Stores a second of a node whose data this is."""
    async with AsyncExitStack() as stack:
        facts, nodes = await swarm(stack, [folder])
        clients = [Client(links, facts) for links, _ in zip(cycle(await exits(stack)), range(WIDE), strict=False)]
        await asyncio.gather(*(each.prepare() for each in clients))
        return (await wide(clients, nodes))["storage.store_per_s_node"]


def main(arguments: list[str]) -> None:
    print(json.dumps(large(int(arguments[0]) if arguments else ROWS), indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
