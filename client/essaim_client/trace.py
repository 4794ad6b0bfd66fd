"""The path of one real request, and what each node on it had in hand. Everything is read off the request itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.mailbox.authorization import Method as SignedMethod
from essaim.protocol.view import Node
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.reading import ROOM
from essaim_client.mailbox.swarm_call import SERVICE, Swarms, SwarmUnreachableError
from essaim_client.network.attempt import Attempt
from essaim_client.network.failure import DestinationLostError, PathFailedError
from essaim_client.network.method import Method

LANE = b"trace"
RETRIEVE = Method(SERVICE, "Retrieve")


@dataclass(frozen=True)
class TracedHop:
    """One node of the path. `sees` is all that the protocol put into its hands, besides when it happened."""

    position: str
    node_id: bytes
    role: str
    address: str
    sees: Mapping[str, str | int]


@dataclass(frozen=True)
class Trace:
    """A request that was answered: guard, middle, exit, destination."""

    hops: tuple[TracedHop, ...]
    milliseconds: float


async def trace_inbox(swarms: Swarms, access: Access) -> Trace:
    """Retrieve a page of the own inbox from one member of its swarm. Raises SwarmUnreachableError."""
    last: ProtocolError | None = None
    for node in swarms.members(access.policy.mailbox_id):
        try:
            return await _trace(swarms, access, node)
        except (DestinationLostError, PathFailedError) as error:
            last = error
    raise SwarmUnreachableError("no member of the swarm answered") from last


async def _trace(swarms: Swarms, access: Access, node: Node) -> Trace:
    request = mailbox_pb2.RetrieveRequest(
        mailbox=access.mailbox(swarms.views.current.serial),
        slot=access.slot,
        max_bytes=ROOM[CellClass.SMALL],
        authorization=access.reading(SignedMethod.RETRIEVE, swarms.clock.now_ms(), swarms.random),
    )
    attempts: list[Attempt] = []
    swarms.onion.lanes.drop(LANE)
    began = perf_counter_ns()
    await swarms.onion.unary(node.node_id, RETRIEVE, request, lane=LANE, witness=attempts.append)
    milliseconds = (perf_counter_ns() - began) / 1e6
    handed: dict[str, str | int] = {
        "service": SERVICE.full_name,
        "method": RETRIEVE.name,
        "mailbox_id": access.policy.mailbox_id.hex(),
        "request_bytes": len(attempts[-1].payload),
    }
    return Trace(_hops(attempts[-1], handed), milliseconds)


def _hops(attempt: Attempt, handed: Mapping[str, str | int]) -> tuple[TracedHop, ...]:
    nodes = (*attempt.path.hops, attempt.destination)
    cell: dict[str, str | int] = {
        "suite": attempt.suite.name,
        "cell_bytes": attempt.cell_class.size,
        "reply_bytes": attempt.reply_class.size,
    }
    return tuple(
        TracedHop(position, node.node_id, node.role.name.lower(), node.address, {**_ends(nodes, at), **cell, **last})
        for at, (position, node, last) in enumerate(
            zip(("guard", "middle", "exit", "destination"), nodes, ({}, {}, {}, handed), strict=True)
        )
    )


def _ends(nodes: Sequence[Node], at: int) -> dict[str, str]:
    """Where the cell came from and where it goes, as this node knows it."""
    before = f"{_name(nodes[at - 1])} ({nodes[at - 1].address})" if at else "a client, by its network address"
    if at + 1 == len(nodes):
        return {"from": before}
    return {"from": before, "to": f"{_name(nodes[at + 1])} ({nodes[at + 1].address})"}


def _name(node: Node) -> str:
    return node.node_id.hex()[:16]
