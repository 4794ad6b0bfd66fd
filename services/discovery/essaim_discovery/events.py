"""What an applied transaction or tick has done, from a closed set: for counters and the log."""

from dataclasses import dataclass
from enum import StrEnum, auto

from essaim.protocol.view import Role


class EventKind(StrEnum):
    """What can happen."""

    REGISTERED = auto()
    RESTARTED = auto()
    KEYS_PUBLISHED = auto()
    PROVEN = auto()
    RETURNED = auto()
    LEAVING = auto()
    GONE = auto()
    WENT_AWAY = auto()
    DROPPED = auto()
    KEYS_EXPIRED = auto()
    RETIRED = auto()
    RETIRING = auto()
    COMPLETED = auto()
    REPORTED = auto()
    DECOMMISSIONED = auto()
    RECOMMISSIONED = auto()
    SWARM_FORMED = auto()
    SWARM_DISSOLVED = auto()
    SWARM_LOST = auto()
    MOVE_BEGUN = auto()
    MOVE_ENDED = auto()
    MOVE_ABORTED = auto()


@dataclass(frozen=True)
class Event:
    """One of them; `role` where it happened to a node."""

    kind: EventKind
    role: Role | None = None
