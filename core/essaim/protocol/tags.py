"""Which session an envelope belongs to, told by its first 8 bytes.

For the current and the next header key of each session the tags of the next 64 messages are known. Most envelopes are
among the next few, so only the tags of the next 8 are tabled at once; a tag that is not among them has all the others
tabled, once for each place where a session stands. A tag is a hint: the header must open and its number fit before
anything is believed.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from essaim.protocol.ratchet.header import tag_key, tag_of

WINDOW = 64
NEAR = 8
"""Tags that are tabled before anybody asks."""

Owner = TypeVar("Owner", bound=Hashable)


class _Window:
    """The tags of messages `first` to `first + 63` under one header key; tabled up to `_end`."""

    def __init__(self, header_key: bytes) -> None:
        self._key = tag_key(header_key)
        self._first = self._end = 0
        self.tags: dict[int, bytes] = {}

    def move(self, first: int) -> list[bytes]:
        """Begin at `first`, which never falls; gives the tags that go."""
        if first == self._first:
            return []
        gone = [self.tags.pop(number) for number in range(self._first, min(first, self._end))]
        self._first, self._end = first, max(first, self._end)
        return gone

    def reach(self, far: int) -> list[bytes]:
        """Table at least the first `far`; gives the tags that come."""
        until = self._first + far
        if until <= self._end:
            return []
        new = {number: tag_of(self._key, number) for number in range(self._end, until)}
        self._end = until
        self.tags.update(new)
        return list(new.values())


class TagTable(Generic[Owner]):
    """Finds the owner of a tag. `follow` after every accepted message."""

    def __init__(self) -> None:
        self._owners: dict[bytes, Owner] = {}
        self._windows: dict[Owner, dict[bytes, _Window]] = {}
        self._whole = True
        """Whether the tags of all windows are tabled to their end."""

    def find(self, tag: bytes) -> Owner | None:
        if not self._whole and tag not in self._owners:
            self._complete()
        return self._owners.get(tag)

    def follow(self, owner: Owner, keys: list[tuple[bytes, int]]) -> None:
        """`keys`: the header keys that `owner` expects, each with the number of its next message."""
        windows = self._windows.setdefault(owner, {})
        for header_key, first in keys:
            window = windows.get(header_key)
            if window is None:
                window = windows[header_key] = _Window(header_key)
            self._drop(window.move(first))
            self._table(owner, window, NEAR)
        if len(windows) != len(keys):
            for header_key in windows.keys() - dict(keys).keys():
                self._drop(windows.pop(header_key).tags.values())
        self._whole = False

    def forget(self, owner: Owner) -> None:
        for window in self._windows.pop(owner, {}).values():
            self._drop(window.tags.values())

    def _complete(self) -> None:
        for owner, windows in self._windows.items():
            for window in windows.values():
                self._table(owner, window, WINDOW)
        self._whole = True

    def _table(self, owner: Owner, window: _Window, far: int) -> None:
        for tag in window.reach(far):
            self._owners[tag] = owner

    def _drop(self, tags: Iterable[bytes]) -> None:
        for tag in tags:
            self._owners.pop(tag, None)
