"""The signed network view: who is in the network, which swarms keep what, what everybody must agree on.

The law is docs/protocol/view.md.

    Genesis.parse(bytes) · .create(...)                   whom to trust; its hash names the network
    ViewKeeper(genesis).accept(ViewAnswer, now_ms)        the newest view; ViewRefusedError, with its reason
    NetworkView: epoch, serial, hash, parameters, valid_until_ms, nodes, relays(), storage(), swarm_of(mailbox_id);
        swarms (NOW) and next_swarms; next_swarm_of, swarm_of_node, next_swarm_of_node; move_of(mailbox_id)
    Node: node_id, role, state, address, certificates, operator_id, region, start_id, suites, hop(now_ms);
        swarm_id, next_swarm_id, move (None, or Move), move_serial
    ViewHistory().add(view) · .answer(epoch, serial)      what a node answers: unchanged, a diff, or the whole
"""

from essaim.protocol.view.descriptor import Descriptor
from essaim.protocol.view.entry import Entry
from essaim.protocol.view.genesis import Genesis
from essaim.protocol.view.header import Header
from essaim.protocol.view.history import ViewHistory
from essaim.protocol.view.keeper import ViewKeeper
from essaim.protocol.view.key_record import KeyRecord
from essaim.protocol.view.network_view import NetworkView, NoSwarmError
from essaim.protocol.view.node import Move, Node
from essaim.protocol.view.parameters import Parameters, SwarmSizes
from essaim.protocol.view.refusal import (
    BadSignatureError,
    BelowThresholdError,
    ExpiredError,
    ForkError,
    MalformedError,
    RollbackError,
    ViewRefusedError,
    WrongChainError,
    WrongNetworkError,
)
from essaim.protocol.view.roles import NodeState, Role
from essaim.protocol.view.swarm import Swarm

__all__ = [
    "BadSignatureError",
    "BelowThresholdError",
    "Descriptor",
    "Entry",
    "ExpiredError",
    "ForkError",
    "Genesis",
    "Header",
    "KeyRecord",
    "MalformedError",
    "Move",
    "NetworkView",
    "NoSwarmError",
    "Node",
    "NodeState",
    "Parameters",
    "Role",
    "RollbackError",
    "Swarm",
    "SwarmSizes",
    "ViewHistory",
    "ViewKeeper",
    "ViewRefusedError",
    "WrongChainError",
    "WrongNetworkError",
]
