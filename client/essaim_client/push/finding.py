"""Push hosts of the network: each node of one is asked which host it serves, and must prove it by the host's key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import AgreementPublic, KemPublic, VerifyKey
from essaim.protocol.push.endpoint import Kind
from essaim.protocol.push.host import HostPublic
from essaim.protocol.push.registration import MAX_NODES
from essaim.protocol.view import Role
from essaim.push.v1 import push_pb2
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.network.method import Method

SERVICE = push_pb2.DESCRIPTOR.services_by_name["PushService"]
DESCRIBE = Method(SERVICE, "Describe")
LANE = b"push/hosts"
MAX_ASKED = 50


class PushHostUnknownError(ProtocolError):
    """No node of the view serves that push host, or none that is asked for can be told from others."""

    reason = "PUSH_HOST_UNKNOWN"


@dataclass(frozen=True)
class PushHost:
    """A host, and the nodes that have proved to serve it, in the order of trying."""

    public: HostPublic
    node_ids: tuple[bytes, ...]
    vapid_key: bytes
    """To subscribe at a Web Push service with; empty without one."""
    kinds: frozenset[Kind]
    delay_seconds: int

    @property
    def host_id(self) -> bytes:
        return self.public.host_id.raw


async def push_hosts(swarms: Swarms) -> Sequence[PushHost]:
    """Every host that answers, by its id."""
    nodes = [node.node_id for node in swarms.views.current.active(Role.PUSH)]
    found: dict[bytes, PushHost] = {}
    for node_id in sorted(nodes, key=lambda _: swarms.random(8))[:MAX_ASKED]:
        host = await _ask(swarms, node_id)
        if host is not None:
            before = found.get(host.host_id)
            node_ids = (*(before.node_ids if before else ()), node_id)[:MAX_NODES]
            found[host.host_id] = PushHost(host.public, node_ids, host.vapid_key, host.kinds, host.delay_seconds)
    return sorted(found.values(), key=lambda each: each.host_id)


async def find_host(swarms: Swarms, digits: str = "") -> PushHost:
    """By a host id or its beginning; without, the only one there is. Raises PushHostUnknownError."""
    fitting = [each for each in await push_hosts(swarms) if each.host_id.hex().startswith(digits.lower())]
    if len(fitting) != 1:
        raise PushHostUnknownError("no such push host answers" if not fitting else "say which push host: several fit")
    return fitting[0]


async def _ask(swarms: Swarms, node_id: bytes) -> PushHost | None:
    """None for a node that does not answer or does not prove what it says."""
    try:
        answer = await swarms.onion.unary(node_id, DESCRIBE, push_pb2.DescribeRequest(), lane=LANE)
        told = cast("push_pb2.DescribeResponse", answer)
        keys = VerifyKey(told.host_id), AgreementPublic(told.agreement_key), KemPublic(told.kem_key)
        public = HostPublic(*keys)
        public.check(node_id, told.attestation)
    except ProtocolError:  # no answer, no keys, or no proof
        return None
    kinds = frozenset(each for each in Kind if each.value in told.kinds)
    return PushHost(public, (node_id,), told.vapid_key, kinds, told.delay_seconds)
