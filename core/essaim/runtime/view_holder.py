"""The view that a node goes by: the newest one that it could verify, kept on its volume, served to others."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from prometheus_client import Gauge

from essaim.protocol.view import Genesis, NetworkView, ViewHistory, ViewKeeper, ViewRefusedError
from essaim.runtime.volume import PUBLIC_MODE, write_durably
from essaim.view.v1 import view_pb2

VIEW_FILE = "view.bin"
SERIAL = Gauge("essaim_view_serial", "Serial of the view that this node goes by.")
SIGNED = Gauge("essaim_view_timestamp_seconds", "When the view that this node goes by was signed, unix seconds.")


class ViewHolder:
    """Verifies, keeps and tells. A kept view that is refused at a start (a new genesis) is passed over."""

    def __init__(self, genesis: Genesis, folder: Path) -> None:
        self._keeper = ViewKeeper(genesis)
        self._history = ViewHistory()
        self._file = folder / VIEW_FILE
        self._listeners: list[Callable[[NetworkView], None]] = []
        self._changed = asyncio.Condition()
        self._restore()

    def _restore(self) -> None:
        try:
            self._keeper.restore(self._file.read_bytes())
        except (OSError, ViewRefusedError):
            return
        if self._keeper.current is not None:
            self._history.add(self._keeper.current)
            _measure(self._keeper.current)

    @property
    def current(self) -> NetworkView | None:
        """The newest view; None before the first."""
        return self._keeper.current

    def answer(self, epoch: int, serial: int) -> view_pb2.ViewAnswer | None:
        """What to tell somebody who has (epoch, serial)."""
        return self._history.answer(epoch, serial)

    def subscribe(self, listener: Callable[[NetworkView], None]) -> None:
        """Called with the current view, if any, and with each newer one; on the event loop, it must not block."""
        self._listeners.append(listener)
        if self.current is not None:
            listener(self.current)

    async def take(self, answer: view_pb2.ViewAnswer, now_ms: int) -> None:
        """An answer of discovery or of a node; raises ViewRefusedError, and what is held stays."""
        before = self.current
        view = self._keeper.accept(answer, now_ms)
        if view is before:
            return
        self._history.add(view)
        _measure(view)
        write_durably(self._file, self._keeper.export(), PUBLIC_MODE)
        for listener in self._listeners:
            listener(view)
        async with self._changed:
            self._changed.notify_all()

    async def wait_for(self, wanted: Callable[[NetworkView], bool]) -> NetworkView:
        """The first view, from the current one on, that fits."""
        async with self._changed:
            while self.current is None or not wanted(self.current):
                await self._changed.wait()
            return self.current


def _measure(view: NetworkView) -> None:
    SERIAL.set(view.serial)
    SIGNED.set(view.valid_from_ms // 1_000)
