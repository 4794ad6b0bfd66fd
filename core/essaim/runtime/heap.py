"""A node's heap: what a start made is never looked through again, and what a burst took is given back.

Python's collector goes through all objects now and then, and everything waits meanwhile: 28 ms for the 50,000 that
stand after a start, modules and classes above all, which go with the process. glibc keeps freed pages that lie between
others: 3 to 6 MB of a node after large cells.
"""

import asyncio
import ctypes
import gc

PAUSE_SECONDS = 30.0


async def tend_heap() -> None:
    """A background task of every node. Where the C library has no `malloc_trim`, only the first half is done."""
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(PAUSE_SECONDS)
        trim(0)
    await asyncio.Event().wait()
