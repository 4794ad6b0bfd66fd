"""How long a relay waits for a call: for its first reply by class, and in all. The same at each hop and for everybody.

No deadline of a caller is passed on, so that none can mark a call. Pure; times are unix milliseconds.
"""

from typing import Generic, TypeVar

FIRST_REPLY_MS = (10_000, 20_000, 40_000)
"""By the larger of the call's two classes."""
CALL_MS = 15 * 60_000
_WHOLE = len(FIRST_REPLY_MS)
T = TypeVar("T")


class Deadlines(Generic[T]):
    """Calls in the order in which they expire: a lane for each constant wait, so that no call needs a timer."""

    def __init__(self) -> None:
        self._lanes: list[dict[T, int]] = [{} for _ in range(_WHOLE + 1)]

    def __len__(self) -> int:
        return sum(map(len, self._lanes))

    def started(self, call: T, link_class: int, now_ms: int) -> None:
        """The call waits for its first reply."""
        self._lanes[link_class][call] = now_ms + FIRST_REPLY_MS[link_class]

    def replied(self, call: T, link_class: int, now_ms: int) -> None:
        """The first reply came."""
        if self._lanes[link_class].pop(call, None) is not None:
            self._lanes[_WHOLE][call] = now_ms + CALL_MS

    def ended(self, call: T, link_class: int) -> None:
        """No more of this call."""
        if self._lanes[link_class].pop(call, None) is None:
            self._lanes[_WHOLE].pop(call, None)

    def expired(self, now_ms: int) -> list[T]:
        """Take out the calls whose time is over."""
        calls: list[T] = []
        for lane in self._lanes:
            over = []
            for call, due_ms in lane.items():
                if due_ms > now_ms:
                    break
                over.append(call)
            for call in over:
                del lane[call]
            calls += over
        return calls
