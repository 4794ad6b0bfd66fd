"""Which nodes serve which host: each is asked and must prove it by the host's signature over its node id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from essaim.opengroup.v1 import opengroup_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import KeyRefusedError, VerifyKey
from essaim.protocol.opengroup.host import attested
from essaim.protocol.view import Role
from essaim_client.network.connection import Connection
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError
from essaim_client.network.guard import draw
from essaim_client.network.method import Method

SERVICE = opengroup_pb2.DESCRIPTOR.services_by_name["RoomService"]
DESCRIBE = Method(SERVICE, "Describe")
LANE = b"rooms/hosts"
MAX_ASKED = 50
"""Nodes asked until a host is found."""


class HostUnknownError(ProtocolError):
    """No node of the view serves that host, or the digits fit more than one."""

    reason = "HOST_UNKNOWN"

    def __init__(self, message: str, *, certain: bool = False) -> None:
        super().__init__(message)
        self.certain = certain
        """Every node answered, or the digits fit too many: to ask again is of no use."""


@dataclass(frozen=True)
class FoundHost:
    """A host as a node of it says, and the nodes that are known to serve it."""

    host_id: bytes
    name: str
    node_ids: tuple[bytes, ...]


class Hosts:
    """The hosts of the network, as far as they were asked for."""

    def __init__(self, network: Connection) -> None:
        self._network = network
        self._by_node: dict[bytes, FoundHost] = {}

    def _nodes(self) -> list[bytes]:
        """The nodes of open groups, in an order of chance: nobody is asked first by everybody."""
        nodes = [node.node_id for node in self._network.view.active(Role.OPENGROUP)]
        return sorted(nodes, key=lambda _: draw(self._network.random, 1 << 30))

    async def all(self) -> Sequence[FoundHost]:
        """Every host that answers."""
        found: dict[bytes, FoundHost] = {}
        for node_id in self._nodes()[:MAX_ASKED]:
            host = await self._ask(node_id)
            if host is not None:
                before = found.get(host.host_id)
                nodes = (*(before.node_ids if before else ()), node_id)
                found[host.host_id] = FoundHost(host.host_id, host.name, nodes)
        return sorted(found.values(), key=lambda each: each.host_id)

    async def find(self, digits: str) -> FoundHost:
        """By a host id or its beginning. Raises HostUnknownError."""
        if len(digits) == 64:
            return await self._find_whole(bytes.fromhex(digits))
        fitting = [host for host in await self.all() if host.host_id.hex().startswith(digits)]
        if len(fitting) > 1:
            raise HostUnknownError("more than one host fits", certain=True)
        if not fitting:
            raise HostUnknownError("no host of that name answers", certain=self._all_answered())
        return fitting[0]

    async def find_again(self, host_id: bytes, known: Sequence[bytes]) -> FoundHost:
        """None of the `known` nodes did: they may be back, or the host is at others by now. Raises HostUnknownError."""
        self._by_node.clear()
        return await self._find_whole(host_id, known)

    def _all_answered(self) -> bool:
        nodes = self._network.view.active(Role.OPENGROUP)
        return bool(nodes) and all(node.node_id in self._by_node for node in nodes)

    async def _find_whole(self, host_id: bytes, first: Sequence[bytes] = ()) -> FoundHost:
        listed = self._nodes()
        nodes = [node_id for node_id in first if node_id in listed]
        for node_id in [*nodes, *(each for each in listed if each not in nodes)][:MAX_ASKED]:
            host = await self._ask(node_id)
            if host is not None and host.host_id == host_id:
                others = [other for other in host.node_ids if other != node_id]
                proved = [other for other in others if other in self._network.view.nodes]
                return FoundHost(host_id, host.name, (node_id, *proved))
        raise HostUnknownError("no node of the network serves that host now", certain=self._all_answered())

    async def _ask(self, node_id: bytes) -> FoundHost | None:
        """None for a node that does not answer or does not prove what it says."""
        if node_id in self._by_node:
            return self._by_node[node_id]
        request = opengroup_pb2.DescribeRequest()
        try:
            answer = await self._network.onion.unary(node_id, DESCRIBE, request, lane=LANE)
            told = cast("opengroup_pb2.DescribeResponse", answer)
            if not attested(VerifyKey(told.host_id), node_id, told.attestation):
                return None
        except (DestinationLostError, DestinationRefusedError, PathFailedError, KeyRefusedError):
            return None
        found = self._by_node[node_id] = FoundHost(told.host_id, told.name, tuple(told.node_ids))
        return found

    async def proves(self, node_id: bytes, host_id: bytes) -> bool:
        """Whether a node serves that host."""
        host = await self._ask(node_id)
        return host is not None and host.host_id == host_id
