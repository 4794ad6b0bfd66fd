"""What a node refused BUSY, by what was full: the counter of shed load. Never imported by a client's half."""

from enum import StrEnum

from prometheus_client import Counter


class Full(StrEnum):
    """What had no room."""

    LINK = "LINK"
    """The budget of the peer that a link belongs to, or the node drains."""
    DOOR = "DOOR"
    """The budget of a client's connection at the guard's door."""
    CALLS = "CALLS"
    """The calls that a node serves at once, beside links."""
    CALL_BYTES = "CALL_BYTES"
    """The bytes of their requests."""
    REQUESTS = "REQUESTS"
    """The requests out of cells that a destination serves at once."""


_SHED = Counter("essaim_shed", "Requests refused BUSY, by what was full.", ["full"])
SHED = {each: _SHED.labels(each.value) for each in Full}
