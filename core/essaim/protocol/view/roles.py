"""What kinds of nodes there are, and the states in which the authorities list them.

A code that this version does not know is of a later one: such a node is part of the view, and chosen for nothing.
"""

from essaim.protocol.open_enum import OpenEnum


class Role(OpenEnum):
    """The codes of `essaim.view.v1.Role`."""

    RELAY = 1
    STORAGE = 2
    OPENGROUP = 3
    PUSH = 4


class NodeState(OpenEnum):
    """The codes of `essaim.view.v1.NodeState`."""

    ACTIVE = 1
    AWAY = 2
    LEAVING = 3
    DECOMMISSIONED = 4
