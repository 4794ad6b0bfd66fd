"""What discovery counts. Labels from closed sets; nothing that tells one node from another."""

from collections import Counter as Tally
from enum import StrEnum
from itertools import product
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from essaim.protocol.view import NetworkView, NodeState, Role
from essaim.protocol.view.swarm import Swarm
from essaim_discovery.events import Event, EventKind
from essaim_discovery.state import State

NODES: Final = Gauge("essaim_discovery_nodes", "Registered nodes.", ["role", "state"])
VIEW_SERIAL: Final = Gauge("essaim_discovery_view_serial", "Serial of the newest signed view.")
VIEW_AGE: Final = Gauge("essaim_discovery_view_age_seconds", "Seconds since the newest view was signed.")
TRANSACTIONS: Final = Counter(
    "essaim_discovery_transactions", "Transactions by kind, and APPLIED or the reason of refusal.", ["kind", "outcome"]
)
FOLLOWERS: Final = Gauge("essaim_discovery_followers", "Nodes that follow the views.")
EVENTS: Final = Counter("essaim_discovery_events", "What happened to nodes and swarms.", ["kind", "role"])
SWARMS: Final = Gauge(
    "essaim_discovery_swarms", "Swarms of the newest view, by how many members are active.", ["health"]
)
COMMIT_SECONDS: Final = Histogram(
    "essaim_discovery_commit_seconds",
    "Seconds of one write to the log, its fsync included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
SIGN_SECONDS: Final = Histogram(
    "essaim_discovery_sign_seconds",
    "Seconds from the decision to make a view until it is signed and on disk.",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
PENDING: Final = Gauge("essaim_discovery_pending", "Submissions that wait for the log.")
AGENT: Final = Gauge("essaim_discovery_agent", "Whether this discovery's Kubernetes agent holds the Lease.")
AGENT_ROUNDS: Final = Counter(
    "essaim_discovery_agent_rounds", "Looks of the Kubernetes agent at its cluster, and its attempts.", ["outcome"]
)
DONE: Final = "DONE"
FAILED: Final = "FAILED"
APPLIED: Final = "APPLIED"
NOBODY: Final = "NONE"
CHURN: Final = (EventKind.WENT_AWAY, EventKind.RESTARTED, EventKind.DROPPED)
for _kind, _role in product(CHURN, Role):
    EVENTS.labels(_kind.name, _role.name)  # there from the start, so that the first one is an increase
EVENTS.labels(EventKind.SWARM_LOST.name, Role.STORAGE.name)


class Health(StrEnum):
    """Of a swarm, by the view."""

    WHOLE = "WHOLE"
    """Every member is active."""
    SHORT = "SHORT"
    """A quorum is active, not every member."""
    BROKEN = "BROKEN"
    """No quorum is active: nothing can be stored."""


def count_nodes(state: State) -> None:
    """How many nodes there are of each role and state."""
    tally = Tally((member.descriptor.role, member.state) for member in state.members.values())
    for role in Role:
        for each in NodeState:
            NODES.labels(role.name, each.name).set(tally[role, each])


def count_event(event: Event) -> None:
    """Something happened."""
    EVENTS.labels(event.kind.name, event.role.name if event.role is not None else NOBODY).inc()


def count_view(view: NetworkView) -> None:
    """A new view."""
    VIEW_SERIAL.set(view.serial)
    tally = Tally(map(_health, view.swarms.values()))
    for each in Health:
        SWARMS.labels(each.value).set(tally[each])


def _health(swarm: Swarm) -> Health:
    active = sum(node.state == NodeState.ACTIVE for node in swarm.members)
    if active < swarm.quorum:
        return Health.BROKEN
    return Health.WHOLE if active == len(swarm.members) else Health.SHORT
