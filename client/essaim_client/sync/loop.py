"""An event loop in a thread of its own, and calls into it that wait for what comes out."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """`start`, then `run` and `call` from any other thread, then `stop`."""

    _loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        # A daemon: a program that forgot to close its client can end all the same.
        self._thread = threading.Thread(target=self._serve, name="essaim", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.get_loop().run_forever()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What it returns or raises. Whoever is interrupted while waiting (Ctrl-C) cancels it."""
        if not self._thread.is_alive() or threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("the client is closed, or this is a call from inside of one of its calls")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def call(self, function: Callable[[], T]) -> T:
        """A function that must run where the client lives."""

        async def called() -> T:
            return function()

        return self.run(called())

    def stop(self) -> None:
        """What still runs in the loop is cancelled."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
