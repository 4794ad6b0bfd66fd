"""The signed view, verified and immutable: nodes, swarms, parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from essaim.protocol.view.entry import Entry, root_of
from essaim.protocol.view.header import Header
from essaim.protocol.view.node import Node
from essaim.protocol.view.parameters import Parameters
from essaim.protocol.view.refusal import MalformedError
from essaim.protocol.view.roles import NodeState, Role
from essaim.protocol.view.swarm import Swarm, grouped, nearest, position_of
from essaim.protocol.view.wire import require
from essaim.view.v1 import view_pb2


class NoSwarmError(MalformedError):
    """The network has no storage swarm (yet)."""

    reason = "NO_SWARM"


@dataclass(frozen=True)
class NetworkView:
    """One view. `signed` is the header as transported; `entries` are in order of node id."""

    signed: view_pb2.SignedHeader
    header: Header
    entries: Mapping[bytes, Entry]

    @classmethod
    def build(cls, signed: view_pb2.SignedHeader, header: Header, entries: Mapping[bytes, Entry]) -> "NetworkView":
        """MalformedError unless the header commits to just these entries."""
        require(header.nodes_root == root_of(entries.values()), "the header commits to other nodes")
        return cls(signed, header, entries)

    @property
    def epoch(self) -> int:
        return self.header.epoch

    @property
    def serial(self) -> int:
        return self.header.serial

    @property
    def hash(self) -> bytes:
        return self.header.hash

    @property
    def parameters(self) -> Parameters:
        return self.header.parameters

    @property
    def valid_from_ms(self) -> int:
        return self.header.valid_from_ms

    @property
    def valid_until_ms(self) -> int:
        return self.header.valid_until_ms

    @cached_property
    def nodes(self) -> Mapping[bytes, Node]:
        """By node id, ascending."""
        return {node_id: entry.node for node_id, entry in self.entries.items()}

    def active(self, role: Role) -> tuple[Node, ...]:
        """The nodes of a role that may be chosen for something new."""
        return tuple(node for node in self.nodes.values() if node.role == role and node.state == NodeState.ACTIVE)

    def relays(self) -> tuple[Node, ...]:
        """Relays that a path may be made of."""
        return self.active(Role.RELAY)

    def storage(self) -> tuple[Node, ...]:
        """Storage nodes that can be asked."""
        return self.active(Role.STORAGE)

    @cached_property
    def swarms(self) -> Mapping[int, Swarm]:
        """NOW, by swarm id. A member that is away or leaves is a member until a view says otherwise."""
        return grouped((node.swarm_id, node) for node in self.nodes.values())

    @cached_property
    def next_swarms(self) -> Mapping[int, Swarm]:
        """NEXT, by swarm id: the swarms as they will be when every move has ended."""
        return grouped((node.next_swarm_id, node) for node in self.nodes.values())

    def swarm_of(self, mailbox_id: bytes) -> Swarm:
        """The swarm that keeps a mailbox NOW: where reads go. Raises NoSwarmError."""
        return _nearest_swarm(self.swarms, mailbox_id)

    def next_swarm_of(self, mailbox_id: bytes) -> Swarm:
        """The swarm that a mailbox moves to; as `swarm_of` where nothing moves. Raises NoSwarmError."""
        return _nearest_swarm(self.next_swarms, mailbox_id)

    def move_of(self, mailbox_id: bytes) -> int:
        """Serial of the view that began the move of a mailbox, 0 where NOW and NEXT have the same members."""
        now, following = self.swarm_of(mailbox_id), self.next_swarm_of(mailbox_id)
        if now.node_ids == following.node_ids:
            return 0
        return max(node.move_serial for node in following.members)

    def swarm_of_node(self, node_id: bytes) -> Swarm | None:
        """The swarm that a node is a member of NOW, if any."""
        node = self.nodes.get(node_id)
        return None if node is None or node.swarm_id is None else self.swarms[node.swarm_id]

    def next_swarm_of_node(self, node_id: bytes) -> Swarm | None:
        """The swarm that a node will be a member of; as `swarm_of_node` where nothing moves."""
        node = self.nodes.get(node_id)
        return None if node is None or node.next_swarm_id is None else self.next_swarms[node.next_swarm_id]

    def whole(self) -> view_pb2.WholeView:
        """The transported form."""
        entries = [view_pb2.NodeEntry(pieces=entry.pieces) for entry in self.entries.values()]
        return view_pb2.WholeView(header=self.signed, nodes=entries)


def _nearest_swarm(swarms: Mapping[int, Swarm], mailbox_id: bytes) -> Swarm:
    if not swarms:
        raise NoSwarmError("the network has no storage swarm")
    return swarms[nearest(position_of(mailbox_id), swarms)]
