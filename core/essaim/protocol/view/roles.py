"""What kinds of nodes there are, and the states in which the authorities list them."""

from enum import IntEnum


class Role(IntEnum):
    """The codes of `essaim.view.v1.Role`."""

    RELAY = 1
    STORAGE = 2
    OPENGROUP = 3
    PUSH = 4


class NodeState(IntEnum):
    """The codes of `essaim.view.v1.NodeState`."""

    ACTIVE = 1
    AWAY = 2
    LEAVING = 3
    DECOMMISSIONED = 4
