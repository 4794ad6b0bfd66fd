"""Views that nobody signed, for what only asks who is in them: operators, prefixes and regions as a test wants them."""

from essaim.protocol.kdf import blake2b256
from essaim.protocol.view import Descriptor, Entry, NetworkView, Node, NodeState, Parameters, Role
from essaim.testing.views import NOW_MS, PaperNetwork

PERIODS = Parameters().key_periods


def paper_node(
    number: int,
    role: Role = Role.RELAY,
    operator: int = 0,
    prefix: int = 0,
    region: int = 0,
    swarm_id: int | None = None,
) -> Node:
    descriptor = Descriptor(
        network_id=bytes(32),
        node_id=blake2b256(b"paper", role.name.encode(), number.to_bytes(4, "big")),
        role=role,
        address=f"10.{prefix}.{number // 250}.{number % 250 + 1}:4000",
        certificates=(b"certificate",),
        operator_id=operator.to_bytes(32, "big"),
        region=f"region-{region}",
        start_id=bytes(16),
        sequence=1,
        issued_ms=NOW_MS,
    )
    return Node(descriptor, NodeState.ACTIVE, swarm_id, (), PERIODS)


def paper_view(nodes, **rules) -> NetworkView:
    network = PaperNetwork(parameters=Parameters(**rules))
    header = network.header([])
    entries = {node.node_id: Entry((), node) for node in sorted(nodes, key=lambda node: node.node_id)}
    return NetworkView(network.sign(header.raw), header, entries)
