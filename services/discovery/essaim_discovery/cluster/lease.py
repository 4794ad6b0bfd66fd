"""Who is the agent: the holder of a Lease that is renewed. As in Kubernetes' own components no two clocks are compared:
a candidate takes what it has not seen renewed for the whole duration by its own clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Observation:
    """A Lease as it was last seen to change. `since` is of the observer's monotonic clock, seconds."""

    holder: str
    version: str
    since: float


def observe(former: Observation | None, item: Mapping[str, Any], now: float) -> Observation:
    """What is known after one more look at the Lease."""
    holder, version = item["spec"].get("holderIdentity") or "", item["metadata"]["resourceVersion"]
    if former is not None and (former.holder, former.version) == (holder, version):
        return former
    return Observation(holder, version, now)


def may_take(seen: Observation, me: str, now: float, duration_seconds: float) -> bool:
    """Whether the candidate may write its name: nobody's, its own, or not renewed for too long."""
    return seen.holder in ("", me) or now - seen.since >= duration_seconds


def must_stop(renewed: float, now: float, duration_seconds: float) -> bool:
    """Whether the holder must have stopped: well before anybody may take it, however late the answers come."""
    return now - renewed >= duration_seconds * 2 / 3
