"""Gives back what a burst took: glibc keeps freed pages between others, 3 to 6 MB of a node after large cells."""

import asyncio
import ctypes

PAUSE_SECONDS = 30.0


async def tend_heap() -> None:
    """A background task of every node; where the C library has no `malloc_trim`, it has nothing to do."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await asyncio.sleep(PAUSE_SECONDS)
        trim(0)
    await asyncio.Event().wait()
