"""The thread behind the synchronous client: what calls give, how they end, and who may make them."""

import asyncio
import os
import signal
import threading
import time

import pytest

from essaim_client.sync.loop import LoopThread


@pytest.fixture
def loop():
    made = LoopThread()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def heeded():
    """SIGINT interrupts, even where this process was started in the background, to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


async def give(value):
    await asyncio.sleep(0)
    return value


async def fail():
    raise ValueError("as it was")


def test_call_gives_what_the_coroutine_gives_or_raises(loop):
    assert loop.run(give(5)) == 5
    with pytest.raises(ValueError, match="as it was"):
        loop.run(fail())
    assert loop.call(lambda: threading.current_thread().name) == "essaim"


@pytest.mark.usefixtures("heeded")
@pytest.mark.timeout(60)
def test_interrupt_ends_the_wait_and_what_was_waited_for(loop):
    ended = threading.Event()

    async def forever():
        await asyncio.sleep(0.2)  # until the main thread waits: nothing tells when it does
        os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C
        try:
            await asyncio.sleep(3_600)
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        loop.run(forever())
    assert ended.wait(10)
    assert loop.run(give("still there")) == "still there"


def test_threads_may_share_it(loop):
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(loop.run(give(n)))) for n in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    assert sorted(results) == list(range(20))


def test_call_from_inside_or_after_the_end_is_refused_at_once(loop):
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="from inside"):
        loop.call(lambda: loop.run(give(1)))
    ended = LoopThread()
    ended.start()
    ended.stop()
    with pytest.raises(RuntimeError, match="closed"):
        ended.run(give(1))
    with pytest.raises(RuntimeError, match="closed"):
        LoopThread().run(give(1))
    assert time.monotonic() - began < 10


def test_stop_cancels_what_still_runs():
    loop, seen = LoopThread(), []

    async def lingering():
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    loop.start()
    task = loop.call(lambda: asyncio.ensure_future(lingering()))
    loop.run(give(None))
    loop.stop()
    assert task.cancelled() and seen == ["cancelled"]
