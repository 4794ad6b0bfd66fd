"""What a receiver does instead of answering well, a request at a time."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One misbehaviour. Nothing set: as it should be."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    delay: float = 0.0
    """Seconds before anything is said."""
    reset: bool = False
    """The connection ends (TCP RST) without a word."""
    huge_body: int = 0
    """Bytes of the answer's body."""
    huge_headers: int = 0
    dribble: float = 0.0
    """Seconds between two bytes of the answer."""
    row: str = ""
    """A row of the vendor's table."""
    goaway: bool = False
    """HTTP/2: GOAWAY before the answer. For APNs and FCM."""
    reset_stream: bool = False
    mute: bool = False
    """HTTP/2: the connection stays, and nothing is read or said on it any more."""


class Plan:
    """The steps that are still to come. Used up: all is well."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self.waiting = 0
        """Requests that are kept waiting."""

    def add(self, document: dict[str, Any]) -> None:
        """`times` of one step."""
        times = document.pop("times", 1)
        self._steps.extend([Step(**document)] * times)

    def clear(self) -> None:
        self._steps.clear()

    async def next(self) -> Step:
        """When its delay is over."""
        step = self._steps.popleft() if self._steps else Step()
        self.waiting += 1
        try:
            await asyncio.sleep(step.delay)
        finally:
            self.waiting -= 1
        return step
