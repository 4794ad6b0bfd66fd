"""What discovery counts. Labels from closed sets; nothing that tells one node from another."""

from collections import Counter as Tally
from typing import Final

from prometheus_client import Counter, Gauge

from essaim.protocol.view import NodeState, Role
from essaim_discovery.state import State

NODES: Final = Gauge("essaim_discovery_nodes", "Registered nodes.", ["role", "state"])
VIEW_SERIAL: Final = Gauge("essaim_discovery_view_serial", "Serial of the newest signed view.")
VIEW_AGE: Final = Gauge("essaim_discovery_view_age_seconds", "Seconds since the newest view was signed.")
TRANSACTIONS: Final = Counter(
    "essaim_discovery_transactions", "Transactions by kind, and APPLIED or the reason of refusal.", ["kind", "outcome"]
)
FOLLOWERS: Final = Gauge("essaim_discovery_followers", "Nodes that follow the views.")
APPLIED: Final = "APPLIED"


def count_nodes(state: State) -> None:
    """How many nodes there are of each role and state."""
    tally = Tally((member.descriptor.role, member.state) for member in state.members.values())
    for role in Role:
        for each in NodeState:
            NODES.labels(role.name, each.name).set(tally[role, each])
