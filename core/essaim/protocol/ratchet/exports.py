"""Export keys: what both sides of a session share at a step, for use outside it (groups, docs/protocol/groups.md).

Every step of the root chain gives one. The last 8 are kept, each for 15 days from when the next one came: who is behind
by some messages still finds the key that the other side used.

count 1 | count x (replaced_ms 8 | key 32), oldest first; replaced_ms 0: the newest
"""

from typing import NamedTuple

from essaim.protocol.layout import Reader

KEPT = 8
KEPT_MS = 15 * 24 * 60 * 60 * 1000


class Export(NamedTuple):
    """`replaced_ms`: when the next one came; 0: none has."""

    replaced_ms: int
    key: bytes


class ExportKeys(tuple[Export, ...]):
    """Oldest first. A value: `with_added` gives another one."""

    __slots__ = ()

    def with_added(self, key: bytes, now: int) -> "ExportKeys":
        before = (Export(each.replaced_ms or now, each.key) for each in self)
        kept = [each for each in before if now - each.replaced_ms < KEPT_MS]
        return ExportKeys([*kept, Export(0, key)][-KEPT:])

    def encode(self) -> bytes:
        return bytes((len(self),)) + b"".join(each.replaced_ms.to_bytes(8, "big") + each.key for each in self)

    @classmethod
    def read(cls, reader: Reader) -> "ExportKeys":
        return cls(Export(reader.number(8), reader.take(32)) for _ in range(reader.number(1)))


NO_EXPORTS = ExportKeys()
