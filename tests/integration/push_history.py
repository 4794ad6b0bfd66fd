"""What happened to wakes, and whether it may have: a history of sends, acknowledgements, calls and kills, judged.

every wake      that was acknowledged is told by a call that succeeded and began after the wake was first sent
coalescing      no more deliveries (topics) for an endpoint than wakes that were sent for it; two calls of an endpoint
                with different topics never at once, and the second one no sooner than the spacing after the first
repeats         a topic whose call succeeded is called again only if that call was in flight when a host was killed
"""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

ON_THE_WAY = 0.2
"""Seconds that a call may lie in the receiver's socket, unread, after who made it is gone."""


@dataclass
class SentWake:
    """A wake and what the storage node knows of it. Seconds."""

    endpoint: str
    sent: float
    acknowledged: float | None = None


@dataclass
class Call:
    """A call of an endpoint, as its receiver saw it."""

    endpoint: str
    topic: str
    began: float
    ended: float | None = None
    status: int = 0

    @property
    def succeeded(self) -> bool:
        return self.ended is not None and 200 <= self.status < 300


@dataclass
class History:
    """Everything, in the order in which it happened."""

    wakes: dict[bytes, SentWake] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    kills: list[tuple[float, float]] = field(default_factory=list)
    """When each was asked for, and when the process was gone."""

    def untold(self) -> list[SentWake]:
        """Acknowledged wakes that no call has told yet."""
        last: dict[str, float] = defaultdict(float)
        for call in self.calls:
            if call.succeeded:
                last[call.endpoint] = max(last[call.endpoint], call.began)
        return [each for each in self.wakes.values() if each.acknowledged and last[each.endpoint] < each.sent]

    def judge(self, spacing: float, settling: float) -> list[str]:
        """What must not have happened. `settling`: how long the host may take to write what a call brought."""
        faults = [f"a wake for {each.endpoint} was never told" for each in self.untold()]
        by_endpoint = defaultdict(list)
        for call in self.calls:
            by_endpoint[call.endpoint].append(call)
        for endpoint, calls in by_endpoint.items():
            sent = sum(each.endpoint == endpoint for each in self.wakes.values())
            topics = {call.topic for call in calls}
            if len(topics) > sent:
                faults.append(f"{len(topics)} deliveries to {endpoint} for {sent} wakes")
            faults += self._repeats(calls, settling)
            faults += _crowds(calls, spacing)
        return faults

    def _repeats(self, calls: list[Call], settling: float) -> list[str]:
        faults = []
        for number, call in enumerate(calls):
            again = any(later.topic == call.topic for later in calls[number + 1 :])
            if again and call.succeeded and not self._killed_during(call, settling):
                near = min((abs(asked - call.began) for asked, _ in self.kills), default=0.0)
                faults.append(f"a call of {call.endpoint} was repeated, and nobody was killed for {near:.2f} s")
        return faults

    def _killed_during(self, call: Call, settling: float) -> bool:
        assert call.ended is not None
        return any(call.began <= gone + ON_THE_WAY and asked <= call.ended + settling for asked, gone in self.kills)


def _crowds(calls: list[Call], spacing: float) -> list[str]:
    """Deliveries that came sooner than they should, as far as the receiver can tell."""
    faults = []
    for before, after in pairwise(calls):
        if before.topic == after.topic or not before.succeeded:
            continue
        assert before.ended is not None
        if after.began < before.ended + spacing * 0.9:
            faults.append(f"a delivery to {after.endpoint} came {after.began - before.ended:.3f} s after another")
    return faults
