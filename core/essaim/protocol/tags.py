"""Which session an envelope belongs to, told by its first 8 bytes.

For the current and the next header key of each session the tags of the next 64 messages are tabled. A tag is a hint:
the header must open and its number fit before anything is believed.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from essaim.protocol.ratchet.header import tag_key, tag_of

WINDOW = 64

Owner = TypeVar("Owner", bound=Hashable)


class _Window:
    """The tags of messages `first` to `first + 63` under one header key."""

    def __init__(self, header_key: bytes) -> None:
        self._key = tag_key(header_key)
        self._first = self._end = 0
        self.tags: dict[int, bytes] = {}

    def move(self, first: int) -> tuple[list[bytes], list[bytes]]:
        """Begin at `first`, which never falls; gives the tags that go and those that come."""
        gone = [self.tags.pop(number) for number in range(self._first, min(first, self._end))]
        new = {n: tag_of(self._key, n) for n in range(max(first, self._end), first + WINDOW)}
        self._first, self._end = first, first + WINDOW
        self.tags.update(new)
        return gone, list(new.values())


class TagTable(Generic[Owner]):
    """Finds the owner of a tag. `follow` after every accepted message."""

    def __init__(self) -> None:
        self._owners: dict[bytes, Owner] = {}
        self._windows: dict[Owner, dict[bytes, _Window]] = {}

    def find(self, tag: bytes) -> Owner | None:
        return self._owners.get(tag)

    def follow(self, owner: Owner, keys: list[tuple[bytes, int]]) -> None:
        """`keys`: the header keys that `owner` expects, each with the number of its next message."""
        before = self._windows.get(owner, {})
        wanted = {header_key: before.get(header_key) or _Window(header_key) for header_key, _ in keys}
        for header_key in before.keys() - wanted.keys():
            self._drop(before[header_key].tags.values())
        for header_key, first in keys:
            gone, new = wanted[header_key].move(first)
            self._drop(gone)
            self._owners.update(dict.fromkeys(new, owner))
        self._windows[owner] = wanted

    def forget(self, owner: Owner) -> None:
        for window in self._windows.pop(owner, {}).values():
            self._drop(window.tags.values())

    def _drop(self, tags: Iterable[bytes]) -> None:
        for tag in tags:
            self._owners.pop(tag, None)
