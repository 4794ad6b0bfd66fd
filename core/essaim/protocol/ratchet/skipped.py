"""Keys of messages that were skipped and may still come: bounded in number and in time.

count 2 | count x (header key 32 | peer 32 | count 2 | count x (number 4 | time_ms 8 | message key 32))
"""

from collections.abc import Iterator
from typing import NamedTuple

from essaim.protocol.layout import Reader
from essaim.protocol.ratchet.chain import ChainName

MAX_SKIP = 1000
MAX_KEPT = 2000
KEPT_MS = 15 * 24 * 60 * 60 * 1000


class SkippedKey(NamedTuple):
    time_ms: int
    message_key: bytes


class SkippedKeys:
    """At most 2,000 a session, the oldest go first, each for 15 days. A value: changes give another one."""

    def __init__(self, keys: dict[tuple[ChainName, int], SkippedKey] | None = None) -> None:
        self._keys = keys or {}

    def __len__(self) -> int:
        return len(self._keys)

    def chains(self) -> Iterator[ChainName]:
        """The chains that have keys here, oldest first, each once."""
        return iter(dict.fromkeys(name for name, _ in self._keys))

    def find(self, name: ChainName, number: int) -> bytes | None:
        key = self._keys.get((name, number))
        return key.message_key if key else None

    def without(self, name: ChainName, number: int) -> "SkippedKeys":
        return SkippedKeys({place: key for place, key in self._keys.items() if place != (name, number)})

    def with_added(self, added: dict[tuple[ChainName, int], SkippedKey]) -> "SkippedKeys":
        if not added:
            return self
        keys = self._keys | added
        excess = max(len(keys) - MAX_KEPT, 0)
        return SkippedKeys(dict(list(keys.items())[excess:]))

    def unexpired(self, now: int) -> "SkippedKeys":
        if not self._keys:
            return self
        return SkippedKeys({place: key for place, key in self._keys.items() if now - key.time_ms < KEPT_MS})

    def encode(self) -> bytes:
        parts, chains = [], list(self.chains())
        for name in chains:
            keys = [(number, key) for (other, number), key in self._keys.items() if other == name]
            parts.append(name.header_key + name.peer + len(keys).to_bytes(2, "big"))
            parts += [n.to_bytes(4, "big") + key.time_ms.to_bytes(8, "big") + key.message_key for n, key in keys]
        return len(chains).to_bytes(2, "big") + b"".join(parts)

    @classmethod
    def read(cls, reader: Reader) -> "SkippedKeys":
        keys = {}
        for _ in range(reader.number(2)):
            name = ChainName(reader.take(32), reader.take(32))
            for _ in range(reader.number(2)):
                number, time_ms, message_key = reader.number(4), reader.number(8), reader.take(32)
                keys[name, number] = SkippedKey(time_ms, message_key)
        return cls(keys)
