"""Who waits for direct messages, in memory. Used on the event loop alone."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class Inboxes:
    """`listening` sets an event whenever something comes for a member key."""

    def __init__(self) -> None:
        self._listeners: dict[bytes, set[asyncio.Event]] = {}

    @contextmanager
    def listening(self, key: bytes, event: asyncio.Event) -> Iterator[None]:
        """While it lasts."""
        self._listeners.setdefault(key, set()).add(event)
        try:
            yield
        finally:
            here = self._listeners[key]
            here.discard(event)
            if not here:
                del self._listeners[key]

    def wake(self, keys: Collection[bytes] | None) -> None:
        """None: everybody, for notices may have been missed."""
        for key in list(self._listeners) if keys is None else keys:
            for event in self._listeners.get(key, ()):
                event.set()
