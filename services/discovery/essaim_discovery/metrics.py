"""What discovery counts."""

from prometheus_client import Counter, Gauge

from essaim.protocol.view import NodeState, Role
from essaim_discovery.apply import Applied, Event, Refused
from essaim_discovery.state import State

NODES = Gauge("essaim_discovery_nodes", "Registered nodes.", ["role", "state"])
VIEW_SERIAL = Gauge("essaim_discovery_view_serial", "Serial of the newest signed view.")
VIEW_AGE = Gauge("essaim_discovery_view_age_seconds", "Age of the newest signed view.")
TRANSACTIONS = Counter("essaim_discovery_transactions", "Transactions, by what became of them.", ["kind", "outcome"])
FOLLOWERS = Gauge("essaim_discovery_followers", "Nodes that follow the views now.")


def count(event: Event) -> None:
    """An event of `apply`."""
    if isinstance(event, Applied):
        TRANSACTIONS.labels(event.kind, "REPEATED" if event.repeated else "APPLIED").inc()
    elif isinstance(event, Refused):
        TRANSACTIONS.labels(event.kind, event.error.reason).inc()


def measure(state: State) -> None:
    """The gauges after a step."""
    found = [(member.descriptor.role, member.state) for member in state.members.values()]
    for role in Role:
        for standing in NodeState:
            NODES.labels(role.name, standing.name).set(found.count((role, standing)))
    VIEW_SERIAL.set(state.serial)
