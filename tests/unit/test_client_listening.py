"""An iteration that may be left while it waits."""

import asyncio
import gc
from collections.abc import AsyncGenerator

from essaim_client.messaging.listening import Listening


async def test_listening_left_while_it_waited_complains_of_no_end() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    end = asyncio.Event()

    async def items() -> AsyncGenerator[int, None]:
        await end.wait()
        return
        yield 0

    listening = Listening(items())
    waiting = asyncio.create_task(anext(listening))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    end.set()
    for _ in range(5):
        await asyncio.sleep(0)
    del listening, waiting
    gc.collect()
    assert complaints == []


async def test_listening_cancelled_while_it_waits_loses_nothing() -> None:
    ready = asyncio.Event()

    async def items() -> AsyncGenerator[int, None]:
        await ready.wait()
        yield 7

    listening = Listening(items())
    waiting = asyncio.create_task(anext(listening))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    ready.set()
    assert await anext(listening) == 7
    await listening.aclose()
