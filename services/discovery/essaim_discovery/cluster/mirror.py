"""What the ServiceNodes should be, and what to change so that they are. Nothing in them that the view does not show to
everybody, but the pods that nodes live in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from essaim.protocol.view import NetworkView, NodeState
from essaim.protocol.view.node import Node
from essaim_discovery.cluster.homes import KEYS
from essaim_discovery.cluster.scene import Home, Record

FIELDS = ("health", "version", "swarm", "nextSwarm", "moveSerial", *KEYS)
"""Of a status, beside the serial. One that has nothing to say is left out."""
ID_LETTERS = 20
"""Of a node id in its resource's name: two of 80 bits are not met by chance."""


class Health(StrEnum):
    """A node's in one word, for the column of that name."""

    HEALTHY = "Healthy"
    MOVING = "Moving"
    AWAY = "Away"
    LEAVING = "Leaving"
    EXPELLED = "Expelled"


_HEALTH = {
    NodeState.ACTIVE: Health.HEALTHY,
    NodeState.AWAY: Health.AWAY,
    NodeState.LEAVING: Health.LEAVING,
    NodeState.DECOMMISSIONED: Health.EXPELLED,
}


class Happening(StrEnum):
    """Why there is a Kubernetes Event: its reason."""

    REGISTERED = "NodeRegistered"
    RETURNED = "NodeReturned"
    WENT_AWAY = "NodeAway"
    LEAVING = "NodeLeaving"
    EXPELLED = "NodeExpelled"
    LEFT = "NodeLeft"


_WELL = (Health.HEALTHY, Health.MOVING)
_HAPPENING = {
    Health.AWAY: Happening.WENT_AWAY,
    Health.LEAVING: Happening.LEAVING,
    Health.EXPELLED: Happening.EXPELLED,
}


@dataclass(frozen=True)
class Wanted:
    """A ServiceNode as it should be; `status` without the serial."""

    name: str
    node_id: bytes
    role: str
    status: Mapping[str, Any]


@dataclass(frozen=True)
class Changes:
    """From the ServiceNodes as they are to those as they should be."""

    created: Sequence[Wanted]
    updated: Sequence[Wanted]
    deleted: Sequence[Record]
    happened: Sequence[tuple[Happening, str]]
    """With the name of the ServiceNode."""


def changes(view: NetworkView, homes: Mapping[bytes, Home], records: Mapping[str, Record]) -> Changes:
    """Only what differs: an unchanged node costs the API server nothing, however many views there are."""
    wanted = {each.name: each for each in (wanted_of(node, homes.get(node.node_id)) for node in view.nodes.values())}
    created = [each for name, each in wanted.items() if name not in records]
    updated = [each for name, each in wanted.items() if name not in records or each.status != records[name].status]
    deleted = [record for name, record in sorted(records.items()) if name not in wanted]
    happened = [(Happening.REGISTERED, each.name) for each in created]
    happened += [(Happening.LEFT, each.name) for each in deleted]
    for each in updated:
        before = records[each.name].status.get("health") if each.name in records else None
        happening = _happening(before, Health(each.status["health"]))
        if happening is not None:
            happened.append((happening, each.name))
    return Changes(created, updated, deleted, happened)


def name_of(node: Node) -> str:
    """Of its ServiceNode."""
    return f"{node.role.name.lower()}-{node.node_id.hex()[:ID_LETTERS]}"


def wanted_of(node: Node, home: Home | None) -> Wanted:
    """As a view shows it, and where it lives."""
    health = _HEALTH[node.state]
    if health is Health.HEALTHY and node.move_serial:
        health = Health.MOVING
    told: dict[str, Any] = {"health": health.value, "version": node.descriptor.version}
    told |= {"swarm": _hex(node.swarm_id), "nextSwarm": _hex(node.next_swarm_id), "moveSerial": node.move_serial}
    told |= {key: getattr(home, name) if home is not None else "" for key, name in KEYS.items()}
    status = {key: value for key, value in told.items() if value}
    return Wanted(name_of(node), node.node_id, node.role.name.lower(), status)


def _hex(swarm_id: int | None) -> str:
    return "" if swarm_id is None else f"{swarm_id:016x}"


def _happening(before: object, after: Health) -> Happening | None:
    """Of a node that was shown before. A move is no churn; and who was never away does not return."""
    if after in _WELL:
        return None if before in (None, *_WELL) else Happening.RETURNED
    return None if before in (None, after) else _HAPPENING[after]
