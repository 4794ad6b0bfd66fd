"""A parser as the fuzzer sees it: a function of bytes, the refusals that may come out, good inputs to begin with."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from essaim.protocol.errors import ProtocolError

REASON = re.compile(r"[A-Z][A-Z0-9_]{1,62}", re.ASCII)
TAKEN = "TAKEN"


@dataclass(frozen=True)
class Parser:
    """`take` does with the input what the program does with foreign bytes, signed and sealed as its sender could.

    `refusals` are all that may come out of it. `longest`: bytes of an input; longer ones teach nothing new.
    """

    name: str
    take: Callable[[bytes], object]
    refusals: tuple[type[ProtocolError], ...]
    seeds: Callable[[], Iterable[bytes]]
    longest: int = 4_096

    def judge(self, data: bytes) -> str:
        """TAKEN, or the reason of the refusal. Anything else that comes out is a bug, an AssertionError included."""
        try:
            self.take(data)
        except self.refusals as refused:
            assert REASON.fullmatch(refused.reason), "a reason that is not one"
            assert refused.reason != ProtocolError.reason, "a refusal without a reason of its own"
            return refused.reason
        return TAKEN


def chosen(data: bytes, count: int) -> tuple[int, bytes]:
    """The first byte says which of `count` things the rest is for."""
    return (data[0] % count, data[1:]) if data else (0, b"")
