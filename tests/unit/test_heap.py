"""A node gives back what a burst took, in a process of its own: the memory of this one is others' business, too."""

import subprocess
import sys

BURST = """
import asyncio, os, sys
from essaim.runtime import heap

def resident():
    line = next(line for line in open("/proc/self/smaps_rollup") if line.startswith("Rss:"))
    return int(line.split()[1])

async def main():
    cells = [bytes([number % 251]) * 16_384 for number in range(2_000)]
    kept = cells[::8]
    del cells
    before, heap.PAUSE_SECONDS = resident(), 0.01
    task = asyncio.create_task(heap.tend_heap())
    for _ in range(100):
        await asyncio.sleep(0.02)
        if before - resident() > 15_000:
            break
    task.cancel()
    print(before - resident() > 15_000, len(kept))

asyncio.run(main())
"""


def test_freed_cells_between_others_are_given_back():
    done = subprocess.run([sys.executable, "-c", BURST], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True 250\n", "")


def test_collector_does_not_look_through_what_a_start_made():
    code = (
        "import asyncio, gc\n"
        "from essaim.runtime.heap import tend_heap\n"
        "async def main():\n"
        "    before = len(gc.get_objects())\n"
        "    task = asyncio.create_task(tend_heap())\n"
        "    await asyncio.sleep(0)\n"
        "    print(before > 5_000, len(gc.get_objects()) < 500, gc.isenabled())\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True True True\n", "")
